//! Symmetric bands to tridiagonal form, by chasing bulges down the diagonal.
//!
//! Second of two stages. A sweep clears one column below its subdiagonal with a reflector; what the reflector spills out of the band (the
//! bulge) is pushed down by one reflector per block. Only the first column of a bulge is cleared, the next sweep takes the next one.
//! A sweep may follow another at a distance of three blocks, where they touch different columns: that is what runs in parallel.
//! Source: Haidar, Ltaief & Dongarra 2011.

use super::band::{Band, WIDTH};
use super::reflector::{self, Reflector};

/// Blocks between two sweeps that run at the same time.
const LAG: usize = 3;

/// Fewer sweeps than this are not worth a second thread.
const MIN_SHARED: usize = 8;

/// Values that are worked on at a time: two or four vectors of the processor.
const CHUNK: usize = 8;

/// A vector over the rows of a block. Beyond the last row of the matrix it is zero, as the band is there, so that every block has whole chunks.
type Block = [f64; WIDTH];

/// A sweep on its way down.
#[derive(Debug)]
struct Sweep {
    /// The column that it clears.
    column: usize,
    /// Blocks that it has passed.
    block: usize,
    /// The reflector that acts on the block.
    vector: Block,
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
        arch.dispatch(Steps { sweeps, values, first, n });
        return;
    }
    let (older, younger) = sweeps.split_at_mut(sweeps.len() / 2);
    let border = older.last().map_or(first, Sweep::lowest);
    let (upper, lower) = values.split_at_mut((border - first) * Band::STRIDE);
    crate::parallel::join(|| advance(arch, older, lower, border, n), || advance(arch, younger, upper, first, n));
}

/// A call that is compiled once for each instruction set: a closure would not be inlined into it.
struct Steps<'a> {
    sweeps: &'a mut [Sweep],
    values: &'a mut [f64],
    first: usize,
    n: usize,
}

impl pulp::WithSimd for Steps<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for sweep in self.sweeps {
            step::<S>(sweep, self.values, self.first, self.n);
        }
    }
}

#[inline(always)]
fn step<S: pulp::Simd>(sweep: &mut Sweep, values: &mut [f64], first: usize, n: usize) {
    let row = sweep.row();
    if sweep.block == 0 {
        clear(block_mut(values, first, sweep.column, row), &mut sweep.vector, &mut sweep.tau);
    } else {
        push::<S>(sweep, values, first, row);
    }
    reflect_block::<S>(&sweep.vector, sweep.tau, &mut values[(row - first) * Band::STRIDE..], WIDTH.min(n - row));
    sweep.block += 1;
}

/// a b + c, in one rounding where the processor does that at once.
#[inline(always)]
fn mul_add<S: pulp::Simd>(a: f64, b: f64, c: f64) -> f64 {
    // Sets with four lanes have it; elsewhere the call would be a library's.
    if S::F64_LANES >= 4 { a.mul_add(b, c) } else { a * b + c }
}

/// The values of a column in the rows of a block.
#[inline(always)]
fn block_mut(values: &mut [f64], first: usize, column: usize, row: usize) -> &mut Block {
    let start = (column - first) * Band::STRIDE + row - column;
    let (blocks, _) = values[start..start + WIDTH].as_chunks_mut();
    &mut blocks[0]
}

/// Makes the reflector that clears a column but for its first value.
#[inline(always)]
fn clear(x: &mut Block, vector: &mut Block, tau: &mut f64) {
    let made: Reflector = reflector::make(x);
    *vector = *x;
    *tau = made.tau;
    *x = [0.0; WIDTH];
    x[0] = made.beta;
}

/// The old reflector from the right on the block below, a new one that clears the block's first column, and that from the left.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "one index for several arrays, whose lengths the compiler knows")]
fn push<S: pulp::Simd>(sweep: &mut Sweep, values: &mut [f64], first: usize, row: usize) {
    let start = row - WIDTH;
    let old = sweep.vector;
    let mut spill = [0.0; WIDTH];
    for (c, v) in old.iter().enumerate() {
        let column = block_mut(values, first, start + c, row);
        for i in 0..WIDTH {
            spill[i] = mul_add::<S>(*v, column[i], spill[i]);
        }
    }
    spill.iter_mut().for_each(|s| *s *= -sweep.tau);
    let head = block_mut(values, first, start, row);
    for i in 0..WIDTH {
        head[i] = mul_add::<S>(spill[i], old[0], head[i]);
    }
    clear(head, &mut sweep.vector, &mut sweep.tau);
    let new = &sweep.vector;
    for (c, v) in old.iter().enumerate().skip(1) {
        let column = block_mut(values, first, start + c, row);
        let mut sums = [0.0; CHUNK];
        for start in (0..WIDTH).step_by(CHUNK) {
            for lane in 0..CHUNK {
                let i = start + lane;
                column[i] = mul_add::<S>(spill[i], *v, column[i]);
                sums[lane] = mul_add::<S>(new[i], column[i], sums[lane]);
            }
        }
        let scale = -sweep.tau * total(sums);
        for i in 0..WIDTH {
            column[i] = mul_add::<S>(scale, new[i], column[i]);
        }
    }
}

#[inline(always)]
fn total(sums: [f64; CHUNK]) -> f64 {
    ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]))
}

/// A reflector from both sides on a diagonal block of `m` columns, with which `values` begin: D - v w' - w v' with p = tau D v and
/// w = p - 1/2 tau (p'v) v.
///
/// Columns are taken in whole chunks of the block's rows. The first of them may begin above the diagonal, where the memory is the end of
/// the column before: those lanes count as zero and keep what they hold.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "one index for several arrays, whose lengths the compiler knows")]
fn reflect_block<S: pulp::Simd>(v: &Block, tau: f64, values: &mut [f64], m: usize) {
    if tau == 0.0 {
        return;
    }
    // What columns give to the rows below them, and rows to the columns.
    let (mut below, mut across) = ([0.0; WIDTH], [0.0; WIDTH]);
    for c in 0..m {
        let (skipped, column) = from_chunk(values, c);
        let begin = c - skipped;
        let mut sums = [0.0; CHUNK];
        for lane in 0..CHUNK {
            let x = if lane >= skipped { column[lane] } else { 0.0 };
            below[begin + lane] = mul_add::<S>(v[c], x, below[begin + lane]);
            let x = if lane > skipped { x } else { 0.0 };
            sums[lane] = x * v[begin + lane];
        }
        for (chunk, start) in column[CHUNK..].chunks_exact(CHUNK).zip((begin + CHUNK..WIDTH).step_by(CHUNK)) {
            for lane in 0..CHUNK {
                below[start + lane] = mul_add::<S>(v[c], chunk[lane], below[start + lane]);
                sums[lane] = mul_add::<S>(chunk[lane], v[start + lane], sums[lane]);
            }
        }
        across[c] = total(sums);
    }
    let mut w = [0.0; WIDTH];
    let mut sums = [0.0; CHUNK];
    for start in (0..WIDTH).step_by(CHUNK) {
        for lane in 0..CHUNK {
            let i = start + lane;
            w[i] = tau * (below[i] + across[i]);
            sums[lane] = mul_add::<S>(w[i], v[i], sums[lane]);
        }
    }
    let half = -0.5 * tau * total(sums);
    for i in 0..WIDTH {
        w[i] = mul_add::<S>(half, v[i], w[i]);
    }
    for c in 0..m {
        let (skipped, column) = from_chunk(values, c);
        let begin = c - skipped;
        for lane in 0..CHUNK {
            let i = begin + lane;
            let changed = mul_add::<S>(-w[i], v[c], mul_add::<S>(-v[i], w[c], column[lane]));
            column[lane] = if lane >= skipped { changed } else { column[lane] };
        }
        for (chunk, start) in column[CHUNK..].chunks_exact_mut(CHUNK).zip((begin + CHUNK..WIDTH).step_by(CHUNK)) {
            for lane in 0..CHUNK {
                let i = start + lane;
                chunk[lane] = mul_add::<S>(-w[i], v[c], mul_add::<S>(-v[i], w[c], chunk[lane]));
            }
        }
    }
}

/// Column `c` of a diagonal block from the chunk on that holds its diagonal, and the lanes of that chunk above the diagonal.
#[inline(always)]
fn from_chunk(values: &mut [f64], c: usize) -> (usize, &mut [f64]) {
    let skipped = c % CHUNK;
    let start = c * Band::STRIDE - skipped;
    (skipped, &mut values[start..start + WIDTH - (c - skipped)])
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
