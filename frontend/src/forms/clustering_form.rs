//! Form of clustering.

use eigenscope::analysis::clustering::{Method, Spec};
use eigenscope::analysis::embedding::Linkage;
use leptos::prelude::*;

use super::embedding_form::LINKAGES;
use super::fields::{choice, count, input, label, number};
use super::label_fields::limit;
use super::{Check, Form};

/// A method without its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Agglomerative,
    KMedoids,
    Dbscan,
    Optics,
    Hdbscan,
}

const NAMES: &[(Name, &str)] = &[
    (Name::Agglomerative, "agglomerative: nearest clusters merge"),
    (Name::KMedoids, "k-medoids: around central items"),
    (Name::Dbscan, "DBSCAN: dense neighborhoods"),
    (Name::Optics, "OPTICS: neighborhoods of changing density"),
    (Name::Hdbscan, "HDBSCAN: stable branches of the tree of densities"),
];

fn name(method: &Method) -> Name {
    match method {
        Method::Agglomerative { .. } => Name::Agglomerative,
        Method::KMedoids { .. } => Name::KMedoids,
        Method::Dbscan { .. } => Name::Dbscan,
        Method::Optics { .. } => Name::Optics,
        Method::Hdbscan { .. } => Name::Hdbscan,
    }
}

fn usual(name: Name) -> Method {
    match name {
        Name::Agglomerative => Method::default(),
        Name::KMedoids => Method::KMedoids { n_clusters: 3 },
        Name::Dbscan => Method::Dbscan { eps: 0.5, min_samples: 5 },
        Name::Optics => Method::Optics { min_samples: 5, max_eps: None, xi: 0.05 },
        Name::Hdbscan => Method::Hdbscan { min_cluster_size: 5, min_samples: None },
    }
}

/// Where a method has a number, if it has that one.
type Place<T> = fn(&mut Method) -> Option<&mut T>;

fn n_clusters(method: &mut Method) -> Option<&mut u32> {
    if let Method::Agglomerative { n_clusters, .. } | Method::KMedoids { n_clusters } = method { Some(n_clusters) } else { None }
}

fn min_samples(method: &mut Method) -> Option<&mut u32> {
    if let Method::Dbscan { min_samples, .. } | Method::Optics { min_samples, .. } = method { Some(min_samples) } else { None }
}

fn min_cluster_size(method: &mut Method) -> Option<&mut u32> {
    if let Method::Hdbscan { min_cluster_size, .. } = method { Some(min_cluster_size) } else { None }
}

fn linkage(method: &mut Method) -> Option<&mut Linkage> {
    if let Method::Agglomerative { linkage, .. } = method { Some(linkage) } else { None }
}

fn eps(method: &mut Method) -> Option<&mut f64> {
    if let Method::Dbscan { eps, .. } = method { Some(eps) } else { None }
}

fn xi(method: &mut Method) -> Option<&mut f64> {
    if let Method::Optics { xi, .. } = method { Some(xi) } else { None }
}

/// Reads what is there; a method without it has nothing to show.
fn get<T: Copy + Default + 'static>(spec: RwSignal<Spec>, place: Place<T>) -> impl Fn() -> T {
    move || place(&mut spec.with(|s| s.method)).copied().unwrap_or_default()
}

fn set<T: 'static>(spec: RwSignal<Spec>, place: Place<T>) -> impl Fn(T) {
    move |value| {
        spec.update(|s| {
            if let Some(found) = place(&mut s.method) {
                *found = value;
            }
        });
    }
}

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.input("input", "Distances", &spec.input);
    match spec.method {
        Method::Agglomerative { threshold: Some(threshold), .. } => {
            check.require(threshold >= 0.0, "threshold", "Give a number that is not negative.");
        }
        Method::Agglomerative { n_clusters, .. } | Method::KMedoids { n_clusters } => {
            check.require(n_clusters > 0, "n_clusters", "Give a whole number of at least 1.");
        }
        Method::Dbscan { eps, min_samples } => {
            check.require(eps > 0.0, "eps", "Give a number above 0.");
            check.require(min_samples > 1, "min_samples", "Give a whole number of at least 2.");
        }
        Method::Hdbscan { min_cluster_size, .. } => {
            check.require(min_cluster_size > 1, "min_cluster_size", "Give a whole number of at least 2.");
        }
        Method::Optics { min_samples, xi, .. } => {
            check.require(min_samples > 1, "min_samples", "Give a whole number of at least 2.");
            check.require(xi > 0.0 && xi < 1.0, "xi", "Give a number between 0 and 1.");
        }
    }
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.clustering;
    let kind = Memo::new(move |_| spec.with(|s| name(&s.method)));
    let clusters = move || {
        let at = label("n_clusters", "Number of clusters", "How many clusters there are in the end.");
        count(form, at, get(spec, n_clusters), set(spec, n_clusters))
    };
    let samples = move || {
        let at = label("min_samples", "Items in a dense neighborhood", "Of a core item, itself included.");
        count(form, at, get(spec, min_samples), set(spec, min_samples))
    };
    let size = move || {
        let at = label("min_cluster_size", "Least size of a cluster", "Smaller groups are noise.");
        count(form, at, get(spec, min_cluster_size), set(spec, min_cluster_size))
    };
    let linkages = move || {
        let at = label("linkage", "Linkage", "How far two clusters are from each other.");
        choice(form, at, LINKAGES, get(spec, linkage), set(spec, linkage))
    };
    let radius = move || {
        number(form, label("eps", "Radius of a neighborhood", "In the unit of the distances."), "any", get(spec, eps), set(spec, eps))
    };
    let steepness = move || {
        let at = label("xi", "Steepness ξ", "Relative drop of the reachability at the border of a cluster.");
        number(form, at, "0.01", get(spec, xi), set(spec, xi))
    };
    view! {
        {input(
            form,
            label("input", "Distances", "K × K, or a stack: an RDM, or shape distances of networks."),
            "choose a dataset",
            move || spec.with(|s| s.input.clone()),
            move |v| spec.update(|s| s.input = v),
        )}
        {limit(
            form,
            label("rdm", "Matrix of a stack", "Counted from 1; 0 for the mean of all."),
            move || spec.with(|s| s.rdm.map(|at| at + 1)),
            move |v| spec.update(|s| s.rdm = v.map(|at| at - 1)),
        )}
        {choice(
            form,
            label("method", "Method", "How clusters are found."),
            NAMES,
            move || kind.get(),
            move |v| spec.update(|s| s.method = usual(v)),
        )}
        {move || match kind.get() {
            Name::Agglomerative => view! { {linkages()} {clusters()} }.into_any(),
            Name::KMedoids => clusters(),
            Name::Dbscan => view! { {radius()} {samples()} }.into_any(),
            Name::Optics => view! { {samples()} {steepness()} }.into_any(),
            Name::Hdbscan => size(),
        }}
    }
    .into_any()
}
