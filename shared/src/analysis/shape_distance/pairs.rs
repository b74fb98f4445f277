//! Distances of many pairs: products on the device, decompositions of some pairs side by side.

use std::collections::BTreeSet;
use std::ops::Range;

use faer::Mat;

use super::{Context, Folds, Metric, Network, Output, Rows, Shifts, Spec, cka, reduce};
use crate::dataset::Inputs;
use crate::linalg::assignment::assignment;
use crate::linalg::spectral;
use crate::shapes::Score;
use crate::stats::{count, dot, mean};
use crate::{Array, Error, parallel};

/// Relative tolerance of the nuclear norm of a pair.
const NUCLEAR_TOL: f64 = 1e-13;

/// From this cosine on, arccos is so steep that the nuclear norm has to be right to the last digits.
const NEARLY_EQUAL: f64 = 0.999;

/// Pairs for each thread between two looks at whether the run was canceled.
const PAIRS_AT_ONCE: usize = 4;

/// A part of the matrix: places in the list of all inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

impl Tile {
    /// The networks that it needs, ascending.
    pub(super) fn networks(&self) -> Vec<usize> {
        self.rows.clone().chain(self.columns.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Its pairs; of a symmetric matrix those above the diagonal.
    pub(super) fn pairs(&self, is_square: bool) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.rows.clone().flat_map(move |i| self.columns.clone().filter(move |j| !is_square || i < *j).map(move |j| (i, j)))
    }
}

/// What is known of a part of the matrix; NaN where nothing is known yet.
#[derive(Debug, Clone)]
pub(super) struct Filling {
    pub(super) tile: Tile,
    /// For each split, rows x columns.
    pub(super) train: Vec<Mat<f64>>,
    /// The same on held-out rows; empty without them.
    pub(super) test: Vec<Mat<f64>>,
    /// Shifts down and to the right.
    pub(super) shifts: Option<(Mat<f64>, Mat<f64>)>,
    pub(super) table: Option<Array>,
}

/// What a pair gives.
struct Found {
    train: f64,
    test: f64,
    shift: Option<((f64, f64), Array)>,
}

impl Filling {
    pub(super) fn new(spec: &Spec, tile: Tile, n_splits: usize, has_test: bool) -> Self {
        let (r, c) = (tile.rows.len(), tile.columns.len());
        let start = |i: usize, j: usize| if spec.is_square() && tile.rows.start + i == tile.columns.start + j { 0.0 } else { f64::NAN };
        let empty = Mat::from_fn(r, c, start);
        let shifts = (spec.metric == Metric::Convolutional).then(|| (empty.clone(), empty.clone()));
        let test = if has_test { vec![empty.clone(); n_splits] } else { Vec::new() };
        Self { train: vec![empty; n_splits], test, shifts, table: None, tile }
    }

    fn set(&mut self, spec: &Spec, split: usize, (i, j): (usize, usize), found: Found) {
        let (row, column) = (i - self.tile.rows.start, j - self.tile.columns.start);
        // A pair of a symmetric matrix has two cells, of which the other may be outside of this part.
        let other = (spec.is_square() && self.tile.rows.contains(&j) && self.tile.columns.contains(&i))
            .then(|| (j - self.tile.rows.start, i - self.tile.columns.start));
        for at in [Some((row, column)), other].into_iter().flatten() {
            self.train[split][at] = found.train;
            if let Some(test) = self.test.get_mut(split) {
                test[at] = found.test;
            }
        }
        if let (Some(((down, right), table)), Some(shifts)) = (found.shift, &mut self.shifts) {
            (shifts.0[(row, column)], shifts.1[(row, column)]) = (down, right);
            if let Some(at) = other {
                // Shifting Y back is the same as shifting X.
                (shifts.0[at], shifts.1[at]) = (-down, -right);
            }
            self.table = Some(table);
        }
    }

    /// The result: means over splits.
    pub(super) fn output(&self, spec: &Spec) -> Result<Output, Error> {
        if self.tile != spec.whole() {
            return Err(Error::internal("a part of the matrix is not the whole"));
        }
        let average = |splits: &[Mat<f64>]| {
            let (r, c) = splits[0].shape();
            let of = |i, j| mean(&splits.iter().map(|split| split[(i, j)]).collect::<Vec<_>>());
            Array::from_mat(Mat::from_fn(r, c, of).as_ref())
        };
        let stacked = |splits: &[Mat<f64>]| {
            let arrays: Vec<Array> = splits.iter().map(|split| Array::from_mat(split.as_ref())).collect();
            let mut shape = vec![crate::stats::small(arrays.len())];
            shape.extend(&arrays[0].shape);
            Array { shape, values: arrays.into_iter().flat_map(|array| array.values).collect() }
        };
        let is_one_pair = spec.whole().pairs(spec.is_square()).count() == 1;
        Ok(Output {
            names: spec.inputs.clone(),
            against: (!spec.is_square()).then(|| spec.against.clone()),
            distances: average(&self.train),
            test_distances: (!self.test.is_empty()).then(|| average(&self.test)),
            folds: spec.n_folds.map(|_| Folds { train: stacked(&self.train), test: stacked(&self.test) }),
            shifts: self.shifts.as_ref().map(|(down, right)| Shifts {
                down: Array::from_mat(down.as_ref()),
                right: Array::from_mat(right.as_ref()),
                table: self.table.clone().filter(|_| is_one_pair),
            }),
        })
    }
}

/// Computes a part of the matrix.
pub(super) async fn fill(spec: &Spec, splits: &[Rows], tile: Tile, inputs: &Inputs, context: &Context<'_>) -> Result<Filling, Error> {
    let has_test = splits.iter().any(|rows| !rows.test.is_empty());
    let mut filling = Filling::new(spec, tile, splits.len(), has_test);
    let tile = filling.tile.clone();
    let pairs: Vec<(usize, usize)> = tile.pairs(spec.is_square()).collect();
    for (split, rows) in splits.iter().enumerate() {
        let (from, to) = (count(split) / count(splits.len()), count(split + 1) / count(splits.len()));
        let middle = from + 0.3 * (to - from);
        let networks = reduce(spec, &tile, rows, inputs, context, (from, middle))?;
        let network = |i: usize| networks[i].as_ref().ok_or_else(|| Error::internal("a network of the part was not reduced"));
        if spec.metric == Metric::Cka {
            let used = tile.networks();
            let chosen = used.iter().map(|i| network(*i)).collect::<Result<Vec<_>, _>>()?;
            let (train, test) = cka::distances(spec.score, &chosen, context, (middle, to)).await?;
            let place = |i: usize| used.binary_search(&i).unwrap_or_default();
            for &(i, j) in &pairs {
                let at = (place(i), place(j));
                let test = test.as_ref().map_or(f64::NAN, |test| test[at]);
                filling.set(spec, split, (i, j), Found { train: train[at], test, shift: None });
            }
            continue;
        }
        let mut n_done = 0;
        for some in pairs.chunk_by(|a, b| a.0 == b.0).flat_map(|row| row.chunks(PAIRS_AT_ONCE * parallel::threads())) {
            let x = network(some[0].0)?;
            let others = some.iter().map(|(_, j)| network(*j)).collect::<Result<Vec<_>, _>>()?;
            context.step(middle + (to - middle) * count(n_done) / count(pairs.len()), &format!("{} and {}", x.name, others[0].name))?;
            let products = Products::of(spec, x, &others, context).await?;
            for (&pair, found) in some.iter().zip(parallel::map(some.len(), |at| products[at].distances(spec, x, others[at]))) {
                filling.set(spec, split, pair, found?);
            }
            n_done += some.len();
            if tile == spec.whole() {
                context.progress.preview(&|| filling.output(spec).ok().map(crate::analysis::Output::ShapeDistance));
            }
        }
    }
    Ok(filling)
}

/// What the rows of a pair have in common.
enum Products {
    /// `C_x'C_y` on the rows fitted on and held out.
    Cross(Mat<f64>, Option<Mat<f64>>),
    /// `<C_x, C_y>` on both.
    Inner(f64, f64),
    /// `C_x'C_y` at every shift.
    Shifted(Vec<Mat<f64>>),
}

impl Products {
    /// With each of the others: those with one network are batched on a GPU.
    async fn of(spec: &Spec, x: &Network, others: &[&Network], context: &Context<'_>) -> Result<Vec<Self>, Error> {
        if spec.metric == Metric::Identity {
            let inner =
                |a: &Mat<f64>, b: &Mat<f64>| (0..a.ncols().min(b.ncols())).map(|j| dot(a.col_as_slice(j), b.col_as_slice(j))).sum::<f64>();
            let of = |y: &&Network| {
                let held = x.held_out.as_ref().zip(y.held_out.as_ref());
                Self::Inner(inner(&x.coordinates, &y.coordinates), held.map_or(f64::NAN, |(a, b)| inner(&a.coordinates, &b.coordinates)))
            };
            return Ok(others.iter().map(of).collect());
        }
        if let Some(maps) = &x.maps {
            return Ok(others.iter().filter_map(|y| y.maps.as_ref()).map(|y| Self::Shifted(maps.products(y))).collect());
        }
        let coordinates: Vec<_> = others.iter().map(|y| y.coordinates.as_ref()).collect();
        let fitted = context.device.cross_many(x.coordinates.as_ref(), &coordinates).await?;
        let held = match &x.held_out {
            Some(held) => {
                let others: Vec<_> = others.iter().filter_map(|y| y.held_out.as_ref()).map(|y| y.coordinates.as_ref()).collect();
                context.device.cross_many(held.coordinates.as_ref(), &others).await?
            }
            None => Vec::new(),
        };
        let mut held = held.into_iter();
        Ok(fitted.into_iter().map(|fitted| Self::Cross(fitted, held.next())).collect())
    }

    /// Distances on the rows fitted on and on the held-out rows (NaN without any).
    fn distances(&self, spec: &Spec, x: &Network, y: &Network) -> Result<Found, Error> {
        let width = x.width.max(y.width);
        let (scale_x, scale_y) = (x.variance_factor(spec.alpha, width), y.variance_factor(spec.alpha, width));
        // Angles do not see the factors; without them, equal networks stay exactly equal.
        let score = |inner: f64, norm_x: f64, norm_y: f64| match spec.score {
            Score::Angular => spec.score.of(inner, norm_x, norm_y),
            Score::Euclidean => spec.score.of(scale_x * scale_y * inner, scale_x * norm_x, scale_y * norm_y),
        };
        let held_norms = x.held_out.as_ref().zip(y.held_out.as_ref()).map(|(a, b)| (a.norm, b.norm));
        let both = |fitted: f64, held: f64| {
            let test = held_norms.map_or(f64::NAN, |(a, b)| score(held, a, b));
            Found { train: score(fitted, x.norm, y.norm), test, shift: None }
        };
        match self {
            Self::Inner(fitted, held) => Ok(both(*fitted, *held)),
            Self::Cross(fitted, held) if spec.metric == Metric::Permutation => Ok({
                let (sum, held) = matched(fitted, held.as_ref());
                both(sum, held)
            }),
            Self::Cross(fitted, None) => Ok(both(nuclear(fitted, x.norm * y.norm)?, f64::NAN)),
            Self::Cross(fitted, Some(held)) => {
                // The alignment U V' of the pair acts on the held-out product in the same coordinates.
                let svd = spectral::thin_svd(fitted.as_ref())?;
                let turned = held * &svd.v;
                Ok(both(svd.s.iter().sum(), crate::shapes::inner(&svd.u, &turned)))
            }
            Self::Shifted(products) => {
                let all = products.iter().map(|product| Ok(score(nuclear(product, x.norm * y.norm)?, x.norm, y.norm)));
                let all = all.collect::<Result<Vec<f64>, Error>>()?;
                let maps = x.maps.as_ref().ok_or_else(|| Error::internal("shifted products without maps"))?;
                let (h, w) = maps.size;
                let least = (0..all.len()).min_by(|a, b| all[*a].total_cmp(&all[*b]).then(a.cmp(b))).unwrap_or(0);
                let shift = maps.shifts()[least];
                #[expect(clippy::cast_precision_loss, reason = "positions of a map")]
                let shift = (shift.down as f64, shift.right as f64);
                Ok(Found { train: all[least], test: f64::NAN, shift: Some((shift, Array::matrix(h, w, all))) })
            }
        }
    }
}

/// The nuclear norm of a product; to the last digits where the networks are nearly equal.
fn nuclear(product: &Mat<f64>, norms: f64) -> Result<f64, Error> {
    let nuclear = spectral::nuclear_norm(product.as_ref(), NUCLEAR_TOL)?;
    if nuclear > NEARLY_EQUAL * norms {
        return Ok(spectral::singular_values(product.as_ref())?.iter().sum());
    }
    Ok(nuclear)
}

/// The sum of the best matching of columns, and the sum of the same pairs on held-out rows.
fn matched(fitted: &Mat<f64>, held: Option<&Mat<f64>>) -> (f64, f64) {
    let is_tall = fitted.nrows() > fitted.ncols();
    let columns = if is_tall { assignment(&fitted.transpose().to_owned(), true) } else { assignment(fitted, true) };
    let at = |(i, j): (usize, &usize)| if is_tall { (*j, i) } else { (i, *j) };
    let sum = |m: &Mat<f64>| columns.iter().enumerate().map(|pair| m[at(pair)]).sum::<f64>();
    (sum(fitted), held.map_or(f64::NAN, sum))
}
