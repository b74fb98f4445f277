//! Form of the embedding of conditions.

use eigenscope::analysis::embedding::{Linkage, Method, Spec};
use leptos::prelude::*;

use super::fields::{choice, count, input, label, number, seed};
use super::label_fields::limit;
use super::{Check, Form};

const METHODS: &[(Method, &str)] = &[
    (Method::Smacof, "metric scaling: distances like the dissimilarities"),
    (Method::Classical, "classical scaling: principal axes"),
    (Method::Tsne, "t-SNE: neighbors like the neighbors"),
    (Method::Umap, "UMAP: neighbors like the neighbors, from their graph"),
    (Method::Isomap, "Isomap: distances along a graph of neighbors"),
];

pub(super) const LINKAGES: &[(Linkage, &str)] = &[
    (Linkage::Average, "average: mean over pairs"),
    (Linkage::Complete, "complete: the farthest pair"),
    (Linkage::Single, "single: the nearest pair"),
    (Linkage::Ward, "Ward: growth of the variance"),
];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.input("input", "RDM", &spec.input);
    check.require((1..=64).contains(&spec.dimensions), "dimensions", "Give a whole number from 1 to 64.");
    check.require(spec.n_starts <= 1000, "n_starts", "Give a whole number up to 1000.");
    let fine = spec.method != Method::Tsne || spec.perplexity >= 1.0;
    check.require(fine, "perplexity", "Give a number of at least 1.");
    check.require((0.0..=3.0).contains(&spec.min_dist), "min_dist", "Give a number from 0 to 3.");
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.embedding;
    let method = Memo::new(move |_| spec.with(|s| s.method));
    let starts = move || {
        view! {
            {count(
                form,
                label("n_starts", "Random starts", "Beside the one from classical scaling; the best is kept."),
                move || spec.with(|s| s.n_starts),
                move |v| spec.update(|s| s.n_starts = v),
            )}
            {seed(form, "The same seed gives the same points.", move || spec.with(|s| s.seed), move |v| spec.update(|s| s.seed = v))}
        }
    };
    let neighbors = move || {
        limit(
            form,
            label("n_neighbors", "Neighbors", "Of each condition, in the graph; 0 for the usual number (5, for UMAP 15)."),
            move || spec.with(|s| s.n_neighbors),
            move |v| spec.update(|s| s.n_neighbors = v),
        )
    };
    let closeness = move || {
        view! {
            {number(
                form,
                label("min_dist", "Least distance of points", "How close points may be, 0 to 3."),
                "0.05",
                move || spec.with(|s| s.min_dist),
                move |v| spec.update(|s| s.min_dist = v),
            )}
            {seed(form, "The same seed gives the same points.", move || spec.with(|s| s.seed), move |v| spec.update(|s| s.seed = v))}
        }
    };
    let perplexity = move || {
        number(
            form,
            label("perplexity", "Perplexity", "Effective number of neighbors; below a third of the conditions."),
            "any",
            move || spec.with(|s| s.perplexity),
            move |v| spec.update(|s| s.perplexity = v),
        )
    };
    view! {
        {input(
            form,
            label("input", "RDM", "K × K, or a stack of RDMs; for example the matrix that an RDM run saves."),
            "choose a dataset",
            move || spec.with(|s| s.input.clone()),
            move |v| spec.update(|s| s.input = v),
        )}
        {limit(
            form,
            label("rdm", "RDM of a stack", "Counted from 1; 0 for the mean of all."),
            move || spec.with(|s| s.rdm.map(|at| at + 1)),
            move |v| spec.update(|s| s.rdm = v.map(|at| at - 1)),
        )}
        {choice(
            form,
            label("method", "Points", "How conditions are placed in a plane."),
            METHODS,
            move || method.get(),
            move |v| spec.update(|s| s.method = v),
        )}
        {move || (method.get() == Method::Tsne).then(perplexity)}
        {move || matches!(method.get(), Method::Isomap | Method::Umap).then(neighbors)}
        {move || (method.get() == Method::Umap).then(closeness)}
        {move || matches!(method.get(), Method::Smacof | Method::Tsne).then(starts)}
        {count(
            form,
            label("dimensions", "Dimensions", "The first two are drawn."),
            move || spec.with(|s| s.dimensions),
            move |v| spec.update(|s| s.dimensions = v),
        )}
        {choice(
            form,
            label("linkage", "Tree", "How far two clusters are from each other."),
            LINKAGES,
            move || spec.with(|s| s.linkage),
            move |v| spec.update(|s| s.linkage = v),
        )}
    }
    .into_any()
}
