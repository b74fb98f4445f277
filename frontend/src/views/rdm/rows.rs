//! Rows of the RDM: how far all conditions are from a few references.

use eigenscope::analysis::rdm::Output;
use eigenscope::dataset::LabelColumn;

use super::cell;
use crate::plot::reduce::sentence;
use crate::plot::{Axis, Chart, Color, Csv, Draw, Figure, Layout, Scatter, Trace, Values, number};

/// More lines than the palette has colors tell nothing.
const MOST: usize = 10;

/// References in degrees, where the stimuli are orientations.
const ORIENTATIONS: [f64; 4] = [-75.0, -25.0, 25.0, 75.0];

/// Where conditions lie along the axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stimuli {
    /// Title of the axis.
    title: String,
    /// One value per condition.
    values: Vec<f64>,
}

impl Stimuli {
    /// The first column of numbers, or the numbers of the conditions.
    pub(super) fn of(labels: &[LabelColumn], n: usize) -> Self {
        let numbers = |column: &LabelColumn| -> Option<Vec<f64>> { column.values.iter().map(|v| v.trim().parse().ok()).collect() };
        let named = labels.iter().find_map(|column| Some(Self { title: column.name.clone(), values: numbers(column)? }));
        named.unwrap_or_else(|| Self { title: "Condition".into(), values: (1u32..).map(f64::from).take(n).collect() })
    }

    /// What is shown at first.
    pub(super) fn references(&self) -> String {
        let (low, high) = self.values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
        let values: Vec<f64> = if low <= ORIENTATIONS[0] && high >= ORIENTATIONS[3] && low >= -180.0 && high <= 180.0 {
            ORIENTATIONS.to_vec()
        } else {
            [0.125, 0.375, 0.625, 0.875].iter().map(|share| (low + share * (high - low)).round()).collect()
        };
        values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The condition with the nearest value, the first of equal ones.
    fn nearest(&self, value: f64) -> Option<usize> {
        (0..self.values.len()).filter(|&i| self.values[i].is_finite()).min_by(|&a, &b| {
            let distance = |i: usize| (self.values[i] - value).abs();
            distance(a).total_cmp(&distance(b))
        })
    }
}

/// The rows nearest to the references, over the values of the conditions.
pub(super) fn chart(output: &Output, stimuli: &Stimuli, names: &[String], references: &str, time: usize, unit: &str) -> Chart {
    let wanted: Vec<Option<f64>> = references.split([',', ';', ' ']).filter(|t| !t.is_empty()).map(|t| t.parse().ok()).collect();
    let unread = wanted.iter().filter(|v| v.is_none()).count();
    let mut rows: Vec<usize> = Vec::new();
    for row in wanted.iter().flatten().filter_map(|v| stimuli.nearest(*v)) {
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    let left_out = rows.len().saturating_sub(MOST);
    rows.truncate(MOST);
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|&a, &b| stimuli.values[a].total_cmp(&stimuli.values[b]));
    let x: Vec<f64> = order.iter().map(|&i| stimuli.values[i]).collect();
    let line = |(place, &row): (usize, &usize)| {
        let y = order.iter().map(|&i| cell(output, time, row, i)).collect();
        Trace::Scatter(Scatter {
            name: names[row].clone(),
            x: Values::Numbers(x.clone()),
            y,
            draw: Draw::Line,
            color: Color::Series(place),
            opacity: 1.0,
            in_legend: true,
            texts: order.iter().map(|&i| names[i].clone()).collect(),
            hover: "%{text}<br><b>%{y:.4g}</b><extra></extra>",
        })
    };
    let traces: Vec<Trace> = rows.iter().enumerate().map(line).collect();
    let layout = Layout { x: Axis::linear(&*stimuli.title), y: Axis::linear(unit), legend: traces.len() > 1, ..Layout::default() };
    let caption = sentence(&[
        "each line is a row of the matrix: the distance of all conditions from one".into(),
        if unread > 0 { format!("{unread} references are not numbers") } else { String::new() },
        if left_out > 0 { format!("the first {MOST} references are drawn") } else { String::new() },
    ]);
    let columns: Vec<String> = order.iter().map(|&i| names[i].clone()).collect();
    let lines: Vec<String> = rows.iter().map(|&row| names[row].clone()).collect();
    let values: Vec<Vec<f64>> = rows.iter().map(|&row| order.iter().map(|&i| cell(output, time, row, i)).collect()).collect();
    Chart {
        figure: Figure { traces, layout },
        summary: format!("{} rows of the matrix, over {} conditions.", number::count(rows.len()), number::count(names.len())),
        caption,
        csv: Csv::matrix("reference", &columns, &lines, move |i, j| values[i][j]),
    }
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;
    use eigenscope::analysis::rdm::Measure;

    use super::*;

    fn output(n: u32) -> Output {
        let values = (0..n).flat_map(|i| (0..n).map(move |j| f64::from(i.abs_diff(j)))).collect();
        Output {
            input: "V1".into(),
            measure: Measure::Correlation,
            n,
            rdm: Array::matrix(n as usize, n as usize, values),
            conditions: None,
            times: None,
            condition_covariance: None,
        }
    }

    fn angles() -> Stimuli {
        let values = ["90", "-90", "0", "45", "-45"].map(String::from).to_vec();
        Stimuli::of(&[LabelColumn { name: "orientation".into(), values }], 5)
    }

    #[test]
    fn orientations_have_their_usual_references() {
        assert_eq!(angles().references(), "-75, -25, 25, 75");
        assert_eq!(Stimuli::of(&[], 9).references(), "2, 4, 6, 8");
    }

    #[test]
    fn lines_run_along_the_values_from_the_nearest_condition() {
        let names: Vec<String> = (1..=5).map(|i| format!("#{i}")).collect();
        let chart = chart(&output(5), &angles(), &names, "40, -80; x", 0, "distance");
        crate::views::dump("rdm_rows", &chart);
        assert_eq!(chart.figure.traces.len(), 2);
        let Trace::Scatter(line) = &chart.figure.traces[0] else { panic!("a line") };
        assert_eq!(line.name, "#4");
        assert_eq!(line.x, Values::Numbers(vec![-90.0, -45.0, 0.0, 45.0, 90.0]));
        assert_eq!(line.y, [2.0, 1.0, 1.0, 0.0, 3.0]);
        assert!(chart.caption.contains("1 references are not numbers"), "{}", chart.caption);
        assert_eq!(chart.csv.text().lines().nth(1), Some("#4,2,1,1,0,3"));
    }
}
