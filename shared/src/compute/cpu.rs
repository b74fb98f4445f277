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

pub(super) fn gram_columns(x: MatRef<'_, f64>) -> Mat<f64> {
    let p = x.ncols();
    let mut out = Mat::zeros(p, p);
    triangular::matmul(
        out.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Replace,
        x.transpose(),
        BlockStructure::Rectangular,
        x,
        BlockStructure::Rectangular,
        1.0,
        get_global_parallelism(),
    );
    mirror_lower(&mut out);
    out
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
