//! The analysis form: one spec per kind, a typed form for each, and everything that is wrong with the present one.
//!
//! A form writes straight into its spec; [`Form::problems`] is computed from the spec, so a pasted spec is checked like a typed one.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::{
    clustering, dim_complexity, dimension_use, dimensionality, embedding, encoding, extraction, few_shot, layer_profile, manifolds,
    orientation, probe, projection, rdm, rdm_comparison, rdm_pool, relation, searchlight, shape_average, shape_distance, shape_path,
    similarity, stochastic_distance, tuning, variance_partition, warp,
};
use eigenscope::api::NetworkSummary;
use eigenscope::dataset::Shapes;
use eigenscope::network::Reading;
use leptos::prelude::*;

use crate::state::{App, Dataset, shapes};

pub(crate) mod clustering_form;
pub(crate) mod dim_complexity_form;
pub(crate) mod dimension_use_form;
pub(crate) mod dimensionality_form;
pub(crate) mod embedding_form;
pub(crate) mod encoding_form;
mod encoding_options;
mod estimator;
pub(crate) mod extraction_form;
pub(crate) mod few_shot_form;
pub(crate) mod fields;
mod kernels;
pub(crate) mod kind;
mod label_fields;
mod layer_browser;
pub(crate) mod layer_profile_form;
pub(crate) mod manifolds_form;
mod offer;
pub(crate) mod orientation_form;
mod part;
mod pooling;
pub(crate) mod probe_form;
pub(crate) mod projection_form;
pub(crate) mod rdm_comparison_form;
pub(crate) mod rdm_form;
pub(crate) mod rdm_pool_form;
pub(crate) mod relation_form;
pub(crate) mod searchlight_form;
pub(crate) mod shape_average_form;
pub(crate) mod shape_distance_form;
pub(crate) mod shape_path_form;
pub(crate) mod similarity_form;
pub(crate) mod spec_json;
mod splits;
pub(crate) mod stochastic_distance_form;
pub(crate) mod tuning_form;
pub(crate) mod variance_partition_form;
pub(crate) mod warp_form;
mod warp_training;

pub(crate) use kind::Kind;

/// Columns of a dataset that a field offers; a matrix of activations has more than anyone would choose from.
const MAX_COLUMNS: usize = 200;

/// The specs being edited, one per kind, and the kind in view.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    pub(crate) kind: RwSignal<Kind>,
    pub(crate) dimensionality: RwSignal<dimensionality::Spec>,
    pub(crate) rdm: RwSignal<rdm::Spec>,
    pub(crate) rdm_comparison: RwSignal<rdm_comparison::Spec>,
    pub(crate) shape_distance: RwSignal<shape_distance::Spec>,
    pub(crate) stochastic_distance: RwSignal<stochastic_distance::Spec>,
    pub(crate) shape_average: RwSignal<shape_average::Spec>,
    pub(crate) shape_path: RwSignal<shape_path::Spec>,
    pub(crate) similarity: RwSignal<similarity::Spec>,
    pub(crate) clustering: RwSignal<clustering::Spec>,
    pub(crate) encoding: RwSignal<encoding::Spec>,
    pub(crate) dimension_use: RwSignal<dimension_use::Spec>,
    pub(crate) variance_partition: RwSignal<variance_partition::Spec>,
    pub(crate) manifolds: RwSignal<manifolds::Spec>,
    pub(crate) relation: RwSignal<relation::Spec>,
    pub(crate) few_shot: RwSignal<few_shot::Spec>,
    pub(crate) probe: RwSignal<probe::Spec>,
    pub(crate) projection: RwSignal<projection::Spec>,
    pub(crate) embedding: RwSignal<embedding::Spec>,
    pub(crate) rdm_pool: RwSignal<rdm_pool::Spec>,
    pub(crate) tuning: RwSignal<tuning::Spec>,
    /// Without its RDM, which is edited by the form of RDMs.
    pub(crate) searchlight: RwSignal<searchlight::Spec>,
    pub(crate) searchlight_rdm: RwSignal<rdm::Spec>,
    pub(crate) extraction: RwSignal<extraction::Spec>,
    /// Without its extraction, which is edited by the form of extractions.
    pub(crate) layer_profile: RwSignal<layer_profile::Spec>,
    pub(crate) profile_extraction: RwSignal<extraction::Spec>,
    /// Its models are those that were chosen before; the one that is being chosen is beside it.
    pub(crate) warp: RwSignal<warp::Spec>,
    pub(crate) warp_extraction: RwSignal<extraction::Spec>,
    pub(crate) warp_model: RwSignal<warp_form::Choice>,
    pub(crate) orientation: RwSignal<orientation::Spec>,
    pub(crate) dim_complexity: RwSignal<dim_complexity::Spec>,
    /// What the last run objected to, until the spec changes.
    pub(crate) rejected: RwSignal<Option<Problem>>,
    /// Everything that keeps the spec from running, most important first.
    pub(crate) problems: Memo<Vec<Problem>>,
    datasets: RwSignal<Vec<Dataset>>,
}

/// Why a spec cannot run.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Path of the field in the spec.
    pub(crate) field: String,
    /// One sentence.
    pub(crate) message: String,
    /// Nothing was chosen yet: shown beside the buttons, not as a mistake in the field.
    pub(crate) unset: bool,
}

/// Collects problems.
pub(crate) struct Check<'a> {
    shapes: &'a Shapes,
    /// Datasets without numbers, which can be labels only.
    tables: &'a [String],
    found: Vec<Problem>,
}

impl Check<'_> {
    /// Notes a problem unless `fine`.
    pub(crate) fn require(&mut self, fine: bool, field: &str, message: &str) {
        if !fine {
            self.found.push(Problem { field: field.into(), message: message.into(), unset: false });
        }
    }

    /// An input that must be chosen and exist.
    pub(crate) fn input(&mut self, field: &str, label: &str, name: &str) {
        if name.is_empty() {
            self.unset(field, format!("{label}: choose a dataset."));
        } else if !self.shapes.0.contains_key(name) {
            self.require(false, field, &format!("There is no dataset named \"{name}\": load it or choose another."));
        }
    }

    /// A dataset of labels that must be chosen and exist.
    pub(crate) fn labels(&mut self, field: &str, name: &str) {
        if !self.tables.iter().any(|table| table == name) {
            self.input(field, "Labels", name);
        }
    }

    /// A list of inputs of at least `least`.
    pub(crate) fn inputs(&mut self, field: &str, label: &str, names: &[String], least: usize) {
        if names.len() < least {
            let count = if least == 1 { "at least one dataset".into() } else { format!("at least {least} datasets") };
            self.unset(field, format!("{label}: choose {count}."));
        }
        for name in names {
            self.input(field, label, name);
        }
    }

    fn unset(&mut self, field: &str, message: String) {
        self.found.push(Problem { field: field.into(), message, unset: true });
    }
}

impl Form {
    pub(crate) fn new(datasets: RwSignal<Vec<Dataset>>) -> Self {
        let kind = RwSignal::new(Kind::Dimensionality);
        let dimensionality = RwSignal::new(dimensionality::Spec::default());
        let rdm = RwSignal::new(rdm::Spec::default());
        let rdm_comparison = RwSignal::new(rdm_comparison::Spec { keep_rdms: true, ..rdm_comparison::Spec::default() });
        let shape_distance = RwSignal::new(shape_distance::Spec::default());
        let stochastic_distance = RwSignal::new(stochastic_distance::Spec::default());
        let shape_average = RwSignal::new(shape_average::Spec::default());
        let shape_path = RwSignal::new(shape_path::Spec::default());
        let similarity = RwSignal::new(similarity::Spec::default());
        let clustering = RwSignal::new(clustering::Spec::default());
        let encoding = RwSignal::new(encoding::Spec::default());
        let dimension_use = RwSignal::new(dimension_use::Spec::default());
        let variance_partition = RwSignal::new(variance_partition::Spec::default());
        let manifolds = RwSignal::new(manifolds::Spec::default());
        let relation = RwSignal::new(relation::Spec::default());
        let few_shot = RwSignal::new(few_shot::Spec::default());
        let probe = RwSignal::new(probe::Spec::default());
        let projection = RwSignal::new(projection::Spec::default());
        let embedding = RwSignal::new(embedding::Spec::default());
        let rdm_pool = RwSignal::new(rdm_pool::Spec::default());
        let tuning = RwSignal::new(tuning::Spec::default());
        let searchlight = RwSignal::new(searchlight::Spec::default());
        let searchlight_rdm = RwSignal::new(rdm::Spec::default());
        let extraction = RwSignal::new(extraction::Spec { reading: Reading::Avg, ..Default::default() });
        let layer_profile = RwSignal::new(layer_profile::Spec::default());
        let profile_extraction = RwSignal::new(layer_profile::Spec::default().extraction);
        let warp = RwSignal::new(warp::Spec { objectives: vec![warp::Objective::Encoding(String::new())], ..Default::default() });
        let warp_extraction = RwSignal::new(extraction::Spec { reading: Reading::Avg, ..Default::default() });
        let warp_model = RwSignal::new(warp_form::Choice::default());
        let orientation = RwSignal::new(orientation::Spec::default());
        let dim_complexity = RwSignal::new(dim_complexity::Spec::default());
        let problems = Memo::new(move |_| {
            let shapes = shapes(datasets);
            let tables: Vec<String> = datasets.with(|all| all.iter().filter(|d| d.is_label_table()).map(|d| d.name.get()).collect());
            let mut check = Check { shapes: &shapes, tables: &tables, found: Vec::new() };
            match kind.get() {
                Kind::Dimensionality => dimensionality.with(|s| dimensionality_form::check(s, &mut check)),
                Kind::Rdm => rdm.with(|s| rdm_form::check(s, &mut check)),
                Kind::RdmComparison => rdm_comparison.with(|s| rdm_comparison_form::check(s, &mut check)),
                Kind::ShapeDistance => shape_distance.with(|s| shape_distance_form::check(s, &mut check)),
                Kind::StochasticDistance => stochastic_distance.with(|s| stochastic_distance_form::check(s, &mut check)),
                Kind::ShapeAverage => shape_average.with(|s| shape_average_form::check(s, &mut check)),
                Kind::ShapePath => shape_path.with(|s| shape_path_form::check(s, &mut check)),
                Kind::Similarity => similarity.with(|s| similarity_form::check(s, &mut check)),
                Kind::Clustering => clustering.with(|s| clustering_form::check(s, &mut check)),
                Kind::Encoding => encoding.with(|s| encoding_form::check(s, &mut check)),
                Kind::DimensionUse => dimension_use.with(|s| dimension_use_form::check(s, &mut check)),
                Kind::VariancePartition => variance_partition.with(|s| variance_partition_form::check(s, &mut check)),
                Kind::Manifolds => manifolds.with(|s| manifolds_form::check(s, &mut check)),
                Kind::Relation => relation.with(|s| relation_form::check(s, &mut check)),
                Kind::FewShot => few_shot.with(|s| few_shot_form::check(s, &mut check)),
                Kind::Probe => probe.with(|s| probe_form::check(s, &mut check)),
                Kind::Projection => projection.with(|s| projection_form::check(s, &mut check)),
                Kind::Embedding => embedding.with(|s| embedding_form::check(s, &mut check)),
                Kind::RdmPool => rdm_pool.with(|s| rdm_pool_form::check(s, &mut check)),
                Kind::Tuning => tuning.with(|s| tuning_form::check(s, &mut check)),
                Kind::Searchlight => searchlight.with(|s| searchlight_rdm.with(|rdm| searchlight_form::check(s, rdm, &mut check))),
                Kind::Extraction => extraction.with(|s| extraction_form::check(s, &mut check)),
                Kind::LayerProfile => {
                    profile_extraction.with(|s| extraction_form::check(s, &mut check));
                    layer_profile.with(|s| layer_profile_form::check(s, &mut check));
                }
                Kind::Warp => warp.with(|s| warp_extraction.with(|extraction| warp_form::check(s, extraction, &mut check))),
                Kind::Orientation => orientation.with(|s| orientation_form::check(s, &mut check)),
                Kind::DimComplexity => dim_complexity.with(|s| dim_complexity_form::check(s, &mut check)),
            }
            check.found
        });
        let rejected = RwSignal::new(None);
        Self {
            kind,
            dimensionality,
            rdm,
            rdm_comparison,
            shape_distance,
            stochastic_distance,
            shape_average,
            shape_path,
            similarity,
            clustering,
            encoding,
            dimension_use,
            variance_partition,
            manifolds,
            relation,
            few_shot,
            probe,
            projection,
            embedding,
            rdm_pool,
            tuning,
            searchlight,
            searchlight_rdm,
            extraction,
            layer_profile,
            profile_extraction,
            warp,
            warp_extraction,
            warp_model,
            orientation,
            dim_complexity,
            rejected,
            problems,
            datasets,
        }
    }

    /// The spec in view, tracked.
    pub(crate) fn spec(self) -> AnalysisSpec {
        match self.kind.get() {
            Kind::Dimensionality => AnalysisSpec::Dimensionality(self.dimensionality.get()),
            Kind::Rdm => AnalysisSpec::Rdm(self.rdm.get()),
            Kind::RdmComparison => AnalysisSpec::RdmComparison(self.rdm_comparison.get()),
            Kind::ShapeDistance => AnalysisSpec::ShapeDistance(self.shape_distance.get()),
            Kind::StochasticDistance => AnalysisSpec::StochasticDistance(self.stochastic_distance.get()),
            Kind::ShapeAverage => AnalysisSpec::ShapeAverage(self.shape_average.get()),
            Kind::ShapePath => AnalysisSpec::ShapePath(self.shape_path.get()),
            Kind::Similarity => AnalysisSpec::Similarity(self.similarity.get()),
            Kind::Clustering => AnalysisSpec::Clustering(self.clustering.get()),
            Kind::Encoding => AnalysisSpec::Encoding(self.encoding.get()),
            Kind::DimensionUse => AnalysisSpec::DimensionUse(self.dimension_use.get()),
            Kind::VariancePartition => AnalysisSpec::VariancePartition(self.variance_partition.get()),
            Kind::Manifolds => AnalysisSpec::Manifolds(self.manifolds.get()),
            Kind::Relation => AnalysisSpec::Relation(self.relation.get()),
            Kind::FewShot => AnalysisSpec::FewShot(self.few_shot.get()),
            Kind::Probe => AnalysisSpec::Probe(self.probe.get()),
            Kind::Projection => AnalysisSpec::Projection(self.projection.get()),
            Kind::Embedding => AnalysisSpec::Embedding(self.embedding.get()),
            Kind::RdmPool => AnalysisSpec::RdmPool(self.rdm_pool.get()),
            Kind::Tuning => AnalysisSpec::Tuning(self.tuning.get()),
            Kind::Searchlight => AnalysisSpec::Searchlight(searchlight::Spec { rdm: self.searchlight_rdm.get(), ..self.searchlight.get() }),
            Kind::Extraction => AnalysisSpec::Extraction(self.extraction.get()),
            Kind::LayerProfile => {
                AnalysisSpec::LayerProfile(layer_profile::Spec { extraction: self.profile_extraction.get(), ..self.layer_profile.get() })
            }
            Kind::Warp => AnalysisSpec::Warp(warp_form::spec(self.warp.get(), &self.warp_extraction.get(), &self.warp_model.get())),
            Kind::Orientation => AnalysisSpec::Orientation(self.orientation.get()),
            Kind::DimComplexity => AnalysisSpec::DimComplexity(self.dim_complexity.get()),
        }
    }

    /// Shows a spec for editing.
    pub(crate) fn set(self, spec: AnalysisSpec) {
        self.kind.set(Kind::of(&spec));
        match spec {
            AnalysisSpec::Dimensionality(spec) => self.dimensionality.set(spec),
            AnalysisSpec::Rdm(spec) => self.rdm.set(spec),
            AnalysisSpec::RdmComparison(spec) => self.rdm_comparison.set(spec),
            AnalysisSpec::ShapeDistance(spec) => self.shape_distance.set(spec),
            AnalysisSpec::StochasticDistance(spec) => self.stochastic_distance.set(spec),
            AnalysisSpec::ShapeAverage(spec) => self.shape_average.set(spec),
            AnalysisSpec::ShapePath(spec) => self.shape_path.set(spec),
            AnalysisSpec::Similarity(spec) => self.similarity.set(spec),
            AnalysisSpec::Clustering(spec) => self.clustering.set(spec),
            AnalysisSpec::Encoding(spec) => self.encoding.set(spec),
            AnalysisSpec::DimensionUse(spec) => self.dimension_use.set(spec),
            AnalysisSpec::VariancePartition(spec) => self.variance_partition.set(spec),
            AnalysisSpec::Manifolds(spec) => self.manifolds.set(spec),
            AnalysisSpec::Relation(spec) => self.relation.set(spec),
            AnalysisSpec::FewShot(spec) => self.few_shot.set(spec),
            AnalysisSpec::Probe(spec) => self.probe.set(spec),
            AnalysisSpec::Projection(spec) => self.projection.set(spec),
            AnalysisSpec::Embedding(spec) => self.embedding.set(spec),
            AnalysisSpec::RdmPool(spec) => self.rdm_pool.set(spec),
            AnalysisSpec::Tuning(spec) => self.tuning.set(spec),
            AnalysisSpec::Searchlight(spec) => {
                self.searchlight_rdm.set(spec.rdm.clone());
                self.searchlight.set(spec);
            }
            AnalysisSpec::Extraction(spec) => self.extraction.set(spec),
            AnalysisSpec::LayerProfile(spec) => {
                self.profile_extraction.set(spec.extraction.clone());
                self.layer_profile.set(spec);
            }
            AnalysisSpec::Warp(spec) => {
                let (spec, extraction, model) = warp_form::parted(spec);
                self.warp.set(spec);
                self.warp_extraction.set(extraction);
                self.warp_model.set(model);
            }
            AnalysisSpec::Orientation(spec) => self.orientation.set(spec),
            AnalysisSpec::DimComplexity(spec) => self.dim_complexity.set(spec),
        }
    }

    /// What to show at a field, tracked.
    pub(crate) fn problem_at(self, field: &str) -> Option<String> {
        let rejected = self.rejected.with(|r| r.as_ref().filter(|p| p.field == field).map(|p| p.message.clone()));
        rejected.or_else(|| self.problems.with(|all| all.iter().find(|p| p.field == field && !p.unset).map(|p| p.message.clone())))
    }

    /// Datasets that can be inputs, with their shapes, tracked.
    pub(crate) fn choices(self) -> Vec<(String, String)> {
        let all = self.datasets.get();
        all.iter().filter(|d| d.is_array()).map(|d| (d.name.get(), d.summary.with(|s| shape_text(&s.shape)))).collect()
    }

    /// Datasets of a kind that are no arrays (networks, sets of images), with their sizes, tracked.
    pub(crate) fn files(self, dtype: &str) -> Vec<(String, String)> {
        let all = self.datasets.get();
        all.iter().filter(|d| d.summary.with(|s| s.dtype == dtype)).map(|d| (d.name.get(), d.size_text())).collect()
    }

    /// What a network consists of, tracked.
    pub(crate) fn network(self, name: &str) -> Option<Arc<NetworkSummary>> {
        let all = self.datasets.get();
        all.iter().find(|d| d.name.with(|n| n == name)).and_then(|d| d.summary.with(|s| s.network.clone()))
    }

    /// The columns of these datasets without repeats, texts first or not at all, tracked.
    pub(crate) fn columns(self, tables: &[String], with_texts: bool) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        let mut add = |name: String| {
            if !out.contains(&name) {
                out.push(name);
            }
        };
        let all = self.datasets.get();
        for dataset in all.iter().filter(|d| d.name.with(|name| tables.contains(name))) {
            dataset.summary.with(|s| {
                if with_texts {
                    s.labels.iter().for_each(|l| add(l.name.clone()));
                }
                let shape: Vec<usize> = s.shape.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
                eigenscope::labels::columns(&[], s.column_names.as_deref(), &shape).into_iter().take(MAX_COLUMNS).for_each(&mut add);
            });
        }
        out
    }

    /// Datasets that can be labels, tables without numbers first, with their shapes, tracked.
    fn label_choices(self) -> Vec<(String, String)> {
        let all = self.datasets.get();
        let tables = all.iter().filter(|d| d.is_label_table()).map(|d| (d.name.get(), "labels".to_owned()));
        tables.chain(self.choices()).collect()
    }

    /// Columns of a dataset that can be labels, tracked.
    fn label_columns(self, name: &str) -> Vec<String> {
        let all = self.datasets.get();
        let Some(dataset) = all.iter().find(|d| d.name.with(|n| n == name)) else { return Vec::new() };
        dataset.summary.with(|s| {
            let texts: Vec<String> = s.labels.iter().map(|l| l.name.clone()).collect();
            let shape: Vec<usize> = s.shape.iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect();
            // A wide matrix offers no names worth a menu.
            let shape = if shape.get(1).is_some_and(|&n| n > MAX_COLUMNS) { Vec::new() } else { shape };
            eigenscope::labels::columns(&texts, s.column_names.as_deref(), &shape)
        })
    }
}

/// `12 × 5`.
pub(crate) fn shape_text(shape: &[u64]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")
}

/// The whole panel: choice of the analysis, its form, what it will cost, and the buttons.
pub(crate) fn panel(app: App) -> AnyView {
    let form = app.form;
    Effect::new(move |_| {
        form.spec();
        form.rejected.set(None);
    });
    let fields = move || match form.kind.get() {
        Kind::Dimensionality => dimensionality_form::view(form),
        Kind::Rdm => rdm_form::view(form),
        Kind::RdmComparison => rdm_comparison_form::view(form),
        Kind::ShapeDistance => shape_distance_form::view(form),
        Kind::StochasticDistance => stochastic_distance_form::view(form),
        Kind::ShapeAverage => shape_average_form::view(form),
        Kind::ShapePath => shape_path_form::view(form),
        Kind::Similarity => similarity_form::view(form),
        Kind::Clustering => clustering_form::view(form),
        Kind::Encoding => encoding_form::view(form),
        Kind::DimensionUse => dimension_use_form::view(form),
        Kind::VariancePartition => variance_partition_form::view(form),
        Kind::Manifolds => manifolds_form::view(form),
        Kind::Relation => relation_form::view(form),
        Kind::FewShot => few_shot_form::view(form),
        Kind::Probe => probe_form::view(form),
        Kind::Projection => projection_form::view(form),
        Kind::Embedding => embedding_form::view(form),
        Kind::RdmPool => rdm_pool_form::view(form),
        Kind::Tuning => tuning_form::view(form),
        Kind::Searchlight => searchlight_form::view(form),
        Kind::Extraction => extraction_form::view(form, form.extraction),
        Kind::LayerProfile => layer_profile_form::view(form),
        Kind::Warp => warp_form::view(form),
        Kind::Orientation => orientation_form::view(form),
        Kind::DimComplexity => dim_complexity_form::view(form),
    };
    view! {
        <section class="panel" id="analysis-panel" tabindex="-1" aria-labelledby="analysis-heading">
            <h2 id="analysis-heading">"Analysis"</h2>
            {kind::select(form)}
            <div class="fields">{fields}</div>
            {spec_json::disclosure(app)}
            {crate::preflight::bar(app)}
        </section>
    }
    .into_any()
}
