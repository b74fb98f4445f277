//! Classification from a few examples of each class.

mod classify;
mod order;
mod ranking;
pub(super) mod samples;
#[cfg(test)]
pub(super) mod tests;

use serde::{Deserialize, Serialize};

use super::Context;
use super::dimensionality::Pool;
use crate::dataset::{Inputs, Shapes};
use crate::labels::Labels;
use crate::{Array, Error, Estimate, stats};
use samples::Samples;

/// Samples of a class that are used when the spec does not say how many, if every class has so many.
const SAMPLES: usize = 100;
/// Most repeats: each is a row of the result.
pub const MOST_REPEATS: u32 = 100_000;

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of the features: n x p, or n x C x H x W.
    pub features: String,
    /// The class of each row.
    pub labels: Labels,
    /// How features with more than two axes become a matrix.
    pub pool: Pool,
    /// Which classifiers; at least one.
    pub classifiers: Vec<Classifier>,
    /// Training samples of each class, each at least 1.
    pub n_train: Vec<u32>,
    /// Held-out samples of each class, at least 1.
    pub n_test: u32,
    /// Repeats with other samples, from 1 to 100,000.
    pub n_repeats: u32,
    /// The first so many classes by appearance, at least 2; absent: all.
    pub n_categories: Option<u32>,
    /// The first so many rows of each class; absent: as many as every class has, at most 100 or what the largest training set needs.
    pub n_samples: Option<u32>,
    /// How the samples of a repeat are chosen.
    pub order: Order,
    /// Seed of the orders and of the random projection of `pool: none`.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            features: String::new(),
            labels: Labels::default(),
            pool: Pool::Max,
            classifiers: vec![Classifier::Prototype, Classifier::Linear],
            n_train: vec![1, 5, 20, 50],
            n_test: 50,
            n_repeats: 10,
            n_categories: Some(50),
            n_samples: None,
            order: Order::Independent,
            seed: 0,
        }
    }
}

/// A classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Classifier {
    /// The nearest class mean.
    Prototype,
    /// Multinomial logistic regression.
    Linear,
    /// One-vs-rest support vector machines.
    Maxmargin,
}

/// How the samples of a repeat are chosen, the same for all classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// An independent permutation per repeat.
    #[default]
    Independent,
    /// Each repeat shuffles the order of the one before with numpy's legacy generator, seeded with its number.
    Composed,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the features.
    pub features: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Features after pooling.
    pub n_features: u32,
    /// Samples of each class that were drawn from.
    pub n_samples: u32,
    /// Held-out samples of each class.
    pub n_test: u32,
    /// What guessing reaches.
    pub chance: Chance,
    /// One per classifier, number of training samples and repeat.
    pub rows: Vec<Row>,
    /// One per classifier and number of training samples.
    pub summaries: Vec<Summary>,
    /// One per classifier, for the largest number of training samples.
    pub confusions: Vec<Confusion>,
}

/// Expected scores of a random ranking.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Chance {
    /// 1 / classes.
    pub top1: f64,
    /// 5 / classes, at most 1.
    pub top5: f64,
    /// Mean of 1 / rank.
    pub mrr: f64,
}

/// Scores of one fit on the held-out samples of all classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The classifier.
    pub classifier: Classifier,
    /// Training samples of each class.
    pub n_train: u32,
    /// Which repeat, from 0.
    pub i_repeat: u32,
    /// Fraction of samples whose class has the largest score.
    pub top1: f64,
    /// Fraction of samples whose class is among the five largest scores; `None` for `maxmargin`.
    pub top5: Option<f64>,
    /// Mean of 1 / rank of the true class; `None` for `maxmargin`.
    pub mrr: Option<f64>,
    /// Mean logarithm of the probability of the true class; `None` but for `linear`.
    pub log_likelihood: Option<f64>,
}

/// Scores over repeats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The classifier.
    pub classifier: Classifier,
    /// Training samples of each class.
    pub n_train: u32,
    /// Top-1 accuracy.
    pub top1: Moments,
    /// Top-5 accuracy.
    pub top5: Option<Moments>,
    /// Mean reciprocal rank.
    pub mrr: Option<Moments>,
    /// Log likelihood.
    pub log_likelihood: Option<Moments>,
}

/// Mean and standard error over repeats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Mean.
    pub mean: f64,
    /// Standard error (ddof 1); `None` for a single repeat.
    pub sem: Option<f64>,
}

/// Which classes are taken for which, over all repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// The classifier.
    pub classifier: Classifier,
    /// Training samples of each class.
    pub n_train: u32,
    /// Held-out samples, true classes x predicted classes.
    pub counts: Array,
    /// Top-1 accuracy of each class.
    pub per_class: Array,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        vec![self.features.clone(), self.labels.input.clone()]
    }

    /// What the run will cost, as if every class had the samples that are asked for.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let (n_rows, mut p) = shapes.of(&self.features);
        if let (Some([_, channels, _, ..]), Pool::Avg | Pool::Max) = (shapes.0.get(&self.features).map(Vec::as_slice), self.pool) {
            p = stats::count(*channels);
        }
        let most = f64::from(self.n_train.iter().copied().max().unwrap_or(0));
        let per_class = self.n_samples.map_or((most + f64::from(self.n_test)).max(1.0), f64::from);
        let k = f64::from(self.n_categories.unwrap_or(u32::MAX)).min((n_rows / per_class).ceil().max(2.0));
        let (mut flops, mut held) = (4.0 * n_rows * p, k * per_class * p * 2.0);
        for classifier in &self.classifiers {
            for n in self.n_train.iter().map(|&n| k * f64::from(n)) {
                let prototypes = 2.0 * k * f64::from(self.n_test) * k * p;
                // Some 200 products with the rows, or with their Gram matrix when that is smaller.
                let fit = if n <= p { n * n * p + 400.0 * n * n * k } else { 800.0 * n * p * k };
                let one = if *classifier == Classifier::Prototype { prototypes } else { fit };
                held = held.max(k * per_class * p * 2.0 + if *classifier == Classifier::Prototype { 0.0 } else { n * n.min(p) * 2.0 });
                flops += f64::from(self.n_repeats) * one;
            }
        }
        Estimate { flops, peak_bytes: 8.0 * held }
    }

    /// Checks the spec against the inputs and chooses the classes and their rows.
    ///
    /// # Errors
    /// Those of [`run`] that the inputs and the spec cause.
    fn check(&self, inputs: &Inputs, context: &Context<'_>) -> Result<Samples, Error> {
        let empty = |field: &str, what: &str| Err(Error::parameter(field, format!("the list is empty; give at least one {what}")));
        if self.classifiers.is_empty() {
            return empty("classifiers", "of prototype, linear and maxmargin");
        }
        if self.n_train.is_empty() {
            return empty("n_train", "number of training samples");
        }
        let repeated = |i: usize| self.n_train[..i].contains(&self.n_train[i]);
        if let Some(i) = (0..self.n_train.len()).find(|&i| self.n_train[i] == 0 || repeated(i)) {
            let message = format!("value {} is {}; give different whole numbers of at least 1", i + 1, self.n_train[i]);
            return Err(Error::parameter("n_train", message));
        }
        if let Some(twice) = (1..self.classifiers.len()).find(|&i| self.classifiers[..i].contains(&self.classifiers[i])) {
            return Err(Error::parameter("classifiers", format!("value {} repeats one before; name each once", twice + 1)));
        }
        for (field, value) in [("n_test", self.n_test), ("n_repeats", self.n_repeats)] {
            if value == 0 {
                return Err(Error::parameter(field, "0 was given; at least 1 is needed"));
            }
        }
        if self.n_repeats > MOST_REPEATS {
            let message =
                format!("{} repeats were asked for; each is a row of the result, which has at most {MOST_REPEATS}", self.n_repeats);
            return Err(Error::parameter("n_repeats", message));
        }
        let (mut samples, warning) = Samples::choose(inputs, &self.features, &self.labels, self.n_categories)?;
        let most = self.n_train.iter().copied().max().unwrap_or(0);
        let needed = most as usize + self.n_test as usize;
        if let Some(asked) = self.n_samples.filter(|&asked| (asked as usize) < needed) {
            let message =
                format!("{asked} samples a class are fewer than {most} to train on and {} to hold out, which may not overlap", self.n_test);
            return Err(Error::parameter("n_samples", message));
        }
        let least = self.n_samples.map_or(needed, |asked| asked as usize);
        if let Some((name, rows)) = samples.names.iter().zip(&samples.rows).find(|(_, rows)| rows.len() < least) {
            let why = if self.n_samples.is_some() {
                "samples a class were asked for".into()
            } else {
                format!("are needed: {most} to train on and {} to hold out", self.n_test)
            };
            return Err(Error::input(&*self.labels.input, format!("class \"{name}\" has {} rows but {least} {why}", rows.len())));
        }
        let fewest = samples.rows.iter().map(Vec::len).min().unwrap_or(0);
        let used = self.n_samples.map_or(fewest.min(SAMPLES.max(needed)), |asked| asked as usize);
        samples.rows.iter_mut().for_each(|rows| rows.truncate(used));
        if let Some(warning) = warning {
            context.warn(&warning.code, warning.message);
        }
        let n_classes = samples.names.len();
        if n_classes <= 5 && self.classifiers.iter().any(|c| *c != Classifier::Maxmargin) {
            context.warn("top5_is_one", format!("with {n_classes} classes the true one is always among the first five"));
        }
        Ok(samples)
    }
}

/// Accuracy of classifiers that see a few samples of each class.
///
/// # Definition
/// In repeat r the samples of every class are put into the same random order (see [`Order`]); a classifier is fitted on the first `n_train`
/// of each class and scored on the last `n_test`. `prototype`: score = -Euclidean distance to the class mean. `linear`: log probability by
/// [`logistic::fit`](crate::learn::logistic::fit) with c = 1. `maxmargin`: [`margin::fit`](crate::learn::margin::fit) with c = 1.
/// `top1` and `top5`: fraction of held-out samples for which fewer than k scores are larger than that of the true class or equal to it at
/// a lower index. `mrr`: mean of 1 / rank, rank = number of scores that are at least that of the true class.
///
/// # Shapes
/// features: (n, p), or (n, channels, ...) which [`Pool`] turns into (n, p) → classifiers x training sizes x repeats rows.
///
/// # Degenerate
/// With five classes or fewer top-5 is 1. Equal scores: the first class is predicted. A single repeat has no standard error.
/// Constant features leave all classes at the same score: top-1 is 1 / classes.
///
/// # Accuracy
/// Prototypes to the precision of the device; fits to a gradient of 1e-8, or a warning. On a GPU the Gram matrix of fits carries 1e-6. Only
/// near-ties of scores can change a count. Deterministic for a seed.
///
/// # Cost
/// Prototypes: one product of held-out samples and class means a repeat. Fits: with p at least the number of training rows in the space of
/// rows, on one Gram matrix of all samples where that is cheaper than one a fit; else in the space of features.
///
/// # Errors
/// [`Error::Parameter`] for empty or repeated values and for training and held-out samples that would overlap, [`Error::Input`] for a class
/// with too few rows (named, with its count), those of [`Labels::classes`], [`Error::NonFinite`], [`Error::Shape`], [`Error::Numerical`] on
/// overflow, [`Error::Device`], [`Error::Canceled`].
///
/// # Source
/// Sorscher, Ganguli & Sompolinsky 2022; Elmoznino & Bonner 2024. `composed` has their order of samples; where they mix classes that have fewer
/// rows than they ask for, this is an error.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let samples = spec.check(inputs, context)?;
    let scores = classify::run(spec, &samples, inputs, context).await?;
    let n_classes = samples.names.len();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let k = stats::count(n_classes);
    let mut summaries = Vec::new();
    for &classifier in &spec.classifiers {
        for &n_train in &spec.n_train {
            let rows: Vec<&Row> = scores.rows.iter().filter(|r| r.classifier == classifier && r.n_train == n_train).collect();
            let optional = |of: fn(&Row) -> Option<f64>| moments(&rows.iter().filter_map(|r| of(r)).collect::<Vec<_>>());
            let Some(top1) = moments(&rows.iter().map(|r| r.top1).collect::<Vec<_>>()) else { continue };
            let (top5, mrr) = (optional(|r| r.top5), optional(|r| r.mrr));
            summaries.push(Summary { classifier, n_train, top1, top5, mrr, log_likelihood: optional(|r| r.log_likelihood) });
        }
    }
    Ok(Output {
        features: spec.features.clone(),
        n_features: count(scores.n_features),
        n_samples: count(samples.rows.first().map_or(0, Vec::len)),
        n_test: spec.n_test,
        chance: Chance {
            top1: 1.0 / k,
            top5: (5.0 / k).min(1.0),
            mrr: (1..=n_classes).map(|rank| 1.0 / stats::count(rank)).sum::<f64>() / k,
        },
        classes: samples.names,
        rows: scores.rows,
        summaries,
        confusions: scores.confusions,
    })
}

fn moments(values: &[f64]) -> Option<Moments> {
    let sem = stats::sem(values);
    (!values.is_empty()).then(|| Moments { mean: stats::mean(values), sem: sem.is_finite().then_some(sem) })
}
