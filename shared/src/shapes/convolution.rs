//! Alignment of convolutional layers: channels are rotated, images are shifted.

use faer::{Mat, MatRef};

use crate::parallel;
use crate::stats::count;

/// The responses of a convolutional layer, transformed over space once for all its pairs.
#[derive(Debug, Clone)]
pub struct Convolution {
    /// Height and width of a map.
    pub size: (usize, usize),
    /// For each frequency: real parts of all images over imaginary parts, (2 images) x channels.
    spectrum: Vec<Mat<f64>>,
}

/// A circular shift: rows down, columns to the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// Rows down; negative is up.
    pub down: isize,
    /// Columns to the right; negative is left.
    pub right: isize,
}

impl Convolution {
    /// Of responses with rows in the order image, row of the map, column of the map: (images h w) x channels.
    #[must_use]
    pub fn new(x: MatRef<'_, f64>, n_images: usize, size: (usize, usize)) -> Self {
        let (h, w) = size;
        let (along_rows, along_columns) = (Wave::new(h), Wave::new(w));
        let channels = parallel::map(x.ncols(), |c| {
            let column = x.col(c);
            let mut out = Vec::with_capacity(n_images * h * w);
            for image in 0..n_images {
                let mut map: Vec<[f64; 2]> = (0..h * w).map(|at| [column[image * h * w + at], 0.0]).collect();
                transform(&mut map, &along_rows, &along_columns, -1.0);
                out.extend(map);
            }
            out
        });
        let spectrum =
            parallel::map(h * w, |f| Mat::from_fn(2 * n_images, x.ncols(), |i, c| channels[c][(i % n_images) * h * w + f][i / n_images]));
        Self { size, spectrum }
    }

    /// `X_s' Y` for every shift of X, in the order of [`shifts`](Self::shifts).
    ///
    /// # Definition
    /// One correlation over space for each pair of channels: `X_s'Y = 1/(h w) sum_k exp(i k s) conj(X(k))' Y(k)`, exact up to rounding.
    ///
    /// # Cost
    /// 8 images h w p q flops for the products and 8 h w (h + w) p q to come back from frequencies.
    #[must_use]
    pub fn products(&self, y: &Self) -> Vec<Mat<f64>> {
        let (h, w) = self.size;
        let (p, q) = (self.spectrum[0].ncols(), y.spectrum[0].ncols());
        let n_images = self.spectrum[0].nrows() / 2;
        let by_frequency = parallel::map(h * w, |f| {
            let (a, b) = (&self.spectrum[f], &y.spectrum[f]);
            let turned = Mat::from_fn(2 * n_images, q, |i, c| if i < n_images { b[(i + n_images, c)] } else { -b[(i - n_images, c)] });
            (a.transpose() * b, a.transpose() * turned)
        });
        let (along_rows, along_columns) = (Wave::new(h), Wave::new(w));
        let by_pair = parallel::map(p * q, |pair| {
            let at = (pair % p, pair / p);
            let mut map: Vec<[f64; 2]> = by_frequency.iter().map(|(re, im)| [re[at], im[at]]).collect();
            transform(&mut map, &along_rows, &along_columns, 1.0);
            map.into_iter().map(|[re, _]| re / count(h * w)).collect::<Vec<f64>>()
        });
        let place = |shift: &Shift| wrapped(shift.down, h) * w + wrapped(shift.right, w);
        self.shifts().iter().map(|shift| Mat::from_fn(p, q, |i, j| by_pair[j * p + i][place(shift)])).collect()
    }

    /// All circular shifts `(i - h/2, j - w/2)`, i slowest.
    #[must_use]
    pub fn shifts(&self) -> Vec<Shift> {
        let (h, w) = self.size;
        let centered = |i: usize, n: usize| i.cast_signed() - (n / 2).cast_signed();
        (0..h * w).map(|at| Shift { down: centered(at / w, h), right: centered(at % w, w) }).collect()
    }
}

fn wrapped(shift: isize, n: usize) -> usize {
    shift.rem_euclid(n.cast_signed()).unsigned_abs()
}

/// The n-th roots of 1.
struct Wave(Vec<[f64; 2]>);

impl Wave {
    fn new(n: usize) -> Self {
        let root = |k: usize| {
            let (sin, cos) = (std::f64::consts::TAU * count(k) / count(n)).sin_cos();
            [cos, sin]
        };
        Self((0..n).map(root).collect())
    }

    /// The transform of `line`, by its definition: maps are small.
    fn transform(&self, line: &[[f64; 2]], sign: f64, out: &mut Vec<[f64; 2]>) {
        let n = self.0.len();
        out.clear();
        out.extend((0..n).map(|k| {
            let (mut re, mut im) = (0.0, 0.0);
            for (t, [a, b]) in line.iter().enumerate() {
                let [cos, sin] = self.0[k * t % n];
                re += a * cos - sign * b * sin;
                im += b * cos + sign * a * sin;
            }
            [re, im]
        }));
    }
}

/// The two-dimensional transform of a map in place, without scaling.
fn transform(map: &mut [[f64; 2]], along_rows: &Wave, along_columns: &Wave, sign: f64) {
    let (h, w) = (along_rows.0.len(), along_columns.0.len());
    let mut out = Vec::with_capacity(h.max(w));
    for row in map.chunks_mut(w) {
        along_columns.transform(row, sign, &mut out);
        row.copy_from_slice(&out);
    }
    for j in 0..w {
        let line: Vec<[f64; 2]> = (0..h).map(|i| map[i * w + j]).collect();
        along_rows.transform(&line, sign, &mut out);
        for (i, value) in out.iter().enumerate() {
            map[i * w + j] = *value;
        }
    }
}
