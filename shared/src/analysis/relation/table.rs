//! Tables as columns: what a dataset holds, and tables of the same columns one below the other.

use crate::dataset::{Values, shape_text};
use crate::labels::columns;
use crate::{Dataset, Error};

/// A column of a table.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) cells: Cells,
}

/// What is in a column; a missing number is NaN, a missing text is empty.
#[derive(Debug, Clone)]
pub(super) enum Cells {
    Numbers(Vec<f64>),
    Texts(Vec<String>),
}

/// A table with a name.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Names of the inputs that it was made of.
    pub(super) inputs: Vec<String>,
    pub(super) columns: Vec<Column>,
    pub(super) n_rows: usize,
}

impl Cells {
    /// The text of a row: whole numbers without a decimal point, nothing for a missing one.
    pub(super) fn text(&self, row: usize) -> String {
        match self {
            Self::Texts(texts) => texts[row].trim().to_owned(),
            // Adding zero turns -0 into 0.
            Self::Numbers(numbers) if !numbers[row].is_nan() => (numbers[row] + 0.0).to_string(),
            Self::Numbers(_) => String::new(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) => texts.len(),
        }
    }

    fn append(&mut self, below: &Self) {
        if let (Self::Numbers(numbers), Self::Numbers(more)) = (&mut *self, below) {
            return numbers.extend_from_slice(more);
        }
        let of = |cells: &Self| (0..cells.len()).map(|i| cells.text(i)).collect::<Vec<_>>();
        *self = Self::Texts([of(self), of(below)].concat());
    }
}

impl Table {
    /// The columns of a dataset: texts first, as [`columns`] names them.
    pub(super) fn of(dataset: &Dataset) -> Result<Self, Error> {
        let shape = dataset.shape();
        if shape.is_empty() || shape.len() > 2 {
            let expected = "a table with one axis or two (rows and columns)".into();
            return Err(Error::Shape {
                what: dataset.name.clone(),
                expected,
                got: format!("{} axes ({})", shape.len(), shape_text(shape)),
            });
        }
        let (n_rows, width) = (shape[0], shape.get(1).copied().unwrap_or(1));
        let values: Vec<f64> = match &*dataset.values {
            // By way of the shortest text, so that 0.1 in single precision equals 0.1.
            Values::F32(a) => a.iter().map(|v| v.to_string().parse().unwrap_or(f64::from(*v))).collect(),
            Values::F64(a) => a.iter().copied().collect(),
        };
        let texts: Vec<String> = dataset.labels.iter().map(|l| l.name.clone()).collect();
        let mut names = columns(&texts, dataset.column_names.as_deref(), shape).into_iter();
        let mut out = Vec::new();
        for (label, name) in dataset.labels.iter().zip(names.by_ref()) {
            if label.values.len() != n_rows {
                let (n_a, n_b) = (n_rows as u64, label.values.len() as u64);
                return Err(Error::RowMismatch { a: dataset.name.clone(), n_a, b: name, n_b });
            }
            out.push(Column { name, cells: Cells::Texts(label.values.clone()) });
        }
        for (at, name) in names.enumerate() {
            out.push(Column { name, cells: Cells::Numbers(values.iter().skip(at).step_by(width).copied().collect()) });
        }
        Ok(Self { inputs: vec![dataset.name.clone()], columns: out, n_rows })
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> String {
        self.inputs.join(" + ")
    }

    /// The position of a column by its normalized name; the first where there are several.
    pub(super) fn position(&self, normal: &str) -> Option<usize> {
        self.columns.iter().position(|c| normalized(&c.name) == normal)
    }

    fn signature(&self) -> Vec<String> {
        let mut names: Vec<String> = self.columns.iter().map(|c| normalized(&c.name)).collect();
        names.sort_unstable();
        names
    }

    fn append(&mut self, below: &Self) {
        for column in &mut self.columns {
            if let Some(at) = below.position(&normalized(&column.name)) {
                column.cells.append(&below.columns[at].cells);
            }
        }
        self.inputs.extend(below.inputs.iter().cloned());
        self.n_rows += below.n_rows;
    }
}

/// Names are compared without case, with underscores as spaces, and with single spaces.
pub(super) fn normalized(name: &str) -> String {
    name.to_lowercase().replace('_', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Puts tables with the same columns (in any order) one below the other.
pub(super) fn stacked(tables: Vec<Table>) -> Vec<Table> {
    let mut out: Vec<Table> = Vec::new();
    for table in tables {
        match out.iter_mut().find(|other| other.signature() == table.signature()) {
            Some(above) => above.append(&table),
            None => out.push(table),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{self, Limits};

    fn table(name: &str, text: &str) -> Table {
        Table::of(&io::read(&format!("{name}.csv"), text.as_bytes(), None, Limits::BROWSER).expect("reads")).expect("a table")
    }

    #[test]
    fn names_match_leniently() {
        assert_eq!(normalized(" Effective_Dimensionality "), "effective dimensionality");
        assert_eq!(normalized("80%  variance"), "80% variance");
    }

    #[test]
    fn tables_of_the_same_columns_are_stacked_in_any_order_of_columns() {
        let a = table("a", "layer,ED,task\nl1,1,None\nl2,2,None\n");
        let b = table("b", "task,ed,layer\nDenoising,3,l1\n");
        let c = table("c", "layer,score\nl1,0.5\n");
        let out = stacked(vec![a, b, c]);
        assert_eq!(out.iter().map(Table::name).collect::<Vec<_>>(), ["a + b", "c"]);
        assert_eq!(out[0].n_rows, 3);
        let column = |name: &str| &out[0].columns[out[0].position(name).expect("there")].cells;
        assert_eq!((column("task").text(0), column("task").text(2), column("ed").text(2)), ("None".into(), "Denoising".into(), "3".into()));
    }

    #[test]
    fn a_column_that_is_empty_in_one_table_is_text_where_another_has_text() {
        let a = table("a", "task,v\n,1\n,2\n");
        let b = table("b", "task,v\nDenoising,3\n");
        let out = stacked(vec![a, b]);
        let Cells::Texts(tasks) = &out[0].columns[out[0].position("task").expect("there")].cells else { panic!("texts") };
        assert_eq!(tasks, &["", "", "Denoising"]);
    }

    #[test]
    fn stacks_are_no_tables() {
        let cube = Dataset::from_f64("cube", ndarray::ArrayD::zeros(ndarray::IxDyn(&[2, 3, 4])));
        assert!(Table::of(&cube).expect_err("three axes").to_string().contains("2 x 3 x 4"), "says so");
        let single = Dataset::from_f32("s", ndarray::arr2(&[[0.1f32], [2.0]]).into_dyn());
        assert_eq!(Table::of(&single).expect("a table").columns[0].cells.text(0), "0.1");
    }
}
