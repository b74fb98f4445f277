//! Activations as an archive of arrays.

use ndarray::{ArrayD, IxDyn};

use super::{Layer, Output};
use crate::{Dataset, Error, io};

/// What was done, as JSON, in the archive.
const RECORD: &str = "eigenscope.json";

/// The layers as an `.npz` archive of single-precision arrays by their names, with a record of what was done.
///
/// # Errors
/// [`Error::Internal`] for an output whose shapes do not fit its values.
pub fn npz(output: &Output) -> Result<Vec<u8>, Error> {
    let mut files =
        output.layers.iter().map(|layer| Ok((format!("{}.npy", layer.name), npy(layer)?))).collect::<Result<Vec<_>, Error>>()?;
    let record = serde_json::json!({
        "network": output.network,
        "images": output.images,
        "left_out": output.left_out,
        "preprocess": output.preprocess,
    });
    files.push((RECORD.into(), serde_json::to_vec_pretty(&record).map_err(|e| Error::internal(e.to_string()))?));
    io::pack(&files)
}

fn npy(layer: &Layer) -> Result<Vec<u8>, Error> {
    let shape: Vec<usize> = layer.shape.iter().map(|n| *n as usize).collect();
    #[expect(clippy::cast_possible_truncation, reason = "they were single precision")]
    let values = layer.values.values.iter().map(|v| *v as f32).collect();
    let array = ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| Error::internal(format!("{}: {e}", layer.name)))?;
    Ok(io::write_npy(&Dataset::from_f32(&layer.name, array)))
}
