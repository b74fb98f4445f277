//! How a warp is trained.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::dataset::{Inputs, Values};
use crate::rng::Stream;
use crate::stats::count;

/// How it is trained.
///
/// # Source
/// The defaults are those of `encoder_warping`; its published settings are lr 1e-4 (natural scenes), lr 1e-3 and weight decay 5e-3 (macaque IT), lr 1e-3 (classes).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Learning rate of the read-out.
    pub lr: f64,
    /// Learning rate of what warps the network; that of the read-out where nothing is said.
    pub low_dim_lr: Option<f64>,
    /// Weight decay of the read-out (L2, in the gradient).
    pub weight_decay: f64,
    /// How learning rates change.
    pub schedule: Schedule,
    /// Samples of a step.
    pub batch: u32,
    /// Passes through the training samples, at most.
    pub epochs: u32,
    /// Passes without a better validation score after which it ends; 0 for none.
    pub patience: u32,
    /// What counts as better: .00015 for responses and RDMs, .0001 for classes where nothing is said.
    pub min_delta: Option<f64>,
    /// What becomes of the read-out.
    pub head: Head,
    /// What the read-out begins with.
    pub start: Start,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            lr: 1e-4,
            low_dim_lr: None,
            weight_decay: 0.0,
            schedule: Schedule::Constant,
            batch: 64,
            epochs: 100,
            patience: 3,
            min_delta: None,
            head: Head::Free,
            start: Start::Random,
        }
    }
}

/// How learning rates change from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Not at all.
    #[default]
    Constant,
    /// Along half a cosine, to 0 at the last step of all epochs.
    Cosine,
    /// By this factor for each epoch, above 0 and at most 1.
    Exponential(f64),
}

/// What becomes of the read-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// It is trained beside the warp.
    #[default]
    Free,
    /// It stays as it begins.
    Frozen,
    /// Its entries are warped like the network's, in a group of their own.
    Warped,
}

/// What the read-out begins with.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// Uniform numbers within 1 / sqrt(features).
    #[default]
    Random,
    /// The best for the unwarped network: ridge regression with this penalty (0: least squares of smallest norm), for classes logistic regression with its inverse.
    Fitted(f64),
    /// Partial least squares of responses on what the unwarped network gives, with so many components; fewer where features or their covariance with the
    /// responses run out.
    Pls(u32),
    /// What training the read-out alone comes to.
    Trained,
}

/// Which samples train, validate and test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// These shares train and validate, in the order of the rows; the rest tests.
    Contiguous([f64; 2]),
    /// The same in a random order.
    Shuffled([f64; 2], u64),
    /// The same within each class.
    Stratified([f64; 2], u64),
    /// An input with one number for each row: 0 trains, 1 validates, 2 tests.
    Given(String),
}

impl Default for Split {
    fn default() -> Self {
        Self::Contiguous([0.6, 0.2])
    }
}

/// Numbers of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Those that train.
    pub train: Vec<usize>,
    /// Those that tell when to stop.
    pub validation: Vec<usize>,
    /// Those that are scored in the end.
    pub test: Vec<usize>,
}

impl Split {
    /// The parts of `n` rows; classes are needed where a split is stratified.
    ///
    /// # Errors
    /// [`Error::Parameter`] for shares that leave a part without rows or are no shares, for a stratified split without classes; [`Error::Input`] and
    /// [`Error::RowMismatch`] for numbers that are not 0, 1 and 2 for each row.
    pub fn parts(&self, n: usize, classes: Option<&[usize]>, inputs: &Inputs, of: &str) -> Result<Parts, Error> {
        let mut parts = Parts { train: Vec::new(), validation: Vec::new(), test: Vec::new() };
        match self {
            Self::Contiguous(shares) => parts.add((0..n).collect(), *shares)?,
            Self::Shuffled(shares, seed) => parts.add(Stream::new(*seed, 0).permutation(n), *shares)?,
            Self::Stratified(shares, seed) => {
                let codes = classes.ok_or_else(|| Error::parameter("split", "only an objective of classes can be split within classes"))?;
                let n_classes = codes.iter().max().map_or(0, |k| k + 1);
                for class in 0..n_classes {
                    let members: Vec<usize> = (0..n).filter(|i| codes[*i] == class).collect();
                    let order = Stream::new(*seed, class as u64).permutation(members.len());
                    parts.add(order.into_iter().map(|i| members[i]).collect(), *shares)?;
                }
            }
            Self::Given(name) => {
                let dataset = inputs.get("split", name)?;
                let values: Vec<f64> = match &*dataset.values {
                    Values::F32(a) => a.iter().map(|v| f64::from(*v)).collect(),
                    Values::F64(a) => a.iter().copied().collect(),
                };
                if values.len() != n {
                    return Err(Error::RowMismatch { a: of.into(), n_a: n as u64, b: name.clone(), n_b: values.len() as u64 });
                }
                for (i, value) in values.iter().enumerate() {
                    match *value {
                        0.0 => parts.train.push(i),
                        1.0 => parts.validation.push(i),
                        2.0 => parts.test.push(i),
                        other => {
                            let message = format!("row {} has the number {other}; 0 trains, 1 validates, 2 tests", i + 1);
                            return Err(Error::input(name.clone(), message));
                        }
                    }
                }
            }
        }
        for (rows, what) in [(&parts.train, "training"), (&parts.validation, "validation"), (&parts.test, "test")] {
            if rows.is_empty() {
                return Err(Error::parameter("split", format!("no row of {n} is left for {what}")));
            }
        }
        Ok(parts)
    }
}

impl Parts {
    /// Adds rows in their order.
    fn add(&mut self, rows: Vec<usize>, [train, validation]: [f64; 2]) -> Result<(), Error> {
        if !(train > 0.0 && validation > 0.0 && train + validation < 1.0) {
            return Err(Error::parameter("split", format!("shares of {train} and {validation}: both above 0, their sum below 1")));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shares of a length")]
        let place = |share: f64| (share * count(rows.len()) + 1e-9).floor() as usize;
        let (first, second) = (place(train), place(train + validation));
        self.train.extend(&rows[..first]);
        self.validation.extend(&rows[first..second]);
        self.test.extend(&rows[second..]);
        Ok(())
    }
}

/// What a network computes before it is warped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// x².
    Square,
    /// x³.
    Cube,
    /// sin(pi x / 2).
    Sine,
    /// sin(3 pi x / 4).
    Target,
}

impl Function {
    /// Its value.
    #[must_use]
    pub fn of(self, x: f64) -> f64 {
        match self {
            Self::Square => x * x,
            Self::Cube => x * x * x,
            Self::Sine => (std::f64::consts::FRAC_PI_2 * x).sin(),
            Self::Target => (0.75 * std::f64::consts::PI * x).sin(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dataset;

    #[test]
    fn shares_are_taken_in_order_at_random_and_within_classes() {
        let none = Inputs::default();
        let of = |split: &Split, n: usize, classes: Option<&[usize]>| split.parts(n, classes, &none, "images");
        let parts = of(&Split::default(), 10, None).expect("parts");
        assert_eq!((parts.train, parts.validation, parts.test), ((0..6).collect(), vec![6, 7], vec![8, 9]));
        let parts = of(&Split::Shuffled([0.5, 0.25], 3), 12, None).expect("parts");
        assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (6, 3, 3));
        let mut all = [parts.train, parts.validation, parts.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..12).collect::<Vec<_>>());
        let codes = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1];
        let parts = of(&Split::Stratified([0.6, 0.2], 0), 10, Some(&codes)).expect("parts");
        let of_first = |rows: &[usize]| rows.iter().filter(|i| **i < 5).count();
        assert_eq!([of_first(&parts.train), of_first(&parts.validation), of_first(&parts.test)], [3, 1, 1]);
        assert!(of(&Split::Stratified([0.6, 0.2], 0), 10, None).is_err() && of(&Split::Contiguous([0.9, 0.1]), 10, None).is_err());
        assert!(of(&Split::default(), 2, None).is_err(), "nothing to validate with");
    }

    #[test]
    fn parts_can_be_given() {
        let mut inputs = Inputs::default();
        inputs.insert("parts", Dataset::from_rows("parts", 4, 1, vec![2.0, 0.0, 1.0, 0.0]).expect("fits"));
        let parts = Split::Given("parts".into()).parts(4, None, &inputs, "images").expect("parts");
        assert_eq!((parts.train, parts.validation, parts.test), (vec![1, 3], vec![2], vec![0]));
        assert!(Split::Given("parts".into()).parts(5, None, &inputs, "images").is_err(), "another number of rows");
        inputs.insert("parts", Dataset::from_rows("parts", 4, 1, vec![2.0, 0.0, 1.0, 7.0]).expect("fits"));
        let message = Split::Given("parts".into()).parts(4, None, &inputs, "images").expect_err("7 is no part").to_string();
        assert!(message.contains("row 4 has the number 7"), "{message}");
    }
}
