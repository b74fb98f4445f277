//! State dicts: names and arrays.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::rc::Rc;

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};

use super::pickle::{self, Pickle, Tensor, Value};
use crate::Error;
use crate::dataset::shape_text;
use crate::network::Constant;

/// Parameters and buffers by their names.
pub type State = BTreeMap<String, Constant>;

/// Keys under which training scripts keep the state dict of a network.
const NESTED: [&str; 6] = ["state_dict", "model_state_dict", "model", "net", "network", "weights"];

/// Entries of an archive larger than this are refused.
const MOST_BYTES: u64 = 1 << 36;

/// Dicts in dicts.
const MAX_DEPTH: usize = 8;

/// Bytes of arrays for each byte of the file: all layers of a network may share their values.
const MOST_SHARED: usize = 256;

/// Reads a state dict: torch's zip files, its older stream, or safetensors.
///
/// # Definition
/// Nothing in the file is executed. Floats of any width become f32, integers i64. A dict under `state_dict`, `model` and the like is found, and the prefix
/// `module.` of parallel training is dropped.
///
/// # Errors
/// [`Error::Format`] for damaged files, [`Error::Unsupported`] for files that hold whole modules or no arrays.
pub fn read_state(file: &str, bytes: &[u8]) -> Result<State, Error> {
    let state = if bytes.starts_with(b"PK\x03\x04") {
        zipped(file, bytes)?
    } else if bytes.starts_with(&[0x80]) {
        stream(file, bytes)?
    } else {
        tensors(file, bytes)?
    };
    if state.is_empty() {
        return Err(Error::Unsupported { file: file.into(), message: "it holds no arrays; save model.state_dict()".into() });
    }
    let is_parallel = state.keys().all(|name| name.starts_with("module."));
    Ok(if is_parallel { state.into_iter().map(|(name, v)| (name["module.".len()..].to_owned(), v)).collect() } else { state })
}

fn zipped(file: &str, bytes: &[u8]) -> Result<State, Error> {
    let damaged = |e: &dyn std::fmt::Display| Error::format(file, format!("the archive is damaged: {e}"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| damaged(&e))?;
    let names: Vec<String> = archive.file_names().filter_map(|name| name.ok().map(std::borrow::Cow::into_owned)).collect();
    let pickled = names.iter().find(|name| name.ends_with("/data.pkl") || *name == "data.pkl").cloned();
    let Some(pickled) = pickled else {
        return Err(Error::Unsupported {
            file: file.into(),
            message: "the archive has no data.pkl: it was not written by torch.save".into(),
        });
    };
    let root = pickled.trim_end_matches("data.pkl").to_owned();
    let mut entry = |name: &str| -> Result<Vec<u8>, Error> {
        let mut found = archive.by_name(&format!("{root}{name}")).map_err(|e| damaged(&e))?;
        if found.size() > MOST_BYTES {
            return Err(Error::TooLarge { what: format!("{file}::{name}"), needed_bytes: found.size(), limit_bytes: MOST_BYTES });
        }
        // The claim of a size is not trusted: what comes is counted.
        let mut out = Vec::new();
        found.by_ref().take(MOST_BYTES).read_to_end(&mut out).map_err(|e| damaged(&e))?;
        Ok(out)
    };
    if names.iter().any(|name| *name == format!("{root}byteorder")) && entry("byteorder")?.starts_with(b"big") {
        return Err(Error::Unsupported { file: file.into(), message: "its numbers are big-endian; save it on another machine".into() });
    }
    let pickle = pickle::read(file, &entry("data.pkl")?)?;
    let mut found = dict(file, &pickle.value)?;
    check_total(file, &found, bytes.len())?;
    // Parameters that share their values come one after the other, so that these are inflated once.
    found.sort_by(|(_, a), (_, b)| a.storage.key.cmp(&b.storage.key));
    let mut out = State::new();
    for group in found.chunk_by(|(_, a), (_, b)| a.storage.key == b.storage.key) {
        let stored = entry(&format!("data/{}", group[0].1.storage.key))?;
        for (name, tensor) in group {
            out.insert(name.clone(), array(file, name, tensor, &stored)?);
        }
    }
    Ok(out)
}

/// Torch's older form: four pickles (a number, a version, the machine, the object), the keys of storages, then their values.
fn stream(file: &str, bytes: &[u8]) -> Result<State, Error> {
    let mut at = 0;
    let mut next = || -> Result<Pickle, Error> {
        let pickle = pickle::read(file, bytes.get(at..).unwrap_or_default())?;
        at += pickle.length;
        Ok(pickle)
    };
    let magic = next()?;
    // 0x1950a86a20f9469cfc6c, its lower 64 bits.
    if !matches!(magic.value, Value::Int(v) if v == 0xa86a_20f9_469c_fc6c_u64.cast_signed()) {
        return Err(Error::Unsupported { file: file.into(), message: "the pickle was not written by torch.save".into() });
    }
    next()?;
    next()?;
    let object = next()?;
    let keys = next()?;
    let Value::List(keys) = &keys.value else { return Err(Error::format(file, "the keys of its arrays are missing")) };
    let mut storages: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let found = dict(file, &object.value)?;
    check_total(file, &found, bytes.len())?;
    let kinds: BTreeMap<&str, &str> = found.iter().map(|(_, t)| (&*t.storage.key, &*t.storage.kind)).collect();
    for key in keys.borrow().iter() {
        let Value::Text(key) = key else { return Err(Error::format(file, "a key of its arrays is no text")) };
        let head = bytes
            .get(at..at + 8)
            .and_then(|b| <[u8; 8]>::try_from(b).ok())
            .ok_or_else(|| Error::format(file, "it ends before its arrays do"))?;
        let n = usize::try_from(u64::from_le_bytes(head)).unwrap_or(usize::MAX);
        // A storage that no parameter uses has an unknown width, and what follows cannot be found.
        let kind = kinds.get(&**key).ok_or_else(|| Error::Unsupported {
            file: file.into(),
            message: "it has arrays outside of the state dict; save it again".into(),
        })?;
        let length = n.checked_mul(width(file, kind)?).filter(|length| *length <= bytes.len() - at - 8);
        let length = length.ok_or_else(|| Error::format(file, "it ends before its arrays do"))?;
        storages.insert(key.to_string(), (at + 8, length));
        at += 8 + length;
    }
    let of = |(name, tensor): (String, Rc<Tensor>)| {
        let (start, length) =
            storages.get(&*tensor.storage.key).ok_or_else(|| Error::format(file, format!("the values of {name} are missing")))?;
        Ok((name.clone(), array(file, &name, &tensor, &bytes[*start..start + length])?))
    };
    found.into_iter().map(of).collect()
}

/// Refuses arrays that take far more memory than the file has bytes: views of the same values are many for nothing, and each is a copy.
fn check_total(file: &str, found: &[(String, Rc<Tensor>)], length: usize) -> Result<(), Error> {
    let mut total = 0usize;
    for (_, tensor) in found {
        let width = width(file, &tensor.storage.kind)?;
        total = tensor.shape.iter().fold(width, |n, size| n.saturating_mul(*size)).saturating_add(total);
    }
    if total <= length.saturating_mul(MOST_SHARED).saturating_add(1 << 20) {
        return Ok(());
    }
    Err(Error::format(file, format!("its arrays claim {total} bytes, which a file of {length} bytes does not hold; the file is damaged")))
}

/// The named tensors of a dict or of one inside of it.
fn dict(file: &str, value: &Value) -> Result<Vec<(String, Rc<Tensor>)>, Error> {
    within(file, value, 0)
}

fn within(file: &str, value: &Value, depth: usize) -> Result<Vec<(String, Rc<Tensor>)>, Error> {
    let Value::Dict(entries) = value else {
        let what = if let Value::Opaque(class) = value { format!("an object of the class {class}") } else { "no dict".into() };
        return Err(Error::Unsupported {
            file: file.into(),
            message: format!("it holds {what}, not a state dict; save model.state_dict()"),
        });
    };
    let entries = entries.borrow();
    let named = |(key, value): &(Value, Value)| match (key, value) {
        (Value::Text(name), Value::Tensor(tensor)) => Some((name.to_string(), Rc::clone(tensor))),
        _ => None,
    };
    let found: Vec<_> = entries.iter().filter_map(named).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let inner =
        |wanted: &str| entries.iter().find(|(key, value)| matches!((key, value), (Value::Text(name), Value::Dict(_)) if &**name == wanted));
    match NESTED.iter().find_map(|name| inner(name)) {
        // A dict may lie in itself.
        Some((_, inner)) if depth < MAX_DEPTH => within(file, inner, depth + 1),
        _ => Err(Error::Unsupported { file: file.into(), message: "it holds no state dict; save model.state_dict()".into() }),
    }
}

fn width(file: &str, kind: &str) -> Result<usize, Error> {
    Ok(match kind {
        "DoubleStorage" | "LongStorage" => 8,
        "FloatStorage" | "IntStorage" => 4,
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
        "CharStorage" | "ByteStorage" | "BoolStorage" => 1,
        other => {
            return Err(Error::Unsupported {
                file: file.into(),
                message: format!("arrays of the type {other} are not read; convert the parameters to float32"),
            });
        }
    })
}

/// A view of stored values.
fn array(file: &str, name: &str, tensor: &Tensor, stored: &[u8]) -> Result<Constant, Error> {
    let kind = &*tensor.storage.kind;
    let width = width(file, kind)?;
    let wrong = || Error::format(file, format!("{name} reaches behind its values ({}); the file is damaged", shape_text(&tensor.shape)));
    if tensor.shape.len() != tensor.stride.len() {
        return Err(wrong());
    }
    // The last place that is read.
    let reach =
        tensor.shape.iter().zip(&tensor.stride).try_fold(tensor.offset, |at, (n, s)| at.checked_add(n.saturating_sub(1).checked_mul(*s)?));
    let n = tensor.shape.iter().try_fold(1usize, |n, size| n.checked_mul(*size)).ok_or_else(wrong)?;
    let held = stored.len() / width;
    if n > 0 && reach.is_none_or(|reach| reach >= held) || n > held.max(1) {
        return Err(wrong());
    }
    let at = |index: &IxDyn| (0..tensor.shape.len()).map(|axis| index[axis] * tensor.stride[axis]).sum::<usize>() + tensor.offset;
    macro_rules! read {
        ($variant:path, $n:literal, $f:expr) => {
            $variant(ArrayD::from_shape_fn(IxDyn(&tensor.shape), |index| {
                let start = at(&index) * $n;
                let bytes: [u8; $n] = std::array::from_fn(|i| stored[start + i]);
                $f(bytes)
            }))
        };
    }
    #[expect(clippy::cast_possible_truncation, reason = "networks compute in single precision")]
    Ok(match kind {
        "DoubleStorage" => read!(Constant::Float, 8, |b| f64::from_le_bytes(b) as f32),
        "FloatStorage" => read!(Constant::Float, 4, f32::from_le_bytes),
        "HalfStorage" => read!(Constant::Float, 2, |b| f16::from_le_bytes(b).to_f32()),
        "BFloat16Storage" => read!(Constant::Float, 2, |b| bf16::from_le_bytes(b).to_f32()),
        "LongStorage" => read!(Constant::Int, 8, i64::from_le_bytes),
        "IntStorage" => read!(Constant::Int, 4, |b| i64::from(i32::from_le_bytes(b))),
        "ShortStorage" => read!(Constant::Int, 2, |b| i64::from(i16::from_le_bytes(b))),
        "CharStorage" => read!(Constant::Int, 1, |b: [u8; 1]| i64::from(b[0].cast_signed())),
        "ByteStorage" => read!(Constant::Int, 1, |b: [u8; 1]| i64::from(b[0])),
        _ => read!(Constant::Bool, 1, |b: [u8; 1]| b[0] != 0),
    })
}

fn tensors(file: &str, bytes: &[u8]) -> Result<State, Error> {
    use safetensors::{Dtype, SafeTensors};
    let read = SafeTensors::deserialize(bytes)
        .map_err(|e| Error::format(file, format!("this is neither a file of torch.save nor safetensors: {e}")))?;
    let mut out = State::new();
    for (name, view) in read.iter() {
        let kind = match view.dtype() {
            Dtype::F64 => "DoubleStorage",
            Dtype::F32 => "FloatStorage",
            Dtype::F16 => "HalfStorage",
            Dtype::BF16 => "BFloat16Storage",
            Dtype::I64 => "LongStorage",
            Dtype::I32 => "IntStorage",
            Dtype::I16 => "ShortStorage",
            Dtype::I8 => "CharStorage",
            Dtype::U8 => "ByteStorage",
            Dtype::BOOL => "BoolStorage",
            other => {
                return Err(Error::Unsupported {
                    file: file.into(),
                    message: format!("{name} has the type {other:?}; convert it to float32"),
                });
            }
        };
        let shape = view.shape().to_vec();
        let mut stride = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            stride[axis - 1] = stride[axis] * shape[axis];
        }
        let storage = Rc::new(pickle::Storage { kind: kind.into(), key: "".into() });
        out.insert(name.to_owned(), array(file, name, &Tensor { storage, offset: 0, shape, stride }, view.data())?);
    }
    Ok(out)
}
