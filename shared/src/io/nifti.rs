//! NIfTI-1: images of voxels in one file, plain (.nii) or compressed (.nii.gz).

use std::io::{self, Read};

use flate2::read::GzDecoder;
use ndarray::ArrayD;
use nifti::{DataElement, InMemNiftiVolume, IntoNdArray as _, NiftiHeader, NiftiType};

use super::Limits;
use crate::api::ArrayInfo;
use crate::dataset::{Affine, Values, shape_text};
use crate::{Dataset, Error};

/// Bytes of a header, and where its magic begins.
const HEADER: usize = 348;
const MAGIC_AT: usize = 344;
/// Bytes before the first voxel when the header does not say.
const FIRST_VOXEL: usize = 352;
/// Deflate cannot make more than this of a byte.
const MOST_PER_BYTE: u64 = 1032;

/// Whether these bytes are an image, compressed or not. What breaks off early is told by the name.
pub(super) fn is_nifti(name: &str, bytes: &[u8]) -> bool {
    let mut head = Vec::with_capacity(HEADER);
    let whole = plain(bytes).0.take(HEADER as u64).read_to_end(&mut head);
    let magic = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let broken = whole.is_err() && name.to_ascii_lowercase().ends_with(".nii.gz");
    broken || [&b"n+1\0"[..], b"ni1\0"].iter().any(|m| magic(MAGIC_AT, m)) || [&b"n+2\0"[..], b"ni2\0"].iter().any(|m| magic(4, m))
}

/// What the header tells.
struct Head {
    header: NiftiHeader,
    shape: Vec<usize>,
    data_type: NiftiType,
    /// Bytes between the header and the first voxel.
    gap: u64,
    dtype: &'static str,
}

impl Head {
    fn read(file: &str, reader: &mut dyn Read) -> Result<Self, Error> {
        let mut bytes = [0u8; HEADER];
        reader.read_exact(&mut bytes).map_err(|e| corrupt(file, &format!("its header cannot be read ({e})")))?;
        let unsupported = |message: &str| Err(Error::Unsupported { file: file.into(), message: message.into() });
        if [b"n+2\0", b"ni2\0"].iter().any(|magic| bytes[4..].starts_with(*magic)) {
            return unsupported("NIfTI-2 images are not read; save it as NIfTI-1, for example with nibabel.Nifti1Image");
        }
        if bytes[MAGIC_AT..] == *b"ni1\0" {
            return unsupported("this is the header of a pair of files (.hdr and .img); save the image as one .nii file");
        }
        if bytes[MAGIC_AT..] != *b"n+1\0" {
            return Err(corrupt(file, "it does not say n+1 where an image does"));
        }
        let mut header = NiftiHeader::from_reader(&bytes[..]).map_err(|e| corrupt(file, &e.to_string()))?;
        let shape: Vec<usize> = header.dim().map_err(|e| corrupt(file, &e.to_string()))?.iter().map(|&n| n.into()).collect();
        let data_type = header.data_type().map_err(|e| corrupt(file, &e.to_string()))?;
        let Some(dtype) = name_of(data_type) else {
            return unsupported(&format!("voxels of type {data_type:?} are not read; save it with real numbers of at most 64 bits"));
        };
        // The type tells it; a header that says otherwise makes the crate panic.
        header.bitpix = i16::try_from(8 * data_type.size_of()).unwrap_or_default();
        // Headers in the wild hold 0 or NaN for "no scaling".
        if !header.scl_slope.is_finite() {
            header.scl_slope = 0.0;
        }
        if !header.scl_inter.is_finite() {
            header.scl_inter = 0.0;
        }
        let first = f64::from(header.vox_offset);
        let first =
            if first == 0.0 { FIRST_VOXEL as u64 } else { whole(first).ok_or_else(|| corrupt(file, "its voxels begin nowhere"))? };
        let gap = first.checked_sub(HEADER as u64).ok_or_else(|| corrupt(file, "its voxels begin inside its header"))?;
        Ok(Self { header, shape, data_type, gap, dtype })
    }

    /// Single precision holds the values exactly.
    fn is_single(&self) -> bool {
        let scaled = self.header.scl_slope != 0.0 && (self.header.scl_slope, self.header.scl_inter) != (1.0, 0.0);
        let fits = matches!(self.data_type, NiftiType::Uint8 | NiftiType::Int8 | NiftiType::Uint16 | NiftiType::Int16 | NiftiType::Float32);
        fits && !scaled
    }

    fn count(&self) -> Option<u64> {
        self.shape.iter().try_fold(1u64, |n, &length| n.checked_mul(length as u64))
    }

    /// Refuses an image that promises more than the file can hold or memory may.
    fn check(&self, file: &str, available: u64, compressed: bool, limits: Limits) -> Result<(), Error> {
        let voxels = self.count().ok_or_else(|| corrupt(file, "its size overflows"))?;
        let bytes = voxels.saturating_mul(self.data_type.size_of() as u64);
        let needed = (HEADER as u64 + self.gap).saturating_add(bytes);
        let most = if compressed { available.saturating_mul(MOST_PER_BYTE) } else { available };
        if needed > most {
            let message =
                format!("its header promises {} voxels, which take {needed} bytes, but the file has {available}", shape_text(&self.shape));
            return Err(corrupt(file, &message));
        }
        limits.check(file, voxels.saturating_mul(if self.is_single() { 4 } else { 8 }))
    }
}

/// Lists the image of a file.
pub(super) fn list(file: &str, bytes: &[u8], limits: Limits) -> Result<Vec<ArrayInfo>, Error> {
    let (mut reader, compressed) = plain(bytes);
    let head = Head::read(file, &mut *reader)?;
    let refused = match head.check(file, bytes.len() as u64, compressed, limits) {
        Ok(()) => None,
        Err(error @ Error::Format { .. }) => return Err(error),
        Err(error) => Some(error.to_string()),
    };
    let shape = head.shape.iter().map(|&n| n as u64).collect();
    Ok(vec![ArrayInfo { member: None, dtype: head.dtype.into(), shape, refused }])
}

/// Reads the image: axes x, y, z and what follows, scaled as the header says.
pub(super) fn read(file: &str, name: &str, bytes: &[u8], limits: Limits) -> Result<Dataset, Error> {
    let (mut reader, compressed) = plain(bytes);
    let head = Head::read(file, &mut *reader)?;
    head.check(file, bytes.len() as u64, compressed, limits)?;
    let skipped = io::copy(&mut reader.by_ref().take(head.gap), &mut io::sink());
    let volume = match skipped {
        Ok(n) if n == head.gap => InMemNiftiVolume::from_reader(reader, &head.header).map_err(|e| corrupt(file, &e.to_string()))?,
        _ => return Err(corrupt(file, "it ends before its voxels begin")),
    };
    let values = if head.is_single() { Values::F32(array(file, volume)?) } else { Values::F64(array(file, volume)?) };
    Ok(Dataset {
        name: name.into(),
        dtype: head.dtype.into(),
        values: values.into(),
        column_names: None,
        labels: Vec::new(),
        affine: affine(&head.header),
    })
}

fn array<T: DataElement + Clone>(file: &str, volume: InMemNiftiVolume) -> Result<ArrayD<T>, Error> {
    let array = volume.into_ndarray::<T>().map_err(|e| corrupt(file, &e.to_string()))?;
    Ok(if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() })
}

/// The bytes without compression.
fn plain(bytes: &[u8]) -> (Box<dyn Read + '_>, bool) {
    if bytes.starts_with(b"\x1f\x8b") { (Box::new(GzDecoder::new(bytes)), true) } else { (Box::new(bytes), false) }
}

fn corrupt(file: &str, why: &str) -> Error {
    Error::format(file, format!("not a complete NIfTI image: {why}"))
}

/// A whole number that a header holds as f32.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
fn whole(value: f64) -> Option<u64> {
    (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u64)
}

/// As numpy writes it; `None` for types that are not read.
fn name_of(data_type: NiftiType) -> Option<&'static str> {
    Some(match data_type {
        NiftiType::Uint8 => "uint8",
        NiftiType::Int8 => "int8",
        NiftiType::Uint16 => "uint16",
        NiftiType::Int16 => "int16",
        NiftiType::Uint32 => "uint32",
        NiftiType::Int32 => "int32",
        NiftiType::Uint64 => "uint64",
        NiftiType::Int64 => "int64",
        NiftiType::Float32 => "float32",
        NiftiType::Float64 => "float64",
        _ => return None,
    })
}

/// Where voxels lie: by the sform, else by the qform.
fn affine(header: &NiftiHeader) -> Option<Affine> {
    let wide = |row: [f32; 4]| row.map(f64::from);
    if header.sform_code > 0 {
        return Some([wide(header.srow_x), wide(header.srow_y), wide(header.srow_z)]);
    }
    if header.qform_code <= 0 {
        return None;
    }
    let [b, c, d] = [header.quatern_b, header.quatern_c, header.quatern_d].map(f64::from);
    let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
    let rotation = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ];
    let hand = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let size = [f64::from(header.pixdim[1]), f64::from(header.pixdim[2]), hand * f64::from(header.pixdim[3])];
    let offset = [header.quatern_x, header.quatern_y, header.quatern_z].map(f64::from);
    let row = |i: usize| [rotation[i][0] * size[0], rotation[i][1] * size[1], rotation[i][2] * size[2], offset[i]];
    Some([row(0), row(1), row(2)])
}

/// A file of one volume in single precision: `values` of x, y, z in C order, NaN where there are none.
///
/// # Errors
/// [`Error::Input`] when an axis is longer than the format allows (32,767).
///
/// # Panics
/// If the values do not fill the shape: a defect of the caller.
pub fn write_nifti(shape: [u32; 3], affine: Option<&Affine>, values: &[f64]) -> Result<Vec<u8>, Error> {
    let mut dim = [1i16; 8];
    dim[0] = 3;
    for (to, &n) in dim[1..].iter_mut().zip(&shape) {
        *to = i16::try_from(n).map_err(|_too_long| Error::input("maps", format!("an axis of {n} voxels does not fit a NIfTI-1 image")))?;
    }
    let [nx, ny, nz] = shape.map(|n| n as usize);
    assert_eq!(values.len(), nx * ny * nz, "values must fill the volume");
    let mut header = [0u8; FIRST_VOXEL];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348i32.to_le_bytes());
    put(40, &dim.map(i16::to_le_bytes).concat());
    // Single precision, 32 bits.
    put(70, &[16i16, 32].map(i16::to_le_bytes).concat());
    let size = |axis: usize| affine.map_or(1.0, |rows| rows.iter().map(|row| row[axis] * row[axis]).sum::<f64>().sqrt());
    #[expect(clippy::cast_possible_truncation, reason = "the format holds single precision")]
    let single = |v: f64| (v as f32).to_le_bytes();
    put(76, &[1.0, size(0), size(1), size(2), 1.0, 1.0, 1.0, 1.0].map(single).concat());
    put(108, &352f32.to_le_bytes());
    put(112, &1f32.to_le_bytes());
    // Millimeters.
    put(123, &[2]);
    put(148, b"eigenscope");
    if let Some(rows) = affine {
        // Aligned with something, as the source image is.
        put(254, &2i16.to_le_bytes());
        put(280, &rows.as_flattened().iter().flat_map(|&v| single(v)).collect::<Vec<_>>());
    }
    put(MAGIC_AT, b"n+1\0");
    let mut out = header.to_vec();
    out.reserve(4 * values.len());
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                out.extend(single(values[(x * ny + y) * nz + z]));
            }
        }
    }
    Ok(out)
}
