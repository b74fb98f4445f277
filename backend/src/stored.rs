//! Files on disk: NPY files straight into memory, large ones in parts.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use eigenscope::blocks::{LINES, Lines, Stored, Visit};
use eigenscope::io::{self, Limits, NpyPlace, ReadAt};
use eigenscope::{Dataset, Error, Input};

/// Files from this size on are read in parts.
const FROM_BYTES: u64 = 256 << 20;

/// The array of a whole file. The values of an NPY file go straight to their place, other formats pass through their bytes.
///
/// # Errors
/// [`Error::Input`] when it cannot be opened, else those of [`io::read`].
pub fn read(path: &Path, name: &str, member: Option<&str>) -> Result<Dataset, Error> {
    let unreadable = |e: std::io::Error| Error::input(path.display().to_string(), format!("the file cannot be read: {e}"));
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let is_npy = is_npy(&mut file);
    file.rewind().map_err(unreadable)?;
    if is_npy && member.is_none() {
        return io::read_npy(name, file, length, Limits::NATIVE);
    }
    if let Some(place) = hdf5(path)? {
        return io::read_hdf5(name, &place, member, Limits::NATIVE);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    io::read(name, &bytes, member, Limits::NATIVE)
}

/// A file as what it is: an array, a network, or images of an archive, which stay in their file.
///
/// # Errors
/// Those of [`read`] and [`io::open`].
pub fn open(path: &Path, name: &str, member: Option<&str>) -> Result<Input, Error> {
    let unreadable = |e: std::io::Error| Error::input(path.display().to_string(), format!("the file cannot be read: {e}"));
    let mut file = File::open(path).map_err(unreadable)?;
    if (is_npy(&mut file) && member.is_none()) || hdf5(path)?.is_some() {
        return Ok(Input::Array(read(path, name, member)?));
    }
    file.rewind().map_err(unreadable)?;
    if member.is_none()
        && io::holds_images(&mut file)
        && let Ok(images) = io::zipped_images(name, file, Limits::NATIVE)
    {
        return Ok(Input::Images(images));
    }
    io::open(name, std::fs::read(path).map_err(unreadable)?, member, Limits::NATIVE)
}

/// An HDF5 file, of which only what is wanted is read; other files are read whole.
///
/// # Errors
/// [`Error::Input`] when it cannot be opened.
pub fn hdf5(path: &Path) -> Result<Option<ReadAt>, Error> {
    let unreadable = |e: std::io::Error| Error::input(path.display().to_string(), format!("the file cannot be read: {e}"));
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut head = Vec::new();
    (&mut file).take(128).read_to_end(&mut head).map_err(unreadable)?;
    if !io::is_hdf5_head(&head) {
        return Ok(None);
    }
    let file = Mutex::new(file);
    Ok(Some(ReadAt::new(length, move |at, bytes| {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(bytes))
    })))
}

/// Whether a file begins as NPY files do.
pub fn is_npy(file: &mut File) -> bool {
    let mut magic = [0u8; 6];
    file.read_exact(&mut magic).is_ok() && magic == *b"\x93NUMPY"
}

/// An NPY file whose values stay on disk.
#[derive(Debug)]
pub struct NpyFile {
    path: PathBuf,
    file: Mutex<File>,
    place: NpyPlace,
}

impl NpyFile {
    /// The array of a file, if the file is large and its values lie row by row; other files are read whole.
    ///
    /// # Errors
    /// [`Error::Input`] when it cannot be opened, [`Error::Format`] when its header is corrupt.
    pub fn open(path: &Path) -> Result<Option<Arc<Self>>, Error> {
        let shown = path.display().to_string();
        let unreadable = |e: std::io::Error| Error::input(&shown, format!("the file cannot be read: {e}"));
        let mut file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        if length < FROM_BYTES || !is_npy(&mut file) {
            return Ok(None);
        }
        file.rewind().map_err(unreadable)?;
        let Some(place) = io::npy_place(&shown, &mut file, length)? else { return Ok(None) };
        Ok(Some(Arc::new(Self { path: path.to_owned(), file: Mutex::new(file), place })))
    }

    fn unreadable(&self, error: &std::io::Error) -> Error {
        Error::input(self.path.display().to_string(), format!("the file cannot be read: {error}"))
    }

    /// Visits the values of some rows and columns, [`LINES`] rows at a time in one piece of memory.
    fn lines<T: bytemuck::Pod>(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        in_order: impl Fn(&mut [T]),
        mut visit: impl FnMut(usize, &[T]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let width: usize = self.place.shape.iter().skip(1).product();
        let (n, p) = (rows.len(), columns.len());
        let mut values = vec![T::zeroed(); n.min(LINES) * p];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = |row: usize, column: usize, into: &mut [T]| {
            let at = self.place.offset + ((row * width + column) * size_of::<T>()) as u64;
            file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(bytemuck::cast_slice_mut(into))).map_err(|e| self.unreadable(&e))
        };
        for first in (0..n).step_by(LINES) {
            let some = n.min(first + LINES) - first;
            let values = &mut values[..some * p];
            if p == width {
                read(rows.start + first, 0, values)?;
            } else {
                for (i, line) in values.chunks_exact_mut(p).enumerate() {
                    read(rows.start + first + i, columns.start, line)?;
                }
            }
            in_order(values);
            visit(first, values)?;
        }
        Ok(())
    }
}

impl Stored for NpyFile {
    fn shape(&self) -> &[usize] {
        &self.place.shape
    }

    fn dtype(&self) -> &str {
        &self.place.dtype
    }

    fn read(&self, rows: Range<usize>, columns: Range<usize>, visit: Visit<'_>) -> Result<(), Error> {
        // The values of a file are little-endian.
        if self.place.value_bytes == 4 {
            let in_order = |values: &mut [f32]| values.iter_mut().for_each(|v| *v = f32::from_bits(u32::from_le(v.to_bits())));
            self.lines(rows, columns, in_order, |first, values| visit(first, Lines::F32(values)))
        } else {
            let in_order = |values: &mut [f64]| values.iter_mut().for_each(|v| *v = f64::from_bits(u64::from_le(v.to_bits())));
            self.lines(rows, columns, in_order, |first, values| visit(first, Lines::F64(values)))
        }
    }

    fn load(&self, name: &str) -> Result<Dataset, Error> {
        Ok(Dataset { name: name.into(), ..read(&self.path, &self.path.display().to_string(), None)? })
    }
}

#[cfg(test)]
mod tests {
    use eigenscope::blocks::Blocks;
    use faer::Mat;

    use super::*;

    #[test]
    fn parts_of_a_file_are_those_of_the_array() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, value_bytes) in [("a.npy", 4usize), ("b.npy", 8)] {
            let value = |at: ndarray::IxDyn| f32::from(u16::try_from(at[0] * 9 + at[1]).expect("small"));
            let array = ndarray::ArrayD::from_shape_fn(ndarray::IxDyn(&[700, 9]), value);
            let dataset = if value_bytes == 4 { Dataset::from_f32("a", array) } else { Dataset::from_f64("b", array.mapv(f64::from)) };
            let path = folder.path().join(name);
            std::fs::write(&path, io::write_npy(&dataset)).expect("written");
            let bytes = std::fs::read(&path).expect("there");
            let place = io::npy_place(name, &mut &*bytes, bytes.len() as u64).expect("valid").expect("rows in order");
            let file = NpyFile { path: path.clone(), file: Mutex::new(File::open(&path).expect("opens")), place };
            assert_eq!(file.load("x").expect("reads").shape(), [700, 9]);
            let blocks = Blocks::of_stored("x", Arc::new(file)).expect("two axes");
            let mut part = Mat::new();
            blocks.read(300..600, 2..5, &mut part).expect("reads");
            assert_eq!((part.shape(), part[(0, 0)], part[(299, 2)]), ((300, 3), 2702.0, 5395.0));
            let whole = blocks.rows(0..700).expect("reads");
            assert_eq!((whole[(0, 0)], whole[(699, 8)]), (0.0, 6299.0));
        }
    }

    #[test]
    fn a_whole_file_is_the_same_on_both_ways() {
        let folder = tempfile::tempdir().expect("a folder");
        let dataset = Dataset::from_rows("X", 3, 2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).expect("fits");
        let bytes = io::write_npy(&dataset);
        let path = folder.path().join("X.npy");
        std::fs::write(&path, &bytes).expect("written");
        let direct = read(&path, "X.npy", None).expect("reads");
        let through = io::read("X.npy", &bytes, None, Limits::NATIVE).expect("reads");
        assert_eq!((direct.name.as_str(), direct.shape(), &direct.values), ("X", through.shape(), &through.values));
        let refused = read(&path, "X.npy", Some("a")).expect_err("no archive");
        assert_eq!(refused, io::read("X.npy", &bytes, Some("a"), Limits::NATIVE).expect_err("no archive"));
        std::fs::write(&path, &bytes[..bytes.len() - 1]).expect("written");
        let short = read(&path, "X.npy", None).expect_err("truncated");
        assert_eq!(short, io::read("X.npy", &bytes[..bytes.len() - 1], None, Limits::NATIVE).expect_err("truncated"));
    }

    #[test]
    fn hdf5_files_are_the_same_in_place_and_in_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        let bytes = include_bytes!("../../tests/fixtures/written.h5");
        let path = folder.path().join("w.h5");
        std::fs::write(&path, bytes).expect("written");
        let place = hdf5(&path).expect("opens").expect("HDF5");
        let listed = io::list("w.h5", bytes, Limits::NATIVE).expect("lists");
        assert_eq!(io::list_hdf5("w.h5", &place, Limits::NATIVE).expect("lists"), listed);
        for info in listed {
            let member = info.member.as_deref();
            let in_place = read(&path, "w.h5", member).expect("reads");
            assert_eq!(in_place, io::read("w.h5", bytes, member, Limits::NATIVE).expect("reads"), "{member:?}");
        }
        std::fs::write(&path, &bytes[..60_000]).expect("written");
        let short = read(&path, "w.h5", Some("output")).expect_err("truncated");
        assert_eq!(short, io::read("w.h5", &bytes[..60_000], Some("output"), Limits::NATIVE).expect_err("truncated"));
    }

    #[test]
    fn small_files_are_read_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("small.npy");
        std::fs::write(&path, b"\x93NUMPY").expect("written");
        assert!(NpyFile::open(&path).expect("opens").is_none(), "not large");
        assert!(NpyFile::open(&folder.path().join("missing.npy")).is_err(), "not there");
    }
}
