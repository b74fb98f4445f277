//! Maps of searchlights, slice by slice.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::searchlight::{Map, Output, nifti_files};
use leptos::prelude::*;

use super::Part;
use crate::plot::reduce::sentence;
use crate::plot::{Axis, Cell, Chart, Csv, DataTable, Figure, FigureCard, Heatmap, Layout, Table, Trace, download, number};

/// Names of the axes of a volume.
const AXES: [&str; 3] = ["x", "y", "z"];

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slice {
    map: usize,
    /// The axis across the slice.
    axis: usize,
    at: usize,
}

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let shape = output.shape.map(|n| n as usize);
    let start = best_place(&output, 0).unwrap_or(shape.map(|n| n / 2));
    let slice = RwSignal::new(Slice { map: 0, axis: 2, at: start[2] });
    let chart = {
        let output = output.clone();
        Memo::new_with_compare(move |_| Arc::new(chart(&output, slice.get())), |_, _| true)
    };
    let models = (output.maps.len() > 1).then(|| {
        let options = output.maps.iter().enumerate().map(|(i, map)| view! { <option value=i.to_string()>{map.model.clone()}</option> });
        view! {
            <label>
                "Model "
                <select
                    data-testid="searchlight-model"
                    on:change=move |e| slice.update(|s| s.map = event_target_value(&e).parse().unwrap_or(0))
                >
                    {options.collect_view()}
                </select>
            </label>
        }
    });
    let planes = AXES.iter().enumerate().rev().map(|(i, name)| view! { <option value=i.to_string()>{*name}</option> }).collect_view();
    let turn = {
        let output = output.clone();
        move |event| {
            let axis = event_target_value(&event).parse().unwrap_or(2).min(2);
            slice.update(|s| {
                let at = best_place(&output, s.map).unwrap_or(shape.map(|n| n / 2))[axis];
                *s = Slice { axis, at, ..*s };
            });
        }
    };
    let (status, set_status) = signal(String::new());
    let save = {
        let output = output.clone();
        move |_| set_status.set(saved(&output))
    };
    let table = table(&output);
    view! {
        <FigureCard id="searchlight" title=format!("Searchlights of {}", output.input) chart spec>
            {models}
            <label>
                "Slices along "
                <select data-testid="searchlight-axis" on:change=turn>
                    {planes}
                </select>
            </label>
            <label>
                "Slice "
                <input
                    type="range"
                    min="0"
                    max=move || (shape[slice.get().axis] - 1).to_string()
                    prop:value=move || slice.get().at.to_string()
                    data-testid="searchlight-slice"
                    on:input=move |e| slice.update(|s| s.at = event_target_value(&e).parse().unwrap_or(0))
                />
                <output>{move || slice.get().at}</output>
            </label>
            <button type="button" data-testid="searchlight-save" title="Save the map of each model as a NIfTI image" on:click=save>
                "Save maps (.nii)"
            </button>
            <span role="status">{move || status.get()}</span>
        </FigureCard>
        <DataTable table caption="Where models fit" test_id="searchlight-table" />
    }
    .into_any()
}

fn saved(output: &Output) -> String {
    let files = nifti_files(output).map_err(|e| e.to_string());
    let all = files.and_then(|files| files.iter().try_for_each(|(name, bytes)| download(name, "application/octet-stream", bytes)));
    let saved = if output.maps.len() == 1 { "Saved the map.".into() } else { format!("Saved {} maps.", output.maps.len()) };
    all.err().unwrap_or(saved)
}

fn best_place(output: &Output, map: usize) -> Option<[usize; 3]> {
    output.maps.get(map)?.best.map(|best| best.voxel.map(|v| v as usize))
}

/// The score of a voxel.
fn score(output: &Output, map: &Map, [x, y, z]: [usize; 3]) -> f64 {
    let [_, ny, nz] = output.shape.map(|n| n as usize);
    map.scores.values.get((x * ny + y) * nz + z).copied().unwrap_or(f64::NAN)
}

fn chart(output: &Output, slice: Slice) -> Chart {
    let shape = output.shape.map(|n| n as usize);
    let map = &output.maps[slice.map.min(output.maps.len() - 1)];
    // Columns run along the first of the other axes, rows upwards along the second.
    let [across, along] = match slice.axis {
        0 => [1, 2],
        1 => [0, 2],
        _ => [0, 1],
    };
    let voxel = move |row: usize, column: usize| {
        let mut at = [0; 3];
        (at[slice.axis], at[across], at[along]) = (slice.at.min(shape[slice.axis] - 1), column, row);
        at
    };
    let names = |axis: usize| (0..shape[axis]).map(|i| i.to_string()).collect::<Vec<_>>();
    let z: Vec<f64> = (0..shape[along])
        .flat_map(|row| (0..shape[across]).map(move |column| (row, column)))
        .map(|(row, column)| score(output, map, voxel(row, column)))
        .collect();
    let n_shown = z.iter().filter(|v| v.is_finite()).count();
    // One scale for all slices, so that they can be compared.
    let defined = map.scores.values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = defined.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let range = if low < high { Some([low, high]) } else { None };
    let (columns, rows) = (names(across), names(along));
    let heatmap = Heatmap { columns: columns.clone(), rows: rows.clone(), z: z.clone(), range, title: format!("score of {}", map.model) };
    let axis = |i: usize| Axis::category(format!("{} (voxel)", AXES[i]));
    let layout = Layout { x: axis(across), y: axis(along), square: true, ..Layout::default() };
    let best = map.best.map_or_else(String::new, |best| {
        let [x, y, z] = best.voxel;
        let place = output.millimeters(best.voxel);
        let place = place.map_or_else(String::new, |mm| format!(" ({} mm)", mm.map(|v| number::significant(v, 4)).join(", ")));
        format!("; the best is {} at voxel {x}, {y}, {z}{place}", number::significant(best.score, 3))
    });
    let [least, most] = output.n_members;
    let width = columns.len();
    Chart {
        figure: Figure { traces: vec![Trace::Heatmap(heatmap)], layout },
        summary: format!(
            "Scores of {} in {} searchlights of {least} to {most} voxels{best}. Slice {} = {}.",
            map.model,
            number::count(output.n_centers),
            AXES[slice.axis],
            slice.at
        ),
        caption: sentence(&[
            if n_shown == 0 {
                "no searchlight has its center in this slice".into()
            } else {
                "voxels without a searchlight are left blank".into()
            },
            "voxels are counted from 0".into(),
        ]),
        csv: Csv::matrix("row", &columns, &rows, move |i, j| z[i * width + j]),
    }
}

fn table(output: &Output) -> Table {
    let none = "no searchlight of this model has a score";
    let row = |map: &Map| {
        let voxel = map.best.map_or_else(String::new, |best| best.voxel.map(|v| v.to_string()).join(", "));
        let place = map.best.and_then(|best| output.millimeters(best.voxel));
        vec![
            Cell::Text(map.model.clone()),
            Cell::number(map.mean, none),
            Cell::number(map.best.map(|best| best.score), none),
            Cell::Text(voxel),
            Cell::Text(place.map_or_else(String::new, |place| place.map(|v| number::significant(v, 4)).join(", "))),
        ]
    };
    Table::new(["Model", "Mean score", "Best score", "at voxel", "at mm"], output.maps.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;
    use eigenscope::analysis::rdm::Measure;
    use eigenscope::analysis::rdm_comparison::Compare;
    use eigenscope::analysis::searchlight::Best;

    use super::*;

    fn output() -> Output {
        let mut values: Vec<f64> = (0..24).map(|v| f64::from(v) / 100.0).collect();
        values[0] = f64::NAN;
        Output {
            input: "bold".into(),
            measure: Measure::Correlation,
            compare: Compare::Corr,
            radius: 3.0,
            shape: [2, 3, 4],
            affine: Some([[2.0, 0.0, 0.0, -10.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 2.0, 5.0]]),
            n_centers: 23,
            n_members: [7, 19],
            maps: vec![Map {
                model: "faces".into(),
                scores: Array { shape: vec![2, 3, 4], values },
                mean: Some(0.12),
                best: Some(Best { voxel: [1, 2, 3], score: 0.23 }),
            }],
        }
    }

    fn heatmap(chart: &Chart) -> &Heatmap {
        let Trace::Heatmap(heatmap) = &chart.figure.traces[0] else { panic!("a heat map") };
        heatmap
    }

    #[test]
    fn slices_have_their_two_other_axes() {
        let along_z = chart(&output(), Slice { map: 0, axis: 2, at: 3 });
        crate::views::dump("searchlight", &along_z);
        let map = heatmap(&along_z);
        assert_eq!((map.columns.len(), map.rows.len()), (2, 3));
        // Row y = 2, column x = 1.
        assert_eq!((map.z[5], map.range), (0.23, Some([0.01, 0.23])));
        let along_x = chart(&output(), Slice { map: 0, axis: 0, at: 1 });
        let map = heatmap(&along_x);
        assert_eq!((map.columns.len(), map.rows.len(), map.z[3 * 3 + 2]), (3, 4, 0.23));
        assert!(along_x.summary.contains("the best is 0.230 at voxel 1, 2, 3 (−8.000, 4.000, 11.00 mm)"), "{}", along_x.summary);
        assert!(along_x.csv.text().starts_with("row,0,1,2\n"), "{}", along_x.csv.text());
    }

    #[test]
    fn the_table_says_where() {
        let table = table(&output());
        assert_eq!(table.rows[0][3], Cell::Text("1, 2, 3".into()));
        assert_eq!(table.rows[0][2], Cell::Number(0.23));
    }
}
