//! What is predicted, and how well it was.

use faer::Mat;

use super::{Estimator, Score, Spec};
use crate::analysis::encoding::columns::{constant, take_rows};
use crate::analysis::encoding::score::{TargetScore, targets};
use crate::dataset::{Dataset, Inputs, Matrix};
use crate::stats::count;
use crate::{Error, labels};

/// Columns that an error names before it stops.
const MAX_NAMED: usize = 12;

/// What is predicted of each row.
pub(super) enum Behavior {
    /// A class.
    Classes {
        /// Of the labels.
        name: String,
        /// Sorted.
        names: Vec<String>,
        /// Positions in the names.
        codes: Vec<usize>,
    },
    /// Numbers: n x behaviors.
    Values { names: Vec<String>, y: Mat<f64> },
}

impl Behavior {
    pub(super) fn read(spec: &Spec, inputs: &Inputs, data: &str, n: usize) -> Result<Self, Error> {
        if spec.estimator.is_classifier() {
            if spec.labels.input.is_empty() && !spec.targets.is_empty() {
                let message = "a classifier predicts the class of each row and needs labels; give them, or choose a regressor for targets";
                return Err(Error::parameter("labels.input", message));
            }
            let classes = spec.labels.classes(inputs, data, n)?;
            classes.require(&spec.labels, 1)?;
            let name = spec.labels.column.clone().unwrap_or_else(|| spec.labels.input.clone());
            let classes = classes.sorted();
            return Ok(Self::Classes { name, names: classes.names, codes: classes.codes });
        }
        if spec.targets.is_empty() {
            let message = "no input is named; name the one with the numbers to predict, or choose a classifier for labels";
            return Err(Error::parameter("targets", message));
        }
        let targets = numbers(inputs, &spec.targets)?;
        if targets.n_samples() != n {
            let n_b = targets.n_samples() as u64;
            return Err(Error::RowMismatch { a: data.into(), n_a: n as u64, b: spec.targets.clone(), n_b });
        }
        let known = labels::columns(&[], inputs.column_names(&spec.targets).as_deref(), &[n, targets.n_features()]);
        let chosen = chosen(&spec.columns, &known)?;
        let all = targets.to_mat();
        let names = chosen.iter().map(|&j| known[j].clone()).collect();
        Ok(Self::Values { names, y: Mat::from_fn(n, chosen.len(), |i, k| all[(i, chosen[k])]) })
    }

    /// What is predicted, by name.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Classes { name, .. } => vec![name.clone()],
            Self::Values { names, .. } => names.clone(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Classes { .. } => 1,
            Self::Values { names, .. } => names.len(),
        }
    }

    pub(super) fn n_classes(&self) -> usize {
        match self {
            Self::Classes { names, .. } => names.len(),
            Self::Values { .. } => 0,
        }
    }

    /// Share of the most frequent class.
    pub(super) fn chance(&self) -> Option<f64> {
        let Self::Classes { names, codes, .. } = self else { return None };
        let largest = (0..names.len()).map(|k| codes.iter().filter(|&&code| code == k).count()).max()?;
        Some(count(largest) / count(codes.len()))
    }
}

/// A matrix, or a vector as its only column.
fn numbers(inputs: &Inputs, name: &str) -> Result<Matrix, Error> {
    let dataset = inputs.get("targets", name)?;
    if let [n] = *dataset.shape() {
        let values = match &*dataset.values {
            crate::dataset::Values::F32(a) => a.iter().map(|&v| f64::from(v)).collect(),
            crate::dataset::Values::F64(a) => a.iter().copied().collect(),
        };
        return Dataset::from_rows(name, n, 1, values)?.matrix();
    }
    dataset.matrix()
}

fn chosen(wanted: &[String], known: &[String]) -> Result<Vec<usize>, Error> {
    if wanted.is_empty() {
        return Ok((0..known.len()).collect());
    }
    let find = |name: &String| {
        known.iter().position(|k| k == name).ok_or_else(|| {
            let shown = known.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = if known.len() > MAX_NAMED { ", …" } else { "" };
            Error::parameter("columns", format!("there is no column \"{name}\"; the columns are: {shown}{more}"))
        })
    };
    wanted.iter().map(find).collect()
}

impl Score {
    /// Of the sums of a target.
    fn of(self, found: TargetScore) -> f64 {
        match self {
            Self::R2 => found.r2,
            Self::ExplainedVariance => found.explained,
            Self::Correlation => found.r,
        }
    }

    /// Of each behavior on some rows.
    pub(super) fn all(self, y: &Mat<f64>, rows: &[usize], predicted: &Mat<f64>) -> Vec<f64> {
        let flat = constant(y, rows);
        targets(&take_rows(y, rows), predicted, &flat).into_iter().map(|found| self.of(found)).collect()
    }
}

impl Estimator {
    /// What its score is called.
    pub(super) fn metric(self, score: Score) -> &'static str {
        match (self, score) {
            (Self::Logistic | Self::Svc | Self::RidgeClassifier, _) => "accuracy",
            (Self::Corr, _) | (_, Score::Correlation) => "correlation",
            (_, Score::R2) => "r2",
            (_, Score::ExplainedVariance) => "explained_variance",
        }
    }
}
