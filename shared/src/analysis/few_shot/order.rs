//! Which samples of every class are trained on and which are held out, repeat by repeat.

use super::Order;
use crate::rng::{NumpyLegacy, Stream};

/// The orders of `0..n`, one for each repeat.
///
/// # Definition
/// `independent`: an independent permutation from the stream of the seed and the repeat. `composed`: repeat i shuffles the order that repeat i - 1 left,
/// in place, by numpy's legacy generator with seed i; the seed of the spec has no part in it.
#[derive(Debug)]
pub(super) struct Orders {
    kind: Order,
    seed: u64,
    n: usize,
    left: Vec<usize>,
}

impl Orders {
    pub(super) fn new(kind: Order, seed: u64, n: usize) -> Self {
        Self { kind, seed, n, left: (0..n).collect() }
    }

    /// The order of a repeat; repeats come one after the other.
    pub(super) fn next(&mut self, repeat: u32) -> Vec<usize> {
        match self.kind {
            Order::Independent => Stream::new(self.seed, u64::from(repeat)).permutation(self.n),
            Order::Composed => {
                NumpyLegacy::new(repeat).shuffle(&mut self.left);
                self.left.clone()
            }
        }
    }
}
