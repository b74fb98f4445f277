//! Rows of a matrix by name: what they are called, in which order they are drawn, where their groups end.

use std::cmp::Ordering;

use eigenscope::dataset::LabelColumn;

use crate::plot::figure::Axis;
use crate::plot::{Mark, number};

/// Longest name on an axis, in characters.
const MAX_NAME: usize = 32;
/// With more groups than this, single ticks say more than group names.
const MAX_GROUPS: usize = 24;

/// The order of rows when sorted by a column: numbers by value if all are, else text; equal values keep their order.
pub(super) fn sort_permutation(values: &[String]) -> Vec<usize> {
    let as_numbers: Option<Vec<f64>> = values.iter().map(|v| v.trim().parse().ok()).collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    match as_numbers {
        Some(numbers) => order.sort_by(|&a, &b| numbers[a].partial_cmp(&numbers[b]).unwrap_or(Ordering::Equal)),
        None => order.sort_by(|&a, &b| values[a].cmp(&values[b])),
    }
    order
}

/// Names that are unique because they start with the row's number, counted from 1: `12 · face, Ann`.
pub(super) fn names(n: usize, labels: &[&LabelColumn]) -> Vec<String> {
    (0..n)
        .map(|i| {
            let texts = labels.iter().filter_map(|l| l.values.get(i)).map(String::as_str).filter(|v| !v.is_empty());
            let text = texts.collect::<Vec<_>>().join(", ");
            if text.is_empty() { format!("#{}", i + 1) } else { clipped(&format!("{} · {text}", i + 1)) }
        })
        .collect()
}

/// The same names, told apart where two are equal: `IT`, `IT (2)`.
pub(super) fn told_apart(names: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let name = clipped(name);
        let mut unique = name.clone();
        let mut n = 1;
        while out.contains(&unique) {
            n += 1;
            unique = format!("{name} ({n})");
        }
        out.push(unique);
    }
    out
}

/// Names of blocks of `step` rows each: `1 – 3` where a block has more than one.
pub(super) fn block_names(names: &[String], step: usize) -> Vec<String> {
    if step <= 1 {
        return names.to_vec();
    }
    let n = names.len();
    (0..n).step_by(step).map(|start| format!("{} – {}", number::count(start + 1), number::count((start + step).min(n)))).collect()
}

/// A run of equal values in a sorted column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// The value.
    pub name: String,
    /// First row, in the sorted order.
    pub start: usize,
    /// One past the last row.
    pub end: usize,
}

/// The groups of a column in this order; none where there are too many to name, or where nearly every row is its own.
pub(super) fn groups(values: &[String], order: &[usize]) -> Vec<Group> {
    let mut out: Vec<Group> = Vec::new();
    for (at, &row) in order.iter().enumerate() {
        match out.last_mut() {
            Some(group) if group.name == values[row] => group.end = at + 1,
            _ => out.push(Group { name: values[row].clone(), start: at, end: at + 1 }),
        }
    }
    if out.len() > MAX_GROUPS || 2 * out.len() > order.len() { Vec::new() } else { out }
}

/// Ticks at the middle of each group and separators between them, on category axes with `step` rows per category.
pub(super) fn mark_groups(groups: &[Group], step: usize) -> (Axis, Vec<Mark>) {
    #[expect(clippy::cast_precision_loss, reason = "positions on the screen")]
    let at = |row: usize| row as f64 / step as f64 - 0.5;
    if groups.is_empty() {
        return (Axis::category(""), Vec::new());
    }
    // A tick exactly on a cell would give that cell the group's name in the hover box, hence the quarter.
    let ticks = groups.iter().map(|g| (((at(g.start) + at(g.end)) / 2.0).floor() + 0.25, clipped(&g.name))).collect();
    let marks = groups.iter().skip(1).map(|g| Mark::Separator { at: at(g.start) }).collect();
    (Axis { ticks: Some(ticks), ..Axis::category("") }, marks)
}

fn clipped(text: &str) -> String {
    if text.chars().count() <= MAX_NAME {
        return text.into();
    }
    text.chars().take(MAX_NAME - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sorting_is_stable_and_knows_numbers() {
        assert_eq!(sort_permutation(&texts(&["house", "face", "house", "face"])), [1, 3, 0, 2]);
        assert_eq!(sort_permutation(&texts(&["10", "9", "1e1"])), [1, 0, 2]);
        assert_eq!(sort_permutation(&texts(&["10", "9", "x"])), [0, 1, 2]);
    }

    #[test]
    fn names_are_unique_even_when_labels_are_not() {
        let column = LabelColumn { name: "category".into(), values: texts(&["face", "face", ""]) };
        assert_eq!(names(3, &[&column]), ["1 · face", "2 · face", "#3"]);
        assert_eq!(told_apart(&texts(&["IT", "IT", "V4", "IT"])), ["IT", "IT (2)", "V4", "IT (3)"]);
    }

    #[test]
    fn groups_follow_the_sorted_order() {
        let values = texts(&["b", "a", "b", "a"]);
        let found = groups(&values, &sort_permutation(&values));
        assert_eq!(found, [Group { name: "a".into(), start: 0, end: 2 }, Group { name: "b".into(), start: 2, end: 4 }]);
        let (axis, marks) = mark_groups(&found, 1);
        assert_eq!(marks, [Mark::Separator { at: 1.5 }]);
        assert_eq!(axis.ticks, Some(vec![(0.25, "a".into()), (2.25, "b".into())]));
    }

    #[test]
    fn columns_of_unique_values_make_no_groups() {
        let values = texts(&["a", "b", "c"]);
        assert!(groups(&values, &[0, 1, 2]).is_empty(), "every row would be a group");
    }

    #[test]
    fn blocks_are_named_by_their_rows() {
        assert_eq!(block_names(&texts(&["a", "b", "c"]), 2), ["1 – 2", "3 – 3"]);
    }
}
