//! Cosines and correlations, plain and whitened, in resamples of conditions, in closed form.
//!
//! A resample that draws condition i `m_i` times has the pair (i, j) `m_i m_j` times, so that every sum over its pairs is linear in these
//! products: the sums of all resamples are one matrix product. Copies of one condition make no pair.
//!
//! Whitened inner products need no covariance of pairs either: with A m the row sums of an RDM in the resample,
//! d = 2 + n - 2 m, u = s / d - (m'(s / d) / (1 + sum m / d)) / d for s = B m,
//! `x' V^-1 y = (sum over pairs of a b - sum_c m_c (A m)_c u_c) / 2`.

use faer::Mat;

use super::resample::{Draw, Scored, ceiling_of, conditions_of};
use crate::analysis::rdm_comparison::Compare;
use crate::analysis::rdm_comparison::input::Rdms;
use crate::analysis::rdm_comparison::pairs::square;
use crate::stats::{count, dot, mean, sum};

/// Pairs that are multiplied out at a time.
const PAIRS: usize = 1024;

/// A variance (or squared norm) below this share of the sum of squares is a rounding error of a constant.
const CONSTANT: f64 = 1e-12;

/// RDMs as vectors of pairs of size about 1: models, parts of models, data.
#[derive(Debug)]
pub(super) struct Products {
    rdms: Vec<Vec<f64>>,
    squares: Vec<Mat<f64>>,
    n_models: usize,
    first_data: usize,
    centered: bool,
    /// The pairs of RDMs, a < b, whose products are summed.
    pairs: Vec<(usize, usize)>,
    /// Where the product of a and b is in that list, for all RDMs in C order.
    places: Vec<usize>,
}

/// Sums over the pairs of several resamples.
pub(super) struct Block {
    /// Values, squares and products of RDMs x resamples.
    sums: Mat<f64>,
    /// For whitened measures the row sums of each RDM, conditions x resamples.
    row_sums: Vec<Mat<f64>>,
}

impl Products {
    pub(super) fn new(compare: Compare, rdms: &Rdms) -> Self {
        let centered = matches!(compare, Compare::Corr | Compare::CorrCov);
        // Neither the mean (for correlations) nor the scale matters; both spare digits.
        let prepared = |pairs: &[f64]| {
            let center = if centered { mean(pairs) } else { 0.0 };
            let shifted: Vec<f64> = pairs.iter().map(|v| v - center).collect();
            let size = (dot(&shifted, &shifted) / count(pairs.len())).sqrt();
            if size > 0.0 { shifted.iter().map(|v| v / size).collect() } else { shifted }
        };
        let all: Vec<Vec<f64>> = rdms.all().map(|r| prepared(&r.pairs)).collect();
        let whitened = matches!(compare, Compare::CosineCov | Compare::CorrCov);
        let kept: Vec<usize> = (0..rdms.n_conditions).collect();
        let squares = if whitened { all.iter().map(|r| square(r, rdms.n_conditions, &kept)).collect() } else { Vec::new() };
        let first_data = all.len() - rdms.data.len();
        let mut pairs = Vec::new();
        for part in rdms.parts() {
            pairs.extend(part.clone().flat_map(|b| (part.start..b).map(move |a| (a, b))));
        }
        pairs.extend((first_data..all.len()).flat_map(|b| (0..b).map(move |a| (a, b))));
        let mut places = vec![usize::MAX; all.len() * all.len()];
        for (place, &(a, b)) in pairs.iter().enumerate() {
            places[a * all.len() + b] = place;
            places[b * all.len() + a] = place;
        }
        Self { rdms: all, squares, n_models: rdms.models.len(), first_data, centered, pairs, places }
    }

    /// All sums of some resamples.
    pub(super) fn block(&self, draws: &[Draw]) -> Block {
        let m = conditions_of(draws);
        let k = m.nrows();
        let mut sums = Mat::<f64>::zeros(2 * self.rdms.len() + self.pairs.len(), draws.len());
        let mut pairs: Vec<(usize, usize)> = Vec::with_capacity(PAIRS);
        let mut first = 0;
        for i in 0..k {
            for j in i + 1..k {
                pairs.push((i, j));
                if pairs.len() == PAIRS || i + 2 == k {
                    let weights = Mat::from_fn(pairs.len(), draws.len(), |p, s| m[(pairs[p].0, s)] * m[(pairs[p].1, s)]);
                    sums += self.products(first, pairs.len()).transpose() * &weights;
                    first += pairs.len();
                    pairs.clear();
                }
            }
        }
        Block { sums, row_sums: self.squares.iter().map(|a| a * &m).collect() }
    }

    /// The columns of values, squares and products for some pairs.
    fn products(&self, first: usize, n: usize) -> Mat<f64> {
        let t = self.rdms.len();
        let mut out = Mat::zeros(n, 2 * t + self.pairs.len());
        let part = |a: usize| &self.rdms[a][first..first + n];
        for a in 0..t {
            out.col_as_slice_mut(a).copy_from_slice(part(a));
        }
        let squares = (0..t).map(|a| (a, a));
        for (column, (a, b)) in squares.chain(self.pairs.iter().copied()).enumerate() {
            let to = out.col_as_slice_mut(t + column);
            to.iter_mut().zip(part(a).iter().zip(part(b))).for_each(|(to, (a, b))| *to = a * b);
        }
        out
    }

    /// Inner products of resample `i` of a block; `None` where the closed form is singular.
    pub(super) fn inner<'a>(&'a self, block: &'a Block, i: usize, m: &[f64]) -> Option<Inner<'a>> {
        Inner::new(self, block, i, m)
    }

    /// Number of the first data RDM.
    pub(super) fn first_data(&self) -> usize {
        self.first_data
    }

    /// The scores of resample `i` of a block; `None` where the closed form is singular.
    pub(super) fn scored(&self, block: &Block, i: usize, draw: &Draw) -> Option<Scored<'static>> {
        let inner = self.inner(block, i, &draw.conditions)?;
        let data = self.first_data..self.rdms.len();
        let norms: Vec<f64> = (0..self.rdms.len()).map(|a| inner.squared_norm(a).sqrt()).collect();
        let similarity = |a: usize, b: usize| (inner.product(a, b) / (norms[a] * norms[b])).clamp(-1.0, 1.0);
        let scores = (0..self.n_models).flat_map(|a| data.clone().map(move |b| (a, b))).map(|(a, b)| similarity(a, b)).collect();
        Some(Scored { scores, ceiling: ceiling_of(inner.similarities(data.clone()), data.len()) })
    }
}

/// Inner products of one resample.
pub(super) struct Inner<'a> {
    products: &'a Products,
    sums: &'a [f64],
    /// Number of pairs.
    n_pairs: f64,
    /// Means over pairs that are subtracted.
    centers: Vec<f64>,
    /// For whitened measures `m_c (A m)_c` and `u_c` of each RDM.
    whitened: Vec<(Vec<f64>, Vec<f64>)>,
}

impl<'a> Inner<'a> {
    fn new(products: &'a Products, block: &'a Block, i: usize, m: &[f64]) -> Option<Self> {
        let sums = block.sums.col_as_slice(i);
        let n = sum(m);
        let n_pairs = (n * n - dot(m, m)) / 2.0;
        let center = |a: usize| if products.centered { sums[a] / n_pairs } else { 0.0 };
        let centers: Vec<f64> = (0..products.rdms.len()).map(center).collect();
        let mut out = Self { products, sums, n_pairs, centers, whitened: Vec::new() };
        if block.row_sums.is_empty() {
            return Some(out);
        }
        let d: Vec<f64> = m.iter().map(|m| 2.0 + n - 2.0 * m).collect();
        // Exactly zero when one condition fills half of a tiny resample.
        if d.iter().any(|d| d.abs() < 0.5) {
            return None;
        }
        let kappa = 1.0 + m.iter().zip(&d).map(|(m, d)| m / d).sum::<f64>();
        for (row_sums, &center) in block.row_sums.iter().zip(&out.centers) {
            let s: Vec<f64> = row_sums.col_as_slice(i).iter().zip(m).map(|(s, m)| s - center * (n - m)).collect();
            let shared = m.iter().zip(&s).zip(&d).map(|((m, s), d)| m * s / d).sum::<f64>() / kappa;
            let u = s.iter().zip(&d).map(|(s, d)| (s - shared) / d).collect();
            out.whitened.push((s.iter().zip(m).map(|(s, m)| m * s).collect(), u));
        }
        Some(out)
    }

    fn of(&self, a: usize, b: usize, raw: f64) -> f64 {
        let plain = raw - self.n_pairs * self.centers[a] * self.centers[b];
        match (self.whitened.get(a), self.whitened.get(b)) {
            (Some((weighted, _)), Some((_, u))) => 0.5 * (plain - dot(weighted, u)),
            _ => plain,
        }
    }

    /// Number of pairs of conditions in the resample.
    pub(super) fn n_pairs(&self) -> f64 {
        self.n_pairs
    }

    /// Of two different RDMs, one of them data or both parts of one model.
    pub(super) fn product(&self, a: usize, b: usize) -> f64 {
        let t = self.products.rdms.len();
        self.of(a, b, self.sums[2 * t + self.products.places[a * t + b]])
    }

    /// NaN when there is nothing but rounding.
    pub(super) fn squared_norm(&self, a: usize) -> f64 {
        let raw = self.sums[self.products.rdms.len() + a];
        let found = self.of(a, a, raw);
        if found > CONSTANT * raw { found } else { f64::NAN }
    }

    /// The similarities of some RDMs with each other, in C order; NaN on the diagonal of what has no norm.
    pub(super) fn similarities(&self, of: std::ops::Range<usize>) -> Vec<f64> {
        let norms: Vec<f64> = of.clone().map(|a| self.squared_norm(a).sqrt()).collect();
        let similarity = |s: usize, t: usize| {
            if s == t {
                return if norms[s].is_nan() { f64::NAN } else { 1.0 };
            }
            (self.product(of.start + s, of.start + t) / (norms[s] * norms[t])).clamp(-1.0, 1.0)
        };
        (0..of.len()).flat_map(|s| (0..of.len()).map(move |t| (s, t))).map(|(s, t)| similarity(s, t)).collect()
    }
}
