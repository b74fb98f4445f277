//! Spectra of large data by several processes: each sums products of a part, the last one adds the sums up.

use std::ops::Range;

use faer::Mat;
use serde::{Deserialize, Serialize};

use super::gram::{self, Partial};
use super::unbiased::Sums;
use super::{Output, Spec, Spectrum};
use crate::analysis::Context;
use crate::array::Array;
use crate::dataset::{Inputs, Shapes};
use crate::progress::Part;
use crate::{Error, Progress};

/// A part of an input along its longer axis: part `index` of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Position of the input in the spec.
    pub input: u32,
    /// Which part.
    pub index: u32,
    /// Of how many.
    pub count: u32,
}

/// What a [`Unit`] gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    unit: Unit,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    /// Of a whole input.
    Spectrum(Box<Spectrum>),
    /// Of a part.
    Sums(Box<Packed>),
}

/// A [`Partial`] as arrays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Packed {
    centered: Array,
    other: Option<Array>,
    rows: Array,
    columns: Array,
    fourth_powers: Array,
    row_sums: Array,
    n_constant: u64,
}

/// The units of each task when tasks have about `task_flops`; empty when the run is one task or has to be in one process: what needs more of
/// the data than their products (intrinsic dimensions, pooling, the ZCA transform) is not divided.
pub(crate) fn divide(spec: &Spec, shapes: &Shapes, task_flops: f64) -> Vec<Vec<Unit>> {
    let are_matrices = spec.inputs.iter().all(|name| shapes.0.get(name).is_some_and(|shape| shape.len() == 2));
    if spec.intrinsic || spec.zca.is_some() || !are_matrices {
        return Vec::new();
    }
    let mut tasks: Vec<Vec<Unit>> = Vec::new();
    let mut left = 0.0;
    for (i, name) in spec.inputs.iter().enumerate() {
        let (n, p) = shapes.of(name);
        let flops = n * p * n.min(p);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let count = (flops / task_flops).ceil().clamp(1.0, n.max(p).clamp(1.0, 1e6)) as u32;
        for index in 0..count {
            let unit = Unit { input: u32::try_from(i).unwrap_or(u32::MAX), index, count };
            let cost = flops / f64::from(count);
            match tasks.last_mut() {
                Some(last) if cost <= left => last.push(unit),
                _ => {
                    left = task_flops;
                    tasks.push(vec![unit]);
                }
            }
            left -= cost;
        }
    }
    if tasks.len() > 1 { tasks } else { Vec::new() }
}

/// Computes the pieces of one task.
pub(crate) async fn run(spec: &Spec, units: &[Unit], inputs: &Inputs, context: &Context<'_>) -> Result<Vec<Piece>, Error> {
    spec.check()?;
    let mut pieces = Vec::with_capacity(units.len());
    #[expect(clippy::cast_precision_loss, reason = "a handful of units")]
    let share = |i: usize| i as f64 / units.len() as f64;
    for (i, unit) in units.iter().enumerate() {
        let progress = Part::new(context.progress, share(i), share(i + 1));
        let name = name_of(spec, *unit)?;
        let blocks = inputs.blocks("inputs", name)?;
        let content = if unit.count == 1 {
            Content::Spectrum(Box::new(super::spectrum(spec, inputs, context, name, blocks, &progress).await?))
        } else {
            let whole = gram::long_axis(blocks.n_samples(), blocks.n_features()).1;
            let partial = Partial::of(&blocks, range(whole, *unit), spec.centering, context.device, &progress).await?;
            Content::Sums(Box::new(partial.pack()))
        };
        pieces.push(Piece { unit: *unit, content });
    }
    Ok(pieces)
}

/// Joins the pieces of all tasks, in the order of [`divide`].
pub(crate) fn join(
    spec: &Spec,
    pieces: impl Iterator<Item = Result<Piece, Error>>,
    shapes: &Shapes,
    context: &Context<'_>,
) -> Result<Output, Error> {
    let mut spectra = Vec::with_capacity(spec.inputs.len());
    let mut sum: Option<Partial> = None;
    for piece in pieces {
        let Piece { unit, content } = piece?;
        let name = name_of(spec, unit)?;
        let packed = match content {
            Content::Spectrum(spectrum) => {
                spectra.push(*spectrum);
                continue;
            }
            Content::Sums(packed) => packed,
        };
        context.step(0.0, &format!("{name}: adding part {} of {}", unit.index + 1, unit.count))?;
        let size = shapes.0.get(name).filter(|shape| shape.len() == 2).map(|shape| (shape[0], shape[1]));
        let (n, p) = size.ok_or_else(|| Error::internal(format!("the shape of {name} is not known")))?;
        let total = sum.get_or_insert_with(|| Partial::zero(n, p, packed.other.is_some()));
        total.add(*packed)?;
        if unit.index + 1 < unit.count {
            continue;
        }
        let Some(total) = sum.take() else { continue };
        let progress = Part::new(context.progress, 0.05, 1.0);
        progress.step(0.0, &format!("{name}: eigenvalues"))?;
        spectra.push(super::finish(spec, context, name, (n, p), total.finish((n, p), spec.centering), None, &progress)?);
    }
    if spectra.len() != spec.inputs.len() {
        return Err(Error::internal(format!("{} spectra came of {} inputs: a piece is missing", spectra.len(), spec.inputs.len())));
    }
    Ok(Output { spectra })
}

fn name_of(spec: &Spec, unit: Unit) -> Result<&str, Error> {
    let name = spec.inputs.get(unit.input as usize).map(String::as_str);
    name.ok_or_else(|| Error::internal(format!("a task names input {} of {}", unit.input, spec.inputs.len())))
}

/// The range of a unit along an axis of length `whole`.
fn range(whole: usize, unit: Unit) -> Range<usize> {
    let at = |i: u32| whole * i as usize / unit.count as usize;
    at(unit.index)..at(unit.index + 1)
}

impl Partial {
    fn zero(n: usize, p: usize, has_other: bool) -> Self {
        let (by_rows, side) = (gram::long_axis(n, p).0, n.min(p));
        Self {
            centered: Mat::zeros(side, side),
            other: has_other.then(|| Mat::zeros(side, side)),
            sums: Sums::new(n, p),
            row_sums: vec![0.0; if by_rows { 0 } else { n }],
            n_constant: 0,
        }
    }

    fn pack(self) -> Packed {
        let Self { centered, other, sums, row_sums, n_constant } = self;
        Packed {
            centered: lower(centered),
            other: other.map(lower),
            rows: Array::vector(sums.rows),
            columns: Array::vector(sums.columns),
            fourth_powers: Array::vector(vec![sums.fourth_powers]),
            row_sums: Array::vector(row_sums),
            n_constant: n_constant as u64,
        }
    }

    fn add(&mut self, packed: Packed) -> Result<(), Error> {
        let Packed { centered, other, rows, columns, fourth_powers, row_sums, n_constant } = packed;
        add_lower(&mut self.centered, &centered)?;
        if let (Some(sum), Some(part)) = (&mut self.other, &other) {
            add_lower(sum, part)?;
        }
        add(&mut self.sums.rows, &rows)?;
        add(&mut self.sums.columns, &columns)?;
        add(std::slice::from_mut(&mut self.sums.fourth_powers), &fourth_powers)?;
        add(&mut self.row_sums, &row_sums)?;
        self.n_constant += usize::try_from(n_constant).unwrap_or(usize::MAX);
        Ok(())
    }
}

/// The lower triangle, column by column.
fn lower(m: Mat<f64>) -> Array {
    let n = m.nrows();
    let mut values = Vec::with_capacity(n * (n + 1) / 2);
    for j in 0..n {
        values.extend_from_slice(&m.col_as_slice(j)[j..]);
    }
    Array::vector(values)
}

/// Adds a packed lower triangle to both triangles.
fn add_lower(sum: &mut Mat<f64>, packed: &Array) -> Result<(), Error> {
    let n = sum.nrows();
    same_length(n * (n + 1) / 2, packed)?;
    let mut rest = packed.values.as_slice();
    for j in 0..n {
        let (column, further) = rest.split_at(n - j);
        for (i, v) in column.iter().enumerate() {
            sum[(j + i, j)] += v;
            if i > 0 {
                sum[(j, j + i)] += v;
            }
        }
        rest = further;
    }
    Ok(())
}

fn add(sum: &mut [f64], part: &Array) -> Result<(), Error> {
    same_length(sum.len(), part)?;
    sum.iter_mut().zip(&part.values).for_each(|(sum, v)| *sum += v);
    Ok(())
}

fn same_length(expected: usize, part: &Array) -> Result<(), Error> {
    if part.values.len() == expected {
        return Ok(());
    }
    Err(Error::internal(format!("a piece has {} values instead of {expected}", part.values.len())))
}
