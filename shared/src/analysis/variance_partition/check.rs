//! Specs against inputs.

use super::{MAX_SPACES, Spec};
use crate::Error;
use crate::analysis::encoding::{Model, Split, cv};
use crate::dataset::{Inputs, Matrix};

/// Inputs that fit the spec and each other.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Feature spaces, each n x p.
    pub spaces: Vec<Matrix>,
    /// Targets, n x t.
    pub targets: Matrix,
    /// Names of the targets, when their file has them.
    pub target_names: Option<Vec<String>>,
    /// The splits; without splits one that holds out the rows that it trains on.
    pub splits: Vec<Split>,
}

impl Spec {
    /// Checks the spec against the inputs and makes the splits.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::Shape`], [`Error::NonFinite`] and [`Error::RowMismatch`] for inputs that do not fit;
    /// [`Error::Parameter`] for fields of the spec out of range.
    pub fn check(&self, inputs: &Inputs) -> Result<Checked, Error> {
        let m = self.spaces.len();
        if !(2..=MAX_SPACES).contains(&m) {
            let message = format!("{m} feature spaces were given; 2 to {MAX_SPACES} can be told apart");
            return Err(Error::parameter("spaces", message));
        }
        if let Some(twice) = (1..m).find(|&i| self.spaces[..i].contains(&self.spaces[i])) {
            let message = format!("\"{}\" is given twice; what is unique to a space cannot be told from its copy", self.spaces[twice]);
            return Err(Error::parameter("spaces", message));
        }
        let targets = inputs.matrix("targets", &self.targets)?;
        let mut spaces = Vec::with_capacity(m);
        for name in &self.spaces {
            let space = inputs.matrix("spaces", name)?;
            space.same_rows(&targets)?;
            spaces.push(space);
        }
        let n = targets.n_samples();
        let splits = match &self.cv {
            Some(cv) => cv::splits(cv, targets.name(), n, inputs)?,
            None if n < 3 => {
                return Err(Error::input(
                    targets.name(),
                    format!("it has {n} rows; at least 3 are needed to fit and score on the same rows"),
                ));
            }
            None => vec![Split { train: (0..n).collect(), test: (0..n).collect() }],
        };
        let n_train = splits.iter().map(|split| split.train.len()).min().unwrap_or(0);
        match &self.model {
            Model::Ols | Model::Ridge { .. } => self.model.check(n_train, 1)?,
            other @ (Model::BestUnit | Model::KernelRidge { .. } | Model::BandedRidge { .. } | Model::Pls { .. }) => {
                let message = format!("{} does not partition variance; choose ols or ridge", other.name());
                return Err(Error::parameter("model.name", message));
            }
        }
        let target_names = inputs.get("targets", &self.targets)?.column_names.clone();
        Ok(Checked { spaces, targets, target_names, splits })
    }
}
