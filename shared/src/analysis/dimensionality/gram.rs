//! Gram matrices of centered data, part by part: the data are never held as a whole in f64.

use std::ops::Range;

use faer::Mat;

use super::Centering;
use super::unbiased::Sums;
use crate::Error;
use crate::blocks::{Blocks, Lines};
use crate::compute::{Device, GramSum};
use crate::linalg::spectral::center_columns;
use crate::parallel;
use crate::progress::Progress;
use crate::stats::count;

/// What a spectrum is made of.
#[derive(Debug)]
pub(super) struct Grams {
    /// The smaller Gram matrix of the data centered as asked for.
    pub(super) matrix: Mat<f64>,
    /// Sums of the bias-corrected dimensionality, of the column-centered data.
    pub(super) sums: Sums,
    /// Columns that are constant.
    pub(super) n_constant: usize,
}

/// Sums over some of the data. Those of parts that make up the data add up to those of all of it.
#[derive(Debug)]
pub(super) struct Partial {
    /// Gram matrix of the column-centered data.
    pub(super) centered: Mat<f64>,
    /// Gram matrix of the data centered as asked for, where it does not follow from the other one.
    pub(super) other: Option<Mat<f64>>,
    pub(super) sums: Sums,
    /// Sum of the column-centered values of each row, when the data are taken by columns.
    pub(super) row_sums: Vec<f64>,
    pub(super) n_constant: usize,
}

/// Whether the data are taken by rows, and the length of the axis along which they are in parts.
pub(super) fn long_axis(n: usize, p: usize) -> (bool, usize) {
    (p <= n, n.max(p))
}

/// Reads the data once (rows do not outnumber columns) or twice.
pub(super) async fn of(blocks: &Blocks<'_>, centering: Centering, device: &Device, progress: &dyn Progress) -> Result<Grams, Error> {
    let (n, p) = (blocks.n_samples(), blocks.n_features());
    Ok(Partial::of(blocks, 0..n.max(p), centering, device, progress).await?.finish((n, p), centering))
}

impl Partial {
    /// Of a range along the longer axis.
    pub(super) async fn of(
        blocks: &Blocks<'_>,
        range: Range<usize>,
        centering: Centering,
        device: &Device,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        if long_axis(blocks.n_samples(), blocks.n_features()).0 {
            by_rows(blocks, range, centering, device, progress).await
        } else {
            by_columns(blocks, range, centering, device, progress).await
        }
    }

    /// What all the data give, of n rows and p columns.
    pub(super) fn finish(self, (n, p): (usize, usize), centering: Centering) -> Grams {
        let Self { mut centered, other, mut sums, row_sums, n_constant } = self;
        sums.set_gram(&centered);
        let by_rows = long_axis(n, p).0;
        match centering {
            Centering::Z if by_rows => {
                let deviation = |j: usize| (centered[(j, j)] / count(n)).sqrt();
                let scale: Vec<f64> = (0..p).map(deviation).map(|s| if s > 0.0 { 1.0 / s } else { 0.0 }).collect();
                for j in 0..p {
                    centered.col_as_slice_mut(j).iter_mut().zip(&scale).for_each(|(v, s)| *v *= s * scale[j]);
                }
            }
            Centering::Both if !by_rows => {
                // Taking the mean m_i of each row away subtracts p m m'.
                for j in 0..n {
                    let scale = row_sums[j] / count(p);
                    centered.col_as_slice_mut(j).iter_mut().zip(&row_sums).for_each(|(v, sum)| *v -= sum * scale);
                }
            }
            Centering::Column | Centering::None | Centering::Z | Centering::Both => {}
        }
        Grams { matrix: other.unwrap_or(centered), sums, n_constant }
    }
}

/// X'X: one pass for the means of all rows, one for the products of some.
async fn by_rows(
    blocks: &Blocks<'_>,
    range: Range<usize>,
    centering: Centering,
    device: &Device,
    progress: &dyn Progress,
) -> Result<Partial, Error> {
    let (n, p) = (blocks.n_samples(), blocks.n_features());
    let columns = Columns::of(blocks, progress)?;
    let mut sums = Sums::new(n, p);
    let (mut centered, mut other) = (GramSum::new(device, p), None);
    // One of the parts counts them.
    let n_constant = if range.start == 0 { columns.constant.iter().filter(|c| **c).count() } else { 0 };
    let mut part = Mat::new();
    for (rows, share) in with_share(blocks.row_parts(range)) {
        progress.step(0.2 + 0.8 * share, &format!("products of rows {} to {} of {n}", rows.start + 1, rows.end))?;
        blocks.read(rows.clone(), 0..p, &mut part)?;
        if centering == Centering::None {
            other.get_or_insert_with(|| GramSum::new(device, p)).add_columns(part.as_ref()).await?;
        }
        columns.center(&mut part);
        sums.add(part.as_ref(), rows.start, 0);
        centered.add_columns(part.as_ref()).await?;
        if centering == Centering::Both {
            center_rows(&mut part);
            other.get_or_insert_with(|| GramSum::new(device, p)).add_columns(part.as_ref()).await?;
        }
    }
    Ok(Partial { centered: centered.finish(), other: other.map(GramSum::finish), sums, row_sums: Vec::new(), n_constant })
}

/// X X': each part has all values of its columns.
async fn by_columns(
    blocks: &Blocks<'_>,
    range: Range<usize>,
    centering: Centering,
    device: &Device,
    progress: &dyn Progress,
) -> Result<Partial, Error> {
    let (n, p) = (blocks.n_samples(), blocks.n_features());
    let mut sums = Sums::new(n, p);
    let mut n_constant = 0;
    let (mut centered, mut other) = (GramSum::new(device, n), None);
    let mut row_sums = vec![0.0; n];
    let mut part = Mat::new();
    for (columns, share) in with_share(blocks.column_parts(range)) {
        progress.step(share, &format!("products of columns {} to {} of {p}", columns.start + 1, columns.end))?;
        blocks.read(0..n, columns.clone(), &mut part)?;
        if centering == Centering::None {
            other.get_or_insert_with(|| GramSum::new(device, n)).add_rows(part.as_ref()).await?;
        }
        center_columns(&mut part);
        n_constant += part.col_iter().filter(|column| column.iter().all(|v| *v == 0.0)).count();
        sums.add(part.as_ref(), 0, columns.start);
        centered.add_rows(part.as_ref()).await?;
        for column in part.col_iter() {
            row_sums.iter_mut().zip(column.iter()).for_each(|(sum, v)| *sum += v);
        }
        if centering == Centering::Z {
            standardize(&mut part);
            other.get_or_insert_with(|| GramSum::new(device, n)).add_rows(part.as_ref()).await?;
        }
    }
    Ok(Partial { centered: centered.finish(), other: other.map(GramSum::finish), sums, row_sums, n_constant })
}

/// What centering the columns needs to know of all rows.
struct Columns {
    means: Vec<f64>,
    /// Columns whose values are all equal: they become exactly zero.
    constant: Vec<bool>,
}

impl Columns {
    /// One pass over the rows as they lie.
    fn of(blocks: &Blocks<'_>, progress: &dyn Progress) -> Result<Self, Error> {
        let (n, p) = (blocks.n_samples(), blocks.n_features());
        let mut columns: Vec<Column> = Vec::new();
        blocks.visit(0..n, &mut |first, lines| {
            progress.step(0.2 * count(first) / count(n), &format!("means of {p} columns"))?;
            match lines {
                Lines::F32(values) => Column::add(&mut columns, values, p),
                Lines::F64(values) => Column::add(&mut columns, values, p),
            }
            Ok(())
        })?;
        let means: Vec<f64> = columns.iter().map(|column| column.origin + column.sum / count(n)).collect();
        if means.iter().any(|mean| !mean.is_finite()) {
            // Reading names the value that is at fault, unless the sum of finite ones overflowed.
            blocks.row_parts(0..n).try_for_each(|rows| blocks.rows(rows).map(drop))?;
        }
        Ok(Self { means, constant: columns.into_iter().map(|column| column.constant).collect() })
    }

    fn center(&self, part: &mut Mat<f64>) {
        parallel::for_each_column(part, |j, column| {
            if self.constant[j] {
                column.fill(0.0);
            } else {
                column.iter_mut().for_each(|v| *v -= self.means[j]);
            }
        });
    }
}

/// What is known of a column after some rows.
#[derive(Debug, Clone, Copy)]
struct Column {
    /// The first value, bit by bit.
    first: u64,
    /// A first estimate of the mean: sums of what is left have small rounding errors.
    origin: f64,
    /// Of the values minus the origin.
    sum: f64,
    /// Whether all values are the first.
    constant: bool,
}

impl Column {
    /// Adds rows of `p` values.
    fn add<T: Copy + Into<f64> + Sync>(columns: &mut Vec<Self>, values: &[T], p: usize) {
        /// Columns that one thread adds at a time.
        const SPAN: usize = 256;
        if columns.is_empty() {
            let n = count(values.len() / p);
            let mean = |j: usize| values.iter().skip(j).step_by(p).map(|&v| v.into()).sum::<f64>() / n;
            let start = |j: usize| Self { first: values[j].into().to_bits(), origin: mean(j), sum: 0.0, constant: true };
            *columns = parallel::map(p, start);
        }
        parallel::for_each(columns.chunks_mut(SPAN).enumerate().collect(), |(i, span)| {
            let own = i * SPAN..i * SPAN + span.len();
            let lines = || values.chunks_exact(p).map(|line| &line[own.clone()]);
            let origins: Vec<f64> = span.iter().map(|column| column.origin).collect();
            let mut sums = vec![0.0; span.len()];
            for line in lines() {
                sums.iter_mut().zip(line).zip(&origins).for_each(|((sum, &v), origin)| *sum += v.into() - origin);
            }
            for (j, (column, sum)) in span.iter_mut().zip(sums).enumerate() {
                column.sum += sum;
                column.constant = column.constant && lines().all(|line| line[j].into().to_bits() == column.first);
            }
        });
    }
}

/// Each part with the share of parts before it.
fn with_share<T>(parts: impl ExactSizeIterator<Item = T>) -> impl Iterator<Item = (T, f64)> {
    let n = count(parts.len());
    parts.enumerate().map(move |(i, part)| (part, count(i) / n))
}

fn center_rows(x: &mut Mat<f64>) {
    let mut means = vec![0.0; x.nrows()];
    for j in 0..x.ncols() {
        means.iter_mut().zip(x.col_as_slice(j)).for_each(|(sum, v)| *sum += v);
    }
    means.iter_mut().for_each(|sum| *sum /= count(x.ncols()));
    for j in 0..x.ncols() {
        x.col_as_slice_mut(j).iter_mut().zip(&means).for_each(|(v, mean)| *v -= mean);
    }
}

/// Divides centered columns by their standard deviation (ddof 0); constant ones stay zero.
fn standardize(x: &mut Mat<f64>) {
    for j in 0..x.ncols() {
        let column = x.col_as_slice_mut(j);
        let deviation = (column.iter().map(|v| v * v).sum::<f64>() / count(column.len())).sqrt();
        if deviation > 0.0 {
            column.iter_mut().for_each(|v| *v /= deviation);
        }
    }
}
