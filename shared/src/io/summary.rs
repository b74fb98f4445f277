//! What the page shows of a dataset without its values.

use ndarray::{ArrayD, CowArray};

use std::sync::Arc;

use super::{IMAGES, NETWORK, stem};
use crate::api::{DatasetSummary, NetworkSummary, NodeSummary, Thumbnail};
use crate::dataset::Values;
use crate::input::Input;
use crate::network::{Dim, Graph};
use crate::{Dataset, Error};

/// Longest side of a thumbnail.
const SIDE: usize = 64;

/// What the page shows of an input: shape, labels, the count of values that are not finite, and a small picture; of a network its graph.
///
/// # Errors
/// Those of a network that cannot be read.
pub fn summarize(file: &str, input: &Input) -> Result<DatasetSummary, Error> {
    let other = |dtype: &str, length: usize, network: Option<NetworkSummary>| DatasetSummary {
        name: stem(file).into(),
        dtype: dtype.into(),
        shape: vec![length as u64],
        n_non_finite: 0,
        column_names: None,
        labels: Vec::new(),
        thumbnail: Thumbnail::default(),
        network: network.map(Arc::new),
    };
    match input {
        Input::Array(dataset) => Ok(of_array(dataset)),
        Input::Network(network) => {
            let graph = network.graph()?;
            Ok(other(NETWORK, graph.n_weights(), Some(of_graph(&graph))))
        }
        Input::Images(images) => Ok(other(IMAGES, images.names().len(), None)),
    }
}

fn of_array(dataset: &Dataset) -> DatasetSummary {
    DatasetSummary {
        name: dataset.name.clone(),
        dtype: dataset.dtype.clone(),
        shape: dataset.shape().iter().map(|&n| n as u64).collect(),
        n_non_finite: dataset.values.count_non_finite() as u64,
        column_names: dataset.column_names.clone(),
        labels: dataset.labels.clone(),
        thumbnail: thumbnail(dataset),
        network: None,
    }
}

fn of_graph(graph: &Graph) -> NetworkSummary {
    let text = |shape: &Vec<Dim>| shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ");
    let named = |name: &String| (name.clone(), graph.shapes.get(name).map(text));
    let integers = graph.integers();
    let is_made = |name: &String| !name.is_empty() && !graph.constants.contains_key(name) && !integers.contains(name.as_str());
    let node = |node: &crate::network::Node| NodeSummary {
        op: node.op.clone(),
        outputs: node.outputs.iter().filter(|name| !name.is_empty()).map(named).collect(),
        inputs: node.inputs.iter().filter(|name| is_made(name)).cloned().collect(),
    };
    let is_layer = |node: &&crate::network::Node| node.outputs.iter().any(|name| !name.is_empty() && !integers.contains(name.as_str()));
    NetworkSummary {
        inputs: graph.inputs.iter().map(|port| (port.name.clone(), port.shape.as_ref().map(text))).collect(),
        outputs: graph.outputs.clone(),
        nodes: graph.nodes.iter().filter(is_layer).map(node).collect(),
    }
}

/// Means over blocks of the matrix (axes after the first flattened) as gray values: the 2nd percentile of the block means is black,
/// the 98th white; 0 where a block has no finite value.
fn thumbnail(dataset: &Dataset) -> Thumbnail {
    let shape = dataset.shape();
    if dataset.values.is_empty() {
        return Thumbnail::default();
    }
    let n_rows = shape.first().copied().unwrap_or(1);
    let blocks = match &*dataset.values {
        Values::F32(a) => Blocks::of(a, n_rows),
        Values::F64(a) => Blocks::of(a, n_rows),
    };
    let mut sorted: Vec<f64> = blocks.means.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let (low, high) = (quantile(&sorted, 0.02), quantile(&sorted, 0.98));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=255")]
    let gray = |value: &f64| match (value.is_finite(), high > low) {
        (false, _) => 0,
        (true, false) => 128,
        // Halved first: the range of finite values may exceed the largest f64.
        (true, true) => (255.0 * ((value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)).clamp(0.0, 1.0)).round() as u8,
    };
    Thumbnail {
        width: u32::try_from(blocks.width).unwrap_or_default(),
        height: u32::try_from(blocks.height).unwrap_or_default(),
        pixels: blocks.means.iter().map(gray).collect(),
    }
}

struct Blocks {
    width: usize,
    height: usize,
    /// Mean of the finite values of each block, row by row; NaN without any.
    means: Vec<f64>,
}

impl Blocks {
    fn of<T: Copy + Into<f64>>(array: &ArrayD<T>, n_rows: usize) -> Self {
        let array = if array.is_standard_layout() { CowArray::from(array) } else { array.as_standard_layout() };
        let n_columns = array.len() / n_rows;
        let (height, width) = (n_rows.min(SIDE), n_columns.min(SIDE));
        let mut sums = vec![(0.0f64, 0u32); height * width];
        for (i, row) in array.as_slice().unwrap_or_default().chunks_exact(n_columns).enumerate() {
            let line = &mut sums[i * height / n_rows * width..][..width];
            for (at, (sum, count)) in line.iter_mut().enumerate() {
                for &value in &row[at * n_columns / width..(at + 1) * n_columns / width] {
                    let value: f64 = value.into();
                    if value.is_finite() {
                        *sum += value;
                        *count += 1;
                    }
                }
            }
        }
        Self { width, height, means: sums.iter().map(|&(sum, count)| if count == 0 { f64::NAN } else { sum / f64::from(count) }).collect() }
    }
}

/// Linear interpolation between order statistics; 0 of nothing.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "at most 4,096 block means")]
fn quantile(sorted: &[f64], fraction: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let at = fraction * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}
