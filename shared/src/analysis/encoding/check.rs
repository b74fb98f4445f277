//! Specs against inputs.

use super::ceiling::{self, Ceiling};
use super::spec::{Kernel, Model, Selection, Spec};
use super::{Split, cv};
use crate::Error;
use crate::blocks::Blocks;
use crate::dataset::{Inputs, Matrix};

impl Spec {
    /// Checks the spec against the inputs and makes the splits.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::Shape`], [`Error::NonFinite`] and [`Error::RowMismatch`] for inputs that do not fit;
    /// [`Error::Parameter`] for fields of the spec out of range.
    pub fn check<'a>(&self, inputs: &'a Inputs) -> Result<Checked<'a>, Error> {
        let features = inputs.matrix("features", &self.features)?;
        let targets = inputs.blocks("targets", &self.targets)?;
        if features.n_samples() != targets.n_samples() {
            let (n_a, n_b) = (features.n_samples() as u64, targets.n_samples() as u64);
            return Err(Error::RowMismatch { a: features.name().into(), n_a, b: self.targets.clone(), n_b });
        }
        let splits = cv::splits(&self.cv, features.name(), features.n_samples(), inputs)?;
        let n_train = splits.iter().map(|split| split.train.len()).min().unwrap_or(0);
        let mut width = features.n_features();
        let mut reference = None;
        if let Some(pca) = &self.pca {
            if pca.components == 0 {
                return Err(Error::parameter("pca.components", "0 components were asked for; at least 1 is needed"));
            }
            if matches!(self.model, Model::BandedRidge { .. }) {
                return Err(Error::parameter(
                    "pca",
                    "banded ridge takes its feature spaces as they are; remove pca or choose another model",
                ));
            }
            reference = pca.reference.as_ref().map(|name| reference_rows(inputs, name, &features)).transpose()?;
            let rows = reference.as_ref().map_or(n_train, Matrix::n_samples);
            width = width.min(pca.components as usize).min(rows.saturating_sub(1));
        }
        self.model.check(n_train, width)?;
        self.check_ridge_options()?;
        let mut bands = Vec::new();
        if let Model::BandedRidge { bands: names, .. } = &self.model {
            for name in names {
                let band = inputs.matrix("model.bands", name)?;
                features.same_rows(&band)?;
                bands.push(band);
            }
        }
        let ceiling = match &self.repetitions {
            Some(name) => ceiling::split_half(inputs.get("repetitions", name)?, targets.n_samples(), targets.n_features(), CEILING_SEED)?,
            None => None,
        };
        let target_names = inputs.column_names(&self.targets);
        Ok(Checked { features, targets, target_names, splits, reference, bands, ceiling })
    }
}

impl Spec {
    fn check_ridge_options(&self) -> Result<(), Error> {
        let alphas = if let Model::Ridge { alphas, .. } = &self.model { Some(alphas.as_slice()) } else { None };
        for (field, is_set) in [("scaled_penalties", self.scaled_penalties), ("penalize_intercept", self.penalize_intercept)] {
            if is_set && alphas.is_none() {
                let message = format!("it belongs to ridge; leave it out or change the model, which is {}", self.model.name());
                return Err(Error::parameter(field, message));
            }
        }
        if !self.penalize_intercept {
            return Ok(());
        }
        match alphas {
            Some([alpha]) if *alpha > 0.0 && !self.scaled_penalties => Ok(()),
            _ => Err(Error::parameter("penalize_intercept", "it takes one penalty above 0, which is not scaled")),
        }
    }
}

/// Seed of the random halves that make the ceiling.
const CEILING_SEED: u64 = 0;

fn reference_rows(inputs: &Inputs, name: &str, features: &Matrix) -> Result<Matrix, Error> {
    let reference = inputs.matrix("pca.reference", name)?;
    if reference.n_features() != features.n_features() || reference.n_samples() < 2 {
        return Err(Error::Shape {
            what: name.into(),
            expected: format!("at least 2 rows of {} columns as in {}", features.n_features(), features.name()),
            got: format!("{} x {}", reference.n_samples(), reference.n_features()),
        });
    }
    Ok(reference)
}

/// Inputs that fit the spec and each other.
#[derive(Debug, Clone)]
pub struct Checked<'a> {
    /// Features, n x p.
    pub features: Matrix,
    /// Targets, n x t, in parts.
    pub targets: Blocks<'a>,
    /// Names of the targets, when their file has them.
    pub target_names: Option<Vec<String>>,
    /// The splits.
    pub splits: Vec<Split>,
    /// Rows that the principal components are fitted on.
    pub reference: Option<Matrix>,
    /// Further feature spaces.
    pub bands: Vec<Matrix>,
    /// Reliability of the targets.
    pub(super) ceiling: Option<Ceiling>,
}

impl Model {
    /// Checks the model against the smallest training set.
    pub(in crate::analysis) fn check(&self, n_train: usize, p: usize) -> Result<(), Error> {
        match self {
            Self::Ols | Self::BestUnit => Ok(()),
            Self::Ridge { alphas, selection } => check_penalties(alphas, *selection, n_train),
            Self::KernelRidge { kernel, alphas, selection } => {
                kernel.check()?;
                check_penalties(alphas, *selection, n_train)
            }
            Self::BandedRidge { bands, alphas, candidates, k, .. } => {
                if bands.is_empty() {
                    return Err(Error::parameter("model.bands", "name at least one further feature space; for a single one use ridge"));
                }
                if alphas.contains(&0.0) {
                    return Err(Error::parameter("model.alphas", "0 is among the penalties; those of banded ridge are above 0"));
                }
                let fewest = bands.len() + 2;
                if (*candidates as usize) < fewest {
                    let message =
                        format!("{candidates} mixtures were asked for; {} feature spaces need at least {fewest}", bands.len() + 1);
                    return Err(Error::parameter("model.candidates", message));
                }
                cv::check_folds("model.k", *k, n_train)?;
                check_penalties(alphas, Selection::LeaveOneOut, n_train)
            }
            Self::Pls { components } => {
                let most = n_train.min(p);
                if *components == 0 || *components as usize > most {
                    return Err(Error::parameter(
                        "model.components",
                        format!(
                            "{components} components were asked for; between 1 and {most} fit {n_train} training rows and {p} features"
                        ),
                    ));
                }
                Ok(())
            }
        }
    }
}

fn check_penalties(alphas: &[f64], selection: Selection, n_train: usize) -> Result<(), Error> {
    if alphas.is_empty() {
        return Err(Error::parameter("model.alphas", "the list of penalties is empty; give at least one value >= 0"));
    }
    if let Some((i, alpha)) = alphas.iter().enumerate().find(|(_, a)| !(**a >= 0.0 && a.is_finite())) {
        return Err(Error::parameter("model.alphas", format!("value {} is {alpha}; penalties are finite and at least 0", i + 1)));
    }
    match selection {
        Selection::Kfold { k } if alphas.len() > 1 => cv::check_folds("model.selection.k", k, n_train).map(drop),
        Selection::Kfold { .. } | Selection::LeaveOneOut | Selection::Gcv => Ok(()),
    }
}

impl Kernel {
    fn check(self) -> Result<(), Error> {
        let (gamma, degree) = match self {
            Self::Linear => (None, 1),
            Self::Rbf { gamma } => (gamma, 1),
            Self::Polynomial { degree, gamma, coef0 } => {
                if !coef0.is_finite() {
                    return Err(Error::parameter("model.kernel.coef0", format!("{coef0} is not a finite number")));
                }
                (gamma, degree)
            }
        };
        if let Some(gamma) = gamma.filter(|g| !(*g > 0.0 && g.is_finite())) {
            return Err(Error::parameter("model.kernel.gamma", format!("{gamma} is not a finite number above 0")));
        }
        if degree == 0 {
            return Err(Error::parameter("model.kernel.degree", "degree 0 makes all rows equal; give at least 1"));
        }
        Ok(())
    }
}
