//! Gram matrices of centered data, part by part: the data are never held as a whole in f64.

use faer::Mat;

use super::Centering;
use super::unbiased::Sums;
use crate::Error;
use crate::blocks::Blocks;
use crate::compute::{Device, GramSum};
use crate::linalg::spectral::center_columns;
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

/// Reads the data once (rows do not outnumber columns) or twice.
pub(super) async fn of(blocks: &Blocks<'_>, centering: Centering, device: &Device, progress: &dyn Progress) -> Result<Grams, Error> {
    if blocks.n_features() <= blocks.n_samples() {
        by_rows(blocks, centering, device, progress).await
    } else {
        by_columns(blocks, centering, device, progress).await
    }
}

/// X'X: one pass for the means, one for the products.
async fn by_rows(blocks: &Blocks<'_>, centering: Centering, device: &Device, progress: &dyn Progress) -> Result<Grams, Error> {
    let (n, p) = (blocks.n_samples(), blocks.n_features());
    let columns = Columns::of(blocks, progress)?;
    let mut sums = Sums::new(n, p);
    let (mut centered, mut other) = (GramSum::new(device, p), None);
    for (rows, share) in with_share(blocks.row_parts()) {
        progress.step(0.2 + 0.8 * share, &format!("products of rows {} to {} of {n}", rows.start + 1, rows.end))?;
        let mut part = blocks.rows(rows.clone())?;
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
    let mut centered = centered.finish();
    sums.set_gram(&centered);
    if centering == Centering::Z {
        let scale: Vec<f64> = (0..p).map(|j| (centered[(j, j)] / count(n)).sqrt()).map(|s| if s > 0.0 { 1.0 / s } else { 0.0 }).collect();
        for j in 0..p {
            centered.col_as_slice_mut(j).iter_mut().zip(&scale).for_each(|(v, s)| *v *= s * scale[j]);
        }
    }
    let matrix = other.map_or(centered, GramSum::finish);
    Ok(Grams { matrix, sums, n_constant: columns.constant.iter().filter(|c| **c).count() })
}

/// X X': each part has all values of its columns.
async fn by_columns(blocks: &Blocks<'_>, centering: Centering, device: &Device, progress: &dyn Progress) -> Result<Grams, Error> {
    let (n, p) = (blocks.n_samples(), blocks.n_features());
    let mut sums = Sums::new(n, p);
    let mut n_constant = 0;
    let (mut centered, mut other) = (GramSum::new(device, n), None);
    let mut row_sums = vec![0.0; n];
    for (columns, share) in with_share(blocks.column_parts()) {
        progress.step(share, &format!("products of columns {} to {} of {p}", columns.start + 1, columns.end))?;
        let mut part = blocks.columns(columns.clone())?;
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
    let mut centered = centered.finish();
    sums.set_gram(&centered);
    if centering == Centering::Both {
        // Taking the mean m_i of each row away subtracts p m m'.
        for j in 0..n {
            let scale = row_sums[j] / count(p);
            centered.col_as_slice_mut(j).iter_mut().zip(&row_sums).for_each(|(v, sum)| *v -= sum * scale);
        }
    }
    let matrix = other.map_or(centered, GramSum::finish);
    Ok(Grams { matrix, sums, n_constant })
}

/// What centering the columns needs to know of all rows.
struct Columns {
    means: Vec<f64>,
    /// Columns whose values are all equal: they become exactly zero.
    constant: Vec<bool>,
}

impl Columns {
    fn of(blocks: &Blocks<'_>, progress: &dyn Progress) -> Result<Self, Error> {
        let (n, p) = (blocks.n_samples(), blocks.n_features());
        let (mut origin, mut first): (Vec<f64>, Vec<u64>) = (Vec::new(), Vec::new());
        let mut sums = vec![0.0; p];
        let mut constant = vec![true; p];
        for (rows, share) in with_share(blocks.row_parts()) {
            progress.step(0.2 * share, &format!("means of {p} columns"))?;
            let part = blocks.rows(rows)?;
            if origin.is_empty() {
                // About a first estimate of the mean: sums of what is left have small rounding errors.
                origin = (0..p).map(|j| part.col_as_slice(j).iter().sum::<f64>() / count(part.nrows())).collect();
                first = (0..p).map(|j| part[(0, j)].to_bits()).collect();
            }
            for j in 0..p {
                let column = part.col_as_slice(j);
                sums[j] += column.iter().map(|v| v - origin[j]).sum::<f64>();
                constant[j] &= column.iter().all(|v| v.to_bits() == first[j]);
            }
        }
        let means: Vec<f64> = origin.iter().zip(&sums).map(|(o, s)| o + s / count(n)).collect();
        Ok(Self { means, constant })
    }

    fn center(&self, part: &mut Mat<f64>) {
        for (j, (mean, constant)) in self.means.iter().zip(&self.constant).enumerate() {
            let column = part.col_as_slice_mut(j);
            if *constant {
                column.fill(0.0);
            } else {
                column.iter_mut().for_each(|v| *v -= mean);
            }
        }
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
