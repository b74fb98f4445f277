//! The registry of analyses.
//!
//! One analysis = one file here (Spec, check, run, Output, docs, tests), one line in each match below, one view in the frontend.
//! Command line, HTTP interface, job engine and the page pick it up from here.

#![deny(clippy::wildcard_enum_match_arm)]

use std::cell::RefCell;

use serde::{Deserialize, Serialize};

use crate::compute::{Device, DeviceInfo};
use crate::dataset::{Inputs, Shapes};
use crate::{Error, Estimate, Progress, Warning};

pub mod clustering;
pub mod dim_complexity;
pub mod dimension_use;
pub mod dimensionality;
pub mod embedding;
pub mod encoding;
pub mod extraction;
pub mod few_shot;
pub mod layer_profile;
pub mod manifolds;
pub mod orientation;
pub mod probe;
pub mod projection;
pub mod rdm;
pub mod rdm_comparison;
pub mod rdm_pool;
pub mod relation;
pub mod searchlight;
pub mod shape_average;
pub mod shape_distance;
pub mod shape_path;
pub mod similarity;
pub mod stochastic_distance;
pub mod tuning;
pub mod variance_partition;
pub mod warp;

/// What to compute: the form, the request body, the job payload and the saved file are all this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AnalysisSpec {
    /// Eigenspectrum and effective dimensionality.
    Dimensionality(dimensionality::Spec),
    /// Representational dissimilarity matrix.
    Rdm(rdm::Spec),
    /// Comparison of RDMs with model RDMs.
    RdmComparison(rdm_comparison::Spec),
    /// Generalized shape distances.
    ShapeDistance(shape_distance::Spec),
    /// Distances of stochastic responses.
    StochasticDistance(stochastic_distance::Spec),
    /// The average of shapes.
    ShapeAverage(shape_average::Spec),
    /// The way between two shapes.
    ShapePath(shape_path::Spec),
    /// Measures of similarity of two representations.
    Similarity(similarity::Spec),
    /// Encoding models.
    Encoding(encoding::Spec),
    /// Encoding score against number of principal components.
    DimensionUse(dimension_use::Spec),
    /// Variance partitioning between feature spaces.
    VariancePartition(variance_partition::Spec),
    /// Geometry of class manifolds.
    Manifolds(manifolds::Spec),
    /// Classification from a few examples.
    FewShot(few_shot::Spec),
    /// What linear models read out of layers.
    Probe(probe::Spec),
    /// Distances and projections between classes.
    Projection(projection::Spec),
    /// Relations between metrics of layers.
    Relation(relation::Spec),
    /// Conditions as points and as a tree.
    Embedding(embedding::Spec),
    /// Clusters of items with known distances.
    Clustering(clustering::Spec),
    /// Several RDMs as one.
    RdmPool(rdm_pool::Spec),
    /// Tuning curves.
    Tuning(tuning::Spec),
    /// RDMs around every voxel of a volume against models.
    Searchlight(searchlight::Spec),
    /// Activations of a network.
    Extraction(extraction::Spec),
    /// From a network, images and brains to numbers for each layer.
    LayerProfile(layer_profile::Spec),
    /// Networks warped along few dimensions.
    Warp(warp::Spec),
    /// A network that learns to tell orientations apart, beside visual cortex.
    Orientation(orientation::Spec),
    /// How many dimensions it takes to turn one function into another.
    DimComplexity(dim_complexity::Spec),
}

/// What came out, by kind.
#[expect(clippy::large_enum_variant, reason = "one value a run: boxing would save nothing")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Output {
    /// Eigenspectrum and effective dimensionality.
    Dimensionality(dimensionality::Output),
    /// Representational dissimilarity matrix.
    Rdm(rdm::Output),
    /// Comparison of RDMs with model RDMs.
    RdmComparison(rdm_comparison::Output),
    /// Generalized shape distances.
    ShapeDistance(shape_distance::Output),
    /// Distances of stochastic responses.
    StochasticDistance(stochastic_distance::Output),
    /// The average of shapes.
    ShapeAverage(shape_average::Output),
    /// The way between two shapes.
    ShapePath(shape_path::Output),
    /// Measures of similarity of two representations.
    Similarity(similarity::Output),
    /// Encoding models.
    Encoding(encoding::Output),
    /// Encoding score against number of principal components.
    DimensionUse(dimension_use::Output),
    /// Variance partitioning between feature spaces.
    VariancePartition(variance_partition::Output),
    /// Geometry of class manifolds.
    Manifolds(manifolds::Output),
    /// Classification from a few examples.
    FewShot(few_shot::Output),
    /// What linear models read out of layers.
    Probe(probe::Output),
    /// Distances and projections between classes.
    Projection(projection::Output),
    /// Relations between metrics of layers.
    Relation(relation::Output),
    /// Conditions as points and as a tree.
    Embedding(embedding::Output),
    /// Clusters of items with known distances.
    Clustering(clustering::Output),
    /// Several RDMs as one.
    RdmPool(rdm_pool::Output),
    /// Tuning curves.
    Tuning(tuning::Output),
    /// RDMs around every voxel of a volume against models.
    Searchlight(searchlight::Output),
    /// Activations of a network.
    Extraction(extraction::Output),
    /// From a network, images and brains to numbers for each layer.
    LayerProfile(layer_profile::Output),
    /// Networks warped along few dimensions.
    Warp(warp::Output),
    /// A network that learns to tell orientations apart, beside visual cortex.
    Orientation(orientation::Output),
    /// How many dimensions it takes to turn one function into another.
    DimComplexity(dim_complexity::Output),
}

/// An output with what was noticed and where it was computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnalysisResult {
    /// The numbers.
    #[serde(flatten)]
    pub output: Output,
    /// What the user should know about them.
    pub warnings: Vec<Warning>,
    /// The device that computed them.
    pub device: DeviceInfo,
    /// Version of the library.
    pub version: String,
}

impl AnalysisResult {
    /// What is known of a run that goes on: NaN for what is not, and no device yet.
    #[must_use]
    pub fn preview(output: Output) -> Self {
        let device = DeviceInfo { kind: crate::compute::DeviceKind::Cpu, name: String::new(), memory_bytes: None };
        Self { output, warnings: Vec::new(), device, version: env!("CARGO_PKG_VERSION").into() }
    }

    /// Whether the run still goes on.
    #[must_use]
    pub fn is_preview(&self) -> bool {
        self.device.name.is_empty()
    }
}

/// What a run is given besides its spec and inputs.
pub struct Context<'a> {
    /// Where to contract.
    pub device: &'a Device,
    /// Whom to tell.
    pub progress: &'a dyn Progress,
    warnings: RefCell<Vec<Warning>>,
    /// Contractions that the device had made in single precision when the run began.
    n_single_before: u64,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("device", &self.device).finish_non_exhaustive()
    }
}

impl<'a> Context<'a> {
    /// A context without warnings.
    #[must_use]
    pub fn new(device: &'a Device, progress: &'a dyn Progress) -> Self {
        Self { device, progress, warnings: RefCell::new(Vec::new()), n_single_before: device.n_single() }
    }

    /// Adds a warning to the result, once.
    pub fn warn(&self, code: &str, message: impl Into<String>) {
        let warning = Warning { code: code.into(), message: message.into() };
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// Reports progress; see [`Progress::step`].
    ///
    /// # Errors
    /// [`Error::Canceled`].
    pub fn step(&self, done_frac: f64, what: &str) -> Result<(), Error> {
        self.progress.step(done_frac, what)
    }

    /// Says which inputs were rounded, if a GPU contracted anything.
    pub(crate) fn announce_precision(&self, inputs: &Inputs) {
        let doubles = inputs.doubles();
        if self.device.n_single() > self.n_single_before && !doubles.is_empty() {
            let (names, are) = (doubles.join(", "), if doubles.len() == 1 { "is" } else { "are" });
            let on = &self.device.info().name;
            let message = format!(
                "{names} {are} float64 and rounded to float32 for the products on {on} (relative error about 1e-6); the CPU keeps float64"
            );
            self.warn("single_precision", message);
        }
    }

    /// The result of a run that is done.
    ///
    /// # Errors
    /// [`Error::Canceled`].
    pub(crate) fn finish(self, output: Output, inputs: &Inputs) -> Result<AnalysisResult, Error> {
        self.step(1.0, "done")?;
        self.announce_precision(inputs);
        let device = self.device.info().clone();
        Ok(AnalysisResult { output, warnings: self.into_warnings(), device, version: env!("CARGO_PKG_VERSION").into() })
    }

    /// The warnings so far.
    #[must_use]
    pub fn into_warnings(self) -> Vec<Warning> {
        self.warnings.into_inner()
    }
}

impl AnalysisSpec {
    /// The names of the inputs that the spec refers to, in order, without repeats.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        let all = match self {
            Self::Dimensionality(spec) => spec.inputs(),
            Self::Rdm(spec) => spec.inputs(),
            Self::RdmComparison(spec) => spec.inputs(),
            Self::ShapeDistance(spec) => spec.inputs(),
            Self::StochasticDistance(spec) => spec.inputs(),
            Self::ShapeAverage(spec) => spec.inputs(),
            Self::ShapePath(spec) => spec.inputs(),
            Self::Similarity(spec) => spec.inputs(),
            Self::Encoding(spec) => spec.inputs(),
            Self::DimensionUse(spec) => spec.inputs(),
            Self::VariancePartition(spec) => spec.inputs(),
            Self::Manifolds(spec) => spec.inputs(),
            Self::FewShot(spec) => spec.inputs(),
            Self::Probe(spec) => spec.inputs(),
            Self::Projection(spec) => spec.inputs(),
            Self::Relation(spec) => spec.inputs(),
            Self::Embedding(spec) => spec.inputs(),
            Self::Clustering(spec) => spec.inputs(),
            Self::RdmPool(spec) => spec.inputs(),
            Self::Tuning(spec) => spec.inputs(),
            Self::Searchlight(spec) => spec.inputs(),
            Self::Extraction(spec) => spec.inputs(),
            Self::LayerProfile(spec) => spec.inputs(),
            Self::Warp(spec) => spec.inputs(),
            Self::Orientation(spec) => spec.inputs(),
            Self::DimComplexity(spec) => spec.inputs(),
        };
        let mut seen = Vec::new();
        for name in all {
            if !seen.contains(&name) {
                seen.push(name);
            }
        }
        seen
    }

    /// What the run will cost on inputs of these shapes.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        match self {
            Self::Dimensionality(spec) => spec.estimate(shapes),
            Self::Rdm(spec) => spec.estimate(shapes),
            Self::RdmComparison(spec) => spec.estimate(shapes),
            Self::ShapeDistance(spec) => spec.estimate(shapes),
            Self::StochasticDistance(spec) => spec.estimate(shapes),
            Self::ShapeAverage(spec) => spec.estimate(shapes),
            Self::ShapePath(spec) => spec.estimate(shapes),
            Self::Similarity(spec) => spec.estimate(shapes),
            Self::Encoding(spec) => spec.estimate(shapes),
            Self::DimensionUse(spec) => spec.estimate(shapes),
            Self::VariancePartition(spec) => spec.estimate(shapes),
            Self::Manifolds(spec) => spec.estimate(shapes),
            Self::FewShot(spec) => spec.estimate(shapes),
            Self::Probe(spec) => spec.estimate(shapes),
            Self::Projection(spec) => spec.estimate(shapes),
            Self::Relation(spec) => spec.estimate(shapes),
            Self::Embedding(spec) => spec.estimate(shapes),
            Self::Clustering(spec) => spec.estimate(shapes),
            Self::RdmPool(spec) => spec.estimate(shapes),
            Self::Tuning(spec) => spec.estimate(shapes),
            Self::Searchlight(spec) => spec.estimate(shapes),
            Self::Extraction(spec) => spec.estimate(shapes),
            Self::LayerProfile(spec) => spec.estimate(shapes),
            Self::Warp(spec) => spec.estimate(shapes),
            Self::Orientation(spec) => spec.estimate(shapes),
            Self::DimComplexity(spec) => spec.estimate(shapes),
        }
    }

    /// The name of the analysis, as people call it.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match self {
            Self::Dimensionality(_) => "Dimensionality",
            Self::Rdm(_) => "RDM",
            Self::RdmComparison(_) => "RDM comparison",
            Self::ShapeDistance(_) => "Shape distance",
            Self::StochasticDistance(_) => "Stochastic distance",
            Self::ShapeAverage(_) => "Shape average",
            Self::ShapePath(_) => "Shape path",
            Self::Similarity(_) => "Similarity",
            Self::Encoding(_) => "Encoding",
            Self::DimensionUse(_) => "Dimension use",
            Self::VariancePartition(_) => "Variance partition",
            Self::Manifolds(_) => "Class manifolds",
            Self::FewShot(_) => "Few-shot",
            Self::Probe(_) => "Probe",
            Self::Projection(_) => "Projection",
            Self::Relation(_) => "Relation",
            Self::Embedding(_) => "Embedding",
            Self::Clustering(_) => "Clustering",
            Self::RdmPool(_) => "Pooled RDM",
            Self::Tuning(_) => "Tuning curves",
            Self::Searchlight(_) => "Searchlight",
            Self::Extraction(_) => "Extraction",
            Self::LayerProfile(_) => "Layer profile",
            Self::Warp(_) => "Warp",
            Self::Orientation(_) => "Orientation model",
            Self::DimComplexity(_) => "Dimensions of a change",
        }
    }

    /// Reads a spec from JSON.
    ///
    /// # Errors
    /// [`Error::Parameter`] with one sentence that names the unknown or wrong field.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|e| Error::parameter("spec", format!("not a valid analysis spec: {e}")))
    }
}

/// Runs an analysis.
///
/// # Errors
/// Whatever the analysis documents; [`Error::Canceled`] when `progress` says so.
pub async fn run(spec: &AnalysisSpec, inputs: &Inputs, device: &Device, progress: &dyn Progress) -> Result<AnalysisResult, Error> {
    let context = Context::new(device, progress);
    context.step(0.0, "checking the inputs")?;
    let output = match spec {
        AnalysisSpec::Dimensionality(spec) => Output::Dimensionality(dimensionality::run(spec, inputs, &context).await?),
        AnalysisSpec::Rdm(spec) => Output::Rdm(rdm::run(spec, inputs, &context).await?),
        AnalysisSpec::RdmComparison(spec) => Output::RdmComparison(rdm_comparison::run(spec, inputs, &context).await?),
        AnalysisSpec::ShapeDistance(spec) => Output::ShapeDistance(shape_distance::run(spec, inputs, &context).await?),
        AnalysisSpec::StochasticDistance(spec) => Output::StochasticDistance(stochastic_distance::run(spec, inputs, &context).await?),
        AnalysisSpec::ShapeAverage(spec) => Output::ShapeAverage(shape_average::run(spec, inputs, &context).await?),
        AnalysisSpec::ShapePath(spec) => Output::ShapePath(shape_path::run(spec, inputs, &context).await?),
        AnalysisSpec::Similarity(spec) => Output::Similarity(similarity::run(spec, inputs, &context).await?),
        AnalysisSpec::Encoding(spec) => Output::Encoding(encoding::run(spec, inputs, &context).await?),
        AnalysisSpec::DimensionUse(spec) => Output::DimensionUse(dimension_use::run(spec, inputs, &context).await?),
        AnalysisSpec::VariancePartition(spec) => Output::VariancePartition(variance_partition::run(spec, inputs, &context).await?),
        AnalysisSpec::Manifolds(spec) => Output::Manifolds(manifolds::run(spec, inputs, &context).await?),
        AnalysisSpec::FewShot(spec) => Output::FewShot(few_shot::run(spec, inputs, &context).await?),
        AnalysisSpec::Probe(spec) => Output::Probe(probe::run(spec, inputs, &context).await?),
        AnalysisSpec::Projection(spec) => Output::Projection(projection::run(spec, inputs, &context).await?),
        AnalysisSpec::Relation(spec) => Output::Relation(relation::run(spec, inputs, &context).await?),
        AnalysisSpec::Embedding(spec) => Output::Embedding(embedding::run(spec, inputs, &context).await?),
        AnalysisSpec::Clustering(spec) => Output::Clustering(clustering::run(spec, inputs, &context).await?),
        AnalysisSpec::RdmPool(spec) => Output::RdmPool(rdm_pool::run(spec, inputs, &context).await?),
        AnalysisSpec::Tuning(spec) => Output::Tuning(tuning::run(spec, inputs, &context).await?),
        AnalysisSpec::Searchlight(spec) => Output::Searchlight(searchlight::run(spec, inputs, &context).await?),
        AnalysisSpec::Extraction(spec) => Output::Extraction(extraction::run(spec, inputs, &context).await?),
        AnalysisSpec::LayerProfile(spec) => Output::LayerProfile(layer_profile::run(spec, inputs, &context).await?),
        AnalysisSpec::Warp(spec) => Output::Warp(warp::run(spec, inputs, &context).await?),
        AnalysisSpec::Orientation(spec) => Output::Orientation(orientation::run(spec, inputs, &context).await?),
        AnalysisSpec::DimComplexity(spec) => Output::DimComplexity(dim_complexity::run(spec, inputs, &context).await?),
    };
    context.finish(output, inputs)
}
