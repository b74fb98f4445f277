//! Ranks, correlations and other statistics over slices.
//!
//! Everything here takes `&[f64]` and returns numbers: no serde, no matrices, no errors. Undefined results are NaN.

mod adjust;
mod blocks;
mod commonality;
mod correlation;
mod kendall;
mod least_squares;
mod moments;
mod quantile;
mod ranks;
mod signed_rank;
mod student_t;
mod sums;

pub use adjust::{bonferroni, false_discovery_rate};
pub use blocks::blocks;
pub use commonality::commonality;
pub use correlation::{centered_to_unit, centered_unit, is_constant, pearson, spearman, unit};
pub use kendall::{Kendall, Order, kendall};
pub use least_squares::{explained, residuals};
pub use moments::{mean, sem, variance};
pub use quantile::{median, quantile};
pub use ranks::average_ranks;
pub use signed_rank::{SignedRank, signed_rank};
pub use student_t::{incomplete_beta, ln_beta, student_t_quantile, student_t_sf};
pub use sums::{dot, fold_pairs, sum};

/// A count as results have it; more than 2^32 of anything stay at the largest number.
pub(crate) fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A count as a float; exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of values in memory are far below 2^53")]
pub(crate) fn count(n: usize) -> f64 {
    n as f64
}
