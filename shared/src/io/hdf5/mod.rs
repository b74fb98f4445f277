//! HDF5: arrays in a tree of groups, and what is built on it: MATLAB 7.3 and NetCDF-4.

mod lzf;
mod place;
mod write;

use hdf5_reader::group::Group;
use hdf5_reader::{Datatype, FilterRegistry, Hdf5File, OpenOptions};

pub use place::ReadAt;
pub use write::{Hdf5Writer, check_hdf5_names};

use super::element::{self, Element, Numbers, shape_text};
use super::{Limits, choose};
use crate::api::ArrayInfo;
use crate::{Dataset, Error};

const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";
/// How the block before an HDF5 file of MATLAB begins, and what its version is.
const MATLAB: &[u8] = b"MATLAB ";
const MATLAB_VERSION: &[u8] = b"\x00\x02IM";
/// The filter of h5py's `compression="lzf"`.
const LZF: u16 = 32000;
/// Groups in groups.
const MAX_DEPTH: usize = 32;
/// Groups and arrays of a file.
const MAX_OBJECTS: usize = 100_000;
/// Deflate, the best of the filters, cannot make more than this of a byte.
const MOST_PER_BYTE: u64 = 1032;
/// Values that were never written take no bytes; more of them than this are not plausible.
const UNWRITTEN_BYTES: u64 = 16 << 20;

/// Whether these bytes are an HDF5 file: its magic is at 0, or behind a block of 512, 1024, 2048, … bytes.
pub(super) fn is_hdf5(bytes: &[u8]) -> bool {
    let places = std::iter::once(0).chain(std::iter::successors(Some(512usize), |at| at.checked_mul(2)));
    places.take_while(|at| *at < bytes.len()).any(|at| bytes[at..].starts_with(MAGIC))
}

/// Whether a file that begins so is HDF5, as far as its first 128 bytes tell.
#[must_use]
pub fn is_hdf5_head(head: &[u8]) -> bool {
    head.starts_with(MAGIC) || head.starts_with(MATLAB) && head.get(124..128) == Some(MATLAB_VERSION)
}

/// Where the bytes of a file are.
pub(super) enum Source<'a> {
    Memory(&'a [u8]),
    Place(&'a ReadAt),
}

struct Tree {
    file: String,
    hdf5: Hdf5File,
    bytes: u64,
    /// Arrays of MATLAB have their axes in reverse.
    is_matlab: bool,
    limits: Limits,
}

/// An array as it is stored.
struct Plan {
    element: Element,
    big_endian: bool,
    dtype: String,
    shape: Vec<u64>,
    /// MATLAB stores the shape where an empty array has its values.
    is_empty: bool,
}

/// Where an array is, and what it is or why it cannot be read.
struct Found {
    path: String,
    /// The place of its header in the file.
    address: u64,
    array: Result<(hdf5_reader::Dataset, Plan), Error>,
    dtype: String,
    shape: Vec<u64>,
}

pub(super) fn list(file: &str, source: Source<'_>, limits: Limits) -> Result<Vec<ArrayInfo>, Error> {
    let found = Tree::open(file, source, limits)?.walk()?;
    let info = |found: Found| match found.array {
        Ok((_, plan)) => ArrayInfo { member: Some(found.path), dtype: plan.dtype, shape: plan.shape, refused: None },
        Err(why) => ArrayInfo { member: Some(found.path), dtype: found.dtype, shape: found.shape, refused: Some(why.to_string()) },
    };
    Ok(found.into_iter().map(info).collect())
}

pub(super) fn read(file: &str, source: Source<'_>, member: Option<&str>, limits: Limits) -> Result<Dataset, Error> {
    let tree = Tree::open(file, source, limits)?;
    let mut found = tree.walk()?;
    let names: Vec<(&str, bool)> = found.iter().map(|found| (&*found.path, found.array.is_ok())).collect();
    let index = choose(file, &names, member.map(|member| member.trim_matches('/')))?;
    let Found { path, array, .. } = found.swap_remove(index);
    let (dataset, plan) = array?;
    let label = format!("{file}::{path}");
    let values = tree.values(&label, &dataset, &plan)?;
    let column_names = if path == "data" { tree.regions(&plan.shape) } else { None };
    Ok(Dataset { name: path, dtype: plan.dtype, values: values.into(), column_names, labels: Vec::new(), affine: None })
}

impl Tree {
    fn open(file: &str, source: Source<'_>, limits: Limits) -> Result<Self, Error> {
        let most = usize::try_from(limits.max_array_bytes).unwrap_or(usize::MAX);
        let mut filters = FilterRegistry::new();
        filters.register(
            LZF,
            Box::new(move |filter, bytes, _| {
                // h5py's third number is the size of a chunk.
                let chunk = filter.client_data.get(2).map_or(0, |n| *n as usize).min(most);
                lzf::inflate(bytes, chunk).ok_or_else(|| hdf5_reader::error::Error::DecompressionError("LZF".into()))
            }),
        );
        // Each chunk is read once.
        let options = OpenOptions::default()
            .with_chunk_cache_bytes(0)
            .with_max_chunk_bytes(most)
            .with_max_read_bytes(most)
            .with_filter_registry(filters);
        let (hdf5, found, is_matlab) = match source {
            Source::Memory(bytes) => (Hdf5File::from_bytes_with_options(bytes, options), bytes.len() as u64, bytes.starts_with(MATLAB)),
            Source::Place(place) => {
                (Hdf5File::from_storage_with_options(place.storage(), options), place.length(), place.begins_with(MATLAB))
            }
        };
        let hdf5 = hdf5.map_err(|e| bad(file, &e))?;
        let declared = hdf5.superblock().eof_address;
        if declared > found {
            return Err(Error::format(
                file,
                format!("the HDF5 file declares {declared} bytes but has {found}; it is truncated, save or copy it again"),
            ));
        }
        Ok(Self { file: file.into(), hdf5, bytes: found, is_matlab, limits })
    }

    /// Names of the columns of a `.roi.h5` of `DNNBrain`: an attribute of the root.
    fn regions(&self, shape: &[u64]) -> Option<Vec<String>> {
        let names = self.hdf5.root_group().ok()?.attribute("roi").ok()?.read_strings().ok()?;
        (shape.len() == 2 && shape[1] == names.len() as u64).then_some(names)
    }

    /// All arrays.
    fn walk(&self) -> Result<Vec<Found>, Error> {
        let root = self.hdf5.root_group().map_err(|e| bad(&self.file, &e))?;
        let (mut out, mut above, mut n) = (Vec::new(), Vec::new(), 0);
        self.visit(&root, "", &mut above, &mut n, &mut out)?;
        // In the order in which they lie in the file, which is that in which they were made; links have it by their names, hashes do not.
        out.sort_by(|a, b| (a.address, &a.path).cmp(&(b.address, &b.path)));
        if out.is_empty() {
            return Err(Error::Unsupported { file: self.file.clone(), message: "the HDF5 file holds no arrays".into() });
        }
        Ok(out)
    }

    /// `above` are the addresses of the groups around this one: links may lead in circles.
    fn visit(&self, group: &Group, path: &str, above: &mut Vec<u64>, n: &mut usize, out: &mut Vec<Found>) -> Result<(), Error> {
        if above.contains(&group.address()) {
            return Ok(());
        }
        if above.len() > MAX_DEPTH {
            return Err(Error::format(&*self.file, format!("its groups are nested more than {MAX_DEPTH} deep")));
        }
        let (groups, datasets) = group.member_names().map_err(|e| bad(&self.file, &e))?;
        *n += groups.len() + datasets.len();
        if *n > MAX_OBJECTS {
            return Err(Error::format(&*self.file, format!("it holds more than {MAX_OBJECTS} groups and arrays")));
        }
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        for name in datasets {
            out.extend(self.found(group, &name, below(&name)));
        }
        above.push(group.address());
        // MATLAB keeps what its cells refer to in groups that begin so.
        for name in groups.iter().filter(|name| !(self.is_matlab && path.is_empty() && name.starts_with('#'))) {
            match group.group(name) {
                Ok(group) => self.visit(&group, &below(name), above, n, out)?,
                Err(e) => return Err(bad(&format!("{}::{}", self.file, below(name)), &e)),
            }
        }
        above.pop();
        Ok(())
    }

    fn found(&self, group: &Group, name: &str, path: String) -> Option<Found> {
        let label = format!("{}::{path}", self.file);
        let dataset = match group.dataset(name) {
            Ok(dataset) => dataset,
            Err(e) => return Some(Found { path, address: u64::MAX, array: Err(bad(&label, &e)), dtype: String::new(), shape: Vec::new() }),
        };
        let attributes = dataset.attributes();
        // NetCDF keeps the length of an axis without coordinates as an array that has no meaning.
        let is_bare_axis = |a: &hdf5_reader::Attribute| a.name == "NAME" && a.raw_data.starts_with(b"This is a netCDF dimension but not");
        if attributes.iter().any(is_bare_axis) {
            return None;
        }
        let shape = dataset.shape().to_vec();
        let plan = self.plan(&label, &dataset, &attributes);
        let dtype = dtype_of(dataset.dtype());
        Some(Found { path, address: dataset.address(), array: plan.map(|plan| (dataset, plan)), dtype, shape })
    }

    fn plan(&self, label: &str, dataset: &hdf5_reader::Dataset, attributes: &[hdf5_reader::Attribute]) -> Result<Plan, Error> {
        let refuse = |message: String| Error::Unsupported { file: label.into(), message };
        let attribute = |name: &str| attributes.iter().find(|a| a.name == name);
        let raw = dataset.raw_datatype().map_err(|e| bad(label, &e))?;
        let (mut element, big_endian) = element_of(&raw).map_err(refuse)?;
        let is_truth = |datatype: &Datatype| {
            matches!(datatype, Datatype::Enum { members, .. }
                if members.len() == 2 && members.iter().all(|m| ["FALSE", "TRUE"].contains(&&*m.name)))
        };
        let class = attribute("MATLAB_class").and_then(|a| a.read_string().ok()).unwrap_or_default();
        if class == "char" {
            return Err(refuse("it is text, not numbers".into()));
        }
        let is_empty = attribute("MATLAB_empty").and_then(|a| a.read_as_f64().ok()).is_some_and(|v| v != 0.0);
        if element.width() == 1 && (is_truth(dataset.dtype()) || class == "logical") {
            element = Element::Bool;
        }
        if is_empty {
            element = element_of_class(&class).unwrap_or(element);
        }
        if attribute("scale_factor").is_some() || attribute("add_offset").is_some() {
            return Err(refuse("its values are packed (scale_factor, add_offset); save the numbers themselves".into()));
        }
        let mut shape = dataset.shape().to_vec();
        if is_empty {
            let sizes = dataset.read_array::<u64>().map_err(|e| bad(label, &e))?;
            shape = sizes.into_iter().collect();
            if element::size(&shape, element).is_none_or(|(count, _)| count > 0) {
                return Err(Error::format(label, "it is called empty but has values"));
            }
        } else if self.is_matlab {
            shape.reverse();
        }
        let dtype = element.dtype();
        element::check(label, &shape, element, &dtype, self.limits)?;
        let (_, bytes) = element::size(&shape, element).unwrap_or_default();
        let possible = self.bytes.saturating_mul(MOST_PER_BYTE).saturating_add(UNWRITTEN_BYTES);
        if bytes > possible {
            let message =
                format!("it declares {} values ({bytes} bytes), which a file of {} bytes cannot hold", shape_text(&shape), self.bytes);
            return Err(Error::format(label, message));
        }
        Ok(Plan { element, big_endian, dtype, shape, is_empty })
    }

    fn values(&self, label: &str, dataset: &hdf5_reader::Dataset, plan: &Plan) -> Result<crate::dataset::Values, Error> {
        let count = if plan.is_empty { 0 } else { element::check(label, &plan.shape, plan.element, &plan.dtype, self.limits)? };
        let numbers = Numbers::filled(label, plan.element, plan.big_endian, count, |bytes| {
            // The reader compares their number with the shape.
            if bytes.is_empty() { Ok(()) } else { dataset.read_raw_bytes_into(bytes).map_err(|e| bad(label, &e)) }
        })?;
        numbers.shaped(label, &plan.shape, self.is_matlab)
    }
}

/// The element type that a datatype message tells, and whether its bytes are swapped; or why it is not read.
///
/// The crate knows the width of floats only; their fields tell half precision from bfloat16 and what is neither.
fn element_of(raw: &[u8]) -> Result<(Element, bool), String> {
    let (Some(head), Some(&[s0, s1, s2, s3])) = (raw.get(..4), raw.get(4..8)) else { return Err("its element type is damaged".into()) };
    let size = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
    let big_endian = head[1] & 1 != 0;
    let word = |at: usize| raw.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    let other = |what: &str| Err(format!("its values are {what}, which are not read; save them as numbers (float, int or bool)"));
    match head[0] & 0x0f {
        0 if [1, 2, 4, 8].contains(&size) && word(8) == 0 && usize::from(word(10)) == 8 * size => {
            Ok((Element::Int { bytes: size, signed: head[1] & 8 != 0 }, big_endian))
        }
        0 => other("integers of an unusual width"),
        1 => {
            // Sign; offset and precision; place and width of exponent and mantissa; bias.
            let bias = raw.get(16..20).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            let fields = (size, head[2], word(8), word(10), raw.get(12..16).unwrap_or_default(), bias, head[1] & 0x40);
            let element = match fields {
                (2, 15, 0, 16, [10, 5, 0, 10], 15, 0) => Element::F16,
                (2, 15, 0, 16, [7, 8, 0, 7], 127, 0) => Element::Bf16,
                (4, 31, 0, 32, [23, 8, 0, 23], 127, 0) => Element::F32,
                (8, 63, 0, 64, [52, 11, 0, 52], 1023, 0) => Element::F64,
                _ => return other("floating-point numbers of an unusual form"),
            };
            Ok((element, big_endian))
        }
        // The type below comes first.
        8 => element_of(raw.get(8..).unwrap_or_default()),
        3 => Err("it is text, not numbers".into()),
        9 if head[1] & 0x0f == 1 => Err("it is text, not numbers".into()),
        6 => other("records or complex numbers"),
        7 => other("references (a cell array of MATLAB)"),
        9 => other("lists of different lengths"),
        10 => other("small arrays"),
        _ => other("of an unusual type"),
    }
}

/// What MATLAB calls an element type: the values of an empty array do not tell it.
fn element_of_class(class: &str) -> Option<Element> {
    let int = |bits: &str, signed| bits.parse::<usize>().ok().map(|bits| Element::Int { bytes: bits / 8, signed });
    match class {
        "double" => Some(Element::F64),
        "single" => Some(Element::F32),
        "logical" => Some(Element::Bool),
        _ => class.strip_prefix("uint").map_or_else(|| int(class.strip_prefix("int")?, true), |bits| int(bits, false)),
    }
    .filter(|element| [1, 2, 4, 8].contains(&element.width()))
}

/// A word for what cannot be read.
fn dtype_of(datatype: &Datatype) -> String {
    let word = match datatype {
        Datatype::String { .. } => "text",
        Datatype::VarLen { kind: hdf5_reader::VarLenKind::String, .. } => "text",
        Datatype::VarLen { .. } => "lists",
        Datatype::Compound { .. } => "records",
        Datatype::Reference { .. } => "references",
        _ => "",
    };
    word.into()
}

fn bad(label: &str, error: &hdf5_reader::error::Error) -> Error {
    use hdf5_reader::error::Error as Why;
    match error {
        Why::Context { source, .. } => bad(label, source),
        Why::UnsupportedFilter(what) => Error::Unsupported {
            file: label.into(),
            message: format!("it is compressed by a method that is not read ({what}); save it with gzip, lzf or none"),
        },
        Why::UnsupportedDatatypeClass(_) | Why::UnsupportedEncoding(_) => {
            Error::Unsupported { file: label.into(), message: format!("it is not read: {error}") }
        }
        other => Error::format(label, format!("the HDF5 file is truncated or damaged ({other}); save or copy it again")),
    }
}
