//! Cross-validated scores of models with parameters, in resamples, too.
//!
//! Conditions and data RDMs are divided into folds. A model is fitted to the training conditions of the training RDMs and scored on the
//! held-out conditions of the held-out RDMs. A fold of a resample is the resample itself with the multiplicities of all other conditions
//! set to zero, so that the closed forms of resamples serve fits and scores alike.

use super::products::{Block, Inner, Products};
use super::ranks::{RankedData, Ranks};
use super::resample::{Draw, Row};
use crate::analysis::rdm_comparison::Compare;
use crate::analysis::rdm_comparison::ceiling::weighted_mean;
use crate::analysis::rdm_comparison::flexible::{Flexible, Normal, fit};
use crate::analysis::rdm_comparison::input::Rdms;
use crate::parallel;
use crate::rng::Stream;
use crate::stats::variance;

/// Streams of folds start far from those of resamples and permutations.
const FOLDS: u64 = 1 << 42;

/// A held-out fold needs this many distinct conditions.
const LEAST_CONDITIONS: usize = 3;

/// How many folds, how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Folds {
    /// Of conditions.
    pub(super) conditions: usize,
    /// Of data RDMs; 1 fits to all of them.
    pub(super) data: usize,
    /// Divisions of one resample.
    pub(super) repeats: usize,
}

/// Scores of all models with all data RDMs, and the terms of the ceiling.
#[derive(Debug)]
pub(super) struct Held {
    /// Models x data RDMs; NaN where a data RDM is not drawn or nothing is defined.
    pub(super) scores: Vec<f64>,
    /// Lower and upper, one per data RDM.
    pub(super) ceilings: Vec<[f64; 2]>,
}

#[derive(Debug)]
pub(super) struct CrossValidated<'a> {
    rdms: &'a Rdms,
    flexible: &'a [Flexible],
    products: Products,
    ranks: Option<Ranks>,
    /// For rank measures the standard deviation of each RDM: weights are those of RDMs of one size.
    sizes: Vec<f64>,
    seed: u64,
}

/// Number of a draw and of a way, the division, and where its parts start among all.
type Job<'a> = (usize, usize, Option<(&'a Division, usize)>);

/// One division into folds.
struct Division {
    /// Fold of each condition and of each data RDM.
    conditions: Vec<usize>,
    data: Vec<usize>,
}

impl<'a> CrossValidated<'a> {
    pub(super) fn new(compare: Compare, rdms: &'a Rdms, flexible: &'a [Flexible], seed: u64) -> Self {
        // Weights for a rank measure are those of the correlation.
        let ranked = matches!(compare, Compare::Spearman | Compare::RhoA);
        let products = Products::new(if ranked { Compare::Corr } else { compare }, rdms);
        let sizes = if ranked { rdms.all().map(|r| variance(&r.pairs, 0).sqrt()).collect() } else { Vec::new() };
        Self { rdms, flexible, products, ranks: ranked.then(|| Ranks::new(compare, rdms)), sizes, seed }
    }

    /// Number of models, those without parameters first.
    pub(super) fn n_models(&self) -> usize {
        self.rdms.models.len() + self.flexible.len()
    }

    /// For each draw, each way to draw data RDMs and each repeat: the held-out scores; `None` where a resample has too few distinct
    /// conditions or data RDMs. `first` numbers the draws.
    pub(super) fn held(&self, draws: &[Draw], first: u64, folds: Folds) -> Vec<Vec<Vec<Option<Held>>>> {
        let divisions: Vec<Vec<Vec<Option<Division>>>> = draws
            .iter()
            .enumerate()
            .map(|(i, draw)| {
                let ways = draw.data.iter().enumerate();
                let of = |(way, data): (usize, &Vec<f64>)| {
                    let stream = FOLDS + ((first + i as u64) * draw.data.len() as u64 + way as u64) * folds.repeats as u64;
                    (0..folds.repeats as u64).map(|repeat| self.divide(&draw.conditions, data, folds, stream + repeat)).collect()
                };
                ways.map(of).collect()
            })
            .collect();
        // Training and held-out multiplicities of every fold, as resamples of one block.
        let mut parts: Vec<Draw> = Vec::new();
        for (draw, ways) in draws.iter().zip(&divisions) {
            for division in ways.iter().flatten().flatten() {
                for fold in 0..folds.conditions {
                    for held_out in [false, true] {
                        let keep = |(m, f): (&f64, &usize)| if (*f == fold) == held_out { *m } else { 0.0 };
                        parts.push(Draw {
                            conditions: draw.conditions.iter().zip(&division.conditions).map(keep).collect(),
                            data: Vec::new(),
                        });
                    }
                }
            }
        }
        let block = self.products.block(&parts);
        let mut next = 0;
        let jobs: Vec<Job<'_>> = divisions
            .iter()
            .enumerate()
            .flat_map(|(i, ways)| ways.iter().enumerate().map(move |(way, repeats)| (i, way, repeats)))
            .flat_map(|(i, way, repeats)| repeats.iter().map(move |division| (i, way, division.as_ref())))
            .map(|(i, way, division)| {
                let division = division.map(|division| (division, next));
                next += if division.is_some() { 2 * folds.conditions } else { 0 };
                (i, way, division)
            })
            .collect();
        let mut found = parallel::map(jobs.len(), |job| {
            let (i, way, division) = jobs[job];
            division.map(|(division, start)| self.one(division, &draws[i].data[way], folds, &parts, &block, start))
        })
        .into_iter();
        divisions.iter().map(|ways| ways.iter().map(|repeats| found.by_ref().take(repeats.len()).collect()).collect()).collect()
    }

    /// Divides what was drawn; copies of one condition or data RDM stay together.
    fn divide(&self, conditions: &[f64], data: &[f64], folds: Folds, stream: u64) -> Option<Division> {
        let mut rng = Stream::new(self.seed, stream);
        let mut assign = |drawn: &[f64], n_folds: usize, least: usize| {
            let distinct: Vec<usize> = (0..drawn.len()).filter(|&i| drawn[i] > 0.0).collect();
            if distinct.len() < n_folds * least {
                return None;
            }
            let mut out = vec![usize::MAX; drawn.len()];
            for (place, at) in rng.permutation(distinct.len()).into_iter().enumerate() {
                out[distinct[at]] = place % n_folds;
            }
            Some(out)
        };
        let conditions = assign(conditions, folds.conditions, LEAST_CONDITIONS)?;
        Some(Division { conditions, data: assign(data, folds.data, 1)? })
    }

    fn one(&self, division: &Division, drawn: &[f64], folds: Folds, parts: &[Draw], block: &Block, start: usize) -> Held {
        let n_data = drawn.len();
        let (n_models, n_fixed) = (self.n_models(), self.rdms.models.len());
        let mut scores = Means::new(n_models * n_data);
        let mut ceilings = [Means::new(n_data), Means::new(n_data)];
        for fold in 0..folds.conditions {
            let at = |held_out: usize| {
                let place = start + 2 * fold + held_out;
                self.products.inner(block, place, &parts[place].conditions)
            };
            let (Some(training), Some(held_out)) = (at(0), at(1)) else { continue };
            let test = Test::new(self, &held_out, &parts[start + 2 * fold + 1].conditions);
            let fixed: Vec<Vec<f64>> = (0..n_fixed).map(|a| test.combined(&[(a, 1.0)])).collect();
            let all = test.pool(drawn);
            for data_fold in 0..folds.data {
                let inside = |s: usize| division.data[s] == data_fold;
                let held: Vec<usize> = (0..n_data).filter(|&s| drawn[s] > 0.0 && inside(s)).collect();
                let one_fold = folds.data == 1;
                let train: Vec<f64> = (0..n_data).map(|s| if one_fold || !inside(s) { drawn[s] } else { 0.0 }).collect();
                for (a, found) in fixed.iter().enumerate() {
                    held.iter().for_each(|&s| scores.add(a * n_data + s, found[s]));
                }
                for (model, range) in self.rdms.parts().into_iter().enumerate() {
                    let weights = self.fit(model, range.clone(), &training, &train);
                    let found = weights.map(|weights| test.combined(&range.zip(weights).collect::<Vec<_>>()));
                    for &s in &held {
                        let score = found.as_ref().map_or(f64::NAN, |found| found[s]);
                        scores.add((n_fixed + model) * n_data + s, score);
                    }
                }
                let others = (!one_fold).then(|| test.pool(&train));
                for &s in &held {
                    let lower = match &others {
                        Some(others) => others[s],
                        // All RDMs are training data: each against the others.
                        None => {
                            let without: Vec<f64> = (0..n_data).map(|t| if t == s { 0.0 } else { drawn[t] }).collect();
                            if without.iter().all(|w| *w == 0.0) { f64::NAN } else { test.pool(&without)[s] }
                        }
                    };
                    ceilings[0].add(s, lower);
                    ceilings[1].add(s, if drawn.iter().filter(|w| **w > 0.0).count() > 1 { all[s] } else { f64::NAN });
                }
            }
        }
        let [lower, upper] = ceilings.map(Means::finish);
        Held { scores: scores.finish(), ceilings: lower.into_iter().zip(upper).map(|(l, u)| [l, u]).collect() }
    }

    /// Fits a model to the pool of the training RDMs: the sum of their unit vectors.
    fn fit(&self, model: usize, range: std::ops::Range<usize>, inner: &Inner<'_>, train: &[f64]) -> Option<Vec<f64>> {
        let first = self.products.first_data();
        let pool = |a: usize| {
            let with = |s: usize| train[s] * inner.product(a, first + s) / inner.squared_norm(first + s).sqrt();
            (0..train.len()).filter(|&s| train[s] > 0.0).map(with).filter(|v| v.is_finite()).sum::<f64>()
        };
        let gram = |a: usize, b: usize| if a == b { inner.squared_norm(a) } else { inner.product(a, b) };
        let normal = Normal {
            gram: range.clone().flat_map(|a| range.clone().map(move |b| (a, b))).map(|(a, b)| gram(a, b)).collect(),
            target: range.map(pool).collect(),
        };
        let flexible = &self.flexible[model];
        // In units where an RDM has a root mean square of 1 its squared norm is the number of pairs.
        fit(flexible.family, flexible.ridge * inner.n_pairs(), &normal)
    }
}

/// Held-out pairs of conditions.
enum Test<'a> {
    Inner { inner: &'a Inner<'a>, first_data: usize, n_data: usize },
    Ranks { data: RankedData, ranks: &'a Ranks, of: &'a CrossValidated<'a> },
}

impl<'a> Test<'a> {
    fn new(of: &'a CrossValidated<'a>, inner: &'a Inner<'a>, conditions: &[f64]) -> Self {
        match &of.ranks {
            Some(ranks) => Self::Ranks { data: ranks.held_out(conditions), ranks, of },
            None => Self::Inner { inner, first_data: of.products.first_data(), n_data: of.rdms.data.len() },
        }
    }

    fn n_data(&self) -> std::ops::Range<usize> {
        match self {
            Self::Inner { n_data, .. } => 0..*n_data,
            Self::Ranks { of, .. } => 0..of.rdms.data.len(),
        }
    }

    /// The scores of weighted RDMs with each data RDM.
    ///
    /// Without any weight there is no prediction, and the score is 0: left out, it would flatter the model.
    fn combined(&self, parts: &[(usize, f64)]) -> Vec<f64> {
        if parts.iter().all(|(_, weight)| *weight == 0.0) {
            return self.n_data().map(|_| 0.0).collect();
        }
        match self {
            Self::Inner { inner, first_data, n_data } => {
                let gram = |a: usize, b: usize| if a == b { inner.squared_norm(a) } else { inner.product(a, b) };
                let square: f64 = parts
                    .iter()
                    .flat_map(|&(a, v)| parts.iter().map(move |&(b, w)| (a, b, v * w)))
                    .filter(|(_, _, weight)| *weight != 0.0)
                    .map(|(a, b, weight)| weight * gram(a, b))
                    .sum();
                let with = |s: usize| {
                    let product: f64 = parts.iter().filter(|(_, w)| *w != 0.0).map(|&(a, w)| w * inner.product(a, first_data + s)).sum();
                    (product / (square * inner.squared_norm(first_data + s)).sqrt()).clamp(-1.0, 1.0)
                };
                (0..*n_data).map(with).collect()
            }
            // A model without parameters is sorted already.
            Self::Ranks { data, ranks, of } if parts.len() == 1 && parts[0].0 < of.rdms.models.len() => ranks.scores(parts[0].0, data),
            Self::Ranks { data, of, .. } => {
                let all: Vec<&[f64]> = of.rdms.all().map(|r| r.pairs.as_slice()).collect();
                let mut pairs = vec![0.0; all.first().map_or(0, |r| r.len())];
                for &(a, weight) in parts.iter().filter(|(_, w)| *w != 0.0) {
                    let scale = if parts.len() > 1 { weight / of.sizes[a] } else { weight };
                    pairs.iter_mut().zip(all[a]).for_each(|(sum, v)| *sum += scale * v);
                }
                data.scores(&pairs)
            }
        }
    }

    /// The scores of the pool of data RDMs, each so many times.
    fn pool(&self, counts: &[f64]) -> Vec<f64> {
        match self {
            Self::Inner { inner, first_data, n_data } => {
                let similarities = inner.similarities(*first_data..first_data + n_data);
                let used: Vec<usize> = (0..*n_data).filter(|&s| counts[s] > 0.0 && similarities[s * n_data + s].is_finite()).collect();
                let with = |s: usize| used.iter().map(|&t| counts[t] * similarities[s * n_data + t]).sum::<f64>();
                let square: f64 = used.iter().map(|&s| counts[s] * with(s)).sum();
                (0..*n_data).map(|s| with(s) / square.sqrt()).collect()
            }
            Self::Ranks { data, .. } => data.pool(counts),
        }
    }
}

/// Means of what is defined.
struct Means {
    sums: Vec<f64>,
    counts: Vec<f64>,
}

impl Means {
    fn new(n: usize) -> Self {
        Self { sums: vec![0.0; n], counts: vec![0.0; n] }
    }

    fn add(&mut self, at: usize, value: f64) {
        if value.is_finite() {
            self.sums[at] += value;
            self.counts[at] += 1.0;
        }
    }

    fn finish(self) -> Vec<f64> {
        self.sums.into_iter().zip(self.counts).map(|(sum, count)| sum / count).collect()
    }
}

/// Means over data RDMs, each as often as it is drawn, then the ceilings.
pub(super) fn row(held: Option<&Held>, drawn: &[f64], n_models: usize) -> Row {
    let Some(held) = held else { return vec![f64::NAN; n_models + 2] };
    let mut row: Row = held.scores.chunks_exact(drawn.len()).map(|scores| weighted_mean(scores.iter().copied(), drawn)).collect();
    row.extend([0, 1].map(|side| weighted_mean(held.ceilings.iter().map(|term| term[side]), drawn)));
    row
}

impl CrossValidated<'_> {
    /// The weights of each model with parameters, fitted to everything.
    pub(super) fn weights(&self) -> Vec<Option<Vec<f64>>> {
        let once = Draw { conditions: vec![1.0; self.rdms.n_conditions], data: Vec::new() };
        let block = self.products.block(std::slice::from_ref(&once));
        let Some(inner) = self.products.inner(&block, 0, &once.conditions) else { return vec![None; self.flexible.len()] };
        let all = vec![1.0; self.rdms.data.len()];
        self.rdms.parts().into_iter().enumerate().map(|(model, range)| self.fit(model, range, &inner, &all)).collect()
    }
}

/// Numbers of folds for so many conditions and data RDMs.
///
/// # Source
/// rsatoolbox 0.3.2: 2, 3, 4 or 5 folds of conditions below 12, 24, 40 and from 40 on; of data RDMs below 6, 12, 20 and from 20 on.
pub(super) fn default_folds(n_conditions: f64, n_data: f64) -> (usize, usize) {
    let of = |n: f64, ends: [f64; 3]| 2 + ends.iter().filter(|end| n >= **end).count();
    let data = if n_data < 2.0 { 1 } else { of(n_data, [6.0, 12.0, 20.0]) };
    (of(n_conditions, [12.0, 24.0, 40.0]), data)
}

/// Mean over repeats.
pub(super) fn mean_of(repeats: &[Held], n_scores: usize, n_data: usize) -> Held {
    let mut scores = Means::new(n_scores);
    let mut ceilings = [Means::new(n_data), Means::new(n_data)];
    for held in repeats {
        held.scores.iter().enumerate().for_each(|(at, v)| scores.add(at, *v));
        for (s, term) in held.ceilings.iter().enumerate() {
            [0, 1].into_iter().for_each(|side| ceilings[side].add(s, term[side]));
        }
    }
    let [lower, upper] = ceilings.map(Means::finish);
    Held { scores: scores.finish(), ceilings: lower.into_iter().zip(upper).map(|(l, u)| [l, u]).collect() }
}
