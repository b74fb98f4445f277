//! Specs against inputs.

use super::Spec;
use crate::Error;
use crate::analysis::dimensionality::pooling;
use crate::analysis::encoding::{Model, Split, cv};
use crate::dataset::{Dataset, Inputs, Matrix, shape_text};

/// Inputs that fit the spec and each other.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Targets, n x t.
    pub targets: Matrix,
    /// Names of the targets, when their file has them.
    pub target_names: Option<Vec<String>>,
    /// The splits.
    pub splits: Vec<Split>,
    /// Columns of the features, after pooling.
    pub ambient_dim: usize,
    /// Numbers of components that there can be, ascending, at least one.
    pub num_pcs: Vec<u32>,
}

impl Checked {
    /// The largest number of components.
    pub(super) fn most(&self) -> usize {
        self.num_pcs.last().map_or(0, |&k| k as usize)
    }
}

impl Spec {
    /// Checks the spec against the inputs and makes the splits.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::Shape`], [`Error::NonFinite`] and [`Error::RowMismatch`] for inputs that do not fit;
    /// [`Error::Parameter`] for fields of the spec out of range.
    pub fn check(&self, inputs: &Inputs) -> Result<Checked, Error> {
        let features = inputs.get("features", &self.features)?;
        let targets = inputs.matrix("targets", &self.targets)?;
        let (n, ambient_dim) = extents(self, features)?;
        if n != targets.n_samples() {
            let (n_a, n_b) = (n as u64, targets.n_samples() as u64);
            return Err(Error::RowMismatch { a: features.name.clone(), n_a, b: targets.name().into(), n_b });
        }
        let splits = cv::splits(&self.cv, &features.name, n, inputs)?;
        let n_train = splits.iter().map(|split| split.train.len()).min().unwrap_or(0);
        let n_fitted = match &self.reference {
            Some(name) => reference_rows(self, inputs, name, features, ambient_dim)?,
            None => n_train,
        };
        let most = ambient_dim.min(n_fitted - 1);
        let num_pcs = self.counts(most, ambient_dim, n_fitted)?;
        match &self.model {
            Model::Ols | Model::Ridge { .. } => self.model.check(n_train, most)?,
            Model::Pls { components: 0 } => {
                return Err(Error::parameter("model.components", "0 components were asked for; at least 1 is needed"));
            }
            Model::Pls { .. } => {}
            other @ (Model::BestUnit | Model::KernelRidge { .. } | Model::BandedRidge { .. }) => {
                return Err(Error::parameter(
                    "model.name",
                    format!("{} cannot be fitted on numbers of principal components; choose ols, ridge or pls", other.name()),
                ));
            }
        }
        let target_names = inputs.get("targets", &self.targets)?.column_names.clone();
        Ok(Checked { targets, target_names, splits, ambient_dim, num_pcs })
    }

    /// The numbers of components up to `most`, ascending.
    fn counts(&self, most: usize, width: usize, n_fitted: usize) -> Result<Vec<u32>, Error> {
        if self.num_pcs.contains(&0) {
            return Err(Error::parameter("num_pcs", "0 is among the numbers of components; each is at least 1"));
        }
        let mut counts: Vec<u32> = self.num_pcs.iter().copied().filter(|&k| k as usize <= most).collect();
        counts.sort_unstable();
        counts.dedup();
        if counts.is_empty() {
            let asked = self.num_pcs.iter().min().map_or_else(|| "none".into(), ToString::to_string);
            return Err(Error::parameter(
                "num_pcs",
                format!(
                    "the smallest number of components is {asked}, but {n_fitted} rows of {width} features have at most {most}; give smaller ones"
                ),
            ));
        }
        Ok(counts)
    }
}

/// Rows, and columns after pooling.
fn extents(spec: &Spec, dataset: &Dataset) -> Result<(usize, usize), Error> {
    if dataset.shape().len() < 3 {
        let matrix = dataset.matrix()?;
        return Ok((matrix.n_samples(), matrix.n_features()));
    }
    if dataset.values.is_empty() {
        return Err(Error::Shape {
            what: dataset.name.clone(),
            expected: "at least one row and one column".into(),
            got: format!("an empty array ({})", shape_text(dataset.shape())),
        });
    }
    dataset.reject_non_finite()?;
    Ok((dataset.shape()[0], pooling::width(dataset.shape(), spec.pool)))
}

fn reference_rows(spec: &Spec, inputs: &Inputs, name: &str, features: &Dataset, width: usize) -> Result<usize, Error> {
    let reference = inputs.get("reference", name)?;
    let (rows, columns) = extents(spec, reference)?;
    // A random projection has the same width for inputs of other widths, but it is not the same projection.
    if columns != width || rows < 2 || reference.shape()[1..] != features.shape()[1..] {
        return Err(Error::Shape {
            what: name.into(),
            expected: format!("at least 2 rows, each {} as in {}", shape_text(&features.shape()[1..]), features.name),
            got: shape_text(reference.shape()),
        });
    }
    Ok(rows)
}
