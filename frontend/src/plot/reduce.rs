//! Fewer cells and points than there are, so that drawing stays quick. For display only, and always said in the caption.

use super::number;

/// Heat maps with more cells a side are drawn as block means: with 400 x 400 cells a drawing takes less than a tenth of a second.
pub const MAX_SIDE: usize = 400;
/// Scatter plots with more points are thinned evenly.
pub const MAX_POINTS: usize = 20_000;

/// A square grid made small enough to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocks {
    /// Rows and columns that are drawn.
    pub side: usize,
    /// Rows and columns of the matrix in each of them (fewer in the last).
    pub step: usize,
    /// Block means in C order; NaN where a block has no value.
    pub values: Vec<f64>,
}

/// Block means of an n x n matrix whose cell (i, j) is `at(i, j)`, with at most `max_side` blocks a side.
///
/// NaN cells are left out of the means. With n <= `max_side` the cells themselves come back.
pub fn block_means(n: usize, max_side: usize, at: impl Fn(usize, usize) -> f64) -> Blocks {
    let step = n.div_ceil(max_side.max(1)).max(1);
    let side = n.div_ceil(step);
    let mut values = Vec::with_capacity(side * side);
    for rows in (0..n).step_by(step) {
        for columns in (0..n).step_by(step) {
            let (mut sum, mut n_cells) = (0.0, 0u32);
            for i in rows..(rows + step).min(n) {
                for j in columns..(columns + step).min(n) {
                    let value = at(i, j);
                    if value.is_finite() {
                        sum += value;
                        n_cells += 1;
                    }
                }
            }
            values.push(if n_cells == 0 { f64::NAN } else { sum / f64::from(n_cells) });
        }
    }
    Blocks { side, step, values }
}

/// The same of the rows and columns of an n x n matrix in C order, in this order (n = its length): by slices, for matrices of millions of
/// cells.
#[must_use]
pub fn block_means_of(values: &[f64], order: &[usize], max_side: usize) -> Blocks {
    let n = order.len();
    if values.len() != n * n {
        return Blocks { side: n, step: 1, values: vec![f64::NAN; n * n] };
    }
    let step = n.div_ceil(max_side.max(1)).max(1);
    let side = n.div_ceil(step);
    let mut out = Vec::with_capacity(side * side);
    let (mut sums, mut counts) = (vec![0.0; side], vec![0.0; side]);
    for rows in order.chunks(step) {
        sums.fill(0.0);
        counts.fill(0.0);
        for &row in rows {
            let line = &values[row * n..(row + 1) * n];
            for ((columns, sum), count) in order.chunks(step).zip(&mut sums).zip(&mut counts) {
                for &column in columns {
                    let value = line[column];
                    if value.is_finite() {
                        *sum += value;
                        *count += 1.0;
                    }
                }
            }
        }
        // 0 / 0 is NaN: a block without a value.
        out.extend(sums.iter().zip(&counts).map(|(sum, count)| sum / count));
    }
    Blocks { side, step, values: out }
}

/// The caption of reduced blocks; empty when nothing was reduced.
#[must_use]
pub fn blocks_note(n: usize, blocks: &Blocks) -> String {
    if blocks.step == 1 {
        return String::new();
    }
    let (side, n) = (number::count(blocks.side), number::count(n));
    format!("drawn at {side} x {side} of {n} x {n} (block means)")
}

/// Indices of at most `max` of `n` points, evenly spread, the first and the last included.
#[must_use]
pub fn thinned(n: usize, max: usize) -> Vec<usize> {
    if n <= max {
        return (0..n).collect();
    }
    match max {
        0 => Vec::new(),
        1 => vec![0],
        _ => (0..max).map(|i| i * (n - 1) / (max - 1)).collect(),
    }
}

/// The caption of thinned points; empty when all are drawn.
#[must_use]
pub fn points_note(n: usize, drawn: usize) -> String {
    if drawn < n { format!("drawn with {} of {} points", number::count(drawn), number::count(n)) } else { String::new() }
}

/// Joins the notes that are not empty into one sentence with a capital and a period; empty when all are.
#[must_use]
pub fn sentence(notes: &[String]) -> String {
    let text = notes.iter().filter(|n| !n.is_empty()).cloned().collect::<Vec<_>>().join("; ");
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_matrices_are_drawn_as_they_are() {
        let blocks = block_means(2, 1000, |i, j| if i == j { 0.0 } else { f64::NAN });
        assert_eq!((blocks.side, blocks.step), (2, 1));
        assert!(blocks.values[1].is_nan() && blocks.values[0] == 0.0, "cells unchanged: {:?}", blocks.values);
        assert_eq!(blocks_note(2, &blocks), "");
    }

    #[test]
    fn blocks_are_means_of_what_is_defined() {
        let cells = [1.0, f64::NAN, 2.0, 3.0, 5.0, 4.0, 9.0, 9.0, 7.0];
        let blocks = block_means(3, 2, |i, j| cells[3 * i + j]);
        assert_eq!((blocks.side, blocks.step), (2, 2));
        assert_eq!(blocks.values, [3.0, 3.0, 9.0, 7.0]);
    }

    #[test]
    fn slices_give_the_same_blocks_in_any_order() {
        let cells: Vec<f64> = (0..49u32).map(|i| if i % 11 == 3 { f64::NAN } else { f64::from(i * i % 17) }).collect();
        let order = [3, 0, 6, 1, 2, 5, 4];
        for side in [7, 3, 1] {
            let (a, b) = (block_means(7, side, |i, j| cells[7 * order[i] + order[j]]), block_means_of(&cells, &order, side));
            assert_eq!((a.side, a.step), (b.side, b.step));
            assert!(a.values.iter().zip(&b.values).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())), "{side}");
        }
    }

    #[test]
    fn large_matrices_say_how_they_are_drawn() {
        let blocks = block_means(2000, 1000, |_, _| 1.0);
        assert_eq!(blocks_note(2000, &blocks), "drawn at 1000 x 1000 of 2000 x 2000 (block means)");
    }

    #[test]
    fn thinning_keeps_both_ends() {
        let kept = thinned(100_001, MAX_POINTS);
        assert_eq!((kept.len(), kept.first(), kept.last()), (MAX_POINTS, Some(&0), Some(&100_000)));
        assert!(kept.windows(2).all(|w| w[0] < w[1]), "no point twice");
        assert_eq!(thinned(3, 5), [0, 1, 2]);
    }

    #[test]
    fn notes_become_one_sentence() {
        assert_eq!(sentence(&["a b".into(), String::new(), "c".into()]), "A b; c.");
        assert_eq!(sentence(&[String::new()]), "");
    }
}
