//! The analysis form: one spec per kind, a typed form for each, and everything that is wrong with the present one.
//!
//! A form writes straight into its spec; [`Form::problems`] is computed from the spec, so a pasted spec is checked like a typed one.

use eigenscope::AnalysisSpec;
use eigenscope::analysis::{
    clustering, dimension_use, dimensionality, embedding, encoding, few_shot, manifolds, probe, projection, rdm, rdm_comparison, rdm_pool,
    relation, searchlight, shape_average, shape_distance, shape_path, similarity, stochastic_distance, tuning, variance_partition,
};
use eigenscope::dataset::Shapes;
use leptos::prelude::*;

use crate::state::{App, Dataset, shapes};

pub(crate) mod clustering_form;
pub(crate) mod dimension_use_form;
pub(crate) mod dimensionality_form;
pub(crate) mod embedding_form;
pub(crate) mod encoding_form;
mod encoding_options;
mod estimator;
pub(crate) mod few_shot_form;
pub(crate) mod fields;
mod kernels;
pub(crate) mod kind;
mod label_fields;
pub(crate) mod manifolds_form;
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
        all.iter().filter(|d| !d.is_label_table()).map(|d| (d.name.get(), d.summary.with(|s| shape_text(&s.shape)))).collect()
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

    /// Offers a dataset with named columns and labels of rows as a table.
    pub(crate) fn offer_table(self, name: &str) {
        self.relation.update(|s| append(&mut s.tables, name));
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

    /// Offers a new dataset of labels to analyses of classes.
    pub(crate) fn offer_labels(self, name: &str) {
        self.manifolds.update(|s| fill(&mut s.labels.input, name));
        self.few_shot.update(|s| fill(&mut s.labels.input, name));
        self.probe.update(|s| fill(&mut s.labels.input, name));
        self.projection.update(|s| fill(&mut s.labels.input, name));
    }

    /// Offers a new dataset to inputs that are still empty.
    pub(crate) fn offer(self, name: &str, shape: &[u64]) {
        let square = shape.len() >= 2 && shape[shape.len() - 1] == shape[shape.len() - 2];
        self.dimensionality.update(|s| append(&mut s.inputs, name));
        if matches!(shape, [_, _, _, n] if *n > 1) {
            self.searchlight_rdm.update(|s| fill(&mut s.input, name));
        }
        self.searchlight.update(|s| match shape {
            [_, _, _, n] if *n > 1 => {}
            [_, _, _] | [_, _, _, _] if !square => {
                s.mask.get_or_insert_with(|| name.into());
            }
            [_, _] if square && s.models.is_empty() => s.models.push(name.into()),
            _ => {}
        });
        if !square {
            self.shape_distance.update(|s| append(&mut s.inputs, name));
            self.shape_average.update(|s| append(&mut s.inputs, name));
            self.shape_path.update(|s| {
                let field = if s.x.is_empty() { &mut s.x } else { &mut s.y };
                if field.is_empty() { field.push_str(name) } else { append(&mut s.others, name) }
            });
            if shape.len() == 3 {
                self.stochastic_distance.update(|s| append(&mut s.inputs, name));
            }
            self.similarity.update(|s| fill(if s.x.is_empty() { &mut s.x } else { &mut s.y }, name));
            self.rdm.update(|s| fill(&mut s.input, name));
            self.tuning.update(|s| fill(&mut s.input, name));
            self.manifolds.update(|s| fill(&mut s.features, name));
            self.few_shot.update(|s| fill(&mut s.features, name));
            self.probe.update(|s| append(&mut s.layers, name));
            self.projection.update(|s| fill(&mut s.features, name));
            self.encoding.update(|s| fill(if s.features.is_empty() { &mut s.features } else { &mut s.targets }, name));
            self.dimension_use.update(|s| fill(if s.features.is_empty() { &mut s.features } else { &mut s.targets }, name));
        } else {
            self.embedding.update(|s| fill(&mut s.input, name));
            self.clustering.update(|s| fill(&mut s.input, name));
            self.rdm_pool.update(|s| append(&mut s.inputs, name));
            if self.rdm_comparison.with_untracked(|s| s.data.is_empty()) {
                self.rdm_comparison.update(|s| s.data.push(name.into()));
            }
        }
    }

    /// Follows a dataset that was renamed (`Some`) or removed (`None`) in every spec.
    pub(crate) fn follow(self, old: &str, new: Option<&str>) {
        let list = |names: &mut Vec<String>| match new {
            Some(new) => names.iter_mut().filter(|n| *n == old).for_each(|n| *n = new.into()),
            None => names.retain(|n| n != old),
        };
        let one = |name: &mut String| {
            if name == old {
                *name = new.unwrap_or_default().into();
            }
        };
        let option = |name: &mut Option<String>| {
            if name.as_deref() == Some(old) {
                *name = new.map(Into::into);
            }
        };
        self.dimensionality.update(|s| {
            list(&mut s.inputs);
            option(&mut s.zca);
            s.labels.iter_mut().for_each(|labels| one(&mut labels.input));
        });
        self.manifolds.update(|s| {
            one(&mut s.features);
            one(&mut s.labels.input);
        });
        self.shape_distance.update(|s| {
            list(&mut s.inputs);
            list(&mut s.against);
        });
        self.shape_average.update(|s| list(&mut s.inputs));
        self.shape_path.update(|s| {
            one(&mut s.x);
            one(&mut s.y);
            list(&mut s.others);
        });
        self.stochastic_distance.update(|s| {
            list(&mut s.inputs);
            list(&mut s.covariances);
        });
        self.similarity.update(|s| {
            one(&mut s.x);
            one(&mut s.y);
        });
        self.clustering.update(|s| one(&mut s.input));
        self.relation.update(|s| list(&mut s.tables));
        let of_rdm = |s: &mut rdm::Spec| {
            one(&mut s.input);
            option(&mut s.precision);
            s.conditions.iter_mut().chain(&mut s.folds).for_each(|labels| one(&mut labels.input));
            if let Some(noise) = &mut s.noise {
                option(&mut noise.residuals);
                noise.runs.iter_mut().for_each(|labels| one(&mut labels.input));
            }
        };
        self.rdm.update(of_rdm);
        self.searchlight_rdm.update(of_rdm);
        self.searchlight.update(|s| {
            option(&mut s.mask);
            list(&mut s.models);
        });
        self.rdm_comparison.update(|s| {
            list(&mut s.data);
            list(&mut s.models);
            option(&mut s.sigma_k);
            s.flexible.iter_mut().for_each(|model| list(&mut model.rdms));
            s.inference.groups.iter_mut().for_each(|labels| one(&mut labels.input));
        });
        self.embedding.update(|s| one(&mut s.input));
        self.tuning.update(|s| {
            one(&mut s.input);
            one(&mut s.stimuli.input);
        });
        self.rdm_pool.update(|s| {
            list(&mut s.inputs);
            s.conditions.iter_mut().for_each(|labels| one(&mut labels.input));
        });
        self.few_shot.update(|s| {
            one(&mut s.features);
            one(&mut s.labels.input);
        });
        self.probe.update(|s| {
            list(&mut s.layers);
            one(&mut s.labels.input);
            one(&mut s.targets);
            s.cv.iter_mut().filter_map(encoding::Cv::input_mut).for_each(one);
        });
        self.projection.update(|s| {
            one(&mut s.features);
            one(&mut s.labels.input);
        });
        self.encoding.update(|s| {
            one(&mut s.features);
            one(&mut s.targets);
            s.cv.input_mut().into_iter().for_each(one);
            if let encoding::Model::BandedRidge { bands, .. } = &mut s.model {
                list(bands);
            }
            s.pca.iter_mut().for_each(|pca| option(&mut pca.reference));
            option(&mut s.repetitions);
        });
        self.dimension_use.update(|s| {
            one(&mut s.features);
            one(&mut s.targets);
            option(&mut s.reference);
            s.cv.input_mut().into_iter().for_each(one);
        });
        self.variance_partition.update(|s| {
            list(&mut s.spaces);
            one(&mut s.targets);
            s.cv.iter_mut().filter_map(encoding::Cv::input_mut).for_each(one);
        });
    }
}

/// A spec from an address or a paste may name the dataset before it is loaded.
fn append(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.into());
    }
}

fn fill(field: &mut String, name: &str) {
    if field.is_empty() {
        *field = name.into();
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
    };
    view! {
        <section class="panel" aria-labelledby="analysis-heading">
            <h2 id="analysis-heading">"Analysis"</h2>
            {kind::select(form)}
            <div class="fields">{fields}</div>
            {spec_json::disclosure(app)}
            {crate::preflight::bar(app)}
        </section>
    }
    .into_any()
}
