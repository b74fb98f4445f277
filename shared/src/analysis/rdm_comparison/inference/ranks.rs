//! Spearman's correlation and rho-a in resamples of conditions.
//!
//! The order of pairs never changes: each RDM is sorted once, and the ranks in a resample follow from sums of the weights `m_i m_j` along
//! that order.

use super::resample::{Draw, Scored};
use crate::analysis::rdm_comparison::Compare;
use crate::analysis::rdm_comparison::ceiling;
use crate::analysis::rdm_comparison::input::Rdms;
use crate::stats::{dot, sum};

/// Keys in a range up to this many times their number are counted, not sorted.
const COUNTED: i64 = 16;

#[derive(Debug)]
pub(super) struct Ranks {
    orders: Vec<Order>,
    n_models: usize,
    n_conditions: usize,
    rho_a: bool,
}

/// Pairs in ascending order of their values, and where each run of equal values ends.
#[derive(Debug)]
struct Order {
    positions: Vec<u32>,
    ends: Vec<u32>,
}

impl Order {
    fn new(values: &[f64]) -> Self {
        let mut positions: Vec<u32> = (0u32..).take(values.len()).collect();
        let at = |p: u32| values[p as usize] + 0.0;
        positions.sort_by(|&a, &b| at(a).total_cmp(&at(b)));
        let mut ends: Vec<u32> = (1u32..).take(values.len()).collect();
        ends.retain(|&end| positions.get(end as usize).is_none_or(|&next| at(next) > at(positions[end as usize - 1])));
        Self { positions, ends }
    }

    /// Twice the weighted average ranks minus N + 1: whole numbers.
    fn ranks(&self, weights: &[f64], total: f64) -> Vec<f64> {
        let mut out = vec![0.0; weights.len()];
        let (mut start, mut before) = (0, 0.0);
        for &end in &self.ends {
            let tied = &self.positions[start..end as usize];
            let weight: f64 = tied.iter().map(|&p| weights[p as usize]).sum();
            let rank = 2.0 * before + weight - total;
            tied.iter().for_each(|&p| out[p as usize] = rank);
            before += weight;
            start = end as usize;
        }
        out
    }
}

impl Ranks {
    pub(super) fn new(compare: Compare, rdms: &Rdms) -> Self {
        let all: Vec<&[f64]> = rdms.models.iter().chain(&rdms.data).map(|r| r.pairs.as_slice()).collect();
        let orders = crate::parallel::map(all.len(), |i| Order::new(all[i]));
        Self { orders, n_models: rdms.models.len(), n_conditions: rdms.n_conditions, rho_a: compare == Compare::RhoA }
    }

    /// The data RDMs in one resample, with the weights of pairs.
    pub(super) fn held_out(&self, m: &[f64]) -> RankedData {
        let weights: Vec<f64> = (0..self.n_conditions).flat_map(|i| (i + 1..self.n_conditions).map(move |j| m[i] * m[j])).collect();
        let total = sum(&weights);
        let data = self.orders[self.n_models..].iter().map(|o| Ranked::new(o.ranks(&weights, total), &weights)).collect();
        RankedData { data, weights, total, rho_a: self.rho_a }
    }

    /// The scores of one resample.
    pub(super) fn scored(&self, draw: &Draw) -> Scored<'static> {
        let data = self.held_out(&draw.conditions);
        let scores = (0..self.n_models).flat_map(|model| self.scores(model, &data)).collect();
        Scored { scores, ceiling: Box::new(move |drawn| Ok(data.ceiling(drawn))) }
    }

    /// The scores of a model with each data RDM of a resample.
    pub(super) fn scores(&self, model: usize, data: &RankedData) -> Vec<f64> {
        data.with(&self.orders[model].ranks(&data.weights, data.total))
    }
}

/// All data RDMs in a resample.
pub(super) struct RankedData {
    data: Vec<Ranked>,
    weights: Vec<f64>,
    total: f64,
    rho_a: bool,
}

impl RankedData {
    /// The scores of an RDM with each data RDM.
    pub(super) fn scores(&self, pairs: &[f64]) -> Vec<f64> {
        self.with(&Order::new(pairs).ranks(&self.weights, self.total))
    }

    /// The scores of the pool of data RDMs, each so many times, with each data RDM.
    pub(super) fn pool(&self, counts: &[f64]) -> Vec<f64> {
        self.with(&pool_ranks(&self.sum(counts), &self.weights, self.total))
    }

    /// Ranks of data RDMs, each so many times, added up.
    fn sum(&self, counts: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.weights.len()];
        for (data, count) in self.data.iter().zip(counts).filter(|(_, count)| **count > 0.0) {
            sum.iter_mut().zip(&data.ranks).for_each(|(all, rank)| *all += count * rank);
        }
        sum
    }

    fn with(&self, ranks: &[f64]) -> Vec<f64> {
        let norm = self.squared(ranks);
        self.data.iter().map(|data| data.score(ranks, norm, self.rho_a, self.total)).collect()
    }

    /// The sum of squared ranks, which rho-a does not need.
    fn squared(&self, ranks: &[f64]) -> f64 {
        if self.rho_a { 0.0 } else { ranks.iter().zip(&self.weights).map(|(r, w)| w * r * r).sum() }
    }

    /// Compares each data RDM with the pool of all that are drawn and with the pool of the others.
    fn ceiling(&self, drawn: &[f64]) -> Option<[f64; 2]> {
        let usable = |s: usize| self.rho_a || self.data[s].squared_norm > 0.0;
        let counts: Vec<f64> = (0..self.data.len()).map(|s| if usable(s) { drawn[s] } else { 0.0 }).collect();
        let used: Vec<usize> = (0..counts.len()).filter(|&s| counts[s] > 0.0).collect();
        if used.len() < 2 {
            return None;
        }
        let all = self.sum(&counts);
        let ranked = |pool: &[f64]| {
            let ranks = pool_ranks(pool, &self.weights, self.total);
            let norm = self.squared(&ranks);
            (ranks, norm)
        };
        let (all_ranks, all_norm) = ranked(&all);
        let term = |&s: &usize| {
            let data = &self.data[s];
            let others: Vec<f64> = all.iter().zip(&data.ranks).map(|(all, rank)| all - counts[s] * rank).collect();
            let (ranks, norm) = ranked(&others);
            let score = |ranks: &[f64], norm: f64| data.score(ranks, norm, self.rho_a, self.total);
            [score(&ranks, norm), score(&all_ranks, all_norm)]
        };
        let terms: Vec<[f64; 2]> = used.iter().map(term).collect();
        ceiling::bounds(&terms, &used.iter().map(|&s| counts[s]).collect::<Vec<_>>())
    }
}

/// A data RDM in a resample.
struct Ranked {
    /// Doubled centered ranks, whole numbers.
    ranks: Vec<f64>,
    /// The same times the weights of the pairs.
    weighted: Vec<f64>,
    squared_norm: f64,
}

impl Ranked {
    fn new(ranks: Vec<f64>, weights: &[f64]) -> Self {
        let weighted: Vec<f64> = ranks.iter().zip(weights).map(|(r, w)| r * w).collect();
        let squared_norm = dot(&weighted, &ranks);
        Self { ranks, weighted, squared_norm }
    }

    /// The score of other doubled centered ranks with the sum of their squares (not needed by rho-a).
    fn score(&self, other: &[f64], squared_norm: f64, rho_a: bool, total: f64) -> f64 {
        let product = dot(&self.weighted, other);
        if rho_a {
            return 3.0 * product / (total * total * total - total);
        }
        let norm = (squared_norm * self.squared_norm).sqrt();
        if norm > 0.0 { (product / norm).clamp(-1.0, 1.0) } else { f64::NAN }
    }
}

/// Doubled centered weighted ranks of whole numbers; 0 where there is no weight.
fn pool_ranks(pool: &[f64], weights: &[f64], total: f64) -> Vec<f64> {
    let (low, high) = pool.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    #[expect(clippy::cast_possible_truncation, reason = "sums of ranks are whole and far below 2^53")]
    let key = |v: f64| (v - low) as i64;
    let range = key(high) + 1;
    let most = COUNTED * i64::try_from(pool.len()).unwrap_or(i64::MAX);
    if range > most {
        return Order::new(pool).ranks(weights, total);
    }
    let slot = |v: f64| usize::try_from(key(v)).unwrap_or(0);
    let mut counts = vec![0.0; slot(high) + 1];
    pool.iter().zip(weights).for_each(|(v, w)| counts[slot(*v)] += w);
    let mut before = 0.0;
    for weight in &mut counts {
        let own = *weight;
        *weight = 2.0 * before + own - total;
        before += own;
    }
    pool.iter().map(|v| counts[slot(*v)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{average_ranks, count};

    #[test]
    fn weighted_ranks_are_those_of_repeated_values() {
        let values = [3.0, 1.0, 1.0, 2.0, 5.0];
        let weights = [2.0, 1.0, 3.0, 0.0, 1.0];
        let repeated: Vec<f64> =
            values.iter().zip(weights).flat_map(|(v, w)| (1u8..).map(f64::from).take_while(move |i| *i <= w).map(move |_| *v)).collect();
        let want = average_ranks(&repeated);
        let center = (count(repeated.len()) + 1.0) / 2.0;
        let total = sum(&weights);
        for found in [Order::new(&values).ranks(&weights, total), pool_ranks(&values, &weights, total)] {
            assert_eq!(found[0].to_bits(), (2.0 * (want[0] - center)).to_bits());
            assert_eq!(found[1].to_bits(), found[2].to_bits());
            assert_eq!(found[4].to_bits(), (2.0 * (want[6] - center)).to_bits());
        }
    }
}
