//! One view per analysis: numbers arranged, sorted and binned for display, never computed.

#![deny(clippy::wildcard_enum_match_arm)]

use std::ops::Deref;
use std::sync::Arc;

use eigenscope::analysis::Output;
use eigenscope::compute::DeviceKind;
use eigenscope::dataset::LabelColumn;
use eigenscope::{AnalysisResult, AnalysisSpec, Array};
use leptos::prelude::*;

mod clustering;
mod conditions;
mod controls;
mod dim_complexity;
mod dimension_use;
mod dimensionality;
mod embedding;
mod encoding;
mod extraction;
mod few_shot;
mod layer_profile;
mod manifolds;
mod matrix;
mod orientation;
mod orientation_figures;
mod probe;
mod projection;
mod rdm;
mod rdm_comparison;
mod rdm_pool;
mod relation;
mod searchlight;
mod shape_average;
mod shape_distance;
mod shape_path;
mod similarity;
mod stochastic_distance;
mod tuning;
mod variance_partition;
mod warp;
mod warp_figure;

/// A result and what made it: figures, tables, and where it was computed.
///
/// `labels`: text columns of the input that label its rows; those of other lengths are not used. `thumbnails`: addresses of images of the conditions.
///
/// Views of results that fill in while they are computed follow the signal; the others are drawn anew when it changes.
pub(crate) fn result(
    result: Signal<Arc<AnalysisResult>>,
    spec: AnalysisSpec,
    labels: Vec<LabelColumn>,
    thumbnails: Signal<Arc<[Arc<str>]>>,
) -> AnyView {
    let spec = Arc::new(spec);
    let first = result.get_untracked();
    let live = if let Some(output) = live(result, &first, |output| if let Output::Warp(o) = output { Some(o) } else { None }) {
        Some(warp::view(output, Arc::clone(&spec)))
    } else {
        live(result, &first, |output| if let Output::Orientation(o) = output { Some(o) } else { None })
            .map(|output| orientation::view(output, Arc::clone(&spec)))
    };
    let body = live.unwrap_or_else(|| (move || still(result.get(), Arc::clone(&spec), labels.clone(), thumbnails)).into_any());
    view! {
        <div class="result-view" data-testid="result-view">
            {body}
            <p class="result-footer" data-testid="result-footer">{move || footer(&result.get())}</p>
        </div>
    }
    .into_any()
}

/// The output of a result that may change, if it is of this kind.
fn live<T: 'static>(
    result: Signal<Arc<AnalysisResult>>,
    first: &Arc<AnalysisResult>,
    project: fn(&Output) -> Option<&T>,
) -> Option<Signal<Part<T>>> {
    let first = part(first, project)?;
    Some(Signal::derive(move || part(&result.get(), project).unwrap_or_else(|| first.clone())))
}

/// A view that is drawn once.
fn still(
    result: Arc<AnalysisResult>,
    spec: Arc<AnalysisSpec>,
    labels: Vec<LabelColumn>,
    thumbnails: Signal<Arc<[Arc<str>]>>,
) -> Option<AnyView> {
    match &result.output {
        // They are live.
        Output::Warp(_) | Output::Orientation(_) => None,
        Output::Dimensionality(_) => part(&result, |output| if let Output::Dimensionality(o) = output { Some(o) } else { None })
            .map(|output| dimensionality::view(output, spec)),
        Output::Rdm(_) => part(&result, |output| if let Output::Rdm(o) = output { Some(o) } else { None })
            .map(|output| rdm::view(output, spec, labels, thumbnails)),
        Output::RdmComparison(_) => part(&result, |output| if let Output::RdmComparison(o) = output { Some(o) } else { None })
            .map(|output| rdm_comparison::view(output, spec, thumbnails)),
        Output::ShapeDistance(_) => part(&result, |output| if let Output::ShapeDistance(o) = output { Some(o) } else { None })
            .map(|output| shape_distance::view(output, spec)),
        Output::StochasticDistance(_) => part(&result, |output| if let Output::StochasticDistance(o) = output { Some(o) } else { None })
            .map(|output| stochastic_distance::view(output, spec)),
        Output::ShapeAverage(_) => part(&result, |output| if let Output::ShapeAverage(o) = output { Some(o) } else { None })
            .map(|output| shape_average::view(output, spec, labels)),
        Output::ShapePath(_) => part(&result, |output| if let Output::ShapePath(o) = output { Some(o) } else { None })
            .map(|output| shape_path::view(output, spec)),
        Output::Similarity(_) => {
            part(&result, |output| if let Output::Similarity(o) = output { Some(o) } else { None }).map(similarity::view)
        }
        Output::Clustering(_) => part(&result, |output| if let Output::Clustering(o) = output { Some(o) } else { None })
            .map(|output| clustering::view(output, spec, labels)),
        Output::Encoding(_) => {
            part(&result, |output| if let Output::Encoding(o) = output { Some(o) } else { None }).map(|output| encoding::view(output, spec))
        }
        Output::DimensionUse(_) => part(&result, |output| if let Output::DimensionUse(o) = output { Some(o) } else { None })
            .map(|output| dimension_use::view(output, spec)),
        Output::VariancePartition(_) => part(&result, |output| if let Output::VariancePartition(o) = output { Some(o) } else { None })
            .map(|output| variance_partition::view(output, spec)),
        Output::Manifolds(_) => part(&result, |output| if let Output::Manifolds(o) = output { Some(o) } else { None })
            .map(|output| manifolds::view(output, spec)),
        Output::Relation(_) => {
            part(&result, |output| if let Output::Relation(o) = output { Some(o) } else { None }).map(|output| relation::view(output, spec))
        }
        Output::FewShot(_) => {
            part(&result, |output| if let Output::FewShot(o) = output { Some(o) } else { None }).map(|output| few_shot::view(output, spec))
        }
        Output::Probe(_) => {
            part(&result, |output| if let Output::Probe(o) = output { Some(o) } else { None }).map(|output| probe::view(output, spec))
        }
        Output::Projection(_) => part(&result, |output| if let Output::Projection(o) = output { Some(o) } else { None })
            .map(|output| projection::view(output, spec)),
        Output::Embedding(_) => part(&result, |output| if let Output::Embedding(o) = output { Some(o) } else { None })
            .map(|output| embedding::view(output, spec, labels, thumbnails)),
        Output::RdmPool(_) => {
            part(&result, |output| if let Output::RdmPool(o) = output { Some(o) } else { None }).map(|output| rdm_pool::view(output, spec))
        }
        Output::Tuning(_) => {
            part(&result, |output| if let Output::Tuning(o) = output { Some(o) } else { None }).map(|output| tuning::view(output, spec))
        }
        Output::Searchlight(_) => part(&result, |output| if let Output::Searchlight(o) = output { Some(o) } else { None })
            .map(|output| searchlight::view(output, spec)),
        Output::Extraction(_) => {
            part(&result, |output| if let Output::Extraction(o) = output { Some(o) } else { None }).map(extraction::view)
        }
        Output::DimComplexity(_) => part(&result, |output| if let Output::DimComplexity(o) = output { Some(o) } else { None })
            .map(|output| dim_complexity::view(&output, &spec)),
        Output::LayerProfile(_) => part(&result, |output| if let Output::LayerProfile(o) = output { Some(o) } else { None })
            .map(|output| layer_profile::view(output, spec)),
    }
}

/// The output of a shared result, without a copy of its arrays. Cloning is cheap.
pub(crate) struct Part<T: 'static> {
    result: Arc<AnalysisResult>,
    project: fn(&Output) -> Option<&T>,
}

fn part<T>(result: &Arc<AnalysisResult>, project: fn(&Output) -> Option<&T>) -> Option<Part<T>> {
    project(&result.output).is_some().then(|| Part { result: Arc::clone(result), project })
}

impl<T> Part<T> {
    /// Whether it is known only in part yet.
    fn is_preview(&self) -> bool {
        self.result.is_preview()
    }
}

impl<T> Clone for Part<T> {
    fn clone(&self) -> Self {
        Self { result: Arc::clone(&self.result), project: self.project }
    }
}

impl<T> Deref for Part<T> {
    type Target = T;

    fn deref(&self) -> &T {
        (self.project)(&self.result.output).expect("`part` makes this only where the projection has a value, and results do not change")
    }
}

/// Cell (row, column) of a matrix; NaN outside it, so that a damaged project file cannot crash the page.
pub(crate) fn at(matrix: &Array, row: usize, column: usize) -> f64 {
    if column < matrix.columns() { matrix.values.get(row * matrix.columns() + column).copied().unwrap_or(f64::NAN) } else { f64::NAN }
}

fn footer(result: &AnalysisResult) -> String {
    if result.is_preview() {
        return "Still computing: what is empty is not known yet.".into();
    }
    let kind = match result.device.kind {
        DeviceKind::Cpu => "CPU",
        DeviceKind::Vulkan => "Vulkan",
        DeviceKind::Webgpu => "WebGPU",
        DeviceKind::Cuda => "CUDA",
    };
    let (name, version) = (&result.device.name, &result.version);
    if name.starts_with(kind) {
        format!("Computed on {name} by Eigenscope {version}.")
    } else {
        format!("Computed on {kind} ({name}) by Eigenscope {version}.")
    }
}

/// Writes a figure for the pages that look at rendering, where a folder is named for it.
#[cfg(test)]
pub(crate) fn dump(name: &str, chart: &crate::plot::Chart) {
    if let Some(folder) = std::env::var_os("EIGENSCOPE_DUMP_FIGURES") {
        let folder = std::path::Path::new(&folder);
        if let Some(map) = crate::plot::matrix::matrix_of(&chart.figure) {
            let drawing = crate::plot::matrix::draw(&chart.figure, map, &crate::plot::Palette::named(), [700.0, 600.0], "");
            std::fs::write(folder.join(format!("{name}.svg")), drawing.svg).expect("the folder exists");
            return;
        }
        let path = folder.join(format!("{name}.json"));
        let figure = chart.figure.to_json(&crate::plot::Palette::named());
        let text = serde_json::json!({ "figure": figure, "summary": chart.summary, "caption": chart.caption }).to_string();
        std::fs::write(path, text).expect("the folder exists");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use eigenscope::compute::DeviceInfo;

    use super::*;

    pub(crate) fn result(output: Output) -> Arc<AnalysisResult> {
        let device = DeviceInfo { kind: DeviceKind::Cpu, name: "faer".into(), memory_bytes: None };
        Arc::new(AnalysisResult { output, warnings: Vec::new(), device, version: "0.1.0".into() })
    }

    #[test]
    fn cells_outside_a_matrix_are_undefined() {
        let matrix = Array::matrix(1, 2, vec![1.0, 2.0]);
        assert_eq!(at(&matrix, 0, 1), 2.0);
        assert!(at(&matrix, 1, 0).is_nan() && at(&matrix, 0, 2).is_nan(), "no panic and no neighbor's value");
    }
}
