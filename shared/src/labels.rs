//! Class labels as an input: a dataset, one of its columns, and the classes that it gives to rows.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::dataset::{Dataset, Inputs, Values, shape_text};

/// Columns that an error names before it stops.
const MAX_NAMED: usize = 12;

/// Which labels: a dataset and, where it has several, one of its columns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Labels {
    /// Name of the input that holds the labels, one per row.
    pub input: String,
    /// A text column or a numeric column by name; without it the only text column, or the only numeric column where there is no text.
    pub column: Option<String>,
}

/// The classes of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    /// Distinct labels in order of first appearance.
    pub names: Vec<String>,
    /// For each row the position of its label in `names`.
    pub codes: Vec<usize>,
}

impl Labels {
    /// The classes of the `n_rows` rows of the input `data`.
    ///
    /// Numbers are classes too: whole ones are named without a decimal point.
    ///
    /// # Errors
    /// [`Error::Input`] when the input, the column or a label is missing or the column is ambiguous, [`Error::Shape`] for more than two
    /// axes, [`Error::RowMismatch`] for another number of rows, [`Error::NonFinite`] for numeric labels that are NaN or infinite.
    pub fn classes(&self, inputs: &Inputs, data: &str, n_rows: usize) -> Result<Classes, Error> {
        if self.input.is_empty() {
            return Err(Error::parameter("labels.input", "no input is named; name the one that holds a label for each row"));
        }
        let dataset = inputs.get("labels.input", &self.input)?;
        let values = column(dataset, self.column.as_deref())?;
        if values.len() != n_rows {
            let (n_a, n_b) = (n_rows as u64, values.len() as u64);
            return Err(Error::RowMismatch { a: data.into(), n_a, b: dataset.name.clone(), n_b });
        }
        Ok(Classes::of(values))
    }
}

impl Classes {
    /// The classes of these labels.
    #[must_use]
    pub fn of(labels: impl IntoIterator<Item = String>) -> Self {
        let mut names = Vec::new();
        let mut known = HashMap::new();
        let codes = labels
            .into_iter()
            .map(|label| {
                *known.entry(label).or_insert_with_key(|label| {
                    names.push(label.clone());
                    names.len() - 1
                })
            })
            .collect();
        Self { names, codes }
    }

    /// The same classes in the order of their names: by value when all are numbers.
    #[must_use]
    pub fn sorted(self) -> Self {
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        let numbers: Option<Vec<f64>> = self.names.iter().map(|name| name.parse().ok()).collect();
        match numbers {
            Some(numbers) => order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b])),
            None => order.sort_by(|&a, &b| self.names[a].cmp(&self.names[b])),
        }
        let mut rank = vec![0; order.len()];
        for (position, &code) in order.iter().enumerate() {
            rank[code] = position;
        }
        let codes = self.codes.iter().map(|&code| rank[code]).collect();
        Self { names: order.iter().map(|&code| self.names[code].clone()).collect(), codes }
    }

    /// The rows of each class, ascending.
    #[must_use]
    pub fn rows(&self) -> Vec<Vec<usize>> {
        let mut out = vec![Vec::new(); self.names.len()];
        for (row, &code) in self.codes.iter().enumerate() {
            out[code].push(row);
        }
        out
    }

    /// Refuses labels that do not divide the rows into classes.
    ///
    /// # Errors
    /// [`Error::Input`] when there are fewer than two classes or one has fewer than `least` rows, naming it.
    pub fn require(&self, labels: &Labels, least: usize) -> Result<(), Error> {
        if self.names.len() < 2 {
            let n = self.codes.len();
            return Err(Error::input(&*labels.input, format!("all {n} rows have the same label; at least 2 classes are needed")));
        }
        let rows = self.rows();
        let Some((name, rows)) = self.names.iter().zip(&rows).find(|(_, rows)| rows.len() < least) else { return Ok(()) };
        let found = rows.len();
        let only = if found == 1 { "1 row".into() } else { format!("{found} rows") };
        Err(Error::input(&*labels.input, format!("class \"{name}\" has {only}; at least {least} per class are needed")))
    }
}

/// The names of the columns of a dataset that can label rows: text columns, then numeric ones.
///
/// Columns without a header are called `column 1`, `column 2`, …
#[must_use]
pub fn columns(labels: &[String], column_names: Option<&[String]>, shape: &[usize]) -> Vec<String> {
    let n_numeric = match shape {
        [_] => 1,
        [_, n] => *n,
        _ => 0,
    };
    let header = |j: usize| column_names.and_then(|names| names.get(j)).filter(|name| !name.is_empty());
    let numeric = (0..n_numeric).map(|j| header(j).cloned().unwrap_or_else(|| format!("column {}", j + 1)));
    labels.iter().cloned().chain(numeric).collect()
}

/// The column of [`columns`] that is meant where none is named: the only text column that is not `row` (names of the rows), else the
/// only column there is.
#[must_use]
pub fn only_column(texts: &[String], n_numeric: usize) -> Option<usize> {
    let named: Vec<usize> = (0..texts.len()).filter(|&i| texts[i] != "row").collect();
    match (&named[..], texts.len(), n_numeric) {
        ([only], ..) => Some(*only),
        ([], 0, 1) => Some(0),
        // A single numeric column beside row names is how pandas writes a series: either could be meant.
        ([], 1, n) if n != 1 => Some(0),
        _ => None,
    }
}

/// The labels of every row.
fn column(dataset: &Dataset, wanted: Option<&str>) -> Result<Vec<String>, Error> {
    let shape = dataset.shape();
    if shape.is_empty() || shape.len() > 2 {
        return Err(Error::Shape {
            what: dataset.name.clone(),
            expected: "labels: a text column, a numeric column or an array of one axis".into(),
            got: format!("{} axes ({})", shape.len(), shape_text(shape)),
        });
    }
    let texts: Vec<String> = dataset.labels.iter().map(|l| l.name.clone()).collect();
    let names = columns(&texts, dataset.column_names.as_deref(), shape);
    let fail = |message: String| Err(Error::input(&*dataset.name, message));
    let at = match wanted {
        Some(wanted) => {
            let mut found = (0..names.len()).filter(|&i| names[i] == wanted);
            match (found.next(), found.next()) {
                (Some(at), None) => at,
                (None, _) => return fail(format!("there is no column \"{wanted}\"; the columns are: {}", listed(&names))),
                (Some(_), Some(_)) => return fail(format!("several columns are named \"{wanted}\"; rename them")),
            }
        }
        None => match only_column(&texts, names.len() - texts.len()) {
            Some(at) => at,
            None if names.is_empty() => return fail("it has no column that could label rows".into()),
            None => return fail(format!("it has several columns that could be the labels; choose one of: {}", listed(&names))),
        },
    };
    if at >= texts.len() {
        return numbers(dataset, at - texts.len());
    }
    let values = &dataset.labels[at].values;
    if let Some(row) = values.iter().position(|text| text.trim().is_empty()) {
        return fail(format!("row {} has no label in column \"{}\"; label every row or remove it", row + 1, names[at]));
    }
    Ok(values.clone())
}

fn listed(names: &[String]) -> String {
    let rest = names.len().saturating_sub(MAX_NAMED);
    let shown = names.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
    if rest > 0 { format!("{shown} and {rest} more") } else { shown }
}

/// A numeric column as labels: the shortest text of each value in its own precision.
fn numbers(dataset: &Dataset, column: usize) -> Result<Vec<String>, Error> {
    let width = dataset.shape().get(1).copied().unwrap_or(1);
    let chosen = |i: usize| i % width == column;
    let (texts, bad): (Vec<String>, Vec<bool>) = match &*dataset.values {
        // Adding zero turns -0 into 0.
        Values::F32(a) => a.iter().enumerate().filter(|(i, _)| chosen(*i)).map(|(_, v)| ((v + 0.0).to_string(), !v.is_finite())).unzip(),
        Values::F64(a) => a.iter().enumerate().filter(|(i, _)| chosen(*i)).map(|(_, v)| ((v + 0.0).to_string(), !v.is_finite())).unzip(),
    };
    match bad.iter().position(|&bad| bad) {
        None => Ok(texts),
        Some(row) => Err(Error::NonFinite {
            input: dataset.name.clone(),
            count: bad.iter().filter(|&&bad| bad).count() as u64,
            row: row as u64 + 1,
            column: column as u64 + 1,
            value: texts[row].clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};

    use super::*;
    use crate::dataset::LabelColumn;

    /// A dataset with two rows of these numeric columns and text columns (name, first, second).
    fn table(texts: &[(&str, &str, &str)], numeric: &[(&str, f64, f64)]) -> Dataset {
        let values = numeric.iter().map(|c| c.1).chain(numeric.iter().map(|c| c.2)).collect();
        let mut out = Dataset::from_rows("L", 2, numeric.len(), values).expect("fits");
        out.column_names = Some(numeric.iter().map(|c| c.0.to_owned()).collect());
        let label = |&(name, a, b): &(&str, &str, &str)| LabelColumn { name: name.into(), values: vec![a.into(), b.into()] };
        out.labels = texts.iter().map(label).collect();
        out
    }

    fn classes(dataset: Dataset, column: Option<&str>) -> Result<Classes, Error> {
        let n_rows = if dataset.labels.is_empty() { dataset.shape().first().copied().unwrap_or(0) } else { 2 };
        let mut inputs = Inputs::default();
        inputs.insert("L", dataset);
        Labels { input: "L".into(), column: column.map(Into::into) }.classes(&inputs, "X", n_rows)
    }

    fn names(dataset: Dataset, column: Option<&str>) -> Vec<String> {
        classes(dataset, column).expect("labels").names
    }

    #[test]
    fn classes_are_in_order_of_first_appearance() {
        let classes = Classes::of(["dog", "cat", "dog", "car"].map(String::from));
        assert_eq!((&classes.names[..], &classes.codes[..]), (&["dog", "cat", "car"].map(String::from)[..], &[0, 1, 0, 2][..]));
        assert_eq!(classes.rows(), [vec![0, 2], vec![1], vec![3]]);
        let sorted = classes.sorted();
        assert_eq!((&sorted.names[..], &sorted.codes[..]), (&["car", "cat", "dog"].map(String::from)[..], &[2, 1, 2, 0][..]));
        assert_eq!(Classes::of(["10", "9", "-1"].map(String::from)).sorted().names, ["-1", "9", "10"]);
    }

    #[test]
    fn the_only_column_needs_no_name() {
        assert_eq!(names(table(&[("kind", "b", "a")], &[]), None), ["b", "a"]);
        assert_eq!(names(table(&[("kind", "b", "a")], &[("x", 0.5, 1.5), ("y", 1.0, 2.0)]), None), ["b", "a"], "text before numbers");
        assert_eq!(names(table(&[], &[("label", 3.0, -0.0)]), None), ["3", "0"]);
        let flat = Dataset::from_f32("L", ArrayD::from_shape_vec(IxDyn(&[3]), vec![0.1, 2.0, 0.1]).expect("fits"));
        assert_eq!(names(flat, None), ["0.1", "2"], "the text of single precision");
        assert_eq!(names(table(&[("row", "0", "1"), ("kind", "b", "a")], &[]), None), ["b", "a"], "not the row names");
        assert_eq!(names(table(&[("row", "p", "q")], &[]), None), ["p", "q"], "unless there is nothing else");
    }

    #[test]
    fn columns_are_found_by_name() {
        let table = || table(&[("kind", "b", "a"), ("size", "s", "s")], &[("code", 7.0, 8.0)]);
        assert_eq!(names(table(), Some("size")), ["s"]);
        assert_eq!(names(table(), Some("code")), ["7", "8"]);
        let mut bare = Dataset::from_rows("L", 2, 3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).expect("fits");
        bare.column_names = None;
        assert_eq!(names(bare, Some("column 3")), ["3", "6"]);
    }

    #[test]
    fn every_mistake_has_its_sentence() {
        let refused = |dataset: Dataset, column: Option<&str>, words: &[&str]| {
            let message = classes(dataset, column).expect_err("refused").to_string();
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
        };
        refused(table(&[("kind", "b", "a"), ("size", "s", "s")], &[]), None, &["several columns", "kind, size"]);
        refused(table(&[("row", "0", "1")], &[("label", 1.0, 2.0)]), None, &["several columns", "row, label"]);
        refused(table(&[], &[("u", 1.0, 2.0), ("v", 1.0, 2.0)]), None, &["u, v"]);
        refused(table(&[("kind", "b", "a")], &[]), Some("sort"), &["no column \"sort\"", "kind"]);
        refused(table(&[("kind", "b", "a")], &[("kind", 1.0, 2.0)]), Some("kind"), &["several columns are named"]);
        refused(table(&[("kind", "b", " ")], &[]), None, &["row 2 has no label"]);
        refused(table(&[], &[("code", 1.0, f64::NAN)]), None, &["NaN", "row 2, column 1"]);
        refused(table(&[], &[]), None, &["no column"]);
        refused(Dataset::from_f64("L", ArrayD::zeros(IxDyn(&[2, 1, 1]))), None, &["2 x 1 x 1"]);
        let mut wide = Dataset::from_rows("L", 2, 40, vec![0.0; 80]).expect("fits");
        wide.column_names = None;
        refused(wide, None, &["column 12 and 28 more"]);
    }

    #[test]
    fn rows_and_classes_are_counted() {
        let mut inputs = Inputs::default();
        inputs.insert("L", table(&[("kind", "b", "a")], &[]));
        let labels = Labels { input: "L".into(), column: None };
        let error = labels.classes(&inputs, "X", 30).expect_err("2 labels for 30 rows");
        assert_eq!(error, Error::RowMismatch { a: "X".into(), n_a: 30, b: "L".into(), n_b: 2 });
        let classes = labels.classes(&inputs, "X", 2).expect("labels");
        assert!(classes.require(&labels, 1).is_ok(), "one row each");
        assert!(classes.require(&labels, 2).expect_err("too few").to_string().contains("\"b\" has 1 row; at least 2"), "names the class");
        let one = Classes::of(["a".to_owned(), "a".into()]);
        assert!(one.require(&labels, 1).expect_err("one class").to_string().contains("2 classes"), "counts classes");
        assert!(Labels::default().classes(&inputs, "X", 2).is_err(), "nothing named");
    }

    #[test]
    fn the_spec_is_small() {
        let labels: Labels = serde_json::from_str(r#"{"input":"stimuli","column":"category"}"#).expect("reads");
        assert_eq!(labels, Labels { input: "stimuli".into(), column: Some("category".into()) });
        assert!(serde_json::from_str::<Labels>(r#"{"file":"x"}"#).is_err(), "unknown fields are refused");
    }
}
