//! All pairs by several processes: each computes a part of the matrix, the last one puts them together.

use faer::Mat;
use serde::{Deserialize, Serialize};

use super::pairs::{Filling, Tile, fill};
use super::{Metric, Output, Spec};
use crate::analysis::Context;
use crate::dataset::{Inputs, Shapes};
use crate::stats::{blocks, small};
use crate::{Array, Error};

/// A part of the matrix: places in the list of all inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// First and one after the last row.
    pub rows: (u32, u32),
    /// First and one after the last column.
    pub columns: (u32, u32),
}

/// The distances of a part of the matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    range: Range,
    /// One matrix for each split.
    train: Vec<Array>,
    test: Vec<Array>,
}

impl From<Range> for Tile {
    fn from(range: Range) -> Self {
        let places = |(from, to): (u32, u32)| from as usize..to as usize;
        Self { rows: places(range.rows), columns: places(range.columns) }
    }
}

impl From<&Tile> for Range {
    fn from(tile: &Tile) -> Self {
        let ends = |places: &std::ops::Range<usize>| (small(places.start), small(places.end));
        Self { rows: ends(&tile.rows), columns: ends(&tile.columns) }
    }
}

/// The parts of about `task_flops`; empty when the run is one task. Networks are cut into equal blocks and a part is the pairs of two
/// blocks, so that a process reads the networks of two blocks only.
pub(crate) fn divide(spec: &Spec, shapes: &Shapes, task_flops: f64) -> Vec<Range> {
    let whole = spec.whole();
    let (k, m) = (whole.rows.len(), whole.columns.len());
    // Shifts of convolutional layers are few networks with much work per pair, and Gram matrices much work per network.
    if matches!(spec.metric, Metric::Convolutional | Metric::Cka) || k * m < 4 {
        return Vec::new();
    }
    let n_tasks = spec.estimate(shapes).flops / task_flops;
    if n_tasks < 2.0 {
        return Vec::new();
    }
    // Of a symmetric matrix half of the blocks are needed.
    let per_side = if spec.is_square() { (2.0 * n_tasks).sqrt() } else { n_tasks.sqrt() };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the number of networks")]
    let side = |n: usize| (per_side.ceil().min(crate::stats::count(n)).max(1.0)) as usize;
    let shifted = |start: usize, n: usize| blocks(n, side(n)).into_iter().map(move |b| b.start + start..b.end + start).collect::<Vec<_>>();
    let (rows, columns) = (shifted(whole.rows.start, k), shifted(whole.columns.start, m));
    let tiles = rows.iter().flat_map(|rows| columns.iter().map(|columns| Tile { rows: rows.clone(), columns: columns.clone() }));
    tiles.filter(|tile| tile.pairs(spec.is_square()).next().is_some()).map(|tile| Range::from(&tile)).collect()
}

/// Computes a part.
pub(crate) async fn run_tile(spec: &Spec, range: Range, inputs: &Inputs, context: &Context<'_>) -> Result<Piece, Error> {
    let splits = spec.check(inputs, context)?;
    let (tile, whole) = (Tile::from(range), spec.whole());
    let is_inside = |part: &std::ops::Range<usize>, all: &std::ops::Range<usize>| {
        part.start < part.end && part.start >= all.start && part.end <= all.end
    };
    if !is_inside(&tile.rows, &whole.rows) || !is_inside(&tile.columns, &whole.columns) {
        return Err(Error::internal(format!("a task names the part {range:?} of a matrix {} x {}", whole.rows.len(), whole.columns.len())));
    }
    let filling = fill(spec, &splits, tile, inputs, context).await?;
    let arrays = |splits: &[Mat<f64>]| splits.iter().map(|split| Array::from_mat(split.as_ref())).collect();
    Ok(Piece { range, train: arrays(&filling.train), test: arrays(&filling.test) })
}

/// Puts the pieces of all tasks together.
pub(crate) fn join(spec: &Spec, pieces: impl Iterator<Item = Result<Piece, Error>>) -> Result<Output, Error> {
    let (filling, n_pairs) = filled(spec, pieces)?;
    let wanted = spec.whole().pairs(spec.is_square()).count();
    if n_pairs != wanted {
        return Err(Error::internal(format!("{n_pairs} of {wanted} pairs were computed: a piece is missing or there twice")));
    }
    filling.output(spec)
}

/// What some pieces give: NaN for what the others will bring.
pub(crate) fn preview(spec: &Spec, pieces: impl Iterator<Item = Result<Piece, Error>>) -> Result<Output, Error> {
    filled(spec, pieces)?.0.output(spec)
}

/// The matrix with the pieces in it, and how many pairs they brought.
fn filled(spec: &Spec, pieces: impl Iterator<Item = Result<Piece, Error>>) -> Result<(Filling, usize), Error> {
    let mut all: Option<Filling> = None;
    let mut n_pairs = 0;
    for piece in pieces {
        let Piece { range, train, test } = piece?;
        let tile = Tile::from(range);
        let all = all.get_or_insert_with(|| Filling::new(spec, spec.whole(), train.len(), !test.is_empty()));
        let shape = vec![small(tile.rows.len()), small(tile.columns.len())];
        let fits = train.iter().chain(&test).all(|array| array.shape == shape)
            && (train.len(), test.len()) == (all.train.len(), all.test.len())
            && tile.rows.end <= all.tile.rows.end
            && tile.columns.start >= all.tile.columns.start
            && tile.columns.end <= all.tile.columns.end;
        if !fits {
            return Err(Error::internal("a piece of another matrix"));
        }
        let (whole, is_square) = (all.tile.clone(), spec.is_square());
        for (matrix, array) in all.train.iter_mut().chain(&mut all.test).zip(train.iter().chain(&test)) {
            for (i, row) in tile.rows.clone().enumerate() {
                for (j, column) in tile.columns.clone().enumerate() {
                    let value = array.row(i)[j];
                    matrix[(row - whole.rows.start, column - whole.columns.start)] = value;
                    if is_square {
                        matrix[(column, row)] = value;
                    }
                }
            }
        }
        n_pairs += tile.pairs(is_square).count();
    }
    all.map(|all| (all, n_pairs)).ok_or_else(|| Error::internal("no piece was computed"))
}
