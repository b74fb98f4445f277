//! Noise ceilings: how well any model can do given the disagreement between data RDMs.

use faer::Mat;

use super::Compare;
use super::input::Rdm;
use super::measure::{Form, Measure, Prepared};
use crate::Error;
use crate::analysis::Context;
use crate::stats::{average_ranks, count, dot, mean, variance};

/// Lower and upper ceiling, and whether they are only heuristic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ceiling {
    pub(super) bounds: [f64; 2],
    pub(super) heuristic: bool,
}

/// The ceiling of some data RDMs with their forms; `None` for fewer than two usable RDMs and for distances.
pub(super) fn ceiling(
    measure: &Measure<'_>,
    shared: Option<&Prepared<'_>>,
    data: &[Rdm],
    forms: &[Form],
    context: &Context<'_>,
) -> Result<Option<Ceiling>, Error> {
    let used: Vec<usize> = (0..data.len()).filter(|&s| !matches!(forms[s], Form::Undefined)).collect();
    if used.len() < 2 {
        return Ok(None);
    }
    let subjects = Subjects { measure, shared, data, forms, used };
    let used = &subjects.used;
    let (pairs, heuristic) = match (measure.compare, shared) {
        (Compare::Cosine | Compare::Corr | Compare::CosineCov | Compare::CorrCov, Some(_)) => (from_similarities(used, forms), false),
        (Compare::Cosine | Compare::Corr | Compare::CosineCov | Compare::CorrCov, None) => {
            (pooled(&subjects, &normalized(measure, data, used)?, context)?, true)
        }
        (Compare::Spearman | Compare::RhoA, _) => (pooled(&subjects, &ranked(data, used), context)?, shared.is_none()),
        (Compare::TauA | Compare::TauB, _) => (pooled(&subjects, &ranked(data, used), context)?, true),
        (Compare::Bures, Some(shared)) => (pooled_grams(shared, used, forms, context)?, true),
        (Compare::Bures, None) | (Compare::BuresMetric | Compare::NegRiemDist | Compare::Euclidean, _) => return Ok(None),
    };
    // Leaving one out can leave nothing (two opposite RDMs): such a term is skipped.
    let bound = |side: fn(&[f64; 2]) -> f64| mean(&pairs.iter().map(side).filter(|v| v.is_finite()).collect::<Vec<_>>());
    let bounds = [bound(|p| p[0]), bound(|p| p[1])];
    Ok(bounds.iter().all(|b| b.is_finite()).then_some(Ceiling { bounds, heuristic }))
}

/// Closed form from the similarities C of the data RDMs:
/// `upper_s = (C1)_s / sqrt(1'C1)`, `lower_s = ((C1)_s - 1) / sqrt(1'C1 - 2 (C1)_s + 1)`.
fn from_similarities(used: &[usize], forms: &[Form]) -> Vec<[f64; 2]> {
    let similarity = |s: usize, r: usize| match (&forms[s], &forms[r]) {
        (Form::Unit(a), Form::Unit(b)) => dot(a, b),
        _ => f64::NAN,
    };
    let rows =
        crate::parallel::map(used.len(), |s| used.iter().map(|&r| if used[s] == r { 1.0 } else { similarity(used[s], r) }).sum::<f64>());
    let total: f64 = rows.iter().sum();
    rows.iter().map(|row| [(row - 1.0) / (total - 2.0 * row + 1.0).sqrt(), row / total.sqrt()]).collect()
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
fn pooled(subjects: &Subjects<'_>, values: &[Vec<f64>], context: &Context<'_>) -> Result<Vec<[f64; 2]>, Error> {
    let m = values[0].len();
    let (mut total, mut counts) = (vec![0.0; m], vec![0.0; m]);
    for rdm in values {
        for (at, value) in rdm.iter().enumerate().filter(|(_, v)| !v.is_nan()) {
            total[at] += value;
            counts[at] += 1.0;
        }
    }
    let all = pool(total.iter().zip(&counts).map(|(t, c)| t / c).collect());
    let all_form = subjects.form(&all)?;
    let mut out = Vec::with_capacity(values.len());
    for (place, own) in values.iter().enumerate() {
        context.step(0.6 + 0.4 * count(place) / count(values.len()), "noise ceiling")?;
        let without = |at: usize| if own[at].is_nan() { total[at] / counts[at] } else { (total[at] - own[at]) / (counts[at] - 1.0) };
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
fn pooled_grams(shared: &Prepared<'_>, used: &[usize], forms: &[Form], context: &Context<'_>) -> Result<Vec<[f64; 2]>, Error> {
    let k = shared.n_kept();
    let sum_without = |left_out: Option<usize>| {
        let mut total = Mat::zeros(k, k);
        for &s in used.iter().filter(|&&s| Some(s) != left_out) {
            if let Form::Gram(gram) = &forms[s] {
                gram.add_normalized(&mut total);
            }
        }
        shared.gram_form(&total)
    };
    let all = sum_without(None)?;
    let mut out = Vec::with_capacity(used.len());
    for (place, &s) in used.iter().enumerate() {
        context.step(0.6 + 0.4 * count(place) / count(used.len()), "noise ceiling")?;
        out.push([shared.score(&sum_without(Some(s))?, &forms[s]), shared.score(&all, &forms[s])]);
    }
    Ok(out)
}
