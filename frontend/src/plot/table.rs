//! Tables: the same rows on the page and in a CSV file.

use std::cmp::Ordering;

use leptos::prelude::*;

use super::export::{download, file_stem};
use super::{Csv, number};

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A name.
    Text(String),
    /// A measured value, shown with four significant digits.
    Number(f64),
    /// A whole number.
    Count(u64),
    /// A p value.
    P(f64),
    /// No value, and the reason in words.
    Undefined(&'static str),
}

/// Headers and rows; the first cell of a row names it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// One per column, with units.
    pub columns: Vec<String>,
    /// As many cells in each as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// By which column rows are sorted, and whether the largest comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sorting {
    /// Index of the column.
    pub column: usize,
    /// From the largest to the smallest.
    pub falling: bool,
}

/// A cell for comparison: numbers before texts.
enum Key<'a> {
    Number(f64),
    Text(&'a str),
}

impl Key<'_> {
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

impl Cell {
    /// A value, or why there is none.
    #[must_use]
    pub fn number(value: Option<f64>, reason: &'static str) -> Self {
        value.filter(|v| v.is_finite()).map_or(Self::Undefined(reason), Self::Number)
    }

    /// As people read it.
    #[must_use]
    pub fn display(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(value) => number::significant(*value, 4),
            Self::Count(n) => number::count(*n),
            Self::P(p) => number::p_value(*p),
            Self::Undefined(_) => "undefined".into(),
        }
    }

    /// What rows are sorted by; none where undefined.
    #[expect(clippy::cast_precision_loss, reason = "equal counts above 2^53 may change places")]
    fn key(&self) -> Option<Key<'_>> {
        match self {
            Self::Text(text) => Some(Key::Text(text)),
            Self::Number(value) | Self::P(value) => Some(Key::Number(*value)),
            Self::Count(n) => Some(Key::Number(*n as f64)),
            Self::Undefined(_) => None,
        }
    }

    fn csv(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Number(value) | Self::P(value) => number::exact(*value),
            Self::Count(n) => n.to_string(),
            Self::Undefined(_) => "NaN".into(),
        }
    }
}

impl Table {
    /// From headers and rows.
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a str>, rows: Vec<Vec<Cell>>) -> Self {
        Self { columns: columns.into_iter().map(String::from).collect(), rows }
    }

    /// Rows by the values of a column; equal values keep their order and undefined ones come last.
    #[must_use]
    pub fn sorted(&self, by: Sorting) -> Self {
        let mut rows = self.rows.clone();
        rows.sort_by(|a, b| match (a.get(by.column).and_then(Cell::key), b.get(by.column).and_then(Cell::key)) {
            (Some(a), Some(b)) if by.falling => b.order(&a),
            (Some(a), Some(b)) => a.order(&b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        });
        Self { columns: self.columns.clone(), rows }
    }

    /// As CSV: a header line, exact numbers, `NaN` where undefined.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = csv_line(self.columns.iter().map(|c| quoted(c)));
        for row in &self.rows {
            out.push_str(&csv_line(row.iter().map(Cell::csv)));
        }
        out
    }
}

/// A named matrix as CSV: column names on the first line, then a name and the values of each row in C order.
#[must_use]
pub fn matrix_csv(corner: &str, columns: &[String], rows: &[String], at: impl Fn(usize, usize) -> f64) -> String {
    let mut out = csv_line(std::iter::once(quoted(corner)).chain(columns.iter().map(|c| quoted(c))));
    for (i, name) in rows.iter().enumerate() {
        out.push_str(&csv_line(std::iter::once(quoted(name)).chain((0..columns.len()).map(|j| number::exact(at(i, j))))));
    }
    out
}

fn csv_line(fields: impl Iterator<Item = String>) -> String {
    let mut line = fields.collect::<Vec<_>>().join(",");
    line.push('\n');
    line
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into() }
}

/// A [`Table`] on the page, in a box that scrolls sideways. A click on a header sorts by it, the next one turns the order around, the third
/// gives the first order back.
#[component]
pub fn DataTable(
    /// What to show.
    #[prop(into)]
    table: Signal<Table>,
    /// What it is, in a few words.
    #[prop(into)]
    caption: String,
    /// For tests.
    test_id: &'static str,
    /// What a button below saves; no button without it.
    #[prop(optional)]
    csv: Option<Csv>,
) -> impl IntoView {
    let label = caption.clone();
    let stem = file_stem(&caption);
    let sorting = RwSignal::new(None::<Sorting>);
    let body = move || table.with(|t| sorting.get().map_or_else(|| body(t), |by| body(&t.sorted(by))));
    let save = csv.map(|csv| view! { <SaveCsv csv stem test_id /> });
    view! {
        <div class="table-scroll" role="region" tabindex="0" aria-label=label>
            <table class="data-table" data-testid=test_id>
                <caption>{caption}</caption>
                <thead>
                    <tr>
                        {move || table.with(|t| t.columns.iter().enumerate().map(|(i, name)| header(sorting, i, name.clone())).collect_view())}
                    </tr>
                </thead>
                <tbody>{body}</tbody>
            </table>
        </div>
        {save}
    }
}

fn header(sorting: RwSignal<Option<Sorting>>, column: usize, name: String) -> AnyView {
    let now = move || sorting.get().filter(|by| by.column == column).map(|by| by.falling);
    let next = move |_| {
        sorting.set(match now() {
            None => Some(Sorting { column, falling: false }),
            Some(false) => Some(Sorting { column, falling: true }),
            Some(true) => None,
        });
    };
    let described = move || now().map(|falling| if falling { "descending" } else { "ascending" });
    view! {
        <th scope="col" aria-sort=described>
            <button type="button" title="Sort by this column" on:click=next>
                {name}
            </button>
        </th>
    }
    .into_any()
}

fn body(table: &Table) -> AnyView {
    table.rows.iter().map(|row| view! { <tr>{row.iter().enumerate().map(cell_view).collect_view()}</tr> }).collect_view().into_any()
}

/// A button that saves a table, and what came of it.
#[component]
fn SaveCsv(csv: Csv, stem: String, test_id: &'static str) -> impl IntoView {
    let (status, set_status) = signal(String::new());
    let save = move |_| {
        let name = format!("{stem}.csv");
        let saved = download(&name, "text/csv;charset=utf-8", csv.text().as_bytes());
        set_status.set(saved.map_or_else(|e| e, |()| format!("Saved {name}.")));
    };
    view! {
        <div class="row">
            <button type="button" class="export" data-testid=format!("{test_id}-csv") title="Save the table with exact numbers" on:click=save>
                "CSV"
            </button>
            <span class="muted small" role="status">{move || status.get()}</span>
        </div>
    }
}

fn cell_view((i, cell): (usize, &Cell)) -> AnyView {
    let text = cell.display();
    match cell {
        _ if i == 0 => view! { <th scope="row">{text}</th> }.into_any(),
        Cell::Text(_) => view! { <td>{text}</td> }.into_any(),
        Cell::Undefined(reason) => view! { <td class="number undefined" title=*reason>{text}</td> }.into_any(),
        Cell::Number(_) | Cell::Count(_) | Cell::P(_) => view! { <td class="number">{text}</td> }.into_any(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_has_exact_numbers_and_quotes_names() {
        let table = Table::new(
            ["input", "ED", "n"],
            vec![
                vec![Cell::Text("V4, left".into()), Cell::Number(1.0 / 3.0), Cell::Count(12_345)],
                vec![Cell::Text("say \"IT\"".into()), Cell::number(None, "zero variance"), Cell::Count(0)],
            ],
        );
        assert_eq!(table.csv(), "input,ED,n\n\"V4, left\",0.3333333333333333,12345\n\"say \"\"IT\"\"\",NaN,0\n");
    }

    #[test]
    fn rows_are_sorted_with_undefined_ones_last() {
        let row = |name: &str, value| vec![Cell::Text(name.into()), value];
        let rows =
            vec![row("b", Cell::Number(2.0)), row("c", Cell::Undefined("why")), row("a", Cell::Count(10)), row("d", Cell::Number(2.0))];
        let table = Table::new(["name", "value"], rows);
        let names = |column, falling| {
            let sorted = table.sorted(Sorting { column, falling });
            sorted.rows.iter().map(|row| row[0].display()).collect::<String>()
        };
        assert_eq!((names(1, false), names(1, true), names(0, false)), ("bdac".into(), "abdc".into(), "abcd".into()));
        assert_eq!(names(9, false), "bcad", "no such column");
    }

    #[test]
    fn matrices_have_names_on_both_sides() {
        let names = ["a".to_string(), "b".to_string()];
        let csv = matrix_csv("condition", &names, &names, |i, j| if i == j { 0.0 } else { f64::NAN });
        assert_eq!(csv, "condition,a,b\na,0,NaN\nb,NaN,0\n");
    }

    #[test]
    fn what_is_not_finite_is_undefined() {
        assert_eq!(Cell::number(Some(f64::NAN), "why").display(), "undefined");
    }
}
