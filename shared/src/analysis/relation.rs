//! Relations between metrics of layers: tables joined on the identity of their rows, one column against another.
//!
//! Tables with the same columns are put one below the other, then all are joined. Everything runs on the host in f64.

mod correlation;
mod fit;
mod join;
mod partition;
mod table;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use correlation::Correlations;
pub use fit::{Curve, Fit};
pub use partition::{Partition, Share};

use self::correlation::{Bootstrap, correlations, partial, tested};
use self::join::{Found, Joined};
use self::table::{Table, stacked};
use super::Context;
use crate::dataset::{Inputs, LabelColumn, Shapes};
use crate::progress::Part;
use crate::stats::{average_ranks, count, is_constant};
use crate::{Array, Error, Estimate};

/// Most replicates of the bootstrap.
const MAX_REPLICATES: u32 = 1_000_000;

/// What to compute.
///
/// Columns are named without regard to case, and with underscores for spaces; `TABLE::COLUMN` where several tables have one. `depth` is the
/// depth of a layer in its model unless a table has a column of that name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Names of the inputs with tables.
    pub tables: Vec<String>,
    /// Column of the horizontal axis.
    pub x: String,
    /// Column of the vertical axis.
    pub y: String,
    /// Take log10 of x.
    pub log_x: bool,
    /// Take log10 of y.
    pub log_y: bool,
    /// Columns whose values divide the points into groups, each with its own correlations.
    pub by: Vec<String>,
    /// Also correlate the best layer (largest y) of each model.
    pub best_layer: bool,
    /// What is held constant in the partial correlation; none without.
    pub given: Vec<Term>,
    /// The curve through the points.
    pub curve: Curve,
    /// Two or three predictors that share the explained variance of y; none without.
    pub partition: Vec<Term>,
    /// Replicates of the bootstrap over points; 0 for no intervals.
    pub bootstrap: u32,
    /// Seed of the bootstrap.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            tables: Vec::new(),
            x: "effective dimensionality".into(),
            y: "score".into(),
            log_x: false,
            log_y: false,
            by: Vec::new(),
            best_layer: false,
            given: Vec::new(),
            curve: Curve::Line,
            partition: Vec::new(),
            bootstrap: 1000,
            seed: 0,
        }
    }
}

/// A column that enters raw or as its logarithm.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Term {
    /// The column.
    pub column: String,
    /// Take log10 of it.
    pub log: bool,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the horizontal column, as its table writes it.
    pub x: String,
    /// Name of the vertical column.
    pub y: String,
    /// Whether x was taken as its logarithm.
    pub log_x: bool,
    /// Whether y was taken as its logarithm.
    pub log_y: bool,
    /// Columns that the tables were joined on; none for a single table.
    pub joined_on: Vec<String>,
    /// Correlations of all points.
    #[serde(flatten)]
    pub all: Correlations,
    /// The curve through all points; `None` where there are too few different x.
    pub fit: Option<Fit>,
    /// Columns that divide the points; empty without groups.
    pub by: Vec<String>,
    /// One per combination of values of these columns, in order of first appearance.
    pub groups: Vec<Group>,
    /// The best layer of each model; `None` unless the spec asks for it.
    pub best_layer: Option<BestLayer>,
    /// Correlations of what the given columns do not explain; `None` unless the spec names some.
    pub partial: Option<Partial>,
    /// Who explains what of y; `None` unless the spec names predictors.
    pub partition: Option<Partition>,
    /// The points.
    pub rows: Points,
}

/// Points with one value of the dividing columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The values, joined by a comma.
    pub name: String,
    /// Their correlations.
    #[serde(flatten)]
    pub of: Correlations,
}

/// The points that are the best layer of their model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BestLayer {
    /// Their correlations.
    #[serde(flatten)]
    pub of: Correlations,
    /// The curve through them.
    pub fit: Option<Fit>,
    /// Their positions in the rows of the output.
    pub rows: Vec<u32>,
}

/// A correlation with other columns held constant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// What is held constant, `log10` written out.
    pub given: Vec<String>,
    /// Points with a value in all of them.
    pub n: u32,
    /// Pearson correlation of the residuals; `None` where nothing is left of x or y.
    pub pearson_r: Option<f64>,
    /// Two-sided p of Student's t with n - 2 - (number of given columns) degrees of freedom.
    pub pearson_p: Option<f64>,
    /// Pearson correlation of the residuals of ranks on ranks.
    pub spearman_r: Option<f64>,
    /// Its p, likewise.
    pub spearman_p: Option<f64>,
}

/// The points, in the order of the first table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Points {
    /// Text columns of all tables, identity first.
    pub identity: Vec<LabelColumn>,
    /// Horizontal positions, in units of the column.
    pub x: Array,
    /// Vertical positions, in units of the column.
    pub y: Array,
    /// Depth of the layer in its model, 0 to 1; undefined without layers.
    pub depth: Array,
}

impl Term {
    /// The name with its logarithm written out.
    fn label(&self, name: &str) -> String {
        if self.log { format!("log10 {name}") } else { name.to_owned() }
    }
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        self.tables.clone()
    }

    /// What the run will cost: little but the bootstrap, which sorts every replicate.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let sizes = self.tables.iter().map(|name| shapes.of(name));
        let (rows, cells) = sizes.fold((0.0f64, 0.0), |(rows, cells), (n, p)| (rows.max(n), cells + n * (p + 5.0)));
        let sets = 1.0 + f64::from(u8::from(!self.by.is_empty())) + f64::from(u8::from(self.best_layer));
        let replicate = 30.0 * rows * rows.max(2.0).log2();
        // Cells as numbers or short texts, twice while tables are stacked.
        Estimate { flops: 10.0 * cells + sets * f64::from(self.bootstrap) * replicate, peak_bytes: 80.0 * cells + 200.0 * rows }
    }

    fn check(&self) -> Result<(), Error> {
        if self.tables.is_empty() {
            return Err(Error::parameter("tables", "no tables are named; name at least one"));
        }
        if let Some((_, twice)) = self.tables.iter().enumerate().find(|(i, name)| self.tables[..*i].contains(name)) {
            return Err(Error::parameter("tables", format!("{twice} is named twice")));
        }
        if self.bootstrap > MAX_REPLICATES {
            return Err(Error::parameter(
                "bootstrap",
                format!("{} replicates are too many; up to {MAX_REPLICATES} are allowed", self.bootstrap),
            ));
        }
        if !self.partition.is_empty() && !(2..=3).contains(&self.partition.len()) {
            let given = self.partition.len();
            return Err(Error::parameter("partition", format!("the explained variance is divided among 2 or 3 predictors, not {given}")));
        }
        Ok(())
    }
}

/// Correlation of two columns over layers and models.
///
/// # Definition
/// Tables with the same columns are stacked; all are then joined on those of architecture, task, kind, source and layer that every table has
/// (on shared text columns where there are none). x and y are the columns, or log10 of them.
/// - Pearson r of x and y, Spearman r of their average ranks; p two-sided from t = r sqrt((n - 2) / (1 - r^2)) with n - 2 degrees of freedom;
///   marks `****` <= 1e-4, `***` <= .001, `**` <= .01, `*` <= .05, else `ns`.
/// - Intervals: 2.5 % and 97.5 % quantiles (type 7) of the correlations of `bootstrap` resamples of the points.
/// - Curve: least squares of degree 1 or 2, and the 95 % band of its mean, `t s sqrt(x0'(X'X)^-1 x0)`.
/// - Groups: the same per value of `by`. Layers are grouped within their architecture where there is such a column.
/// - Best layer: the largest y of each model (all identity columns but the layer); of equal ones the deepest.
/// - Partial: correlation of the residuals of x and y (of their ranks for Spearman) on the given columns, n - 2 - k degrees of freedom.
/// - Partition: `C(S) = sum over T in S of (-1)^(|T| + 1) R((N \ S) + T)` with R = R2 of least squares with an intercept; R of a single
///   predictor carries the sign of its correlation.
/// - Depth: rank / (L - 1) in the order of the table, L the number of layers of the model.
///
/// # Shapes
/// Tables (rows, columns) → n points; a group has the points with its values.
///
/// # Degenerate
/// Rows without a finite x and y, or without a logarithm where one is taken, are left out (warnings `missing_values`, `no_logarithm`). Fewer
/// than 3 points are an error; in a group its correlations are `None`. Constant columns have no correlation (warning `constant_column`).
/// Rows without a partner are left out (warning `unmatched_rows`); an identity that is repeated in a joined table is an error, in a single
/// table a warning. The task of untrained networks is the text `None`, and an empty task is read as that (warning `empty_task`).
///
/// # Accuracy
/// 1e-13 for the correlations and the partition; deterministic; the seed sets the intervals.
///
/// # Cost
/// O(bootstrap n log n) time; memory of the tables as columns.
///
/// # Errors
/// [`Error::Parameter`] for columns that are missing (listing those there are), ambiguous or text, and for numbers out of range;
/// [`Error::Input`] for repeated identities, tables that do not match, and fewer than 3 points; [`Error::Shape`] for more than two axes;
/// [`Error::Canceled`].
///
/// # Source
/// Elmoznino & Bonner 2024 (join, best layer, marks, commonality); Nimon, Lewis, Kane & Haynes 2008 (commonality); Efron & Tibshirani 1993
/// (percentile interval).
#[expect(clippy::unused_async, reason = "every analysis is awaited alike")]
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    spec.check()?;
    let tables = spec.tables.iter().map(|name| Table::of(inputs.get("tables", name)?)).collect::<Result<Vec<_>, Error>>()?;
    context.step(0.05, "joining the tables")?;
    let joined = Joined::of(stacked(tables), context)?;
    let (x_found, y_found) = (joined.find("x", &spec.x)?, joined.find("y", &spec.y)?);
    if x_found == y_found {
        return Err(Error::parameter("y", format!("x and y are the same column, \"{}\"; name two columns", joined.column_name(x_found))));
    }
    let by = dividing(spec, &joined)?;
    let (x_name, y_name) = (joined.column_name(x_found), joined.column_name(y_found));
    let x = Variable::of(&joined, "x", x_found, spec.log_x)?;
    let y = Variable::of(&joined, "y", y_found, spec.log_y)?;
    let kept = usable(&joined, &[&x, &y], context);
    if kept.len() < 3 {
        let message =
            format!("only {} of its {} rows have both {x_name} and {y_name}; a correlation needs at least 3", kept.len(), joined.len());
        return Err(Error::input(joined.name(), message));
    }
    let (xs, ys) = (x.at(&kept), y.at(&kept));
    for (name, values) in [(&x_name, &xs), (&y_name, &ys)] {
        if is_constant(values) {
            let message = format!("{name} has the same value ({}) in all {} points; its correlations are undefined", values[0], kept.len());
            context.warn("constant_column", message);
        }
    }
    let bootstrap = |set: usize| Bootstrap { replicates: spec.bootstrap as usize, seed: spec.seed, set };
    let curve =
        |xs: &[f64], ys: &[f64]| fit::fit(fit::Axis { values: xs, log: spec.log_x }, fit::Axis { values: ys, log: spec.log_y }, spec.curve);
    let all = correlations(&xs, &ys, bootstrap(0), &Part::new(context.progress, 0.1, 0.5))?;
    let best_layer = if spec.best_layer {
        let best = best_layers(&joined, &kept, &ys)?;
        let (xs, ys) = (pick(&xs, &best), pick(&ys, &best));
        let of = correlations(&xs, &ys, bootstrap(1), &Part::new(context.progress, 0.5, 0.6))?;
        Some(BestLayer { of, fit: curve(&xs, &ys), rows: best.iter().map(|&i| small(i)).collect() })
    } else {
        None
    };
    let mut groups = Vec::new();
    let members = grouped(&joined, &by, &kept);
    for (i, (name, at)) in members.iter().enumerate() {
        let part = |i: usize| 0.6 + 0.3 * count(i) / count(members.len());
        let progress = Part::new(context.progress, part(i), part(i + 1));
        groups.push(Group { name: name.clone(), of: correlations(&pick(&xs, at), &pick(&ys, at), bootstrap(2 + i), &progress)? });
    }
    context.step(0.9, "partial correlation and partition")?;
    Ok(Output {
        all,
        fit: curve(&xs, &ys),
        by: by.iter().map(|found| joined.column_name(*found)).collect(),
        groups,
        best_layer,
        partial: conditioned(spec, &joined, (&x, &y), context)?,
        partition: partitioned(spec, &joined, &y, context)?,
        rows: Points {
            identity: joined.texts(&kept, &by),
            x: Array::vector(pick(&x.raw, &kept)),
            y: Array::vector(pick(&y.raw, &kept)),
            depth: Array::vector(pick(joined.depth(), &kept)),
        },
        x: x_name,
        y: y_name,
        log_x: spec.log_x,
        log_y: spec.log_y,
        joined_on: joined.keys(),
    })
}

/// A column of numbers over the joined rows, as it is and as it enters.
struct Variable {
    name: String,
    log: bool,
    raw: Vec<f64>,
    values: Vec<f64>,
}

impl Variable {
    fn of(joined: &Joined, field: &str, found: Found, log: bool) -> Result<Self, Error> {
        let raw = joined.numbers(field, found)?;
        let values = if log { raw.iter().map(|v| v.log10()).collect() } else { raw.clone() };
        Ok(Self { name: joined.column_name(found), log, raw, values })
    }

    fn term(joined: &Joined, field: &str, term: &Term) -> Result<Self, Error> {
        Self::of(joined, field, joined.find(field, &term.column)?, term.log)
    }

    fn at(&self, rows: &[usize]) -> Vec<f64> {
        pick(&self.values, rows)
    }
}

/// Rows with a value in all variables; the others are counted in warnings.
fn usable(joined: &Joined, variables: &[&Variable], context: &Context<'_>) -> Vec<usize> {
    for variable in variables {
        let warn = |code: &str, rows: Vec<usize>, what: &str| {
            if let Some(&first) = rows.first() {
                let (n, all, name) = (rows.len(), joined.len(), &variable.name);
                context.warn(code, format!("{n} of {all} rows have {what} {name} and are left out (first: {})", joined.identity(first)));
            }
        };
        let rows = |is: &dyn Fn(f64) -> bool| (0..joined.len()).filter(|&i| is(variable.raw[i])).collect::<Vec<_>>();
        warn("missing_values", rows(&|v| !v.is_finite()), "no finite");
        if variable.log {
            warn("no_logarithm", rows(&|v| v.is_finite() && v <= 0.0), "no logarithm of");
        }
    }
    (0..joined.len()).filter(|&i| variables.iter().all(|v| v.values[i].is_finite())).collect()
}

/// The dividing columns; layers have the names of their architecture, so they are told apart by it.
fn dividing(spec: &Spec, joined: &Joined) -> Result<Vec<Found>, Error> {
    let mut out = Vec::new();
    for name in &spec.by {
        let found = joined.find("by", name)?;
        let architecture = joined.first("architecture").filter(|_| table::normalized(&joined.column_name(found)) == "layer");
        for found in architecture.into_iter().chain([found]) {
            if !out.contains(&found) {
                out.push(found);
            }
        }
    }
    Ok(out)
}

/// Names of the groups and the positions of their points among the kept rows.
fn grouped(joined: &Joined, by: &[Found], kept: &[usize]) -> Vec<(String, Vec<usize>)> {
    if by.is_empty() {
        return Vec::new();
    }
    let text = |row: usize, found: &Found| Some(joined.text(*found, row)).filter(|t| !t.is_empty()).unwrap_or_else(|| "(missing)".into());
    let names = kept.iter().map(|&row| by.iter().map(|found| text(row, found)).collect::<Vec<_>>().join(", "));
    let classes = crate::labels::Classes::of(names);
    let rows = classes.rows();
    classes.names.into_iter().zip(rows).collect()
}

/// Positions among the kept rows of the best layer of each model, in order of the models.
fn best_layers(joined: &Joined, kept: &[usize], y: &[f64]) -> Result<Vec<usize>, Error> {
    if !joined.has_layers() {
        return Err(Error::parameter("best_layer", "no table has a column \"layer\"; the best layer of a model needs one"));
    }
    let n_models = joined.models().iter().max().map_or(0, |last| last + 1);
    let mut best: Vec<Option<usize>> = vec![None; n_models];
    for (at, &row) in kept.iter().enumerate() {
        let known = &mut best[joined.models()[row]];
        // Later rows are deeper, so they win ties.
        if known.is_none_or(|known| y[at] >= y[known]) {
            *known = Some(at);
        }
    }
    Ok(best.into_iter().flatten().collect())
}

fn conditioned(spec: &Spec, joined: &Joined, (x, y): (&Variable, &Variable), context: &Context<'_>) -> Result<Option<Partial>, Error> {
    if spec.given.is_empty() {
        return Ok(None);
    }
    let given = spec.given.iter().map(|term| Variable::term(joined, "given", term)).collect::<Result<Vec<_>, _>>()?;
    let rows = usable_quietly(joined, [x, y], &given, context);
    let (n, lost) = (rows.len(), given.len());
    if n < lost + 3 {
        let message =
            format!("only {n} rows have a value in x, y and all given columns; with {lost} given at least {} are needed", lost + 3);
        return Err(Error::parameter("given", message));
    }
    let (xs, ys) = (x.at(&rows), y.at(&rows));
    let columns: Vec<Vec<f64>> = given.iter().map(|v| v.at(&rows)).collect();
    let ranks: Vec<Vec<f64>> = columns.iter().map(|c| average_ranks(c)).collect();
    let (pearson_r, pearson_p, _) = tested(partial(&xs, &ys, &columns), n, lost);
    let (spearman_r, spearman_p, _) = tested(partial(&average_ranks(&xs), &average_ranks(&ys), &ranks), n, lost);
    if pearson_r.is_none() {
        context.warn("undefined_partial", "the given columns explain x or y completely; the partial correlation is undefined");
    }
    let names = spec.given.iter().zip(&given).map(|(term, v)| term.label(&v.name)).collect();
    Ok(Some(Partial { given: names, n: small(n), pearson_r, pearson_p, spearman_r, spearman_p }))
}

fn partitioned(spec: &Spec, joined: &Joined, y: &Variable, context: &Context<'_>) -> Result<Option<Partition>, Error> {
    if spec.partition.is_empty() {
        return Ok(None);
    }
    let predictors = spec.partition.iter().map(|term| Variable::term(joined, "partition", term)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = spec.partition.iter().zip(&predictors).map(|(term, v)| term.label(&v.name)).collect();
    if let Some(same) = predictors.iter().find(|p| p.name == y.name) {
        return Err(Error::parameter("partition", format!("\"{}\" is the column to be explained; name others", same.name)));
    }
    let rows = usable_quietly(joined, [y], &predictors, context);
    let n = rows.len();
    if n < predictors.len() + 2 {
        let least = predictors.len() + 2;
        let message = format!("only {n} rows have a value in y and all predictors; at least {least} are needed");
        return Err(Error::parameter("partition", message));
    }
    let columns: Vec<Vec<f64>> = predictors.iter().map(|v| v.at(&rows)).collect();
    let r2 = partition::signed_r2(&y.at(&rows), &columns);
    if r2.iter().any(|v| v.is_nan()) {
        context.warn("constant_column", format!("{} is constant over the {n} rows of the partition; there is nothing to explain", y.name));
        return Ok(None);
    }
    for (name, alone) in names.iter().enumerate().map(|(i, name)| (name, -r2[1 << i])).filter(|(_, alone)| *alone > 0.0) {
        let message = format!(
            "{name} goes down as {} goes up; its R2 of {alone:.4} alone counts as negative, so unique parts of the others grow",
            y.name
        );
        context.warn("negative_predictor", message);
    }
    let dependent = Term { column: String::new(), log: spec.log_y }.label(&y.name);
    let rows = partition::shares(&r2, &names);
    Ok(Some(Partition { dependent, predictors: names, n: small(n), rows }))
}

/// Rows with a value in all variables; what `more` lacks is counted, what `known` lacks was counted before.
fn usable_quietly<const N: usize>(joined: &Joined, known: [&Variable; N], more: &[Variable], context: &Context<'_>) -> Vec<usize> {
    let rows = usable(joined, &more.iter().collect::<Vec<_>>(), context);
    rows.into_iter().filter(|&i| known.iter().all(|v| v.values[i].is_finite())).collect()
}

fn pick(values: &[f64], at: &[usize]) -> Vec<f64> {
    at.iter().map(|&i| values[i]).collect()
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
