//! Envelopes: a JSON header and one block of little-endian f64, so that no large array passes through text.
//!
//! Layout: the eight bytes `EIGSCOPE`, the header's length as u32 little-endian, the header (UTF-8 JSON), zero bytes up to the
//! next multiple of eight, then the values.

use std::collections::BTreeMap;
use std::io::Read;

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, array};

const MAGIC: &[u8; 8] = b"EIGSCOPE";

/// Values that are read at a time.
const PIECE: usize = 1 << 16;

/// Media type of an envelope in the HTTP interface.
pub const MEDIA_TYPE: &str = "application/vnd.eigenscope.result";

/// Packs a value whose arrays are [`Array`](crate::Array)s.
///
/// # Errors
/// [`Error::Internal`] when the value does not serialize or its header exceeds 4 GiB.
pub fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let (header, values) = array::collecting(|| serde_json::to_vec(value));
    let header = header.map_err(|e| Error::internal(format!("a result did not serialize: {e}")))?;
    let length = u32::try_from(header.len()).map_err(|e| Error::internal(format!("a result header is too long: {e}")))?;
    let mut out = Vec::with_capacity(12 + header.len() + 8 + values.len() * 8);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&header);
    out.resize(out.len().next_multiple_of(8), 0);
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
    Ok(out)
}

/// Reads what [`pack`] wrote.
///
/// # Errors
/// [`Error::Format`] when the bytes are not an envelope, are truncated, or hold another type.
pub fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    read(bytes)
}

/// Reads what [`pack`] wrote; each array straight to its place in memory.
///
/// # Errors
/// As [`unpack`], also when the reader fails.
pub fn read<T: DeserializeOwned>(mut reader: impl Read) -> Result<T, Error> {
    let bad = |message: String| Error::format("result", message);
    let unreadable = |e: std::io::Error| bad(format!("the result cannot be read: {e}"));
    let mut start = [0u8; 12];
    let mut header = Vec::new();
    let whole = reader.read_exact(&mut start);
    let (magic, length) = start.split_at(MAGIC.len());
    if whole.is_err() || magic != MAGIC {
        return Err(bad("not an Eigenscope result".into()));
    }
    let length = length.try_into().map_or(0, u32::from_le_bytes);
    let padded = (12 + u64::from(length)).next_multiple_of(8) - 12;
    reader.by_ref().take(padded).read_to_end(&mut header).map_err(unreadable)?;
    if (header.len() as u64) < u64::from(length) {
        return Err(bad("the result's header is truncated".into()));
    }
    let parse = || serde_json::from_slice::<T>(&header[..length as usize]);
    let unreadable = |e: serde_json::Error| bad(format!("the result cannot be read: {e}"));
    // First where the arrays are, so that each is read to where it stays: large results are not copied.
    let (outline, mut places) = array::places(parse);
    outline.map_err(unreadable)?;
    places.sort_unstable();
    let mut values = BTreeMap::new();
    let mut position = 0u64;
    for (at, count) in places {
        let gap = at.checked_sub(position).ok_or_else(|| bad("the result's arrays overlap".into()))?;
        std::io::copy(&mut reader.by_ref().take(8 * gap), &mut std::io::sink())
            .map_err(|e| bad(format!("the result cannot be read: {e}")))?;
        values.insert(at, array_values(&mut reader, count).ok_or_else(|| bad("the result's values are truncated".into()))?);
        position = at + count as u64;
    }
    array::providing(values, parse).map_err(unreadable)
}

/// The next values; `None` when there are fewer, or no memory for them.
fn array_values(reader: &mut impl Read, count: usize) -> Option<Vec<f64>> {
    let mut out: Vec<f64> = Vec::new();
    out.try_reserve_exact(count).ok()?;
    while out.len() < count {
        let at = out.len();
        out.resize(count.min(at + PIECE), 0.0);
        reader.read_exact(bytemuck::cast_slice_mut(&mut out[at..])).ok()?;
    }
    if cfg!(target_endian = "big") {
        out.iter_mut().for_each(|v| *v = f64::from_bits(v.to_bits().swap_bytes()));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Array;

    #[test]
    fn envelopes_keep_every_bit() {
        let arrays =
            vec![Array::vector(vec![0.1, f64::NAN, -0.0]), Array::vector(Vec::new()), Array::matrix(1, 2, vec![f64::MIN_POSITIVE, 3.0])];
        let bytes = pack(&arrays).expect("packs");
        let back: Vec<Array> = unpack(&bytes).expect("unpacks");
        let bits = |a: &[Array]| a.iter().flat_map(|x| x.values.iter().map(|v| v.to_bits())).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(&arrays));
        assert_eq!((&back[1].shape, &back[2].shape), (&vec![0], &vec![1, 2]));
    }

    #[test]
    fn truncated_envelopes_are_refused() {
        let bytes = pack(&vec![Array::vector(vec![1.0, 2.0])]).expect("packs");
        for cut in [0, 5, 11, 20, bytes.len() - 8, bytes.len() - 3] {
            assert!(unpack::<Vec<Array>>(&bytes[..cut]).is_err(), "cut at {cut} bytes");
        }
    }
}
