//! The activations of a layer: units by channel, row and column, and the units of each iteration.

use std::ops::Range;

use faer::Mat;

use super::Iterate;
use crate::Error;
use crate::blocks::Blocks;
use crate::dataset::{Inputs, shape_text};

/// A layer.
pub(super) struct Activation<'a> {
    pub name: &'a str,
    pub blocks: Blocks<'a>,
    /// Rows.
    pub n: usize,
    pub channels: usize,
    pub rows: usize,
    pub columns: usize,
}

impl<'a> Activation<'a> {
    pub(super) fn open(inputs: &'a Inputs, name: &'a str) -> Result<Self, Error> {
        let (n, channels, rows, columns) = match *inputs.shape("layers", name)? {
            [n, channels] => (n, channels, 1, 1),
            [n, channels, rows] => (n, channels, rows, 1),
            [n, channels, rows, columns] => (n, channels, rows, columns),
            ref other => {
                return Err(Error::Shape {
                    what: name.into(),
                    expected: "2 axes (samples, units) or 4 (samples, channels, rows, columns)".into(),
                    got: format!("{} axes ({})", other.len(), shape_text(other)),
                });
            }
        };
        Ok(Self { name, blocks: inputs.flat_blocks("layers", name)?, n, channels, rows, columns })
    }

    pub(super) fn n_units(&self) -> usize {
        self.channels * self.rows * self.columns
    }

    fn n_positions(&self) -> usize {
        self.rows * self.columns
    }

    /// Rows and columns of the grid of iterations.
    pub(super) fn grid(&self, iterate: Iterate) -> [usize; 2] {
        match iterate {
            Iterate::None => [1, 1],
            Iterate::Channel => [self.channels, 1],
            Iterate::Position => [self.rows, self.columns],
        }
    }

    /// Units of one iteration.
    pub(super) fn width(&self, iterate: Iterate) -> usize {
        match iterate {
            Iterate::None => self.n_units(),
            Iterate::Channel => self.n_positions(),
            Iterate::Position => self.channels,
        }
    }

    /// The iteration that a unit belongs to.
    pub(super) fn iteration_of(&self, unit: usize, iterate: Iterate) -> usize {
        match iterate {
            Iterate::None => 0,
            Iterate::Channel => unit / self.n_positions(),
            Iterate::Position => unit % self.n_positions(),
        }
    }

    /// Channel, row and column of a unit, counted from 1.
    pub(super) fn location(&self, unit: usize) -> [usize; 3] {
        let (channel, position) = (unit / self.n_positions(), unit % self.n_positions());
        [channel + 1, position / self.columns + 1, position % self.columns + 1]
    }

    /// The units of some iterations: n x width each.
    pub(super) fn iterations(&self, iterate: Iterate, which: Range<usize>) -> Result<Vec<Mat<f64>>, Error> {
        let width = self.width(iterate);
        match iterate {
            Iterate::None => Ok(vec![self.blocks.columns(0..width)?]),
            Iterate::Channel => {
                let all = self.blocks.columns(which.start * width..which.end * width)?;
                Ok((0..which.len()).map(|i| all.subcols(i * width, width).to_owned()).collect())
            }
            Iterate::Position => {
                let mut out = vec![Mat::zeros(self.n, width); which.len()];
                for channel in 0..self.channels {
                    let first = channel * self.n_positions();
                    let part = self.blocks.columns(first + which.start..first + which.end)?;
                    for (i, to) in out.iter_mut().enumerate() {
                        to.col_as_slice_mut(channel).copy_from_slice(part.col_as_slice(i));
                    }
                }
                Ok(out)
            }
        }
    }
}
