//! Activations as an archive of arrays.

use std::io::{self, Cursor};

use super::Output;
use crate::Error;
use crate::io::NpzWriter;

/// What was done, as JSON, in the archive.
const RECORD: &str = "eigenscope.json";

/// The layers as an `.npz` archive of single-precision arrays by their names, with a record of what was done.
///
/// # Errors
/// [`Error::Internal`] for an output whose shapes do not fit its values.
pub fn npz(output: &Output) -> Result<Vec<u8>, Error> {
    let failed = |e: io::Error| Error::internal(format!("the layers could not be packed: {e}"));
    let mut file = NpzWriter::new(Cursor::new(Vec::new()));
    for layer in &output.layers {
        let shape: Vec<u64> = layer.shape.iter().map(|n| u64::from(*n)).collect();
        #[expect(clippy::cast_possible_truncation, reason = "they were single precision")]
        let values: Vec<u8> = layer.values.values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect();
        if shape.iter().product::<u64>() * 4 != values.len() as u64 {
            return Err(Error::internal(format!("{}: {} bytes of values do not fill {shape:?}", layer.name, values.len())));
        }
        file.array(&layer.name, &shape, 4, &mut &*values).map_err(failed)?;
    }
    let record = serde_json::json!({
        "network": output.network,
        "images": output.images,
        "left_out": output.left_out,
        "preprocess": output.preprocess,
    });
    let record = serde_json::to_string_pretty(&record).map_err(|e| Error::internal(e.to_string()))?;
    Ok(file.finish(Some((RECORD, &record))).map_err(failed)?.into_inner())
}
