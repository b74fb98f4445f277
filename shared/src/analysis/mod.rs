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

pub mod dimensionality;
pub mod encoding;
pub mod manifolds;
pub mod rdm;
pub mod rdm_comparison;
pub mod shape_distance;

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
    /// Encoding models.
    Encoding(encoding::Spec),
    /// Geometry of class manifolds.
    Manifolds(manifolds::Spec),
}

/// What came out, by kind.
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
    /// Encoding models.
    Encoding(encoding::Output),
    /// Geometry of class manifolds.
    Manifolds(manifolds::Output),
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

/// What a run is given besides its spec and inputs.
pub struct Context<'a> {
    /// Where to contract.
    pub device: &'a Device,
    /// Whom to tell.
    pub progress: &'a dyn Progress,
    warnings: RefCell<Vec<Warning>>,
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
        Self { device, progress, warnings: RefCell::new(Vec::new()) }
    }

    /// Adds a warning to the result.
    pub fn warn(&self, code: &str, message: impl Into<String>) {
        self.warnings.borrow_mut().push(Warning { code: code.into(), message: message.into() });
    }

    /// Reports progress; see [`Progress::step`].
    ///
    /// # Errors
    /// [`Error::Canceled`].
    pub fn step(&self, done_frac: f64, what: &str) -> Result<(), Error> {
        self.progress.step(done_frac, what)
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
            Self::Encoding(spec) => spec.inputs(),
            Self::Manifolds(spec) => spec.inputs(),
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
            Self::Encoding(spec) => spec.estimate(shapes),
            Self::Manifolds(spec) => spec.estimate(shapes),
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
            Self::Encoding(_) => "Encoding",
            Self::Manifolds(_) => "Class manifolds",
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
        AnalysisSpec::Encoding(spec) => Output::Encoding(encoding::run(spec, inputs, &context).await?),
        AnalysisSpec::Manifolds(spec) => Output::Manifolds(manifolds::run(spec, inputs, &context).await?),
    };
    context.step(1.0, "done")?;
    Ok(AnalysisResult {
        output,
        warnings: context.into_warnings(),
        device: device.info().clone(),
        version: env!("CARGO_PKG_VERSION").into(),
    })
}
