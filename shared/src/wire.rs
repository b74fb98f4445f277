//! Envelopes: a JSON header and one block of little-endian f64, so that no large array passes through text.
//!
//! Layout: the eight bytes `EIGSCOPE`, the header's length as u32 little-endian, the header (UTF-8 JSON), zero bytes up to the
//! next multiple of eight, then the values.

use std::io::Read;

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, array};

const MAGIC: &[u8; 8] = b"EIGSCOPE";

/// Bytes of values that are read at a time, a multiple of eight.
const PIECE_BYTES: u64 = 1 << 16;

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

/// Reads what [`pack`] wrote, without holding its bytes beside its values.
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
    let (mut values, mut piece) = (Vec::new(), Vec::new());
    while reader.by_ref().take(PIECE_BYTES).read_to_end(&mut piece).map_err(unreadable)? > 0 {
        let at = values.len();
        if piece.len() % 8 != 0 {
            return Err(bad("the result's values are truncated".into()));
        }
        values.resize(at + piece.len() / 8, 0.0);
        // One copy of memory, also where code is built for size.
        bytemuck::cast_slice_mut::<f64, u8>(&mut values[at..]).copy_from_slice(&piece);
        piece.clear();
    }
    if cfg!(target_endian = "big") {
        values.iter_mut().for_each(|v: &mut f64| *v = f64::from_bits(v.to_bits().swap_bytes()));
    }
    let text = &header[..length as usize];
    array::providing(values, || serde_json::from_slice(text)).map_err(|e| bad(format!("the result cannot be read: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Array;

    #[test]
    fn envelopes_keep_every_bit() {
        let arrays = vec![Array::vector(vec![0.1, f64::NAN, -0.0]), Array::matrix(1, 2, vec![f64::MIN_POSITIVE, 3.0])];
        let bytes = pack(&arrays).expect("packs");
        let back: Vec<Array> = unpack(&bytes).expect("unpacks");
        let bits = |a: &[Array]| a.iter().flat_map(|x| x.values.iter().map(|v| v.to_bits())).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(&arrays));
        assert_eq!(back[1].shape, [1, 2]);
    }

    #[test]
    fn truncated_envelopes_are_refused() {
        let bytes = pack(&vec![Array::vector(vec![1.0, 2.0])]).expect("packs");
        for cut in [0, 5, 11, 20, bytes.len() - 8, bytes.len() - 3] {
            assert!(unpack::<Vec<Array>>(&bytes[..cut]).is_err(), "cut at {cut} bytes");
        }
    }
}
