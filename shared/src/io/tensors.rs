//! Safetensors: arrays by their names behind a header in JSON.

use safetensors::{Dtype, SafeTensors};

use super::element::{self, Element, Numbers};
use super::{Limits, choose};
use crate::api::ArrayInfo;
use crate::{Dataset, Error};

/// Whether these bytes begin as such a file does: the length of a header, then the header.
pub(super) fn is_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

/// The arrays; the length of the header and the places of all values are compared with the bytes that are there.
fn open<'a>(file: &str, bytes: &'a [u8]) -> Result<SafeTensors<'a>, Error> {
    SafeTensors::deserialize(bytes).map_err(|e| Error::format(file, format!("this is no safetensors file, or it is damaged: {e}")))
}

/// Names in the order of their values.
fn names<'a>(file: &str, tensors: &SafeTensors<'a>) -> Result<Vec<String>, Error> {
    let mut all: Vec<(usize, String)> = tensors.iter().map(|(name, view)| (view.data().as_ptr() as usize, name.to_owned())).collect();
    all.sort();
    if all.is_empty() {
        return Err(Error::Unsupported { file: file.into(), message: "the safetensors file holds no arrays".into() });
    }
    Ok(all.into_iter().map(|(_, name)| name).collect())
}

fn element_of(dtype: Dtype) -> Option<Element> {
    let int = |bytes, signed| Some(Element::Int { bytes, signed });
    match dtype {
        Dtype::F64 => Some(Element::F64),
        Dtype::F32 => Some(Element::F32),
        Dtype::F16 => Some(Element::F16),
        Dtype::BF16 => Some(Element::Bf16),
        Dtype::BOOL => Some(Element::Bool),
        Dtype::I8 => int(1, true),
        Dtype::U8 => int(1, false),
        Dtype::I16 => int(2, true),
        Dtype::U16 => int(2, false),
        Dtype::I32 => int(4, true),
        Dtype::U32 => int(4, false),
        Dtype::I64 => int(8, true),
        Dtype::U64 => int(8, false),
        _ => None,
    }
}

pub(super) fn list(file: &str, bytes: &[u8], limits: Limits) -> Result<Vec<ArrayInfo>, Error> {
    let tensors = open(file, bytes)?;
    let info = |name: String| {
        let view = tensors.tensor(&name).map_err(|e| Error::internal(e.to_string()))?;
        let shape: Vec<u64> = view.shape().iter().map(|&n| n as u64).collect();
        let label = format!("{file}::{name}");
        let (dtype, refused) = match element_of(view.dtype()) {
            Some(element) => (element.dtype(), element::check(&label, &shape, element, &element.dtype(), limits).err()),
            None => (format!("{:?}", view.dtype()), Some(refuse(&label, view.dtype()))),
        };
        Ok(ArrayInfo { member: Some(name), dtype, shape, refused: refused.map(|e| e.to_string()) })
    };
    names(file, &tensors)?.into_iter().map(info).collect()
}

pub(super) fn read(file: &str, bytes: &[u8], member: Option<&str>, limits: Limits) -> Result<Dataset, Error> {
    let tensors = open(file, bytes)?;
    let names = names(file, &tensors)?;
    let is_read = |name: &String| tensors.tensor(name).is_ok_and(|view| element_of(view.dtype()).is_some());
    let known: Vec<(&str, bool)> = names.iter().map(|name| (&**name, is_read(name))).collect();
    let name = known[choose(file, &known, member)?].0;
    let label = format!("{file}::{name}");
    let view = tensors.tensor(name).map_err(|e| Error::format(&*label, e.to_string()))?;
    let element = element_of(view.dtype()).ok_or_else(|| refuse(&label, view.dtype()))?;
    let shape: Vec<u64> = view.shape().iter().map(|&n| n as u64).collect();
    let count = element::check(&label, &shape, element, &element.dtype(), limits)?;
    let values = Numbers::read(&label, &mut view.data(), element, false, count)?.shaped(&label, &shape, false)?;
    Ok(Dataset { name: name.into(), dtype: element.dtype(), values: values.into(), column_names: None, labels: Vec::new(), affine: None })
}

fn refuse(label: &str, dtype: Dtype) -> Error {
    Error::Unsupported {
        file: label.into(),
        message: format!("its values are of the type {dtype:?}, which is not read; convert them to float32"),
    }
}
