//! Tables side by side: rows that are about the same layer of the same model, and their columns by name.

use std::collections::HashMap;

use super::table::{Cells, Column, Table, normalized};
use crate::Error;
use crate::analysis::Context;
use crate::dataset::LabelColumn;
use crate::identity::Identity;

/// Columns that an error names before it stops.
const MAX_NAMED: usize = 40;
/// Rows that a warning names.
const MAX_ROWS_NAMED: usize = 3;

/// Rows that are in all tables, in the order of the first.
#[derive(Debug)]
pub(super) struct Joined {
    tables: Vec<Table>,
    /// For each joined row its row in each table.
    rows: Vec<Vec<usize>>,
    /// Normalized names of the columns that rows were matched on; none for a single table.
    keys: Vec<String>,
    /// Depth of each row in its model, 0 (first layer) to 1 (last); NaN without layers or with a single one.
    depth: Vec<f64>,
    /// For each row the number of its model.
    models: Vec<usize>,
}

/// A column of the joined rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Cell { table: usize, column: usize },
    Depth,
}

impl Joined {
    /// Joins tables on their shared identity columns; where they share none of these, on the other text columns that they share.
    pub(super) fn of(tables: Vec<Table>, context: &Context<'_>) -> Result<Self, Error> {
        let keys = if tables.len() > 1 { keys(&tables)? } else { Vec::new() };
        let mut out = Self { rows: Vec::new(), keys, depth: Vec::new(), models: Vec::new(), tables };
        out.warn_untold_tasks(context);
        if out.tables.len() == 1 {
            out.rows = (0..out.tables[0].n_rows).map(|i| vec![i]).collect();
            out.warn_repeats(context);
        } else {
            out.rows = out.matched(context)?;
        }
        out.find_layers();
        Ok(out)
    }

    /// Joined rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Names of the columns that rows were matched on.
    pub(super) fn keys(&self) -> Vec<String> {
        self.keys.iter().filter_map(|key| Some(self.tables[0].columns[self.tables[0].position(key)?].name.clone())).collect()
    }

    /// For each row the number of its model (all identity columns but the layer).
    pub(super) fn models(&self) -> &[usize] {
        &self.models
    }

    /// For each row its depth in its model.
    pub(super) fn depth(&self) -> &[f64] {
        &self.depth
    }

    /// Whether there is a layer column.
    pub(super) fn has_layers(&self) -> bool {
        self.first("layer").is_some()
    }

    /// What the tables are called together.
    pub(super) fn name(&self) -> String {
        self.tables.iter().map(Table::name).collect::<Vec<_>>().join(", ")
    }

    /// What identifies a joined row, for people.
    pub(super) fn identity(&self, row: usize) -> String {
        let parts = Identity::COLUMNS.iter().filter_map(|name| self.first(name)).map(|found| self.text(found, row));
        let text = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        if text.is_empty() { format!("row {}", self.rows[row][0] + 1) } else { text }
    }

    /// The texts that identify rows: identity columns, then the other text columns, of these rows.
    pub(super) fn texts(&self, rows: &[usize], also: &[Found]) -> Vec<LabelColumn> {
        let mut chosen: Vec<Found> = Identity::COLUMNS.iter().filter_map(|name| self.first(name)).collect();
        for (table, t) in self.tables.iter().enumerate() {
            for (column, c) in t.columns.iter().enumerate() {
                let is_known = chosen.iter().any(|f| normalized(&self.column_name(*f)) == normalized(&c.name));
                if matches!(c.cells, Cells::Texts(_)) && c.name != "row" && !is_known {
                    chosen.push(Found::Cell { table, column });
                }
            }
        }
        for found in also {
            if !chosen.contains(found) {
                chosen.push(*found);
            }
        }
        let column = |found: &Found| LabelColumn {
            name: self.column_name(*found),
            values: rows.iter().map(|&row| self.text(*found, row)).collect(),
        };
        chosen.iter().map(column).collect()
    }

    /// The column that is meant: `NAME`, or `TABLE::NAME` where several tables have it.
    ///
    /// # Errors
    /// [`Error::Parameter`] that lists the columns when there is none, and the tables when there are several.
    pub(super) fn find(&self, field: &str, wanted: &str) -> Result<Found, Error> {
        if wanted.trim().is_empty() {
            return Err(Error::parameter(field, format!("no column is named; the columns are: {}", self.listed())));
        }
        let candidates = |name: &str, of: Option<&str>| {
            let normal = normalized(name);
            let mut out = Vec::new();
            for (table, t) in self.tables.iter().enumerate().filter(|(_, t)| of.is_none_or(|of| t.inputs.iter().any(|i| i == of))) {
                for (column, c) in t.columns.iter().enumerate().filter(|(_, c)| normalized(&c.name) == normal) {
                    // A column that rows were matched on is the same in all tables.
                    if table == 0 || of.is_some() || !self.keys.contains(&normalized(&c.name)) {
                        out.push(Found::Cell { table, column });
                    }
                }
            }
            out
        };
        let mut found = candidates(wanted, None);
        let mut name = wanted;
        if let (true, Some((table, rest))) = (found.is_empty(), wanted.split_once("::")) {
            found = candidates(rest, Some(table));
            name = rest;
        }
        if found.len() > 1 {
            let exact: Vec<Found> = found.iter().copied().filter(|f| self.column_name(*f) == name).collect();
            if exact.len() == 1 {
                found = exact;
            }
        }
        match found[..] {
            [one] => Ok(one),
            [] if self.has_layers() && ["depth", "layer depth"].contains(&normalized(wanted).as_str()) => Ok(Found::Depth),
            [] => Err(Error::parameter(field, format!("there is no column \"{wanted}\"; the columns are: {}", self.listed()))),
            _ => {
                let places = found.iter().filter_map(|f| match f {
                    Found::Cell { table, column } => {
                        Some(format!("{}::{}", self.tables[*table].inputs[0], self.tables[*table].columns[*column].name))
                    }
                    Found::Depth => None,
                });
                let places = places.collect::<Vec<_>>().join(", ");
                Err(Error::parameter(field, format!("\"{wanted}\" could be any of several columns; write one of: {places}")))
            }
        }
    }

    /// The name of a column, as its table writes it.
    pub(super) fn column_name(&self, found: Found) -> String {
        match found {
            Found::Cell { table, column } => self.tables[table].columns[column].name.clone(),
            Found::Depth => "layer depth".into(),
        }
    }

    /// The numbers of a column, one per joined row.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a column of text.
    pub(super) fn numbers(&self, field: &str, found: Found) -> Result<Vec<f64>, Error> {
        match found {
            Found::Depth => Ok(self.depth.clone()),
            Found::Cell { table, column } => match &self.tables[table].columns[column].cells {
                Cells::Numbers(numbers) => Ok(self.rows.iter().map(|row| numbers[row[table]]).collect()),
                Cells::Texts(texts) => {
                    let first: String = texts.first().map_or("", String::as_str).chars().take(40).collect();
                    let name = self.column_name(found);
                    Err(Error::parameter(
                        field,
                        format!("column \"{name}\" holds text (\"{first}\" in its first row); name a column of numbers"),
                    ))
                }
            },
        }
    }

    /// The text of a cell. An untrained network has the task `None`, also where a program turned that into a missing value.
    pub(super) fn text(&self, found: Found, row: usize) -> String {
        match found {
            Found::Depth => Some(self.depth[row]).filter(|d| d.is_finite()).map_or_else(String::new, |d| d.to_string()),
            Found::Cell { table, column } => told(&self.tables[table].columns[column], self.rows[row][table]),
        }
    }

    /// The first column of this normalized name in any table.
    pub(super) fn first(&self, normal: &str) -> Option<Found> {
        self.tables.iter().enumerate().find_map(|(table, t)| t.position(normal).map(|column| Found::Cell { table, column }))
    }

    fn listed(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for column in self.tables.iter().flat_map(|t| &t.columns) {
            if !names.contains(&column.name.as_str()) {
                names.push(&column.name);
            }
        }
        let rest = names.len().saturating_sub(MAX_NAMED);
        names.truncate(MAX_NAMED);
        if rest > 0 { format!("{} and {rest} more", names.join(", ")) } else { names.join(", ") }
    }

    /// The rows of each table by what they are matched on.
    fn index(&self, table: usize) -> Result<HashMap<Vec<String>, usize>, Error> {
        let t = &self.tables[table];
        let mut out = HashMap::with_capacity(t.n_rows);
        for row in 0..t.n_rows {
            let key = self.key(table, row);
            let shown = key.join(", ");
            if let Some(before) = out.insert(key, row) {
                let (first, second, on) = (before + 1, row + 1, self.keys.join(", "));
                let message = format!(
                    "rows {first} and {second} are both about {shown}; tables are joined on {on}, so each of their values may stand for one row only"
                );
                return Err(Error::input(t.name(), message));
            }
        }
        Ok(out)
    }

    fn key(&self, table: usize, row: usize) -> Vec<String> {
        let t = &self.tables[table];
        self.keys.iter().map(|key| t.position(key).map_or_else(String::new, |at| told(&t.columns[at], row))).collect()
    }

    fn matched(&self, context: &Context<'_>) -> Result<Vec<Vec<usize>>, Error> {
        let indices = (0..self.tables.len()).map(|t| self.index(t)).collect::<Result<Vec<_>, _>>()?;
        let find = |key: &Vec<String>| indices.iter().map(|index| index.get(key).copied()).collect::<Option<Vec<usize>>>();
        let rows: Vec<Vec<usize>> = (0..self.tables[0].n_rows).filter_map(|row| find(&self.key(0, row))).collect();
        if rows.is_empty() {
            let first = |t: usize| if self.tables[t].n_rows > 0 { self.key(t, 0).join(", ") } else { "no rows".into() };
            let (name, other) = (self.tables[0].name(), self.tables[1].name());
            let message = format!(
                "none of its rows matches a row of {other} by {}; it begins with {}, the other with {}",
                self.keys.join(", "),
                first(0),
                first(1)
            );
            return Err(Error::input(name, message));
        }
        for (t, table) in self.tables.iter().enumerate() {
            let left: Vec<Vec<String>> = (0..table.n_rows).map(|row| self.key(t, row)).filter(|key| find(key).is_none()).collect();
            if !left.is_empty() {
                let shown = left.iter().take(MAX_ROWS_NAMED).map(|key| key.join(", ")).collect::<Vec<_>>().join("; ");
                let more = if left.len() > MAX_ROWS_NAMED { "; …" } else { "" };
                let message =
                    format!("{} of {} rows of {} match no row of the other tables: {shown}{more}", left.len(), table.n_rows, table.name());
                context.warn("unmatched_rows", message);
            }
        }
        Ok(rows)
    }

    /// Repeated identities in a table that is not joined: right for some tables, a mistake for most.
    fn warn_repeats(&self, context: &Context<'_>) {
        let all: Vec<Found> = Identity::COLUMNS.iter().filter_map(|name| self.first(name)).collect();
        if all.len() < 2 {
            return;
        }
        let mut seen = HashMap::new();
        let (mut repeats, mut first) = (0usize, String::new());
        for row in 0..self.rows.len() {
            let key: Vec<String> = all.iter().map(|found| self.text(*found, row)).collect();
            if seen.insert(key, row).is_some() {
                repeats += 1;
                if first.is_empty() {
                    first = self.identity(row);
                }
            }
        }
        if repeats > 0 {
            let message = format!("{repeats} rows repeat the identity of an earlier one (first: {first}); all of them are used as points");
            context.warn("repeated_rows", message);
        }
    }

    fn warn_untold_tasks(&self, context: &Context<'_>) {
        for table in &self.tables {
            let Some(column) = table.position("task").map(|at| &table.columns[at]) else { continue };
            let untold = (0..table.n_rows).filter(|&row| column.cells.text(row).is_empty()).count();
            if untold > 0 {
                let message = format!("{untold} of {} rows of {} have no task; they are read as task None", table.n_rows, table.name());
                context.warn("empty_task", message);
            }
        }
    }

    /// Models and depths: layers are ordered as the first table lists them.
    fn find_layers(&mut self) {
        let model: Vec<Found> = Identity::COLUMNS[..4].iter().filter_map(|name| self.first(name)).collect();
        let mut numbers = HashMap::new();
        let mut sizes: Vec<usize> = Vec::new();
        let mut ranks = Vec::with_capacity(self.rows.len());
        for row in 0..self.rows.len() {
            let key: Vec<String> = model.iter().map(|found| self.text(*found, row)).collect();
            let number = *numbers.entry(key).or_insert(sizes.len());
            if number == sizes.len() {
                sizes.push(0);
            }
            self.models.push(number);
            ranks.push(sizes[number]);
            sizes[number] += 1;
        }
        let has_layers = self.has_layers();
        let depth = |(rank, model): (&usize, &usize)| {
            let last = crate::stats::count(sizes[*model] - 1);
            if has_layers { crate::stats::count(*rank) / last } else { f64::NAN }
        };
        self.depth = ranks.iter().zip(&self.models).map(depth).collect();
    }
}

/// What rows of these tables are matched on.
fn keys(tables: &[Table]) -> Result<Vec<String>, Error> {
    let shared = |normal: &str| tables.iter().all(|t| t.position(normal).is_some());
    let identity: Vec<String> = Identity::COLUMNS.iter().filter(|name| shared(name)).map(|name| (*name).to_owned()).collect();
    if !identity.is_empty() {
        return Ok(identity);
    }
    let is_text = |t: &Table, normal: &str| t.position(normal).is_some_and(|at| matches!(t.columns[at].cells, Cells::Texts(_)));
    let names = tables[0].columns.iter().map(|c| normalized(&c.name)).filter(|name| name != "row");
    let texts: Vec<String> = names.filter(|name| tables.iter().all(|t| is_text(t, name))).collect();
    if texts.is_empty() {
        let names = tables.iter().map(|t| format!("{} ({})", t.name(), t.columns.iter().map(|c| &*c.name).collect::<Vec<_>>().join(", ")));
        let message = format!(
            "the tables share no column that identifies rows ({}, or another text column): {}",
            Identity::COLUMNS.join(", "),
            names.collect::<Vec<_>>().join("; ")
        );
        return Err(Error::parameter("tables", message));
    }
    Ok(texts)
}

fn told(column: &Column, row: usize) -> String {
    let text = column.cells.text(row);
    if text.is_empty() && normalized(&column.name) == "task" { "None".into() } else { text }
}
