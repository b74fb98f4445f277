//! Uncertainty of the scores of models: bootstraps over conditions and data RDMs, tests against zero, the ceiling and each other,
//! and permutation tests.

mod crossval;
#[cfg(test)]
mod crossval_tests;
mod explicit;
mod permutation;
mod products;
mod ranks;
mod resample;
#[cfg(test)]
mod tests;
mod variance;

use serde::{Deserialize, Serialize};

use self::crossval::{CrossValidated, Folds, Held};
use self::resample::{Draw, Evaluator, Row, multiplicities};
use self::variance::{Samples, Spread, Table};
use super::flexible::Flexible;
use super::input::Rdms;
use super::measure::Measure;
use crate::analysis::Context;
use crate::dataset::Inputs;
use crate::labels::Labels;
use crate::rng::Stream;
use crate::stats::{bonferroni, count, false_discovery_rate, signed_rank, small, student_t_quantile, student_t_sf};
use crate::{Error, parallel};

/// Resamples that are evaluated together.
const BLOCK: usize = 64;

/// More resamples or permutations than this are a slip of the pen.
const MOST_RESAMPLES: u32 = 1_000_000;

/// How sure the scores are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inference {
    /// Number of bootstrap resamples; 0 for standard errors over data RDMs alone.
    pub bootstrap: u32,
    /// What is resampled.
    pub over: Over,
    /// Where p-values come from.
    pub test: Test,
    /// How p-values of several tests are adjusted.
    pub correction: Correction,
    /// Number of permutations of the conditions of each model for a permutation test; 0 for none. All K! of them for up to 7 conditions.
    pub permutations: u32,
    /// Two groups of data RDMs, one label each, whose mean scores are compared by permuting the labels `permutations` times.
    pub groups: Option<Labels>,
    /// Seed of all draws; at most 2^53.
    pub seed: u64,
}

impl Default for Inference {
    fn default() -> Self {
        Self { bootstrap: 0, over: Over::Dual, test: Test::T, correction: Correction::Fdr, permutations: 0, groups: None, seed: 0 }
    }
}

/// What a bootstrap resamples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// Conditions.
    Pattern,
    /// Data RDMs.
    Rdm,
    /// Both at once: an overestimate of the variance.
    Both,
    /// Both at once and each alone, combined into the variance of new conditions and new data RDMs.
    #[default]
    Dual,
}

/// Where p-values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Student's t of a difference and its standard error.
    #[default]
    T,
    /// The share of resamples on the other side of zero.
    Bootstrap,
    /// Wilcoxon's signed-rank test over data RDMs.
    SignedRank,
}

/// How p-values of several tests are adjusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// False discovery rate (Benjamini-Hochberg).
    #[default]
    Fdr,
    /// Bonferroni.
    Bonferroni,
    /// As they are.
    None,
}

/// How sure the scores of one model are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelTest {
    /// Standard error of the mean score.
    pub sem: Option<f64>,
    /// 95 % confidence interval of the mean score.
    pub interval: Option<[f64; 2]>,
    /// One-sided test against zero.
    pub p_vs_0: Option<f64>,
    /// The same, adjusted for the number of models.
    pub p_vs_0_adjusted: Option<f64>,
    /// Two-sided test against the lower noise ceiling.
    pub p_vs_ceiling: Option<f64>,
    /// The same, adjusted for the number of models.
    pub p_vs_ceiling_adjusted: Option<f64>,
    /// One-sided permutation test against unrelated conditions.
    pub p_permutation: Option<f64>,
    /// Mean score of the first group of data RDMs minus that of the second.
    pub group_difference: Option<f64>,
    /// Two-sided permutation test of that difference.
    pub p_groups: Option<f64>,
}

/// Two models against each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairTest {
    /// Number of a model, from 0.
    pub a: u32,
    /// Number of a later model.
    pub b: u32,
    /// Mean score of `a` minus that of `b`.
    pub difference: Option<f64>,
    /// Standard error of it.
    pub sem: Option<f64>,
    /// Two-sided test of no difference.
    pub p: Option<f64>,
    /// The same, adjusted for the number of pairs.
    pub p_adjusted: Option<f64>,
}

/// What was found about the uncertainty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tests {
    /// What was resampled; absent without a bootstrap.
    pub over: Option<Over>,
    /// Where p-values come from.
    pub test: Test,
    /// How they are adjusted.
    pub correction: Correction,
    /// Resamples that were used.
    pub n_resamples: u32,
    /// Resamples left out because they had fewer than 3 distinct conditions.
    pub n_left_out: u32,
    /// Degrees of freedom of the t-tests.
    pub degrees_of_freedom: u32,
    /// Standard errors of the lower and upper ceiling.
    pub ceiling_sem: Option<[f64; 2]>,
    /// Every two models.
    pub pairs: Vec<PairTest>,
    /// Names of the two groups of data RDMs.
    pub group_names: Option<[String; 2]>,
}

/// How models with parameters are cross-validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrossValidation {
    /// Folds of conditions; chosen by their number if absent.
    pub conditions: Option<u32>,
    /// Folds of data RDMs, 1 to fit to all of them; chosen by their number if absent.
    pub data: Option<u32>,
    /// Random divisions into folds; with a bootstrap at least 2, so that what they add to the variance can be taken off.
    pub repeats: u32,
}

impl Default for CrossValidation {
    fn default() -> Self {
        Self { conditions: None, data: None, repeats: 2 }
    }
}

/// Models with parameters and how they are cross-validated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crossed<'a> {
    pub(super) flexible: &'a [Flexible],
    pub(super) cv: &'a CrossValidation,
}

impl CrossValidation {
    pub(super) fn check(&self, rdms: &Rdms, inference: &Inference) -> Result<(), Error> {
        let (k, r) = (rdms.n_conditions, rdms.data.len());
        let folds = self.folds(rdms, inference);
        if folds.conditions < 2 || folds.conditions * 3 > k {
            let message = format!("{} folds of {k} conditions leave less than 3 in each; at least 2 folds are needed", folds.conditions);
            return Err(Error::parameter("cv.conditions", message));
        }
        if folds.data < 1 || folds.data > r {
            return Err(Error::parameter(
                "cv.data",
                format!("{} folds were asked for but there are {r} data RDMs; use 1 to {r}", folds.data),
            ));
        }
        let least = if inference.bootstrap > 0 { 2 } else { 1 };
        if folds.repeats < least || folds.repeats > 1000 {
            return Err(Error::parameter("cv.repeats", format!("must be {least} to 1000, got {}", folds.repeats)));
        }
        Ok(())
    }

    fn folds(&self, rdms: &Rdms, inference: &Inference) -> Folds {
        // A resample has about (1 - 1 / e) n distinct items.
        let distinct = |resampled: bool, n: usize| if resampled { (1.0 - (-1.0f64).exp()) * count(n) } else { count(n) };
        let bootstrap = inference.bootstrap > 0;
        let (k, r) = (rdms.n_conditions, rdms.data.len());
        let by_number = crossval::default_folds(
            distinct(bootstrap && inference.resamples_conditions(), k),
            if r > 1 { distinct(bootstrap && inference.over != Over::Pattern, r).max(2.0) } else { 1.0 },
        );
        Folds {
            conditions: self.conditions.map_or(by_number.0, |n| n as usize),
            data: self.data.map_or(by_number.1, |n| n as usize),
            repeats: self.repeats as usize,
        }
    }
}

/// Cross-validated scores (models x data RDMs), terms of the ceiling, and the weights of each model with parameters fitted to everything.
pub(super) struct CrossScores {
    pub(super) each: Vec<f64>,
    pub(super) ceiling_terms: Vec<[f64; 2]>,
    pub(super) weights: Vec<Option<Vec<f64>>>,
    /// Folds of conditions, folds of data RDMs, repeats.
    pub(super) folds: [u32; 3],
}

/// Scores of models with parameters on held-out conditions of held-out data RDMs.
pub(super) fn cross_validated(inference: &Inference, crossed: Crossed<'_>, measure: &Measure<'_>, rdms: &Rdms) -> CrossScores {
    let of = CrossValidated::new(measure.compare, rdms, crossed.flexible, inference.seed);
    let folds = crossed.cv.folds(rdms, &Inference { bootstrap: 0, ..inference.clone() });
    let n_data = rdms.data.len();
    let once = Draw { conditions: vec![1.0; rdms.n_conditions], data: vec![vec![1.0; n_data]] };
    // Its own divisions, behind those of all resamples.
    let held: Vec<Held> = of.held(&[once], 1 << 32, folds).into_iter().flatten().flatten().flatten().collect();
    let mean = crossval::mean_of(&held, of.n_models() * n_data, n_data);
    let folds = [folds.conditions, folds.data, folds.repeats].map(small);
    CrossScores { each: mean.scores, ceiling_terms: mean.ceilings, weights: of.weights(), folds }
}

/// The scores that uncertainty is asked of.
pub(super) struct Scores<'a> {
    /// Models x data RDMs.
    pub(super) each: &'a [f64],
    /// Mean of each model.
    pub(super) means: &'a [Option<f64>],
    /// Lower and upper ceiling.
    pub(super) ceiling: Option<[f64; 2]>,
    /// Terms of the ceiling, one per data RDM.
    pub(super) ceiling_terms: Option<&'a [[f64; 2]]>,
}

impl Inference {
    pub(super) fn check(&self, measure: &Measure<'_>) -> Result<(), Error> {
        for (field, n) in [("inference.bootstrap", self.bootstrap), ("inference.permutations", self.permutations)] {
            if n > MOST_RESAMPLES {
                return Err(Error::parameter(field, format!("must be at most {MOST_RESAMPLES}, got {n}")));
            }
        }
        if self.seed > 1 << 53 {
            return Err(Error::parameter("inference.seed", format!("must be at most 2^53, got {}", self.seed)));
        }
        if self.bootstrap > 0 && self.resamples_conditions() {
            if measure.sigma.is_some() {
                let message =
                    "conditions cannot be resampled when their covariance (sigma_k) is given; use over: rdm, or leave sigma_k out";
                return Err(Error::parameter("inference.over", message));
            }
            if measure.compare == super::Compare::NegRiemDist {
                let message = "neg_riem_dist is undefined in resamples of conditions (their second moments are singular); use over: rdm";
                return Err(Error::parameter("inference.over", message));
            }
        }
        if self.bootstrap == 0 && self.test == Test::Bootstrap {
            return Err(Error::parameter("inference.bootstrap", "must be at least 1 for p-values from resamples"));
        }
        if self.groups.is_some() && self.permutations == 0 {
            return Err(Error::parameter("inference.permutations", "must be at least 1 to compare groups of data RDMs"));
        }
        Ok(())
    }

    /// Whether conditions are drawn anew.
    pub(super) fn resamples_conditions(&self) -> bool {
        match self.over {
            Over::Pattern | Over::Both | Over::Dual => true,
            Over::Rdm => false,
        }
    }

    /// Names of the inputs that it refers to.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &String> {
        self.groups.iter().map(|labels| &labels.input)
    }
}

/// Uncertainty of the scores of each model and what they share; `None` when nothing can be said (one data RDM, no bootstrap over conditions).
pub(super) fn infer(
    inference: &Inference,
    measure: &Measure<'_>,
    rdms: &Rdms,
    scores: &Scores<'_>,
    crossed: Option<Crossed<'_>>,
    inputs: &Inputs,
    context: &Context<'_>,
) -> Result<(Vec<ModelTest>, Option<Tests>), Error> {
    let (n_models, n_data) = (scores.means.len(), rdms.data.len());
    let is_distance = measure.compare.is_distance();
    let samples = if inference.bootstrap > 0 {
        let crossed =
            crossed.map(|c| (CrossValidated::new(measure.compare, rdms, c.flexible, inference.seed), c.cv.folds(rdms, inference)));
        bootstrap(inference, measure, rdms, crossed.as_ref(), context)?
    } else {
        over_data(scores, n_models, n_data)
    };
    let dof = match (inference.bootstrap > 0, inference.over) {
        (false, _) | (true, Over::Rdm) => n_data,
        (true, Over::Pattern) => rdms.n_conditions,
        (true, Over::Both | Over::Dual) => n_data.min(rdms.n_conditions),
    } - 1;
    let spread = samples.spread;
    let finite = |v: f64| v.is_finite().then_some(v);
    let each = |model: usize| &scores.each[model * n_data..(model + 1) * n_data];
    let judge = Judge { inference, spread: &spread, dof: count(dof) };

    let mut models: Vec<ModelTest> = (0..n_models)
        .map(|i| {
            let variance = spread.variance(&|row| row[i]);
            let mut test = ModelTest { sem: finite(variance.sqrt()), ..ModelTest::default() };
            let Some(mean) = scores.means[i] else { return test };
            let half = test.sem.map(|sem| student_t_quantile(0.025, judge.dof) * sem);
            test.interval = half.map(|half| [mean - half, mean + half]).filter(|i| i.iter().all(|v| v.is_finite()));
            if !is_distance {
                test.p_vs_0 = judge.p(mean, variance, &|row| row[i], each(i), Sides::Greater);
                if let (Some(ceiling), Some(terms)) = (scores.ceiling, scores.ceiling_terms) {
                    let gaps: Vec<f64> = each(i).iter().zip(terms).map(|(score, term)| score - term[0]).collect();
                    let look = |row: &[f64]| row[i] - row[n_models];
                    test.p_vs_ceiling = judge.p(mean - ceiling[0], spread.variance(&look), &look, &gaps, Sides::Two);
                }
            }
            test
        })
        .collect();
    let mut pairs = Vec::with_capacity(n_models * n_models.saturating_sub(1) / 2);
    for a in 0..n_models {
        context.step(0.85 + 0.05 * count(a) / count(n_models), "comparing the models with each other")?;
        pairs.extend(parallel::map(n_models - a - 1, |i| {
            let b = a + 1 + i;
            let difference = scores.means[a].zip(scores.means[b]).map(|(a, b)| a - b);
            let look = |row: &[f64]| row[a] - row[b];
            let variance = spread.variance(&look);
            let differences: Vec<f64> = each(a).iter().zip(each(b)).map(|(a, b)| a - b).collect();
            PairTest {
                a: small(a),
                b: small(b),
                difference,
                sem: finite(variance.sqrt()),
                p: difference.and_then(|d| judge.p(d, variance, &look, &differences, Sides::Two)),
                p_adjusted: None,
            }
        }));
    }
    adjust(inference.correction, &mut models, |m| m.p_vs_0, |m, p| m.p_vs_0_adjusted = p);
    adjust(inference.correction, &mut models, |m| m.p_vs_ceiling, |m, p| m.p_vs_ceiling_adjusted = p);
    adjust(inference.correction, &mut pairs, |m| m.p, |m, p| m.p_adjusted = p);
    let mut group_names = None;
    if inference.permutations > 0 {
        if crossed.is_none() {
            permutation::conditions(inference, measure, rdms, scores, &mut models, context)?;
        }
        if let Some(groups) = &inference.groups {
            group_names = Some(permutation::groups(inference, groups, inputs, rdms, scores, &mut models)?);
        }
    }
    let ceiling_sem = [0, 1].map(|side| spread.variance(&|row: &[f64]| row[n_models + side]).sqrt());
    let nothing = models.iter().all(|m| m.sem.is_none() && m.p_permutation.is_none() && m.p_groups.is_none());
    let tests = (!nothing).then(|| Tests {
        over: (inference.bootstrap > 0).then_some(inference.over),
        test: inference.test,
        correction: inference.correction,
        n_resamples: small(samples.n_used),
        n_left_out: small(samples.n_left_out),
        degrees_of_freedom: small(dof),
        ceiling_sem: scores.ceiling.map(|_| ceiling_sem).filter(|sems| sems.iter().all(|v| v.is_finite())),
        pairs,
        group_names,
    });
    Ok((models, tests))
}

/// Scores and terms of the ceiling as they vary over data RDMs.
fn over_data(scores: &Scores<'_>, n_models: usize, n_data: usize) -> Samples {
    let row = |s: usize| {
        let mut row: Row = (0..n_models).map(|i| scores.each[i * n_data + s]).collect();
        row.extend(scores.ceiling_terms.map_or([f64::NAN; 2], |terms| terms[s]));
        row
    };
    Samples { spread: Spread::Mean((0..n_data).map(row).collect()), n_used: 0, n_left_out: 0 }
}

fn bootstrap(
    inference: &Inference,
    measure: &Measure<'_>,
    rdms: &Rdms,
    folds: Option<&(CrossValidated<'_>, Folds)>,
    context: &Context<'_>,
) -> Result<Samples, Error> {
    let n = inference.bootstrap as usize;
    let (k, r) = (rdms.n_conditions, rdms.data.len());
    let plain = folds.is_none().then(|| Evaluator::new(measure, rdms));
    let repeats = folds.as_ref().map_or(1, |(_, folds)| folds.repeats);
    // Rows of each draw: ways to draw data RDMs x repeats.
    let rows = |draws: &[Draw], first: usize| -> Result<Vec<Vec<Vec<Row>>>, Error> {
        if let Some((crossed, folds)) = folds {
            let held = crossed.held(draws, first as u64, *folds);
            let row = |held: &Option<Held>, drawn: &[f64]| crossval::row(held.as_ref(), drawn, crossed.n_models());
            let of = |(draw, ways): (&Draw, &Vec<Vec<Option<Held>>>)| {
                ways.iter().zip(&draw.data).map(|(repeats, drawn)| repeats.iter().map(|held| row(held, drawn)).collect()).collect()
            };
            return Ok(draws.iter().zip(&held).map(of).collect());
        }
        let Some(plain) = &plain else { return Ok(Vec::new()) };
        Ok(plain.rows(draws)?.into_iter().map(|ways| ways.into_iter().map(|row| vec![row]).collect()).collect())
    };
    // Streams of their own for conditions and data RDMs: the same draws whatever is resampled.
    let conditions = |i: usize| multiplicities(k, &mut Stream::new(inference.seed, 2 * i as u64));
    let data = |i: usize| multiplicities(r, &mut Stream::new(inference.seed, 2 * i as u64 + 1));
    let ones = |n: usize| vec![1.0; n];
    // Both, conditions alone, data RDMs alone.
    let mut tables = [(); 3].map(|()| Table { repeats: vec![Vec::with_capacity(n); repeats] });
    let add = |table: &mut Table, repeats: Vec<Row>| table.repeats.iter_mut().zip(repeats).for_each(|(rows, row)| rows.push(row));
    for first in (0..n).step_by(BLOCK) {
        context.step(0.6 + 0.25 * count(first) / count(n), "bootstrap")?;
        let block = first..(first + BLOCK).min(n);
        if inference.resamples_conditions() {
            let ways = |i: usize| match inference.over {
                Over::Pattern | Over::Rdm => vec![ones(r)],
                Over::Both => vec![data(i)],
                Over::Dual => vec![data(i), ones(r)],
            };
            let draws: Vec<Draw> = block.clone().map(|i| Draw { conditions: conditions(i), data: ways(i) }).collect();
            for ways in rows(&draws, first)? {
                let start = usize::from(inference.over == Over::Pattern);
                ways.into_iter().zip(&mut tables[start..]).for_each(|(repeats, table)| add(table, repeats));
            }
        }
        if matches!(inference.over, Over::Rdm | Over::Dual) {
            let draw = Draw { conditions: ones(k), data: block.map(data).collect() };
            rows(&[draw], n + first)?.into_iter().flatten().for_each(|repeats| add(&mut tables[2], repeats));
        }
    }
    let n_left_out = tables.iter().map(Table::n_undefined).max().unwrap_or(0);
    let correction = |n: usize| if n > 1 { count(n) / count(n - 1) } else { f64::NAN };
    let (a_conditions, a_data) = (correction(k), correction(r));
    let [both, by_condition, by_data] = tables;
    let spread = match inference.over {
        Over::Pattern => Spread::Bootstrap { rows: by_condition, factor: a_conditions },
        Over::Rdm => Spread::Bootstrap { rows: by_data, factor: a_data },
        Over::Both => Spread::Bootstrap { rows: both, factor: 1.0 },
        Over::Dual => Spread::Dual { both, by_condition, by_data, a_conditions, a_data },
    };
    if n_left_out > 0 {
        let message =
            format!("{n_left_out} of {n} resamples have too few distinct conditions or data RDMs, or no defined score, and are left out");
        context.warn("resamples_left_out", message);
    }
    Ok(Samples { spread, n_used: n - n_left_out, n_left_out })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sides {
    Greater,
    Two,
}

/// Turns a difference and its spread into a p-value.
struct Judge<'a> {
    inference: &'a Inference,
    spread: &'a Spread,
    dof: f64,
}

impl Judge<'_> {
    /// The p-value of a difference with its variance: `look` finds it in a row of the resamples, `over_data` has it for each data RDM.
    fn p(&self, difference: f64, variance: f64, look: &dyn Fn(&[f64]) -> f64, over_data: &[f64], sides: Sides) -> Option<f64> {
        let p = match self.inference.test {
            Test::T => {
                // A floor for the variance: equal scores over data RDMs are not infinitely sure.
                let t = difference / variance.max(f64::EPSILON).sqrt();
                match sides {
                    Sides::Greater if !variance.is_nan() => student_t_sf(t, self.dof),
                    Sides::Two if !variance.is_nan() => 2.0 * student_t_sf(t.abs(), self.dof),
                    Sides::Greater | Sides::Two => f64::NAN,
                }
            }
            Test::Bootstrap => {
                let values = self.spread.resampled(look);
                let share = |beyond: fn(&f64) -> bool| count(1 + values.iter().filter(|v| beyond(v)).count()) / count(values.len() + 1);
                let (low, high) = (share(|v| *v <= 0.0), share(|v| *v >= 0.0));
                if values.is_empty() {
                    f64::NAN
                } else if sides == Sides::Greater {
                    low
                } else {
                    (2.0 * low.min(high)).min(1.0)
                }
            }
            Test::SignedRank => {
                let found = signed_rank(over_data);
                if sides == Sides::Greater { found.greater } else { found.two_sided }
            }
        };
        p.is_finite().then_some(p)
    }
}

fn adjust<T>(correction: Correction, tests: &mut [T], p: impl Fn(&T) -> Option<f64>, mut set: impl FnMut(&mut T, Option<f64>)) {
    let values: Vec<f64> = tests.iter().map(|t| p(t).unwrap_or(f64::NAN)).collect();
    let adjusted = match correction {
        Correction::Fdr => false_discovery_rate(&values),
        Correction::Bonferroni => bonferroni(&values),
        Correction::None => values,
    };
    tests.iter_mut().zip(adjusted).for_each(|(test, p)| set(test, p.is_finite().then_some(p)));
}
