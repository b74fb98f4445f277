//! RDMs prepared once per measure, and the comparison of two prepared ones.

use faer::Mat;

use super::Compare;
use super::geometry::{Gram, centered_gram};
use super::input::Rdm;
use super::pairs::{Present, square, union};
use super::riemann::{Moments, noise_moments};
use super::whitening::Whitening;
use crate::stats::{Order, average_ranks, centered_to_unit, centered_unit, count, dot, fold_pairs, is_constant, kendall, mean, unit};
use crate::{Array, Error};

/// How RDMs over some conditions are compared.
#[derive(Debug)]
pub(super) struct Measure<'a> {
    pub(super) compare: Compare,
    pub(super) n_conditions: usize,
    /// Covariance of the conditions.
    pub(super) sigma: Option<&'a Mat<f64>>,
}

/// A measure on the pairs that are present in both RDMs.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    pub(super) present: Present,
    compare: Compare,
    whitening: Option<Whitening>,
    noise: Option<Mat<f64>>,
    kept: Vec<usize>,
    sigma: Option<&'a Mat<f64>>,
}

/// One RDM in the form that its comparisons need.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// A vector of norm 1: the score is the inner product.
    Unit(Vec<f64>),
    /// Centered ranks.
    Ranks(Vec<f64>),
    Order(Order),
    Plain(Vec<f64>),
    Gram(Gram),
    Moments(Moments),
    /// Constant where variation is needed, or zero where a norm is.
    Undefined,
}

impl<'a> Measure<'a> {
    /// # Errors
    /// [`Error::Numerical`] when the measure needs pairs that are missing.
    pub(super) fn on(&self, missing: Vec<usize>) -> Result<Prepared<'a>, Error> {
        let present = Present { n_conditions: self.n_conditions, missing };
        let mut out = Prepared {
            present,
            compare: self.compare,
            whitening: None,
            noise: None,
            kept: (0..self.n_conditions).collect(),
            sigma: self.sigma,
        };
        match self.compare {
            Compare::CosineCov | Compare::CorrCov => out.whitening = Some(Whitening::new(&out.present, self.sigma)?),
            Compare::Bures | Compare::BuresMetric | Compare::NegRiemDist => {
                let (kept, holes) = out.present.conditions();
                if let Some(&(i, j)) = holes.first() {
                    let message = format!(
                        "needs complete RDMs, but the pair of conditions {} and {} is missing (NaN; counted from 1)",
                        kept[i] + 1,
                        kept[j] + 1
                    );
                    return Err(Error::parameter("compare", message));
                }
                out.kept = kept;
                if self.compare == Compare::NegRiemDist {
                    out.noise = Some(out.noise_moments());
                }
            }
            Compare::Cosine | Compare::Corr | Compare::Spearman | Compare::RhoA | Compare::TauA | Compare::TauB | Compare::Euclidean => {}
        }
        Ok(out)
    }

    /// The score of two RDMs prepared on different pairs: both again on the pairs that are in both.
    pub(super) fn score_on_shared_pairs(&self, model: &Rdm, data: &Rdm) -> Result<f64, Error> {
        let shared = self.on(union(&model.missing, &data.missing))?;
        Ok(shared.score(&shared.form(&model.pairs)?, &shared.form(&data.pairs)?))
    }
}

impl Prepared<'_> {
    fn noise_moments(&self) -> Mat<f64> {
        let kept = &self.kept;
        let sigma = self.sigma.map(|s| Mat::from_fn(kept.len(), kept.len(), |i, j| s[(kept[i], kept[j])]));
        noise_moments(kept.len().max(1), sigma.as_ref())
    }

    /// The form of an RDM's pairs (all of them; those that are not present here are passed over).
    pub(super) fn form(&self, pairs: &[f64]) -> Result<Form, Error> {
        let or_undefined = |v: Option<Vec<f64>>| v.map_or(Form::Undefined, Form::Unit);
        let present = || self.present.gather(pairs);
        Ok(match self.compare {
            Compare::Cosine => or_undefined(unit(&present())),
            Compare::Corr => or_undefined(centered_unit(&present())),
            Compare::Spearman => or_undefined(centered_to_unit(average_ranks(&present()))),
            Compare::RhoA => Form::Ranks(centered_ranks(&present())),
            Compare::TauA | Compare::TauB => Order::new(&present()).map_or(Form::Undefined, Form::Order),
            Compare::Euclidean => Form::Plain(present().into_owned()),
            Compare::CosineCov | Compare::CorrCov => {
                let values = present();
                let centered = self.compare == Compare::CorrCov;
                match &self.whitening {
                    Some(whitening) if !(centered && is_constant(&values)) => {
                        let shift = if centered { mean(&values) } else { 0.0 };
                        or_undefined(unit(&whitening.vector(&self.masked(pairs), shift)))
                    }
                    _ => Form::Undefined,
                }
            }
            Compare::Bures | Compare::BuresMetric => {
                self.gram_form(&centered_gram(&square(pairs, self.present.n_conditions, &self.kept)))?
            }
            Compare::NegRiemDist if self.kept.len() > 1 => {
                Form::Moments(Moments::new(&square(pairs, self.present.n_conditions, &self.kept)))
            }
            Compare::NegRiemDist => Form::Undefined,
        })
    }

    /// The form of a centered Gram matrix.
    pub(super) fn gram_form(&self, gram: &Mat<f64>) -> Result<Form, Error> {
        Ok(Gram::new(gram)?.map_or(Form::Undefined, Form::Gram))
    }

    /// The score of a model form and a data form; NaN when undefined.
    pub(super) fn score(&self, model: &Form, data: &Form) -> f64 {
        match (model, data) {
            (Form::Unit(a), Form::Unit(b)) => dot(a, b).clamp(-1.0, 1.0),
            (Form::Ranks(a), Form::Ranks(b)) => {
                let n = count(a.len());
                12.0 * dot(a, b) / (n * n * n - n)
            }
            (Form::Order(a), Form::Order(b)) => {
                let found = kendall(a, b);
                if self.compare == Compare::TauA { found.tau_a() } else { found.tau_b() }
            }
            (Form::Plain(a), Form::Plain(b)) => fold_pairs(a, b, |x, y| (x - y) * (x - y)).sqrt(),
            (Form::Gram(a), Form::Gram(b)) => {
                if self.compare == Compare::Bures {
                    a.similarity(b)
                } else {
                    a.distance(b)
                }
            }
            (Form::Moments(a), Form::Moments(b)) => self.noise.as_ref().map_or(f64::NAN, |noise| a.negative_distance(b, noise)),
            _ => f64::NAN,
        }
    }

    /// Number of conditions with pairs.
    pub(super) fn n_kept(&self) -> usize {
        self.kept.len()
    }

    /// sqrt(x' V^-1 x) up to a constant, for whitened measures.
    pub(super) fn whitened_norm(&self, pairs: &[f64], shift: f64) -> Option<f64> {
        let vector = self.whitening.as_ref()?.vector(pairs, shift);
        Some(dot(&vector, &vector).sqrt())
    }

    /// The pairs with NaN at those that are not present.
    fn masked(&self, pairs: &[f64]) -> Vec<f64> {
        let mut out = pairs.to_vec();
        for &at in &self.present.missing {
            out[at] = f64::NAN;
        }
        out
    }
}

/// The score of two square RDMs over the same conditions.
///
/// # Errors
/// [`Error::Parameter`] where the comparison needs pairs that are undefined, [`Error::Numerical`].
pub(in crate::analysis) fn score_of_two(compare: Compare, model: &Array, data: &Array) -> Result<f64, Error> {
    let n_conditions = data.columns();
    let rdm = |array: &Array| {
        let pairs = (0..n_conditions).flat_map(|i| (i + 1..n_conditions).map(move |j| array.values[i * n_conditions + j])).collect();
        Rdm::new(String::new(), pairs)
    };
    Measure { compare, n_conditions, sigma: None }.score_on_shared_pairs(&rdm(model), &rdm(data))
}

/// Ranks minus their mean; empty or single values have no spread and give zeros.
fn centered_ranks(values: &[f64]) -> Vec<f64> {
    let center = (count(values.len()) + 1.0) / 2.0;
    let mut ranks = average_ranks(values);
    ranks.iter_mut().for_each(|r| *r -= center);
    ranks
}
