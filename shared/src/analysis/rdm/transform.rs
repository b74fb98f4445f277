//! Transforms of the pairs of an RDM.

use serde::{Deserialize, Serialize};

use super::quadratic::mirror_upper;
use crate::Error;
use crate::stats::{average_ranks, quantile};

/// What is done to the dissimilarities, in the order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// Average ranks from 1.
    Rank,
    /// Square root; 0 for negative values.
    Sqrt,
    /// 0 for negative values.
    Positive,
    /// From 0 (the least) to 1 (the greatest).
    MinMax,
    /// 0 below the quantile `low`, 1 above the quantile `high`, linear between.
    GeoTopological {
        /// Between 0 and `high`.
        low: f64,
        /// Between `low` and 1.
        high: f64,
    },
    /// Length of the shortest path over the pairs below the greatest, after `min_max`.
    Geodesic,
}

impl Transform {
    pub(super) fn check(self) -> Result<(), Error> {
        match self {
            Self::GeoTopological { low, high } if !(0.0..=1.0).contains(&low) || !(0.0..=1.0).contains(&high) || low >= high => {
                let message = format!("geo_topological needs 0 <= low < high <= 1, got {low} and {high}");
                Err(Error::parameter("transforms", message))
            }
            Self::Rank | Self::Sqrt | Self::Positive | Self::MinMax | Self::GeoTopological { .. } | Self::Geodesic => Ok(()),
        }
    }

    /// The transformed n x n matrix; NaN pairs stay NaN, and a constant RDM has no `min_max` (NaN).
    ///
    /// # Source
    /// rsatoolbox 0.3.2; Lin & Kriegeskorte 2024 (geo-topological).
    pub(super) fn apply(self, rdm: &mut [f64], n: usize) {
        let mut pairs: Vec<f64> = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).map(|(i, j)| rdm[i * n + j]).collect();
        match self {
            Self::Rank => pairs = average_ranks(&pairs),
            Self::Sqrt => pairs.iter_mut().filter(|v| !v.is_nan()).for_each(|v| *v = v.max(0.0).sqrt()),
            Self::Positive => pairs.iter_mut().filter(|v| !v.is_nan()).for_each(|v| *v = v.max(0.0)),
            Self::MinMax => between(&mut pairs, 0.0, 1.0),
            Self::GeoTopological { low, high } => between(&mut pairs, low, high),
            Self::Geodesic => {
                between(&mut pairs, 0.0, 1.0);
                pairs = shortest_paths(&pairs, n);
            }
        }
        let mut at = 0;
        for i in 0..n {
            for j in i + 1..n {
                rdm[i * n + j] = pairs[at];
                at += 1;
            }
        }
        mirror_upper(rdm, n);
    }
}

/// Linear from 0 at one quantile to 1 at another, flat outside.
fn between(pairs: &mut [f64], low: f64, high: f64) {
    let defined: Vec<f64> = pairs.iter().copied().filter(|v| !v.is_nan()).collect();
    let (low, high) = (quantile(&defined, low), quantile(&defined, high));
    pairs.iter_mut().for_each(|v| {
        // A constant RDM divides 0 by 0.
        let share = (*v - low) / (high - low);
        *v = if share.is_nan() { f64::NAN } else { share.clamp(0.0, 1.0) };
    });
}

/// All shortest paths over pairs below 1 (Floyd & Warshall); NaN where there is none.
fn shortest_paths(pairs: &[f64], n: usize) -> Vec<f64> {
    let mut length = vec![f64::INFINITY; n * n];
    let mut at = 0;
    for i in 0..n {
        length[i * n + i] = 0.0;
        for j in i + 1..n {
            if pairs[at] < 1.0 {
                length[i * n + j] = pairs[at];
                length[j * n + i] = pairs[at];
            }
            at += 1;
        }
    }
    for via in 0..n {
        let from_via = length[via * n..(via + 1) * n].to_vec();
        crate::parallel::for_chunks(&mut length, n, |_, row| {
            let first = row[via];
            if first.is_finite() {
                row.iter_mut().zip(&from_via).for_each(|(old, rest)| *old = old.min(first + rest));
            }
        });
    }
    (0..n)
        .flat_map(|i| (i + 1..n).map(move |j| (i, j)))
        .map(|(i, j)| if length[i * n + j].is_finite() { length[i * n + j] } else { f64::NAN })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transformed(transform: Transform, pairs: [f64; 6]) -> Vec<f64> {
        let mut rdm = vec![0.0; 16];
        let mut at = 0;
        for i in 0..4 {
            for j in i + 1..4 {
                rdm[i * 4 + j] = pairs[at];
                rdm[j * 4 + i] = pairs[at];
                at += 1;
            }
        }
        transform.apply(&mut rdm, 4);
        assert_eq!(rdm[4].to_bits(), rdm[1].to_bits(), "symmetric");
        vec![rdm[1], rdm[2], rdm[3], rdm[6], rdm[7], rdm[11]]
    }

    #[test]
    fn pairs_are_transformed_as_defined() {
        let pairs = [-1.0, 4.0, 1.0, 0.0, 9.0, 4.0];
        assert_eq!(transformed(Transform::Rank, pairs), [1.0, 4.5, 3.0, 2.0, 6.0, 4.5]);
        assert_eq!(transformed(Transform::Sqrt, pairs), [0.0, 2.0, 1.0, 0.0, 3.0, 2.0]);
        assert_eq!(transformed(Transform::Positive, pairs), [0.0, 4.0, 1.0, 0.0, 9.0, 4.0]);
        assert_eq!(transformed(Transform::MinMax, pairs), [0.0, 0.5, 0.2, 0.1, 1.0, 0.5]);
        // Quantiles .2 and .8 of the sorted -1, 0, 1, 4, 4, 9: 0 and 4.
        assert_eq!(transformed(Transform::GeoTopological { low: 0.2, high: 0.8 }, pairs), [0.0, 1.0, 0.25, 0.0, 1.0, 1.0]);
        assert!(transformed(Transform::MinMax, [2.0; 6]).iter().all(|v| v.is_nan()), "constant");
    }

    #[test]
    fn geodesics_take_detours_and_know_islands() {
        // 0-1 0, 0-2 1 (removed), 0-3 .8, 1-2 .2, 1-3 .9, 2-3 .1 after min-max.
        let found = transformed(Transform::Geodesic, [0.0, 10.0, 8.0, 2.0, 9.0, 1.0]);
        let want = [0.0, 0.2, 0.3, 0.2, 0.3, 0.1];
        assert!(found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-15), "{found:?}");
        // Condition 3 is at the greatest distance from all: unreachable.
        let found = transformed(Transform::Geodesic, [0.0, 1.0, 5.0, 1.0, 5.0, 5.0]);
        assert!(found[2].is_nan() && found[4].is_nan() && found[5].is_nan(), "{found:?}");
    }

    #[test]
    fn quantiles_out_of_order_are_refused() {
        assert!(Transform::GeoTopological { low: 0.5, high: 0.5 }.check().is_err(), "nothing between");
        assert!(Transform::GeoTopological { low: 0.0, high: 1.0 }.check().is_ok(), "min-max");
    }
}
