//! Symmetric bands to tridiagonal form, by chasing bulges down the diagonal.
//!
//! Second of two stages. A sweep clears one column below its subdiagonal with a reflector; what the reflector spills out of the band (the
//! bulge) is pushed down by one reflector per block. Only the first column of a bulge is cleared, the next sweep takes the next one.
//! A sweep may follow another at a distance of three blocks, where they touch different columns: that is what runs in parallel.
//! Source: Haidar, Ltaief & Dongarra 2011.

use super::band::{Band, WIDTH};
use super::reflector::{self, Reflector, add_scaled, dot};

/// Blocks between two sweeps that run at the same time.
const LAG: usize = 3;

/// Fewer sweeps than this are not worth a second thread.
const MIN_SHARED: usize = 8;

/// A sweep on its way down.
#[derive(Debug)]
struct Sweep {
    /// The column that it clears.
    column: usize,
    /// Blocks that it has passed.
    block: usize,
    /// The reflector that acts on the block.
    vector: [f64; WIDTH],
    tau: f64,
}

impl Sweep {
    /// First row of the block that comes next.
    fn row(&self) -> usize {
        self.column + 1 + self.block * WIDTH
    }

    /// The lowest column that the next step touches.
    fn lowest(&self) -> usize {
        if self.block == 0 { self.column } else { self.row() - WIDTH }
    }
}

/// A symmetric tridiagonal matrix.
#[derive(Debug)]
pub(super) struct Tridiagonal {
    /// n values.
    pub diagonal: Vec<f64>,
    /// n - 1 values.
    pub below: Vec<f64>,
}

/// Reduces a band to tridiagonal form with the same eigenvalues.
///
/// `done` is told the fraction of the work that is finished and may end it.
///
/// # Errors
/// What `done` returns.
pub(super) fn reduce<E>(band: Band, mut done: impl FnMut(f64) -> Result<(), E>) -> Result<Tridiagonal, E> {
    let Band { n, mut values } = band;
    let n_sweeps = n.saturating_sub(2);
    let arch = pulp::Arch::new();
    // The oldest sweep is the lowest on the diagonal and ends first.
    let mut sweeps: Vec<Sweep> = Vec::new();
    let mut started = 0;
    while started < n_sweeps || !sweeps.is_empty() {
        for _ in 0..LAG {
            advance(arch, &mut sweeps, &mut values, 0, n);
            sweeps.retain(|sweep| sweep.row() < n);
        }
        if started < n_sweeps {
            sweeps.push(Sweep { column: started, block: 0, vector: [0.0; WIDTH], tau: 0.0 });
            started += 1;
            if started % 128 == 0 {
                #[expect(clippy::cast_precision_loss, reason = "a fraction for display")]
                done(1.0 - (1.0 - started as f64 / n as f64).powi(2))?;
            }
        }
    }
    let columns = values.chunks_exact(Band::STRIDE);
    Ok(Tridiagonal { diagonal: columns.clone().map(|c| c[0]).collect(), below: columns.take(n.saturating_sub(1)).map(|c| c[1]).collect() })
}

/// Moves every sweep by one block. `values` begin with column `first` of the band.
fn advance(arch: pulp::Arch, sweeps: &mut [Sweep], values: &mut [f64], first: usize, n: usize) {
    if sweeps.len() < MIN_SHARED {
        arch.dispatch(|| sweeps.iter_mut().for_each(|sweep| step(sweep, values, first, n)));
        return;
    }
    let (older, younger) = sweeps.split_at_mut(sweeps.len() / 2);
    let border = older.last().map_or(first, Sweep::lowest);
    let (upper, lower) = values.split_at_mut((border - first) * Band::STRIDE);
    crate::parallel::join(|| advance(arch, older, lower, border, n), || advance(arch, younger, upper, first, n));
}

#[inline(always)]
fn step(sweep: &mut Sweep, values: &mut [f64], first: usize, n: usize) {
    let row = sweep.row();
    let m = WIDTH.min(n - row);
    if sweep.block == 0 {
        let head = &mut column_mut(values, first, sweep.column, row)[..m];
        clear(head, &mut sweep.vector, &mut sweep.tau);
    } else if m == WIDTH {
        push(sweep, values, first, row);
    } else {
        push_rest(sweep, values, first, row, m);
    }
    reflect_block(&sweep.vector[..m], sweep.tau, values, first, row);
    sweep.block += 1;
}

/// The values of a column from `row` on.
#[inline(always)]
fn column_mut(values: &mut [f64], first: usize, column: usize, row: usize) -> &mut [f64] {
    &mut values[(column - first) * Band::STRIDE + row - column..(column - first + 1) * Band::STRIDE]
}

/// Makes the reflector that clears a column but for its first value.
#[inline(always)]
fn clear(x: &mut [f64], vector: &mut [f64; WIDTH], tau: &mut f64) {
    let made: Reflector = reflector::make(x);
    vector[..x.len()].copy_from_slice(x);
    *tau = made.tau;
    x.fill(0.0);
    x[0] = made.beta;
}

/// The old reflector from the right on the block below, a new one that clears the block's first column, and that from the left.
///
/// A whole block: fixed sizes let the compiler keep the vectors in registers.
#[inline(always)]
fn push(sweep: &mut Sweep, values: &mut [f64], first: usize, row: usize) {
    let start = row - WIDTH;
    let old = sweep.vector;
    let mut spill = [0.0; WIDTH];
    for (c, v) in old.iter().enumerate() {
        let column = &column_mut(values, first, start + c, row)[..WIDTH];
        for i in 0..WIDTH {
            spill[i] += v * column[i];
        }
    }
    spill.iter_mut().for_each(|s| *s *= sweep.tau);
    let head = &mut column_mut(values, first, start, row)[..WIDTH];
    for i in 0..WIDTH {
        head[i] -= spill[i] * old[0];
    }
    clear(head, &mut sweep.vector, &mut sweep.tau);
    let new = &sweep.vector;
    for (c, v) in old.iter().enumerate().skip(1) {
        let column = &mut column_mut(values, first, start + c, row)[..WIDTH];
        let mut sums = [0.0; 8];
        for start in (0..WIDTH).step_by(8) {
            for lane in 0..8 {
                column[start + lane] -= spill[start + lane] * v;
                sums[lane] += new[start + lane] * column[start + lane];
            }
        }
        let scale = sweep.tau * (((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7])));
        for i in 0..WIDTH {
            column[i] -= scale * new[i];
        }
    }
}

/// [`push`] for the last block, which has `m` rows.
#[inline(always)]
fn push_rest(sweep: &mut Sweep, values: &mut [f64], first: usize, row: usize, m: usize) {
    let start = row - WIDTH;
    let old = sweep.vector;
    let mut spill = [0.0; WIDTH];
    let spill = &mut spill[..m];
    for (c, v) in old.iter().enumerate() {
        add_scaled(spill, sweep.tau * v, &column_mut(values, first, start + c, row)[..m]);
    }
    let head = &mut column_mut(values, first, start, row)[..m];
    add_scaled(head, -old[0], spill);
    clear(head, &mut sweep.vector, &mut sweep.tau);
    for (c, v) in old.iter().enumerate().skip(1) {
        let column = &mut column_mut(values, first, start + c, row)[..m];
        add_scaled(column, -v, spill);
        reflector::apply(sweep.tau, &sweep.vector[..m], column);
    }
}

/// A reflector from both sides on a diagonal block: D - v w' - w v' with p = tau D v and w = p - 1/2 tau (p'v) v.
#[inline(always)]
fn reflect_block(v: &[f64], tau: f64, values: &mut [f64], first: usize, row: usize) {
    if tau == 0.0 {
        return;
    }
    let m = v.len();
    let mut w = [0.0; WIDTH];
    let w = &mut w[..m];
    for c in 0..m {
        let column = &column_mut(values, first, row + c, row + c)[..m - c];
        add_scaled(&mut w[c..], v[c], column);
        w[c] += dot(&column[1..], &v[c + 1..]);
    }
    w.iter_mut().for_each(|p| *p *= tau);
    let half = -0.5 * tau * dot(w, v);
    add_scaled(w, half, v);
    for c in 0..m {
        let column = &mut column_mut(values, first, row + c, row + c)[..m - c];
        for (i, x) in column.iter_mut().enumerate() {
            *x -= v[c + i] * w[c] + w[c + i] * v[c];
        }
    }
}

#[cfg(test)]
mod tests {
    use faer::{Mat, Side};

    use super::super::band;
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn a_chased_band_keeps_its_eigenvalues() {
        // Orders around multiples of the width, and enough sweeps for two threads.
        for n in [3, WIDTH + 1, 2 * WIDTH, 5 * WIDTH + 7, 40 * WIDTH + 1] {
            let mut rng = Stream::new(2, 0);
            let x = Mat::from_fn(n, n, |_, _| rng.normal());
            let a = &x + x.transpose();
            let want = a.self_adjoint_eigenvalues(Side::Lower).expect("converges");
            let band = band::reduce(&mut a.clone(), |_| Ok::<(), ()>(())).expect("nothing ends it");
            let Tridiagonal { diagonal, below } = reduce(band, |_| Ok::<(), ()>(())).expect("nothing ends it");
            let t = Mat::from_fn(n, n, |i, j| match i.abs_diff(j) {
                0 => diagonal[i],
                1 => below[i.min(j)],
                _ => 0.0,
            });
            let got = t.self_adjoint_eigenvalues(Side::Lower).expect("converges");
            let off = got.iter().zip(&want).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
            assert!(off < 1e-14 * (n as f64) * want[n - 1], "order {n}: eigenvalues differ by {off}");
        }
    }
}
