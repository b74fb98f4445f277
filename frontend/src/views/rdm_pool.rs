//! The pooled RDM, and how many RDMs each of its pairs is from.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::rdm_pool::Output;
use leptos::prelude::*;

use super::Part;
use super::conditions::{names, told_apart};
use super::matrix::{About, heat_map};
use crate::plot::{Chart, FigureCard, number};

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let names = names_of(&output);
    let pooled = Signal::stored(Arc::new(pooled(&output, &names)));
    let counts = partial(&output).then(|| {
        let chart = Signal::stored(Arc::new(counts(&output, &names)));
        view! { <FigureCard id="pool-counts" title="RDMs behind each pair" chart spec=Arc::clone(&spec) /> }
    });
    view! {
        <div class="figure-pair">
            <FigureCard id="pool" title="Pooled RDM" chart=pooled spec=Arc::clone(&spec) />
            {counts}
        </div>
    }
    .into_any()
}

fn names_of(output: &Output) -> Vec<String> {
    output.conditions.as_ref().map_or_else(|| names(output.n as usize, &[]), |names| told_apart(names))
}

/// Whether pairs are from different numbers of RDMs.
fn partial(output: &Output) -> bool {
    let n = output.n as usize;
    output.counts.values.iter().enumerate().any(|(at, &c)| at / n.max(1) != at % n.max(1) && c < f64::from(output.n_rdms))
}

fn pooled(output: &Output, names: &[String]) -> Chart {
    let steps = output.steps.map_or_else(String::new, |steps| format!(" brought to one scale in {steps} steps"));
    let about = About {
        thing: "condition",
        unit: "dissimilarity",
        summary: format!("The mean of {} RDMs{steps}, over {} conditions.", number::count(output.n_rdms), number::count(output.n)),
        note: String::new(),
    };
    heat_map(&output.rdm, names, about)
}

fn counts(output: &Output, names: &[String]) -> Chart {
    let about = About {
        thing: "condition",
        unit: "number of RDMs",
        summary: format!("How many of {} RDMs have each pair of conditions.", number::count(output.n_rdms)),
        note: String::new(),
    };
    heat_map(&output.counts, names, about)
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;

    use super::*;
    use crate::plot::Trace;

    #[test]
    fn partial_rdms_show_what_they_are_from() {
        let rdm = Array::matrix(3, 3, vec![0.0, 1.0, f64::NAN, 1.0, 0.0, 2.0, f64::NAN, 2.0, 0.0]);
        let counts = Array::matrix(3, 3, vec![0.0, 2.0, 0.0, 2.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
        let names = ["face", "house", "cat"].map(String::from).to_vec();
        let output = Output { n_rdms: 2, n: 3, conditions: Some(names), rdm, counts, steps: Some(4) };
        assert!(partial(&output), "one pair is from one RDM");
        let chart = pooled(&output, &names_of(&output));
        crate::views::dump("rdm_pool", &chart);
        assert_eq!(chart.summary, "The mean of 2 RDMs brought to one scale in 4 steps, over 3 conditions.");
        assert_eq!(chart.caption, "2 undefined cells are left blank.");
        let Trace::Heatmap(map) = &chart.figure.traces[0] else { panic!("a heat map") };
        assert_eq!((&map.rows[1], map.range), (&"house".to_owned(), Some([0.0, 2.0])));
        assert_eq!(chart.csv.text().lines().nth(1), Some("face,0,1,NaN"));
    }
}
