//! Two of the compared RDMs side by side; a pointer on one shows the same pair of conditions in both.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::rdm_comparison::{KeptRdms, Output};
use leptos::prelude::*;

use super::Part;
use crate::plot::figure::extent;
use crate::plot::reduce::{MAX_SIDE, block_means_of, blocks_note, sentence};
use crate::plot::{Axis, Chart, Csv, Figure, FigureCard, Heatmap, Layout, Trace, number};
use crate::views::conditions::{block_names, names};
use crate::views::rdm::along_axes;

/// Nothing where the RDMs were not given back.
pub(super) fn view(output: &Part<Output>, spec: &Arc<AnalysisSpec>, thumbnails: Signal<Arc<[Arc<str>]>>) -> Option<AnyView> {
    let kept = output.rdms.as_ref()?;
    // The first data RDM and the first model.
    let first_model = (output.n_data as usize).min(kept.names.len().saturating_sub(1));
    let hovered = RwSignal::new(None);
    let panel = |id: &'static str, test_id: &'static str, title: &'static str, start: usize| {
        let (shown, set_shown) = signal(start);
        let chart = {
            let output = output.clone();
            let chart = move |_: Option<&Arc<Chart>>| {
                let chart = output.rdms.as_ref().map(|kept| chart(kept, shown.get(), output.n_conditions as usize));
                let mut chart = chart.unwrap_or_else(empty);
                let order: Vec<usize> = (0..output.n_conditions as usize).collect();
                let layout = &mut chart.figure.layout;
                thumbnails.with(|urls| layout.pictures = along_axes(&order, urls));
                if !layout.pictures.is_empty() {
                    layout.x.ticks = Some(Vec::new());
                }
                Arc::new(chart)
            };
            Memo::new_with_compare(chart, |_, _| true)
        };
        let option = |(i, name): (usize, &String)| {
            view! {
                <option value=i.to_string() selected=i == start>
                    {name.clone()}
                </option>
            }
        };
        let options = kept.names.iter().enumerate().map(option).collect_view();
        view! {
            <FigureCard id title chart spec=Arc::clone(spec) hovered>
                <label>
                    "RDM "
                    <select data-testid=test_id on:change=move |e| set_shown.set(event_target_value(&e).parse().unwrap_or(0))>
                        {options}
                    </select>
                </label>
            </FigureCard>
        }
    };
    let panels = view! {
        <div class="figure-pair">
            {panel("rdm-left", "rdm-left-select", "RDM on the left", 0)} {panel("rdm-right", "rdm-right-select", "RDM on the right", first_model)}
        </div>
    };
    Some(panels.into_any())
}

fn empty() -> Chart {
    Chart { figure: Figure::default(), summary: String::new(), caption: String::new(), csv: Csv::new(String::new) }
}

fn chart(kept: &KeptRdms, which: usize, n: usize) -> Chart {
    let which = which.min(kept.names.len() - 1);
    let pairs = kept.pairs.row(which);
    let square = square(pairs, n);
    let order: Vec<usize> = (0..n).collect();
    let blocks = block_means_of(&square, &order, MAX_SIDE);
    let conditions = names(n, &[]);
    let axis_names = block_names(&conditions, blocks.step);
    let n_missing = pairs.iter().filter(|d| !d.is_finite()).count();
    let caption = sentence(&[
        blocks_note(n, &blocks),
        match n_missing {
            0 => String::new(),
            1 => "one missing pair is left blank".into(),
            n => format!("{} missing pairs are left blank", number::count(n)),
        },
    ]);
    let range = extent(pairs).filter(|[low, high]| low < high);
    let heatmap = Heatmap { columns: axis_names.clone(), rows: axis_names, z: blocks.values, range, title: "dissimilarity".into() };
    let layout = Layout { x: Axis::category(""), y: Axis { reversed: true, ..Axis::category("") }, square: true, ..Layout::default() };
    let ends = extent(pairs)
        .map_or_else(String::new, |[low, high]| format!(", from {} to {}", number::significant(low, 3), number::significant(high, 3)));
    Chart {
        figure: Figure { traces: vec![Trace::Heatmap(heatmap)], layout },
        summary: format!("{}: dissimilarities of {} conditions{ends}.", kept.names[which], number::count(n)),
        caption,
        csv: Csv::matrix("condition", &conditions, &conditions, move |i, j| square[i * n + j]),
    }
}

/// The matrix of pairs (0, 1), (0, 2), …, with a zero diagonal.
fn square(pairs: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    let mut rest = pairs;
    for i in 0..n {
        let (row, after) = rest.split_at((n - 1 - i).min(rest.len()));
        for (j, &d) in (i + 1..n).zip(row) {
            out[i * n + j] = d;
            out[j * n + i] = d;
        }
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;

    use super::*;

    #[test]
    fn pairs_become_a_symmetric_matrix() {
        let pairs = Array::matrix(2, 6, vec![1.0, 2.0, 3.0, 4.0, f64::NAN, 6.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]);
        let kept = KeptRdms { names: vec!["human".into(), "model".into()], pairs };
        let chart = chart(&kept, 0, 4);
        crate::views::dump("rdm_panel", &chart);
        let Trace::Heatmap(map) = &chart.figure.traces[0] else { panic!("a heat map") };
        assert_eq!((map.z[4 + 2], map.z[2 * 4 + 1], map.z[3 * 4 + 3]), (4.0, 4.0, 0.0));
        assert!(map.z[4 + 3].is_nan(), "conditions 2 and 4");
        assert_eq!((map.range, chart.caption.as_str()), (Some([1.0, 6.0]), "One missing pair is left blank."));
        assert_eq!(chart.summary, "human: dissimilarities of 4 conditions, from 1.00 to 6.00.");
        let flat = super::chart(&kept, 9, 4);
        assert!(flat.summary.starts_with("model"), "the last of them");
    }
}
