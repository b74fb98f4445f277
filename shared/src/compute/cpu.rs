//! Contractions on the CPU through faer, in f64.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::reborrow::IntoConst as _;
use faer::{Accum, Mat, MatMut, MatRef, get_global_parallelism};

use super::{DeviceInfo, DeviceKind};

pub(super) fn info() -> DeviceInfo {
    let threads = get_global_parallelism().degree();
    let name = if threads > 1 { format!("CPU, {threads} threads") } else { "CPU".into() };
    DeviceInfo { kind: DeviceKind::Cpu, name, memory_bytes: None }
}

/// `X'X`, both triangles.
pub(crate) fn gram_columns(x: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(x.ncols(), x.ncols());
    add_gram_lower(&mut out, x);
    mirror_lower(out.as_mut());
    out
}

/// Adds X'X to a lower triangle; what stands above it does not matter.
pub(super) fn add_gram_lower(sum: &mut Mat<f64>, x: MatRef<'_, f64>) {
    triangular::matmul(
        sum.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Add,
        x.transpose(),
        BlockStructure::Rectangular,
        x,
        BlockStructure::Rectangular,
        1.0,
        get_global_parallelism(),
    );
}

pub(super) fn cross(x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(x.ncols(), y.ncols());
    matmul(out.as_mut(), Accum::Replace, x.transpose(), y, 1.0, get_global_parallelism());
    out
}

/// Copies the lower triangle onto the upper one.
pub(super) fn mirror_lower(m: MatMut<'_, f64>) {
    /// Order from which on a matrix is cut in four.
    const SMALL: usize = 64;
    let n = m.nrows();
    let mut m = m;
    if n <= SMALL {
        for j in 0..n {
            for i in j + 1..n {
                m[(j, i)] = m[(i, j)];
            }
        }
        return;
    }
    let (first, right, below, last) = m.split_at_mut(n / 2, n / 2);
    crate::parallel::join(|| turn(below.into_const(), right), || crate::parallel::join(|| mirror_lower(first), || mirror_lower(last)));
}

/// The transpose, by halves of the longer side: each order alone misses the cache.
fn turn(from: MatRef<'_, f64>, to: MatMut<'_, f64>) {
    const SMALL: usize = 32;
    let (m, n) = from.shape();
    if m.max(n) <= SMALL {
        let mut to = to;
        to.copy_from(from.transpose());
        return;
    }
    let ((a, b), (left, right)) = if m >= n {
        let (a, b) = from.split_at_row(m / 2);
        ((a, b), to.split_at_col_mut(m / 2))
    } else {
        let (a, b) = from.split_at_col(n / 2);
        ((a, b), to.split_at_row_mut(n / 2))
    };
    crate::parallel::join(|| turn(a, left), || turn(b, right));
}
