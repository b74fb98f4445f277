//! Encoding of many targets by several processes: each fits a range of the targets, the last one puts them together.

use faer::Mat;
use serde::{Deserialize, Serialize};

use super::fit::{self, BandsOfSplit, Fitted};
use super::score::{Pooled, Predictions, Scores, SplitTargets, TargetScore};
use super::{Model, Output, Spec};
use crate::Error;
use crate::analysis::Context;
use crate::array::Array;
use crate::dataset::{Inputs, Shapes};

/// A range of the targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    /// The first.
    pub start: u32,
    /// One after the last.
    pub end: u32,
}

/// What a range of the targets gives, as arrays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// Means of the targets.
    origin: Array,
    /// Rows fitted on and held out by each split.
    rows: Vec<(u32, u32)>,
    /// Splits x targets x [`TargetScore::WIDTH`].
    scores: Array,
    /// Targets x [`Pooled::WIDTH`].
    pooled: Array,
    flat: Vec<bool>,
    unvarying: Vec<bool>,
    /// Sums of the predictions, rows x targets, and the splits that held out each row.
    predictions: Option<(Vec<Array>, Array)>,
    /// Splits x targets.
    alpha: Option<Array>,
    /// Weights and parts of the bands: splits x targets x bands.
    bands: Option<(Array, Array)>,
    fewest: Option<u32>,
}

/// The targets of each task when tasks have about `task_flops`; empty when the run is one task. What is made of the features alone is made
/// again by each task, so that there are no more tasks than keep that below half of the work. Partial least squares is not divided: its
/// components are those of all targets together.
pub(crate) fn divide(spec: &Spec, shapes: &Shapes, task_flops: f64) -> Vec<Targets> {
    let (_, t) = shapes.of(&spec.targets);
    if matches!(spec.model, Model::Pls { .. }) || !(2.0..=1e9).contains(&t) {
        return Vec::new();
    }
    let flops_of = |targets: usize| {
        let mut shapes = shapes.clone();
        if let Some(shape) = shapes.0.get_mut(&spec.targets) {
            shape.truncate(1);
            shape.push(targets);
        }
        spec.estimate(&shapes).flops
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 2 and 1e9")]
    let n = t as u32;
    let features = flops_of(0);
    let targets = flops_of(n as usize) - features;
    let tasks = (targets / task_flops).ceil().min((targets / features.max(1.0)).floor()).min(t);
    if tasks < 2.0 {
        return Vec::new();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 2 and t")]
    let tasks = tasks as u64;
    let at = |i: u64| u32::try_from(u64::from(n) * i / tasks).unwrap_or(n);
    (0..tasks).map(|i| Targets { start: at(i), end: at(i + 1) }).collect()
}

/// Fits a range of the targets.
pub(crate) async fn run(spec: &Spec, targets: Targets, inputs: &Inputs, context: &Context<'_>) -> Result<Piece, Error> {
    let checked = spec.check(inputs)?;
    let (range, t) = (targets.start as usize..targets.end as usize, checked.targets.n_features());
    if range.is_empty() || range.end > t {
        return Err(Error::internal(format!("a task names targets {range:?} of {t}")));
    }
    let (fitted, origin) = fit::fit(spec, &checked, context, &fit::target_blocks(spec, &checked, range)).await?;
    Ok(fitted.pack(origin))
}

/// Puts the pieces of all tasks together, in the order of [`divide`].
pub(crate) fn join(
    spec: &Spec,
    pieces: impl Iterator<Item = Result<Piece, Error>>,
    inputs: &Inputs,
    context: &Context<'_>,
) -> Result<Output, Error> {
    let checked = spec.check(inputs)?;
    let (mut all, mut origin): (Option<Fitted>, _) = (None, Vec::new());
    for piece in pieces {
        let (fitted, means) = Fitted::unpack(piece?)?;
        origin.extend(means);
        all = Some(match all {
            Some(all) => all.append(fitted),
            None => fitted,
        });
    }
    let t = checked.targets.n_features();
    match all {
        Some(all) if origin.len() == t => fit::finish(all, spec, &checked, &origin, context),
        _ => Err(Error::internal(format!("{} of {t} targets were fitted: a piece is missing", origin.len()))),
    }
}

impl Fitted {
    fn pack(self, origin: Vec<f64>) -> Piece {
        let Self { scores, alpha, bands, fewest } = self;
        let Scores { splits, pooled, flat, unvarying, predictions } = scores;
        let (s, t) = (splits.len(), origin.len());
        let u32_of = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let stack = |of: fn(&BandsOfSplit) -> &Vec<Vec<f64>>| {
            Array::matrix(s * t, bands[0].weights[0].len(), bands.iter().flat_map(|b| of(b).concat()).collect())
        };
        Piece {
            rows: splits.iter().map(|split| (u32_of(split.n_train), u32_of(split.n_test))).collect(),
            scores: Array::matrix(
                s * t,
                TargetScore::WIDTH,
                splits.iter().flat_map(|split| split.targets.iter().flat_map(TargetScore::values)).collect(),
            ),
            pooled: Array::matrix(t, Pooled::WIDTH, pooled.iter().flat_map(Pooled::values).collect()),
            flat,
            unvarying,
            predictions: predictions
                .map(|Predictions { sums, counts }| (sums.iter().map(|m| Array::from_mat(m.as_ref())).collect(), Array::vector(counts))),
            alpha: (!alpha.is_empty()).then(|| Array::matrix(s, t, alpha.concat())),
            bands: (!bands.is_empty()).then(|| (stack(|b| &b.weights), stack(|b| &b.parts))),
            fewest: fewest.map(u32_of),
            origin: Array::vector(origin),
        }
    }

    fn unpack(piece: Piece) -> Result<(Self, Vec<f64>), Error> {
        let Piece { origin, rows, scores, pooled, flat, unvarying, predictions, alpha, bands, fewest } = piece;
        let (s, t) = (rows.len(), origin.values.len());
        let sound = scores.values.len() == s * t * TargetScore::WIDTH
            && pooled.values.len() == t * Pooled::WIDTH
            && flat.len() == t
            && unvarying.len() == t
            && alpha.as_ref().is_none_or(|alpha| alpha.values.len() == s * t);
        if !sound {
            return Err(Error::internal(format!("a piece does not have the scores of {s} splits and {t} targets")));
        }
        let of_targets: Vec<TargetScore> = scores.values.as_chunks().0.iter().map(TargetScore::of).collect();
        let splits = rows.iter().zip(of_targets.chunks_exact(t.max(1))).map(|(&(n_train, n_test), targets)| SplitTargets {
            n_train: n_train as usize,
            n_test: n_test as usize,
            targets: targets.to_vec(),
        });
        let mat = |a: &Array| Mat::from_fn(a.rows(), a.columns(), |i, j| a.values[i * a.columns() + j]);
        let scores = Scores {
            splits: splits.collect(),
            pooled: pooled.values.as_chunks().0.iter().map(Pooled::of).collect(),
            flat,
            unvarying,
            predictions: predictions.map(|(sums, counts)| Predictions { sums: sums.iter().map(mat).collect(), counts: counts.values }),
        };
        let of_splits = |a: &Array| -> Vec<Vec<Vec<f64>>> {
            let of_targets: Vec<Vec<f64>> = a.values.chunks_exact(a.columns().max(1)).map(<[f64]>::to_vec).collect();
            of_targets.chunks_exact(t.max(1)).map(<[Vec<f64>]>::to_vec).collect()
        };
        let bands = bands.map_or_else(Vec::new, |(weights, parts)| {
            of_splits(&weights).into_iter().zip(of_splits(&parts)).map(|(weights, parts)| BandsOfSplit { weights, parts }).collect()
        });
        let alpha = alpha.map_or_else(Vec::new, |alpha| alpha.values.chunks_exact(t.max(1)).map(<[f64]>::to_vec).collect());
        Ok((Self { scores, alpha, bands, fewest: fewest.map(|n| n as usize) }, origin.values))
    }
}

impl TargetScore {
    const WIDTH: usize = 5;

    fn values(&self) -> [f64; Self::WIDTH] {
        [self.r, self.r2, self.explained, self.error, self.spread]
    }

    fn of(&[r, r2, explained, error, spread]: &[f64; Self::WIDTH]) -> Self {
        Self { r, r2, explained, error, spread }
    }
}

impl Pooled {
    const WIDTH: usize = 8;

    /// The origin is NaN when there is none.
    fn values(&self) -> [f64; Self::WIDTH] {
        let (y0, z0) = self.origin.unwrap_or((f64::NAN, f64::NAN));
        [y0, z0, self.n, self.y, self.z, self.yy, self.zz, self.yz]
    }

    fn of(&[y0, z0, n, y, z, yy, zz, yz]: &[f64; Self::WIDTH]) -> Self {
        Self { origin: (n > 0.0).then_some((y0, z0)), n, y, z, yy, zz, yz }
    }
}
