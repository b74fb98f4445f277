//! Eigenspectra on logarithmic axes, and the table of dimensionalities.

mod layers;

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::dimensionality::{AlphaFit, Output, Spectrum, metrics_csv};
use leptos::prelude::*;

use super::Part;
use super::conditions::told_apart;
use crate::plot::figure::extent;
use crate::plot::reduce::{MAX_POINTS, points_note, sentence, thinned};
use crate::plot::{Axis, Cell, Chart, Color, Csv, DataTable, Draw, Figure, FigureCard, Layout, Scatter, Table, Trace, Values, number};

/// Eigenvalues below this fraction of the largest are rounding of zeros and are not drawn.
const FLOOR: f64 = 1e-12;

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let fit = if let AnalysisSpec::Dimensionality(spec) = &*spec { spec.alpha } else { AlphaFit::default() };
    let has_spectra = output.spectra.iter().any(|s| !s.eigenvalues.values.is_empty());
    let figure = has_spectra.then(|| {
        let chart = Signal::stored(Arc::new(chart(&output, fit)));
        let spec = Arc::clone(&spec);
        view! { <FigureCard id="eigenspectra" title="Eigenspectra" chart spec /> }
    });
    let layers = (output.spectra.len() >= layers::MIN_INPUTS).then(|| layers::view(output.clone(), spec));
    let table = table(&output);
    let csv = Csv::new(move || metrics_csv(&output));
    view! {
        {figure}
        {layers}
        <DataTable table caption="Dimensionality of each input" test_id="dimensionality-table" csv />
    }
    .into_any()
}

/// Eigenvalues against their index, one line per input, and the fitted power laws dashed.
fn chart(output: &Output, fit: AlphaFit) -> Chart {
    let names = told_apart(&output.spectra.iter().map(|s| s.input.clone()).collect::<Vec<_>>());
    let max_points = MAX_POINTS / output.spectra.len().max(1);
    let mut traces = Vec::new();
    let (mut n_points, mut n_drawn, mut n_floor) = (0, 0, 0);
    for (i, (spectrum, name)) in output.spectra.iter().zip(&names).enumerate() {
        let (x, y) = drawable(spectrum);
        n_floor += spectrum.eigenvalues.values.len() - x.len();
        n_points += x.len();
        let kept = log_thinned(x.len(), max_points);
        n_drawn += kept.len();
        traces.push(Trace::Scatter(Scatter {
            name: name.clone(),
            x: Values::Numbers(kept.iter().map(|&k| x[k]).collect()),
            y: kept.iter().map(|&k| y[k]).collect(),
            draw: Draw::Line,
            color: Color::Series(i),
            opacity: 1.0,
            in_legend: true,
            texts: Vec::new(),
            hover: "eigenvalue %{x}<br><b>%{y:.4g}</b>",
        }));
        if let Some(line) = power_law(spectrum, fit) {
            traces.push(Trace::Scatter(Scatter { name: format!("{name}, fit"), color: Color::Series(i), ..line }));
        }
    }
    let has_fit = output.spectra.iter().any(|s| s.power_law_alpha.is_some() && s.power_law_intercept.is_some());
    let caption = sentence(&[
        if has_fit { format!("dashed: power law fitted {}", fit_range(fit)) } else { String::new() },
        points_note(n_points, n_drawn),
        if n_floor > 0 {
            format!("{} eigenvalues that are zero to within rounding are not drawn", number::count(n_floor))
        } else {
            String::new()
        },
    ]);
    let layout =
        Layout { x: Axis::log("Index of the eigenvalue"), y: Axis::log("Eigenvalue (variance)"), legend: true, ..Layout::default() };
    let long = Table::new(["input", "index", "eigenvalue"], long_rows(output, &names));
    Chart { figure: Figure { traces, layout }, summary: summary(output), caption, csv: Csv::new(move || long.csv()) }
}

/// Indices (from 1) and values of the eigenvalues that a logarithmic axis can show.
fn drawable(spectrum: &Spectrum) -> (Vec<f64>, Vec<f64>) {
    let largest = extent(&spectrum.eigenvalues.values).map_or(0.0, |[_, high]| high);
    let drawn = (1u32..).zip(&spectrum.eigenvalues.values).filter(|&(_, &v)| v > 0.0 && v >= FLOOR * largest);
    drawn.map(|(i, &v)| (f64::from(i), v)).unzip()
}

/// Indices thinned evenly along a logarithmic axis: all of the head, ever fewer of the tail.
fn log_thinned(n: usize, max: usize) -> Vec<usize> {
    let head = (max / 2).min(n);
    if n <= max {
        return (0..n).collect();
    }
    (0..head).chain(thinned(n - head, max - head).into_iter().map(|k| head + k)).collect()
}

/// The fitted line over the indices that it was fitted on.
fn power_law(spectrum: &Spectrum, fit: AlphaFit) -> Option<Scatter> {
    let (alpha, intercept) = (spectrum.power_law_alpha?, spectrum.power_law_intercept?);
    let n = u32::try_from(spectrum.eigenvalues.values.len()).map_or(f64::INFINITY, f64::from);
    let [first, last] = match fit {
        AlphaFit::Logspaced => [1.0, n],
        AlphaFit::TailCut => [1.0, n.powf(0.95)],
        AlphaFit::Range => [11.0, n.min(500.0)],
    };
    let at = |index: f64| match fit {
        AlphaFit::Logspaced => 10f64.powf(intercept - alpha * index.log10()),
        AlphaFit::TailCut | AlphaFit::Range => (intercept - alpha * index.ln()).exp(),
    };
    Some(Scatter {
        name: String::new(),
        x: Values::Numbers(vec![first, last]),
        y: vec![at(first), at(last)],
        draw: Draw::Dashes,
        color: Color::Text,
        opacity: 0.9,
        in_legend: false,
        texts: Vec::new(),
        hover: "",
    })
}

fn fit_range(fit: AlphaFit) -> &'static str {
    match fit {
        AlphaFit::Logspaced => "at 50 log-spaced indices",
        AlphaFit::TailCut => "on the indices up to 95 % of the logarithmic range",
        AlphaFit::Range => "on indices 11 to 500, weighted by 1/index",
    }
}

fn long_rows(output: &Output, names: &[String]) -> Vec<Vec<Cell>> {
    let rows = output.spectra.iter().zip(names).flat_map(|(spectrum, name)| {
        (1u64..).zip(&spectrum.eigenvalues.values).map(move |(i, &v)| vec![Cell::Text(name.clone()), Cell::Count(i), Cell::Number(v)])
    });
    rows.collect()
}

fn table(output: &Output) -> Table {
    let no_variance = "the input has no variance";
    let rows = output.spectra.iter().map(|s| {
        let of_spectrum = |why| if s.eigenvalues.values.is_empty() { "the spectrum was not asked for" } else { why };
        let few = "needs at least 4 samples and 2 features, and variance";
        let mut row = vec![
            Cell::Text(s.input.clone()),
            Cell::Text(format!("{} x {}", number::count(s.n_samples), number::count(s.n_features))),
            Cell::number(s.effective_dimensionality, no_variance),
            Cell::number(s.effective_dimensionality_unbiased, few),
            Cell::number(s.effective_dimensionality_unbiased_row, few),
            Cell::number(s.effective_dimensionality_unbiased_col, few),
            Cell::number(s.entropy_dimension, of_spectrum(no_variance)),
            Cell::number(s.effective_rank, of_spectrum(no_variance)),
            s.variance_80_count.map_or(Cell::Undefined(of_spectrum(no_variance)), |n| Cell::Count(n.into())),
            Cell::number(s.power_law_alpha, of_spectrum("needs at least 3 eigenvalues above zero")),
        ];
        if let Some(intrinsic) = &s.intrinsic {
            let (pairs, many) = ("needs at least 3 different samples", "needs at least 22 different samples");
            row.push(Cell::number(intrinsic.two_nn, pairs));
            row.push(Cell::number(intrinsic.maximum_likelihood, many));
            row.push(Cell::number(intrinsic.correlation, "needs more different samples"));
            if let Some(classes) = &intrinsic.classes {
                let few = "needs at least 3 classes with different means";
                let rows = "no class has 3 different rows";
                row.push(Cell::number(classes.between, few));
                row.push(Cell::number(classes.within_mean, rows));
                row.push(Cell::number(classes.within_std, rows));
            }
        }
        row
    });
    let mut columns = vec![
        "Input",
        "Samples x features",
        "Effective dimensionality",
        "ED, bias-corrected",
        "… for samples only",
        "… for features only",
        "Entropy dimension",
        "Effective rank",
        "Components for 80 % of the variance",
        "Power-law exponent α",
    ];
    if output.spectra.iter().any(|s| s.intrinsic.is_some()) {
        columns.extend(["TwoNN", "Intrinsic dimension (maximum likelihood)", "Correlation dimension"]);
    }
    if output.spectra.iter().any(|s| s.intrinsic.as_ref().is_some_and(|i| i.classes.is_some())) {
        columns.extend(["TwoNN between classes", "… within classes", "… its standard deviation"]);
    }
    Table::new(columns, rows.collect())
}

fn summary(output: &Output) -> String {
    let parts = output.spectra.iter().take(6).map(|s| {
        let ed = s.effective_dimensionality.map_or_else(|| "undefined".into(), |v| number::significant(v, 3));
        let alpha = match s.power_law_alpha {
            Some(v) => format!(" and power-law exponent {}", number::significant(v, 3)),
            None if s.eigenvalues.values.is_empty() => String::new(),
            None => " and an undefined power-law exponent".into(),
        };
        format!("{} has effective dimensionality {ed}{alpha}", s.input)
    });
    let text = parts.collect::<Vec<_>>().join("; ");
    let rest = output.spectra.len().saturating_sub(6);
    if rest > 0 { format!("{text}; {rest} more in the table.") } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;

    use super::*;
    use crate::plot::figure::Scale;

    pub(super) fn output() -> Output {
        let spectrum = |name: &str, alpha: f64| Spectrum {
            input: name.into(),
            n_samples: 200,
            n_features: 100,
            effective_dimensionality: Some(4.25),
            effective_dimensionality_unbiased: None,
            effective_dimensionality_unbiased_row: None,
            effective_dimensionality_unbiased_col: None,
            entropy_dimension: Some(5.0),
            effective_rank: Some(8.0),
            intrinsic: None,
            variance_80_count: Some(9),
            power_law_alpha: Some(alpha),
            power_law_intercept: Some(1.0),
            eigenvalues: Array::vector((1..=100).map(|i| if i > 98 { 1e-15 } else { 10.0 * f64::from(i).powf(-alpha) }).collect()),
        };
        Output { spectra: vec![spectrum("V4", 1.2), spectrum("IT", 0.8)] }
    }

    #[test]
    fn spectra_have_logarithmic_axes_and_a_dashed_fit_each() {
        let chart = chart(&output(), AlphaFit::Logspaced);
        crate::views::dump("dimensionality", &chart);
        assert_eq!((chart.figure.layout.x.scale, chart.figure.layout.y.scale), (Scale::Log, Scale::Log));
        assert_eq!(chart.figure.traces.len(), 4);
        let Trace::Scatter(fit) = &chart.figure.traces[1] else { panic!("a line") };
        assert_eq!(fit.draw, Draw::Dashes);
        assert_eq!(fit.x, Values::Numbers(vec![1.0, 100.0]));
        assert!((fit.y[1] - 10.0 * 100f64.powf(-1.2)).abs() < 1e-12, "10^(1 - 1.2 * 2): {}", fit.y[1]);
        assert!(chart.caption.contains("4 eigenvalues that are zero"), "{}", chart.caption);
    }

    #[test]
    fn natural_fits_start_where_they_were_fitted() {
        let line = power_law(&output().spectra[0], AlphaFit::Range).expect("alpha and intercept are there");
        assert_eq!(line.x, Values::Numbers(vec![11.0, 100.0]));
        assert!((line.y[0] - (1.0 - 1.2 * 11f64.ln()).exp()).abs() < 1e-12, "natural logarithms: {}", line.y[0]);
    }

    #[test]
    fn the_numbers_go_out_exactly() {
        let csv = chart(&output(), AlphaFit::Logspaced).csv.text();
        assert!(csv.starts_with("input,index,eigenvalue\nV4,1,10\n"), "{}", &csv[..60]);
        assert_eq!(csv.lines().count(), 201);
    }

    #[test]
    fn undefined_cells_have_a_reason() {
        assert!(matches!(table(&output()).rows[0][3], Cell::Undefined(why) if why.contains("4 samples")), "the reason is shown");
        assert!(summary(&output()).starts_with("V4 has effective dimensionality 4.25 and"), "{}", summary(&output()));
    }

    #[test]
    fn long_spectra_keep_their_head() {
        let kept = log_thinned(100_000, 1000);
        assert_eq!((kept.len(), kept[499], kept.last()), (1000, 499, Some(&99_999)));
    }
}
