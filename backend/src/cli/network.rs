//! Networks: what is in a file.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use eigenscope::Error;
use eigenscope::network::{Dim, Graph, read_onnx};
use serde_json::json;

use super::args::Global;
use super::print::table;
use super::{Failure, run};

/// Options of `layers`.
#[derive(Debug, Args)]
pub(super) struct LayersArgs {
    /// The network: an ONNX file.
    pub model: PathBuf,
}

/// Lists the values that a network makes.
pub(super) fn layers(args: &LayersArgs, global: &Global) -> Result<(), Failure> {
    let shown = args.model.display().to_string();
    let bytes = std::fs::read(&args.model).map_err(|e| Error::input(&*shown, format!("the network cannot be read: {e}")))?;
    let graph = read_onnx(&shown, &bytes)?;
    let mut out = io::stdout().lock();
    if global.json {
        let inputs: Vec<_> = graph.inputs.iter().map(|port| json!({ "name": port.name, "shape": port.shape })).collect();
        let value = json!({ "layers": graph.layers(), "inputs": inputs, "outputs": graph.outputs, "opset": graph.opset, "n_weights": graph.n_weights() });
        return run::json(&mut out, &value);
    }
    Ok(print(&mut out, &graph)?)
}

fn print(out: &mut dyn Write, graph: &Graph) -> io::Result<()> {
    let shape = |shape: &Option<Vec<Dim>>| {
        let dim = |dim: &Dim| match dim {
            Dim::Fixed(n) => n.to_string(),
            Dim::Named(name) if name.is_empty() => "?".into(),
            Dim::Named(name) => name.clone(),
        };
        shape.as_ref().map_or_else(String::new, |shape| shape.iter().map(dim).collect::<Vec<_>>().join(" x "))
    };
    for port in &graph.inputs {
        writeln!(out, "input {} {}", port.name, shape(&port.shape))?;
    }
    let rows = graph.layers().into_iter().map(|layer| vec![layer.name, layer.op, shape(&layer.shape)]);
    table(out, &["layer", "operation", "shape"], rows.collect())?;
    writeln!(out, "\n{} operations, {} weights, operators of version {}", graph.nodes.len(), graph.n_weights(), graph.opset)
}
