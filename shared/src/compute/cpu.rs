//! Contractions on the CPU through faer, in f64.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, get_global_parallelism};

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
    mirror_lower(&mut out);
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
pub(super) fn mirror_lower(m: &mut Mat<f64>) {
    for j in 0..m.ncols() {
        for i in j + 1..m.nrows() {
            m[(j, i)] = m[(i, j)];
        }
    }
}
