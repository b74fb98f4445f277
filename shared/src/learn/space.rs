//! Where the weights of a linear model live: along the features or along the training rows.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, get_global_parallelism};

use crate::stats::{count, sum};

/// m values for each of n items, the m of an item together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub m: usize,
    pub values: Vec<f64>,
}

impl Block {
    pub(super) fn zeros(m: usize, n: usize) -> Self {
        Self { m, values: vec![0.0; m * n] }
    }

    pub(super) fn as_ref(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.values, self.m, self.values.len() / self.m)
    }

    fn as_mut(&mut self) -> MatMut<'_, f64> {
        let n = self.values.len() / self.m;
        MatMut::from_column_major_slice_mut(&mut self.values, self.m, n)
    }

    /// Adds `scale_k` times the k-th values of another block.
    pub(super) fn add(&mut self, scale: &[f64], other: &Self) {
        for (to, from) in self.values.chunks_exact_mut(self.m).zip(other.values.chunks_exact(self.m)) {
            for ((to, from), scale) in to.iter_mut().zip(from).zip(scale) {
                *to += scale * from;
            }
        }
    }

    /// `scale_k` times its own k-th values plus another block.
    pub(super) fn scale_add(&mut self, scale: &[f64], other: &Self) {
        for (to, from) in self.values.chunks_exact_mut(self.m).zip(other.values.chunks_exact(self.m)) {
            for ((to, from), scale) in to.iter_mut().zip(from).zip(scale) {
                *to = scale * *to + from;
            }
        }
    }

    /// Sums over items of the products of the k-th values.
    pub(super) fn dot(&self, other: &Self) -> Vec<f64> {
        if self.m == 1 {
            return vec![crate::stats::dot(&self.values, &other.values)];
        }
        let mut sums = vec![0.0; self.m];
        for (a, b) in self.values.chunks_exact(self.m).zip(other.values.chunks_exact(self.m)) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
        sums
    }

    /// Sums over items of the k-th values.
    pub(super) fn sums(&self) -> Vec<f64> {
        if self.m == 1 {
            return vec![sum(&self.values)];
        }
        let mut sums = vec![0.0; self.m];
        for item in self.values.chunks_exact(self.m) {
            sums.iter_mut().zip(item).for_each(|(sum, v)| *sum += v);
        }
        sums
    }
}

/// The space of weight vectors.
#[derive(Debug, Clone, Copy)]
pub(super) enum Space<'a> {
    /// Weights are combinations of rows, given by n coefficients each; holds the Gram matrix of the rows (n, n).
    Rows(MatRef<'a, f64>),
    /// Weights are given as such; holds the rows as columns (p, n).
    Columns(MatRef<'a, f64>),
}

impl Space<'_> {
    /// Numbers that give a weight vector.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Rows(g) => g.nrows(),
            Self::Columns(x) => x.nrows(),
        }
    }

    pub(super) fn n_samples(&self) -> usize {
        match self {
            Self::Rows(m) | Self::Columns(m) => m.ncols(),
        }
    }

    /// Root mean square of the rows along a direction that they fill.
    pub(super) fn feature_size(&self) -> f64 {
        let n = self.n_samples();
        let total: f64 = match self {
            Self::Rows(g) => (0..n).map(|i| g[(i, i)]).sum(),
            Self::Columns(x) => x.squared_norm_l2(),
        };
        (total / count(n) / count(self.width().min(n))).sqrt()
    }

    /// Inner products of weight vectors with all rows.
    pub(super) fn scores(&self, v: &Block) -> Block {
        let mut out = Block::zeros(v.m, self.n_samples());
        match self {
            Self::Rows(m) | Self::Columns(m) => matmul(out.as_mut(), Accum::Replace, v.as_ref(), m, 1.0, get_global_parallelism()),
        }
        out
    }

    /// The weight vectors that combine rows with these coefficients.
    pub(super) fn combine(&self, coefficients: Block) -> Block {
        match self {
            Self::Rows(_) => coefficients,
            Self::Columns(x) => {
                let mut out = Block::zeros(coefficients.m, x.nrows());
                matmul(out.as_mut(), Accum::Replace, coefficients.as_ref(), x.transpose(), 1.0, get_global_parallelism());
                out
            }
        }
    }

    /// Inner products of weight vectors, the second with its scores.
    pub(super) fn inner(&self, a: &Block, b: &Block, scores_b: &Block) -> Vec<f64> {
        match self {
            Self::Rows(_) => a.dot(scores_b),
            Self::Columns(_) => a.dot(b),
        }
    }
}
