//! Generalized shape distances between representations.
//!
//! Each network is reduced once to coordinates in which whitening is diagonal; a pair then needs one contraction and the singular
//! values of a small matrix.

mod cka;
mod network;
mod pairs;
mod pieces;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use self::network::{Network, Rows};
use self::pairs::Tile;
pub use self::pieces::{Piece, Range};
pub(crate) use self::pieces::{divide, join, preview, run_tile};
use super::Context;
use crate::dataset::{Inputs, Matrix, Shapes, shape_text};
use crate::rng::Stream;
use crate::shapes::ALPHA_STEP;
pub use crate::shapes::Score;
use crate::stats::{blocks, count};
use crate::{Array, Error, Estimate, parallel};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Names of the inputs (at least two, or one with `against`), rows = the same samples in the same order.
    pub inputs: Vec<String>,
    /// Names of further inputs: distances of `inputs` (rows of the matrix) to these (columns). All pairs of `inputs` if empty.
    pub against: Vec<String>,
    /// How representations are aligned.
    pub metric: Metric,
    /// Regularization between full whitening (0, CCA-like) and none (1, Procrustes), for `linear` and `convolutional`.
    pub alpha: f64,
    /// Which distance.
    pub score: Score,
    /// Subtract column means.
    pub center_columns: bool,
    /// Append zero columns to the narrower input; otherwise different widths are an error.
    pub zero_pad: bool,
    /// Fraction of the rows (seeded random choice) that the alignment is fitted on; the rest gives held-out distances.
    pub train_fraction: Option<f64>,
    /// Contiguous folds: each holds out a block of rows; distances are means over folds.
    pub n_folds: Option<u32>,
    /// Which axis of the inputs of `convolutional` has the channels.
    pub channels: Channels,
    /// Seed of the choice of rows.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            against: Vec::new(),
            metric: Metric::Linear,
            alpha: 1.0,
            score: Score::Angular,
            center_columns: true,
            zero_pad: true,
            train_fraction: None,
            n_folds: None,
            channels: Channels::First,
            seed: 0,
        }
    }
}

/// How representations are aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// A rotation of partially whitened columns.
    #[default]
    Linear,
    /// The best matching of columns.
    Permutation,
    /// Not at all: column j of one is column j of the other.
    Identity,
    /// None is needed: the angle between centered linear Gram matrices (centered kernel alignment).
    Cka,
    /// A rotation of the channels of convolutional layers and a circular shift of their maps.
    Convolutional,
}

/// Axes of a convolutional layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// Images x channels x height x width.
    #[default]
    First,
    /// Images x height x width x channels.
    Last,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Names of the inputs: the rows.
    pub names: Vec<String>,
    /// Names of the columns, when they are others than the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Vec<String>>,
    /// Distances on the rows fitted on: K x K, symmetric, zero diagonal; or K x M. Means over folds.
    pub distances: Array,
    /// Distances on the held-out rows, when there are any. Means over folds.
    pub test_distances: Option<Array>,
    /// The distances of each fold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<Folds>,
    /// The shifts of `convolutional`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shifts: Option<Shifts>,
}

/// Distances by fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Folds {
    /// On the rows fitted on: folds x K x (K or M).
    pub train: Array,
    /// On the rows held out.
    pub test: Array,
}

/// Circular shifts of the representation in the row that bring it closest to the one in the column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shifts {
    /// Rows down; negative is up.
    pub down: Array,
    /// Columns to the right; negative is left.
    pub right: Array,
    /// For two representations: the distance at every shift, height x width; the middle is no shift.
    pub table: Option<Array>,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        self.inputs.iter().chain(&self.against).cloned().collect()
    }

    /// What the run will cost: one reduction per input, one product and its singular values per pair.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        self.estimate_of(shapes, &self.whole())
    }

    /// The same for a part of the matrix.
    fn estimate_of(&self, shapes: &Shapes, tile: &Tile) -> Estimate {
        let all = self.inputs();
        let sizes: Vec<Size> = all.iter().map(|name| self.size(shapes.0.get(name).map_or(&[], Vec::as_slice))).collect();
        let used = tile.networks();
        let folds = f64::from(self.n_folds.unwrap_or(1).max(1));
        let mut total = Estimate { flops: 0.0, peak_bytes: 0.0 };
        for &i in &used {
            let Some(&Size { m, p, .. }) = sizes.get(i) else { continue };
            let r = m.min(p);
            let decomposes = matches!(self.metric, Metric::Linear | Metric::Convolutional) && (self.alpha < 1.0 || p > m);
            total.flops += folds * if decomposes { 6.0 * m * p * r + 20.0 * r * r * r } else { 3.0 * m * p };
            total.peak_bytes += 8.0 * m * p;
            if self.metric == Metric::Cka {
                total.flops += folds * m * m * p.min(m);
            }
        }
        for (i, j) in tile.pairs(self.is_square()) {
            let (Some(a), Some(b)) = (sizes.get(i), sizes.get(j)) else { continue };
            let (ra, rb) = (a.m.min(a.p), a.m.min(b.p));
            let (small, large) = (ra.min(rb), ra.max(rb));
            total.flops += folds
                * match self.metric {
                    Metric::Linear => 2.0 * a.m * small * large + 4.0 * small * small * large,
                    Metric::Permutation => 2.0 * a.m * a.p * b.p + 4.0 * a.p.min(b.p).powi(2) * a.p.max(b.p),
                    Metric::Identity => 2.0 * a.m * a.p.min(b.p),
                    Metric::Cka => a.m * a.m,
                    Metric::Convolutional => a.maps * (8.0 * a.m / a.maps * small * large + 4.0 * small * small * large),
                };
        }
        let widest = used.iter().filter_map(|i| sizes.get(*i)).map(|s| s.m.min(s.p)).fold(0.0, f64::max);
        Estimate { peak_bytes: total.peak_bytes + 32.0 * widest * widest, ..total }
    }

    /// Rows and columns of an input as the metric sees it, and positions of a map.
    fn size(&self, shape: &[usize]) -> Size {
        let n = |at: usize| count(shape.get(at).copied().unwrap_or(1));
        let rest: f64 = shape.iter().skip(1).map(|n| count(*n)).product();
        match (self.metric, self.channels) {
            (Metric::Convolutional, Channels::First) => Size { m: n(0) * n(2) * n(3), p: n(1), maps: n(2) * n(3) },
            (Metric::Convolutional, Channels::Last) => Size { m: n(0) * n(1) * n(2), p: n(3), maps: n(1) * n(2) },
            (Metric::Linear | Metric::Permutation | Metric::Identity | Metric::Cka, _) => {
                Size { m: if shape.is_empty() { 0.0 } else { n(0) }, p: rest, maps: 1.0 }
            }
        }
    }

    /// Height and width of the maps of a convolutional layer.
    fn map_of(&self, shape: &[usize]) -> [usize; 2] {
        match self.channels {
            Channels::First => [shape[2], shape[3]],
            Channels::Last => [shape[1], shape[2]],
        }
    }

    fn is_square(&self) -> bool {
        self.against.is_empty()
    }

    /// The whole matrix.
    fn whole(&self) -> Tile {
        let k = self.inputs.len();
        Tile { rows: 0..k, columns: if self.is_square() { 0..k } else { k..k + self.against.len() } }
    }

    /// Checks what can be seen from shapes, and chooses rows.
    fn check(&self, inputs: &Inputs, context: &Context<'_>) -> Result<Vec<Rows>, Error> {
        if !(0.0..=1.0).contains(&self.alpha) {
            return Err(Error::parameter("alpha", format!("{} is outside 0..=1 (0 whitens fully, 1 not at all)", self.alpha)));
        }
        let whitens = matches!(self.metric, Metric::Linear | Metric::Convolutional);
        if self.alpha < 1.0 && !whitens {
            let message = format!("{} whitens, which only linear and convolutional do; use 1 or another metric", self.alpha);
            return Err(Error::parameter("alpha", message));
        }
        if self.is_square() && self.inputs.len() < 2 {
            return Err(Error::parameter("inputs", format!("{} named; a distance needs at least 2 inputs", self.inputs.len())));
        }
        if self.inputs.is_empty() {
            return Err(Error::parameter("inputs", "none named; give at least 1 to compare with the others"));
        }
        let names = self.inputs();
        let shapes = names.iter().map(|name| inputs.shape("inputs", name)).collect::<Result<Vec<_>, _>>()?;
        if self.metric == Metric::Convolutional {
            self.check_maps(&names, &shapes)?;
        }
        let (n, first) = (shapes[0].first().copied().unwrap_or(0), self.size(shapes[0]).p);
        for (name, shape) in names.iter().zip(&shapes).skip(1) {
            let (rows, width) = (shape.first().copied().unwrap_or(0), self.size(shape).p);
            if rows != n {
                return Err(Error::RowMismatch { a: names[0].clone(), n_a: n as u64, b: name.clone(), n_b: rows as u64 });
            }
            let pads = self.zero_pad || self.metric == Metric::Cka;
            #[expect(clippy::float_cmp, reason = "whole numbers")]
            if width != first && !pads {
                return Err(Error::Shape {
                    what: name.clone(),
                    expected: format!("{first} columns as in {} (or zero_pad, which appends zero columns to the narrower)", names[0]),
                    got: format!("{width} columns"),
                });
            }
        }
        let splits = self.splits(n)?;
        if self.alpha < ALPHA_STEP {
            let n_train = splits.iter().map(|rows| count(rows.train.len())).fold(f64::INFINITY, f64::min) * self.size(shapes[0]).maps;
            let is_tight = |shape: &&[usize]| self.size(shape).p + f64::from(u8::from(self.center_columns)) >= n_train;
            let collapsing: Vec<&str> =
                names.iter().zip(&shapes).filter(|(_, shape)| is_tight(shape)).map(|(name, _)| name.as_str()).collect();
            if !collapsing.is_empty() {
                let names = collapsing.join(", ");
                context.warn(
                    "too_few_samples",
                    format!("alpha 0 needs more samples than features; with {n_train} samples the distances of {names} collapse towards 0"),
                );
            }
        }
        Ok(splits)
    }

    fn check_maps(&self, names: &[String], shapes: &[&[usize]]) -> Result<(), Error> {
        let axes = match self.channels {
            Channels::First => "images x channels x height x width",
            Channels::Last => "images x height x width x channels",
        };
        for (name, shape) in names.iter().zip(shapes) {
            if shape.len() != 4 {
                return Err(Error::Shape { what: name.clone(), expected: format!("four axes, {axes}"), got: shape_text(shape) });
            }
            if self.map_of(shape) != self.map_of(shapes[0]) {
                let text = |shape: &[usize]| format!("maps of {}", shape_text(&self.map_of(shape)));
                return Err(Error::Shape {
                    what: name.clone(),
                    expected: format!("{} as in {}", text(shapes[0]), names[0]),
                    got: text(shape),
                });
            }
        }
        if self.train_fraction.is_some() || self.n_folds.is_some() {
            let field = if self.n_folds.is_some() { "n_folds" } else { "train_fraction" };
            return Err(Error::parameter(field, "convolutional has no held-out rows: leave this out, or use linear on pooled activations"));
        }
        Ok(())
    }

    /// The rows to fit on and to hold out, each ascending: once, or for each fold.
    fn splits(&self, n: usize) -> Result<Vec<Rows>, Error> {
        match (self.train_fraction, self.n_folds) {
            (Some(_), Some(_)) => Err(Error::parameter("n_folds", "give either folds or a fraction of the rows to fit on, not both")),
            (None, None) if n < 2 => Err(Error::input(&*self.inputs[0], format!("{n} sample (rows); shapes need at least 2"))),
            (None, None) => Ok(vec![Rows { train: (0..n).collect(), test: Vec::new() }]),
            (Some(fraction), None) => {
                let (train, test) = part_of_rows(fraction, n, self.seed)?;
                Ok(vec![Rows { train, test }])
            }
            (None, Some(k)) => {
                let most = n.saturating_sub(2).max(2).min(n);
                if k < 2 || k as usize > most || n < 3 {
                    return Err(Error::parameter(
                        "n_folds",
                        format!("{k} folds of {n} rows; give 2 to {most}, so that 2 rows are left to fit on"),
                    ));
                }
                let fold =
                    |test: std::ops::Range<usize>| Rows { train: (0..n).filter(|i| !test.contains(i)).collect(), test: test.collect() };
                Ok(blocks(n, k as usize).into_iter().map(fold).collect())
            }
        }
    }

    /// An input as a matrix: channels of convolutional layers become columns, positions rows.
    fn matrix(&self, inputs: &Inputs, name: &str) -> Result<Matrix, Error> {
        let dataset = inputs.get("inputs", name)?;
        if self.metric != Metric::Convolutional {
            return dataset.matrix();
        }
        dataset.with_columns(if self.channels == Channels::First { 1 } else { 3 }).matrix()
    }
}

/// The rows to fit on, a seeded random part of n, and the others; each ascending.
pub(super) fn part_of_rows(fraction: f64, n: usize, seed: u64) -> Result<(Vec<usize>, Vec<usize>), Error> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of n, clamped")]
    let n_train = (fraction.clamp(0.0, 1.0) * count(n)).round() as usize;
    if !(fraction > 0.0 && fraction < 1.0) || n_train < 2 || n_train >= n {
        return Err(Error::parameter(
            "train_fraction",
            format!(
                "{fraction} of {n} rows leaves {n_train} to fit on; choose a fraction between 0 and 1 that leaves at least 2 to fit on and 1 to hold out"
            ),
        ));
    }
    let mut train = Stream::new(seed, 0).permutation(n);
    let mut test = train.split_off(n_train);
    train.sort_unstable();
    test.sort_unstable();
    Ok((train, test))
}

#[derive(Debug, Clone, Copy)]
struct Size {
    m: f64,
    p: f64,
    maps: f64,
}

/// Distances between all pairs of inputs after the best orthogonal alignment of their partially whitened columns.
///
/// # Definition
/// Per input: Xc = X minus its column means (of the rows fitted on). Whitening with (lambda, V) = eig(Xc'Xc), lambda >= 1e-7:
/// Z = f V diag(alpha + (1 - alpha) / sqrt(lambda)) V', f such that the total variance is kept; alpha = 1: Z = I.
/// With the singular values sigma of (Xc Zx)'(Yc Zy), A = Xc Zx, B = Yc Zy:
/// angular = arccos(sum sigma / (|A| |B|)) in radians, euclidean^2 = |A|^2 + |B|^2 - 2 sum sigma.
/// Held-out rows are centered, whitened and aligned by what was fitted, then A and B compared in the same way.
/// Narrower inputs count as padded with zero columns.
/// - `permutation`: no whitening; the assignment of columns with the largest sum of `Xc'Yc` takes the place of the rotation.
/// - `identity`: no whitening and no alignment; `<A, B> = <Xc, Yc>`.
/// - `cka`: A = Xc Xc', B = Yc Yc'; the angle is arccos of linear CKA.
/// - `convolutional`: channels are columns and positions of all images rows; as `linear` for every circular shift of X, the least distance counts.
///
/// # Shapes
/// K inputs (m, `n_k`) → K x K; with M others K x M.
///
/// # Parameters
/// `alpha` 0 is invariant to invertible linear maps of the columns (like CCA), 1 to rotations and, angular, to scale (Procrustes).
/// Between, the result depends on the scale of the data.
///
/// # Degenerate
/// Angular distances of an input without variance are NaN, with a warning. alpha = 0 with as many features as samples: all
/// distances are close to 0, with a warning. Directions without variance in the rows fitted on are ignored in held-out rows when
/// alpha < 1.
///
/// # Accuracy
/// Deterministic. 1e-12 in the cosine on the CPU: equal shapes come out at about 1e-8 because arccos is steep there. On a GPU 1e-6 in
/// the cosine, 1e-3 for equal shapes.
///
/// # Cost
/// Per input one decomposition, O(m n min(m, n)), none for alpha = 1 with m >= n. Per pair O(m r^2 + r^3), r = min(m, n). `cka`: the
/// smaller of m^2 n per input with m^2 per pair, and m n^2 per pair.
///
/// # Errors
/// [`Error::Parameter`] for alpha or the fraction out of range or fewer than 2 inputs, whitening where there is none, [`Error::RowMismatch`],
/// [`Error::Shape`] for different widths without `zero_pad`, [`Error::NonFinite`], [`Error::Numerical`], [`Error::Canceled`].
///
/// # Source
/// Williams, Kunz, Kornblith & Linderman 2021; netrep `LinearMetric`, `PermutationMetric`, `LinearCKA` and `convolve_metric`.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let splits = spec.check(inputs, context)?;
    let filling = pairs::fill(spec, &splits, spec.whole(), inputs, context).await?;
    filling.output(spec)
}

/// Networks of a part of the matrix, reduced: at their places, nothing at the others.
fn reduce(
    spec: &Spec,
    tile: &Tile,
    rows: &Rows,
    inputs: &Inputs,
    context: &Context<'_>,
    share: (f64, f64),
) -> Result<Vec<Option<Network>>, Error> {
    let names = spec.inputs();
    let used = tile.networks();
    let mut networks: Vec<Option<Network>> = (0..names.len()).map(|_| None).collect();
    for (done, some) in used.chunks(parallel::threads()).enumerate() {
        let done = count(done * parallel::threads()) / count(used.len());
        context.step(share.0 + (share.1 - share.0) * done, &format!("reducing {}", names[some[0]]))?;
        let load = |i: &usize| {
            let map = (spec.metric == Metric::Convolutional).then(|| inputs.shape("inputs", &names[*i]).map(|shape| spec.map_of(shape)));
            Ok((spec.matrix(inputs, &names[*i])?, map.transpose()?))
        };
        let loaded = some.iter().map(load).collect::<Result<Vec<_>, Error>>()?;
        for (i, network) in some.iter().zip(parallel::map(some.len(), |at| Network::reduce(spec, &loaded[at].0, rows, loaded[at].1))) {
            let network = network?;
            if network.norm <= 0.0 {
                let message = format!("{}: its rows are all equal; without variance its angular distances are undefined", names[*i]);
                context.warn("constant_data", message);
            }
            networks[*i] = Some(network);
        }
    }
    Ok(networks)
}
