//! What an extraction becomes: an archive of numpy, or HDF5 as it is or as `DNNBrain` lays it out.

use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::path::Path;

use eigenscope::Error;
use eigenscope::io::{Hdf5Writer, NpzWriter, check_hdf5_names};

use super::RECORD;

/// The form of a file, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `.npz`.
    Npz,
    /// `.h5`: an array for each layer, groups where names have slashes.
    Hdf5,
    /// `.act.h5`: as `.h5`, each array with four axes.
    Act,
}

/// Axes of an array of `.act.h5`: images, channels, rows, columns.
const ACT_AXES: usize = 4;

/// A layer whose values lie in a file.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) shape: Vec<u64>,
    /// Bytes of a value.
    pub(super) width: u32,
    pub(super) values: BufReader<File>,
}

impl Form {
    /// The form that a name asks for.
    ///
    /// # Errors
    /// [`Error::Parameter`] for another ending.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match name.rsplit_once('.') {
            Some((_, "npz")) => Ok(Self::Npz),
            Some((stem, "h5")) if stem.ends_with(".act") => Ok(Self::Act),
            Some((_, "h5" | "hdf5")) => Ok(Self::Hdf5),
            _ => Err(Error::parameter("--output", format!("{} must end in .npz, .h5 or .act.h5", path.display()))),
        }
    }

    /// Refuses names that it cannot hold.
    pub(super) fn check_names(self, layers: &[String]) -> Result<(), Error> {
        if self == Self::Npz { Ok(()) } else { check_hdf5_names("layers", layers) }
    }

    /// Refuses an array with more axes than it has.
    pub(super) fn check(self, name: &str, axes: usize) -> Result<(), Error> {
        if self == Self::Act && axes > ACT_AXES {
            let message = format!("the value \"{name}\" has {axes} axes, and .act.h5 has {ACT_AXES}; pool it, leave it out or write .h5");
            return Err(Error::parameter("layers", message));
        }
        Ok(())
    }

    /// The axes of an array in the file.
    pub(super) fn shape(self, mut shape: Vec<u64>) -> Vec<u64> {
        if self == Self::Act {
            shape.resize(ACT_AXES.max(shape.len()), 1);
        }
        shape
    }

    /// Writes all layers and what was done.
    pub(super) fn write(self, out: &mut (impl Write + Seek), parts: Vec<Part>, record: &str) -> io::Result<()> {
        if self == Self::Npz {
            let mut file = NpzWriter::new(out);
            for mut part in parts {
                file.array(&part.name, &part.shape, part.width, &mut part.values)?;
            }
            file.finish(Some((RECORD, record)))?;
        } else {
            let mut file = Hdf5Writer::new(out)?;
            for mut part in parts {
                file.array(&part.name, &part.shape, part.width, &mut part.values)?;
            }
            file.finish(Some((RECORD, record)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_of_a_name_tells_the_form() {
        let of = |name: &str| Form::of(Path::new(name)).ok();
        assert_eq!((of("a/x.npz"), of("x.h5"), of("a.act/x.HDF5")), (Some(Form::Npz), Some(Form::Hdf5), Some(Form::Hdf5)));
        assert_eq!((of("x.act.h5"), of("act.h5"), of("x.act"), of("x")), (Some(Form::Act), Some(Form::Hdf5), None, None));
        assert_eq!((Form::Act.shape(vec![3, 5]), Form::Hdf5.shape(vec![3, 5])), (vec![3, 5, 1, 1], vec![3, 5]));
        assert!(Form::Act.check("x", 5).is_err() && Form::Act.check("x", 4).is_ok() && Form::Hdf5.check("x", 5).is_ok(), "four axes");
    }
}
