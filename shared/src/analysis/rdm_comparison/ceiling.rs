//! Noise ceilings: how well any model can do given the disagreement between data RDMs.

use faer::Mat;

use super::Compare;
use super::input::Rdm;
use super::measure::{Form, Measure, Prepared};
use crate::Error;
use crate::stats::{average_ranks, count, dot, mean, variance};

/// Lower and upper ceiling, and whether they are only heuristic.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ceiling {
    pub(super) bounds: [f64; 2],
    pub(super) heuristic: bool,
    /// Lower and upper term of each data RDM; NaN where it is not used.
    pub(super) terms: Vec<[f64; 2]>,
}

/// Told how far a computation is; an error stops it.
type Step<'a> = &'a dyn Fn(f64) -> Result<(), Error>;

/// The ceiling of some data RDMs with their forms; `None` for fewer than two usable RDMs and for distances.
///
/// A data RDM counts as often as its weight says; all of its copies are left out for its lower term.
pub(super) fn ceiling(
    measure: &Measure<'_>,
    shared: Option<&Prepared<'_>>,
    data: &[Rdm],
    forms: &[Form],
    weights: &[f64],
    step: Step<'_>,
) -> Result<Option<Ceiling>, Error> {
    let used: Vec<usize> = (0..data.len()).filter(|&s| weights[s] > 0.0 && !matches!(forms[s], Form::Undefined)).collect();
    if used.len() < 2 {
        return Ok(None);
    }
    let weights: Vec<f64> = used.iter().map(|&s| weights[s]).collect();
    let subjects = Subjects { measure, shared, data, forms, used, weights };
    let used = &subjects.used;
    let (pairs, heuristic) = match (measure.compare, shared) {
        (Compare::Cosine | Compare::Corr | Compare::CosineCov | Compare::CorrCov, Some(_)) => {
            let similarity = |s: usize, r: usize| match (&forms[used[s]], &forms[used[r]]) {
                (Form::Unit(a), Form::Unit(b)) => dot(a, b),
                _ => f64::NAN,
            };
            (from_similarities(&subjects.weights, similarity), false)
        }
        (Compare::Cosine | Compare::Corr | Compare::CosineCov | Compare::CorrCov, None) => {
            (pooled(&subjects, &normalized(measure, data, used)?, step)?, true)
        }
        (Compare::Spearman | Compare::RhoA, _) => (pooled(&subjects, &ranked(data, used), step)?, shared.is_none()),
        (Compare::TauA | Compare::TauB, _) => (pooled(&subjects, &ranked(data, used), step)?, true),
        (Compare::Bures, Some(shared)) => (pooled_grams(shared, &subjects, step)?, true),
        (Compare::Bures, None) | (Compare::BuresMetric | Compare::NegRiemDist | Compare::Euclidean, _) => return Ok(None),
    };
    let mut terms = vec![[f64::NAN; 2]; data.len()];
    used.iter().zip(&pairs).for_each(|(&s, &pair)| terms[s] = pair);
    Ok(bounds(&pairs, &subjects.weights).map(|bounds| Ceiling { bounds, heuristic, terms }))
}

/// Weighted means of lower and upper terms; leaving one out can leave nothing (two opposite RDMs): such a term is skipped.
pub(super) fn bounds(terms: &[[f64; 2]], weights: &[f64]) -> Option<[f64; 2]> {
    let bounds = [0, 1].map(|side| weighted_mean(terms.iter().map(|term| term[side]), weights));
    bounds.iter().all(|b| b.is_finite()).then_some(bounds)
}

/// The weighted mean of the values that are defined and have a weight; NaN without any.
pub(super) fn weighted_mean(values: impl Iterator<Item = f64>, weights: &[f64]) -> f64 {
    let defined = values.zip(weights).filter(|(v, w)| v.is_finite() && **w > 0.0);
    let (sum, weight) = defined.fold((0.0, 0.0), |(sum, weight), (v, w)| (sum + w * v, weight + w));
    sum / weight
}

/// Closed form from the similarities C of the data RDMs with weights W:
/// `upper_s = (CW)_s / sqrt(W'CW)`, `lower_s = ((CW)_s - W_s) / sqrt(W'CW - 2 W_s (CW)_s + W_s^2)`.
pub(super) fn from_similarities(weights: &[f64], similarity: impl Fn(usize, usize) -> f64 + Sync) -> Vec<[f64; 2]> {
    let with = |s: usize, r: usize| weights[r] * if s == r { 1.0 } else { similarity(s, r) };
    let rows = crate::parallel::map(weights.len(), |s| (0..weights.len()).map(|r| with(s, r)).sum::<f64>());
    let total: f64 = rows.iter().zip(weights).map(|(row, w)| w * row).sum();
    rows.iter().zip(weights).map(|(row, w)| [(row - w) / (total - 2.0 * w * row + w * w).sqrt(), row / total.sqrt()]).collect()
}

/// Ranks of each RDM over its own pairs, NaN where missing.
fn ranked(data: &[Rdm], used: &[usize]) -> Vec<Vec<f64>> {
    crate::parallel::map(used.len(), |s| average_ranks(&data[used[s]].pairs))
}

/// Each RDM scaled to norm sqrt(pairs) by its own pairs (after centering for correlations), NaN where missing.
fn normalized(measure: &Measure<'_>, data: &[Rdm], used: &[usize]) -> Result<Vec<Vec<f64>>, Error> {
    used.iter()
        .map(|&s| {
            let own = measure.on(data[s].missing.clone())?;
            let present = own.present.gather(&data[s].pairs);
            let centered = matches!(measure.compare, Compare::Corr | Compare::CorrCov);
            let center = if centered { mean(&present) } else { 0.0 };
            let plain = (variance(&present, 0) + (mean(&present) - center).powi(2)).sqrt();
            let norm = own.whitened_norm(&data[s].pairs, center).map_or(plain, |n| n / count(present.len()).sqrt());
            Ok(data[s].pairs.iter().map(|v| (v - center) / norm).collect())
        })
        .collect()
}

/// Lower and upper score of each RDM against the per-pair means of the others and of all.
fn pooled(subjects: &Subjects<'_>, values: &[Vec<f64>], step: Step<'_>) -> Result<Vec<[f64; 2]>, Error> {
    let m = values[0].len();
    let (mut total, mut counts) = (vec![0.0; m], vec![0.0; m]);
    for (rdm, weight) in values.iter().zip(&subjects.weights) {
        for (at, value) in rdm.iter().enumerate().filter(|(_, v)| !v.is_nan()) {
            total[at] += weight * value;
            counts[at] += weight;
        }
    }
    let all = pool(total.iter().zip(&counts).map(|(t, c)| t / c).collect());
    let all_form = subjects.form(&all)?;
    let mut out = Vec::with_capacity(values.len());
    for (place, own) in values.iter().enumerate() {
        step(count(place) / count(values.len()))?;
        let weight = subjects.weights[place];
        let without = |at: usize| {
            if own[at].is_nan() { total[at] / counts[at] } else { (total[at] - weight * own[at]) / (counts[at] - weight) }
        };
        let others = pool((0..m).map(without).collect());
        let lower = subjects.score(&others, subjects.form(&others)?.as_ref(), place)?;
        let upper = subjects.score(&all, all_form.as_ref(), place)?;
        out.push([lower, upper]);
    }
    Ok(out)
}

/// The data RDMs that a ceiling uses.
struct Subjects<'a> {
    measure: &'a Measure<'a>,
    /// The pairs of all data RDMs, when they are the same.
    shared: Option<&'a Prepared<'a>>,
    data: &'a [Rdm],
    forms: &'a [Form],
    used: Vec<usize>,
    /// How often each of the used RDMs counts.
    weights: Vec<f64>,
}

impl Subjects<'_> {
    /// The form of a pooled RDM, when it has the pairs that all data RDMs have.
    fn form(&self, pool: &Rdm) -> Result<Option<Form>, Error> {
        self.shared.filter(|shared| shared.present.missing == pool.missing).map(|shared| shared.form(&pool.pairs)).transpose()
    }

    fn score(&self, pool: &Rdm, form: Option<&Form>, place: usize) -> Result<f64, Error> {
        let s = self.used[place];
        match (self.shared, form) {
            (Some(shared), Some(form)) => Ok(shared.score(form, &self.forms[s])),
            _ => self.measure.score_on_shared_pairs(pool, &self.data[s]),
        }
    }
}

fn pool(pairs: Vec<f64>) -> Rdm {
    Rdm { name: String::new(), missing: (0..pairs.len()).filter(|&at| pairs[at].is_nan()).collect(), pairs }
}

/// Pool = mean of the centered Gram matrices divided by their traces.
fn pooled_grams(shared: &Prepared<'_>, subjects: &Subjects<'_>, step: Step<'_>) -> Result<Vec<[f64; 2]>, Error> {
    let k = shared.n_kept();
    let sum_without = |left_out: Option<usize>| {
        let mut total = Mat::zeros(k, k);
        for (&s, &weight) in subjects.used.iter().zip(&subjects.weights).filter(|(s, _)| Some(**s) != left_out) {
            if let Form::Gram(gram) = &subjects.forms[s] {
                gram.add_normalized(&mut total, weight);
            }
        }
        shared.gram_form(&total)
    };
    let all = sum_without(None)?;
    let mut out = Vec::with_capacity(subjects.used.len());
    for (place, &s) in subjects.used.iter().enumerate() {
        step(count(place) / count(subjects.used.len()))?;
        out.push([shared.score(&sum_without(Some(s))?, &subjects.forms[s]), shared.score(&all, &subjects.forms[s])]);
    }
    Ok(out)
}
