//! Matrices in parts: of memory or of a file that does not fit there.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use faer::{Mat, MatMut};

use crate::dataset::{Values, shape_text};
use crate::{Dataset, Error, parallel};

/// Bytes of a part in f64, about: large enough for the products to be fast, small beside what they add up to.
const PART_BYTES: usize = 64 << 20;

/// Rows that are read at a time.
pub const LINES: usize = 256;

/// Values of some rows, one row after the other.
#[derive(Debug, Clone, Copy)]
pub enum Lines<'a> {
    /// In single precision.
    F32(&'a [f32]),
    /// In double precision.
    F64(&'a [f64]),
}

/// What is done with the rows from a first one on.
pub type Visit<'a> = &'a mut dyn FnMut(usize, Lines<'_>) -> Result<(), Error>;

/// An array that stays where it is until a part of it is asked for: a large file.
pub trait Stored: fmt::Debug + Send + Sync {
    /// Lengths of the axes.
    fn shape(&self) -> &[usize];

    /// Element type as numpy writes it.
    fn dtype(&self) -> &str;

    /// Calls `visit(first, lines)` for all of the rows (axes after the first flattened, some columns of them), some at a time; `first` counts
    /// from the start of `rows`.
    ///
    /// # Errors
    /// [`Error::Input`] when the file cannot be read, and what `visit` returns.
    fn read(&self, rows: Range<usize>, columns: Range<usize>, visit: Visit<'_>) -> Result<(), Error>;

    /// All of it in memory.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::TooLarge`].
    fn load(&self, name: &str) -> Result<Dataset, Error>;
}

/// A two-dimensional matrix that gives copies of its rows or columns in f64.
#[derive(Debug, Clone)]
pub struct Blocks<'a> {
    name: String,
    n: usize,
    p: usize,
    source: Source<'a>,
}

#[derive(Debug, Clone)]
enum Source<'a> {
    /// Rows one after the other.
    F32(std::borrow::Cow<'a, [f32]>),
    /// Rows one after the other.
    F64(std::borrow::Cow<'a, [f64]>),
    Mat(Mat<f64>),
    Stored(Arc<dyn Stored>),
}

impl<'a> Blocks<'a> {
    /// The parts of a dataset in memory.
    ///
    /// # Errors
    /// Those of [`Dataset::matrix`].
    pub fn of(dataset: &'a Dataset) -> Result<Self, Error> {
        dataset.matrix()?;
        Ok(Self::of_values(dataset, dataset.shape()[1]))
    }

    /// The parts of a dataset in memory whose axes after the first are one.
    ///
    /// # Errors
    /// [`Error::Shape`] when it has fewer than two axes or is empty; [`Error::NonFinite`].
    pub fn flattened(dataset: &'a Dataset) -> Result<Self, Error> {
        let p = flat_width(&dataset.name, dataset.shape())?;
        dataset.reject_non_finite()?;
        Ok(Self::of_values(dataset, p))
    }

    fn of_values(dataset: &'a Dataset, p: usize) -> Self {
        let source = match &*dataset.values {
            Values::F32(a) => Source::F32(a.as_slice().map_or_else(|| a.iter().copied().collect::<Vec<_>>().into(), Into::into)),
            Values::F64(a) => Source::F64(a.as_slice().map_or_else(|| a.iter().copied().collect::<Vec<_>>().into(), Into::into)),
        };
        Self { name: dataset.name.clone(), n: dataset.shape()[0], p, source }
    }

    /// The parts of a matrix that was computed.
    #[must_use]
    pub fn of_mat(name: &str, x: Mat<f64>) -> Self {
        Self { name: name.into(), n: x.nrows(), p: x.ncols(), source: Source::Mat(x) }
    }

    /// The parts of a stored array. Whether its values are finite is seen when they are read.
    ///
    /// # Errors
    /// [`Error::Shape`] when it is not two-dimensional or empty.
    pub fn of_stored(name: &str, stored: Arc<dyn Stored>) -> Result<Self, Error> {
        let &[n, p] = stored.shape() else {
            return Err(Error::Shape {
                what: name.into(),
                expected: "a matrix with 2 axes (rows = samples, columns = features)".into(),
                got: shape_text(stored.shape()),
            });
        };
        if n == 0 || p == 0 {
            let (expected, got) = ("at least one row and one column".into(), format!("an empty array ({})", shape_text(stored.shape())));
            return Err(Error::Shape { what: name.into(), expected, got });
        }
        Ok(Self { name: name.into(), n, p, source: Source::Stored(stored) })
    }

    /// The parts of a stored array whose axes after the first are one.
    ///
    /// # Errors
    /// [`Error::Shape`] when it has fewer than two axes or is empty.
    pub fn flattened_stored(name: &str, stored: Arc<dyn Stored>) -> Result<Self, Error> {
        let p = flat_width(name, stored.shape())?;
        Ok(Self { name: name.into(), n: stored.shape()[0], p, source: Source::Stored(stored) })
    }

    /// Rows.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.n
    }

    /// Columns.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.p
    }

    /// Ranges that cover some rows in parts of a good size.
    pub fn row_parts(&self, rows: Range<usize>) -> impl ExactSizeIterator<Item = Range<usize>> + use<> {
        parts(rows, self.p)
    }

    /// Ranges that cover some columns in parts of a good size.
    pub fn column_parts(&self, columns: Range<usize>) -> impl ExactSizeIterator<Item = Range<usize>> + use<> {
        parts(columns, self.n)
    }

    /// Some rows, all columns.
    ///
    /// # Errors
    /// [`Error::NonFinite`] with the first place, [`Error::Input`] when a file cannot be read.
    pub fn rows(&self, rows: Range<usize>) -> Result<Mat<f64>, Error> {
        let mut out = Mat::new();
        self.read(rows, 0..self.p, &mut out)?;
        Ok(out)
    }

    /// Some columns, all rows.
    ///
    /// # Errors
    /// As [`Blocks::rows`].
    pub fn columns(&self, columns: Range<usize>) -> Result<Mat<f64>, Error> {
        let mut out = Mat::new();
        self.read(0..self.n, columns, &mut out)?;
        Ok(out)
    }

    /// Some rows and columns in place of what `out` holds: memory that was used before costs less than new memory.
    ///
    /// # Errors
    /// As [`Blocks::rows`].
    pub fn read(&self, rows: Range<usize>, columns: Range<usize>, out: &mut Mat<f64>) -> Result<(), Error> {
        let (n, p) = (rows.len(), columns.len());
        if n <= out.nrows() && p <= out.ncols() {
            out.truncate(n, p);
        } else {
            // The old memory goes before the new one comes.
            *out = Mat::new();
            *out = Mat::zeros(n, p);
        }
        match &self.source {
            Source::F32(values) => turn(&values[rows.start * self.p..], self.p, columns, out.as_mut()),
            Source::F64(values) => turn(&values[rows.start * self.p..], self.p, columns, out.as_mut()),
            Source::Mat(x) => out.copy_from(x.submatrix(rows.start, columns.start, n, p)),
            Source::Stored(stored) => {
                stored.read(rows.clone(), columns.clone(), &mut |first, lines| {
                    match lines {
                        Lines::F32(values) => turn(values, p, 0..p, out.get_mut(first..first + values.len() / p, ..)),
                        Lines::F64(values) => turn(values, p, 0..p, out.get_mut(first..first + values.len() / p, ..)),
                    }
                    Ok(())
                })?;
                if !out.is_all_finite() {
                    return Err(self.not_finite(out, &rows, &columns));
                }
            }
        }
        Ok(())
    }

    /// Calls `visit` for some rows, at most [`LINES`] at a time, as they are: values of files are not checked.
    ///
    /// # Errors
    /// [`Error::Input`] when a file cannot be read, and what `visit` returns.
    pub fn visit(&self, rows: Range<usize>, visit: Visit<'_>) -> Result<(), Error> {
        let pieces = || rows.clone().step_by(LINES).map(|start| start..rows.end.min(start + LINES));
        let values = |piece: &Range<usize>| piece.start * self.p..piece.end * self.p;
        match &self.source {
            Source::F32(all) => pieces().try_for_each(|piece| visit(piece.start - rows.start, Lines::F32(&all[values(&piece)]))),
            Source::F64(all) => pieces().try_for_each(|piece| visit(piece.start - rows.start, Lines::F64(&all[values(&piece)]))),
            Source::Mat(x) => pieces().try_for_each(|piece| {
                let turned = x.get(piece.clone(), ..).transpose().to_owned();
                let lines: Vec<f64> = turned.col_iter().flat_map(|column| column.iter()).copied().collect();
                visit(piece.start - rows.start, Lines::F64(&lines))
            }),
            Source::Stored(stored) => stored.read(rows, 0..self.p, visit),
        }
    }

    fn not_finite(&self, part: &Mat<f64>, rows: &Range<usize>, columns: &Range<usize>) -> Error {
        let bad = |i: usize, j: usize| !part[(i, j)].is_finite();
        let places = (0..part.nrows()).flat_map(|i| (0..part.ncols()).map(move |j| (i, j)));
        let (i, j) = places.clone().find(|&(i, j)| bad(i, j)).unwrap_or_default();
        Error::NonFinite {
            input: self.name.clone(),
            count: places.filter(|&(i, j)| bad(i, j)).count() as u64,
            row: (rows.start + i + 1) as u64,
            column: (columns.start + j + 1) as u64,
            value: part[(i, j)].to_string(),
        }
    }
}

/// Columns of an array whose axes after the first are one.
fn flat_width(name: &str, shape: &[usize]) -> Result<usize, Error> {
    let width = shape.iter().skip(1).product::<usize>();
    if shape.len() < 2 || shape[0] == 0 || width == 0 {
        return Err(Error::Shape {
            what: name.into(),
            expected: "rows = samples, and at least one feature on the axes after them".into(),
            got: format!("{} axes ({})", shape.len(), shape_text(shape)),
        });
    }
    Ok(width)
}

fn parts(whole: Range<usize>, other: usize) -> impl ExactSizeIterator<Item = Range<usize>> + use<> {
    let width = (PART_BYTES / (8 * other.max(1))).clamp(64, whole.len().max(64));
    let Range { start, end } = whole;
    (0..whole.len().div_ceil(width)).map(move |i| start + i * width..end.min(start + (i + 1) * width))
}

/// A faer matrix (columns contiguous) of `n` rows and some columns of values with `p` to a row.
///
/// # Panics
/// If there are fewer than n p values: a defect of the caller.
#[must_use]
pub fn tiled<T: Copy + Into<f64> + Sync>(values: &[T], p: usize, n: usize, columns: Range<usize>) -> Mat<f64> {
    let mut out = Mat::zeros(n, columns.len());
    turn(values, p, columns, out.as_mut());
    out
}

/// Some columns of values with `p` to a row, tile by tile because each order alone misses the cache.
fn turn<T: Copy + Into<f64> + Sync>(values: &[T], p: usize, columns: Range<usize>, out: MatMut<'_, f64>) {
    const TILE: usize = 32;
    let n = out.nrows();
    parallel::for_column_chunks(out, TILE, |first, mut chunk| {
        for rows in (0..n).step_by(TILE) {
            for (j, column) in (columns.start + first..).zip(chunk.as_mut().col_iter_mut()) {
                let column = column.subrows_mut(rows, TILE.min(n - rows));
                for (row, to) in (rows..).zip(column.iter_mut()) {
                    *to = values[row * p + j].into();
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Memory(Vec<f32>);

    impl Stored for Memory {
        fn shape(&self) -> &[usize] {
            &[3, 4]
        }

        fn dtype(&self) -> &str {
            "float32"
        }

        fn read(&self, rows: Range<usize>, columns: Range<usize>, visit: Visit<'_>) -> Result<(), Error> {
            rows.enumerate().try_for_each(|(i, row)| visit(i, Lines::F32(&self.0[row * 4 + columns.start..row * 4 + columns.end])))
        }

        fn load(&self, _name: &str) -> Result<Dataset, Error> {
            Err(Error::internal("not asked for"))
        }
    }

    #[test]
    fn parts_are_the_same_from_everywhere() {
        let values: Vec<f32> = (0..12u8).map(f32::from).collect();
        let dataset = Dataset::from_rows("X", 3, 4, values.iter().map(|&v| v.into()).collect()).expect("fits");
        let memory = Blocks::of(&dataset).expect("finite");
        let stored = Blocks::of_stored("X", Arc::new(Memory(values))).expect("two axes");
        let mat = Blocks::of_mat("X", memory.rows(0..3).expect("in memory"));
        for blocks in [&memory, &stored, &mat] {
            let rows = blocks.rows(1..3).expect("finite");
            assert_eq!((rows.shape(), rows[(0, 0)], rows[(1, 3)]), ((2, 4), 4.0, 11.0));
            let columns = blocks.columns(2..3).expect("finite");
            assert_eq!((columns.shape(), columns[(0, 0)], columns[(2, 0)]), ((3, 1), 2.0, 10.0));
            let mut seen = Vec::new();
            let visited = blocks.visit(1..3, &mut |first, lines| {
                let values: Vec<f64> = match lines {
                    Lines::F32(values) => values.iter().map(|&v| v.into()).collect(),
                    Lines::F64(values) => values.to_vec(),
                };
                assert_eq!(seen.len(), 4 * first, "lines before");
                seen.extend(values);
                Ok(())
            });
            assert_eq!((visited, seen), (Ok(()), (4..12u8).map(f64::from).collect()));
        }
    }

    #[test]
    fn a_stored_value_that_is_not_finite_is_named_when_it_is_read() {
        let mut values = vec![0.0; 12];
        values[7] = f32::NAN;
        let stored = Blocks::of_stored("X", Arc::new(Memory(values))).expect("two axes");
        assert!(stored.rows(0..1).is_ok(), "the first row is finite");
        let error = stored.columns(2..4).expect_err("not finite");
        assert_eq!(error, Error::NonFinite { input: "X".into(), count: 1, row: 2, column: 4, value: "NaN".into() });
    }

    #[test]
    fn parts_cover_everything_once() {
        let ranges: Vec<_> = parts(0..1000, 131_072).collect();
        assert_eq!((ranges[0].clone(), ranges.last().expect("some").end), (0..64, 1000));
        assert!(ranges.windows(2).all(|w| w[0].end == w[1].start), "{ranges:?}");
        assert_eq!(parts(0..5, 1).collect::<Vec<_>>(), vec![0..5]);
        assert_eq!(parts(20..300, 100_000).map(|r| r.len()).collect::<Vec<_>>(), [83, 83, 83, 31]);
    }
}
