//! Inputs on the command line: `PATH` or `PATH::member`, named after their files.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use eigenscope::io::{self, Limits};
use eigenscope::{Error, Input, Inputs};

use crate::stored::{self, NpyFile};

/// A file and, for archives, its member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InputArg {
    /// The file.
    pub path: PathBuf,
    /// The member, when one was given.
    pub member: Option<String>,
}

impl FromStr for InputArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = Self { path: text.into(), member: None };
        match text.split_once("::") {
            Some((path, member)) if !whole.path.exists() => {
                if path.is_empty() || member.is_empty() {
                    return Err("expected PATH or PATH::member".into());
                }
                Ok(Self { path: path.into(), member: Some(member.into()) })
            }
            _ => Ok(whole),
        }
    }
}

/// Reads `name=PATH`.
pub(super) fn parse_named(text: &str) -> Result<(String, InputArg), String> {
    let (name, path) = text.split_once('=').filter(|(name, path)| !name.is_empty() && !path.is_empty()).ok_or("expected NAME=PATH")?;
    Ok((name.to_owned(), path.parse()?))
}

impl fmt::Display for InputArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.member.as_ref().map_or(Ok(()), |member| write!(f, "::{member}"))
    }
}

impl InputArg {
    fn file_name(&self) -> String {
        self.path.file_name().map_or_else(|| self.path.display().to_string(), |n| n.to_string_lossy().into_owned())
    }

    fn bytes(&self) -> Result<Vec<u8>, Error> {
        std::fs::read(&self.path).map_err(|e| Error::input(self.path.display().to_string(), format!("the file cannot be read: {e}")))
    }

    /// The array.
    ///
    /// # Errors
    /// The reader's.
    pub(super) fn array(&self) -> Result<eigenscope::Dataset, Error> {
        stored::read(&self.path, &self.file_name(), self.member.as_deref())
    }

    /// Whether the file holds arrays, by its name.
    pub(super) fn is_array(&self) -> bool {
        let extension = self.path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        let is_known = extension.is_some_and(|e| ["npy", "npz", "h5", "hdf5", "nc", "mat", "safetensors"].contains(&&*e));
        self.member.is_some() || is_known && !self.path.is_dir()
    }

    /// Whether the file may hold several arrays; one that cannot be read does not, which its reader will say.
    fn is_archive(&self) -> bool {
        let mut head = Vec::new();
        let read = std::fs::File::open(&self.path).and_then(|file| file.take(128).read_to_end(&mut head));
        read.is_ok() && io::holds_many(&self.file_name(), &head)
    }
}

/// Archives without a member become all their arrays that can be matrices, in the order of the file; what is left out is told on stderr.
///
/// # Errors
/// The reader's; [`Error::Input`] when nothing of an archive is left.
pub(super) fn expand(args: &[InputArg]) -> Result<Vec<InputArg>, Error> {
    members(args, 2)
}

/// Archives without a member become all their arrays that can be read, in the order of the file; what is left out is told on stderr.
///
/// # Errors
/// Those of [`expand`].
pub(super) fn readable(args: &[InputArg]) -> Result<Vec<InputArg>, Error> {
    members(args, 0)
}

fn members(args: &[InputArg], min_axes: usize) -> Result<Vec<InputArg>, Error> {
    let mut out = Vec::new();
    for arg in args {
        if arg.member.is_some() || !arg.is_archive() {
            out.push(arg.clone());
            continue;
        }
        let name = arg.file_name();
        let before = out.len();
        let arrays = match stored::hdf5(&arg.path)? {
            Some(place) => io::list_hdf5(&name, &place, Limits::NATIVE)?,
            None => io::list(&name, &arg.bytes()?, Limits::NATIVE)?,
        };
        for array in arrays {
            let label = format!("{name}::{}: ", array.member.as_deref().unwrap_or_default());
            let reason = match array.shape.len() {
                _ if array.refused.is_some() => array.refused.map(|why| why.trim_start_matches(&*label).to_owned()).unwrap_or_default(),
                n if n < min_axes => format!("it has {n} axes; a matrix has at least {min_axes}"),
                _ => {
                    out.push(InputArg { path: arg.path.clone(), member: array.member });
                    continue;
                }
            };
            writeln!(std::io::stderr(), "note: {name}::{} is left out: {reason}", array.member.unwrap_or_default()).ok();
        }
        if out.len() == before {
            let what = if min_axes > 0 { format!("no array with at least {min_axes} axes") } else { "no array that can be read".into() };
            return Err(Error::input(name, format!("the file holds {what}")));
        }
    }
    Ok(out)
}

/// Short unique names: the file stem (and `::member`), with the folder in front where stems repeat, with a count where that repeats too.
#[must_use]
pub(super) fn names_of(args: &[&InputArg]) -> Vec<String> {
    let stems = args.iter().map(|arg| name_of(arg, false)).collect::<Vec<_>>();
    let mut names = Vec::<String>::new();
    for (arg, stem) in args.iter().zip(&stems) {
        let repeated = stems.iter().filter(|other| *other == stem).count() > 1;
        let base = name_of(arg, repeated);
        let taken = |name: &String| names.contains(name);
        let name = if taken(&base) { (2..).map(|i| format!("{base} ({i})")).find(|n| !taken(n)) } else { None };
        names.push(name.unwrap_or(base));
    }
    names
}

fn name_of(arg: &InputArg, with_folder: bool) -> String {
    let text = |part: Option<&std::ffi::OsStr>| part.map(|s| s.to_string_lossy().into_owned()).filter(|s| !s.is_empty());
    let stem = text(arg.path.file_stem())
        .map(|stem| if text(arg.path.extension()).is_some_and(|e| e == "gz") { stem.trim_end_matches(".nii").into() } else { stem });
    let mut name = stem.unwrap_or_else(|| arg.path.display().to_string());
    if with_folder && let Some(folder) = text(arg.path.parent().and_then(Path::file_name)) {
        name = format!("{folder}/{name}");
    }
    match &arg.member {
        Some(member) => format!("{name}::{member}"),
        None => name,
    }
}

/// Which axis of an array has its samples: `NAME=AXIS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SamplesAxis {
    name: String,
    axis: usize,
}

impl FromStr for SamplesAxis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once('=').and_then(|(name, axis)| Some((name, axis.parse().ok()?)));
        let (name, axis) = parts.ok_or("give a name and the number of an axis, counted from 0: NAME=1")?;
        Ok(Self { name: name.into(), axis })
    }
}

/// The axis of the samples of an array: the first unless another one is given.
pub(super) fn samples_axis(axes: &[SamplesAxis], name: &str) -> usize {
    axes.iter().find(|of| of.name == name).map_or(0, |of| of.axis)
}

/// Refuses axes of what is not there.
///
/// # Errors
/// [`Error::Parameter`] with the names that there are.
pub(super) fn check_axes(axes: &[SamplesAxis], names: &[&str]) -> Result<(), Error> {
    let Some(unknown) = axes.iter().find(|of| !names.contains(&&*of.name)) else { return Ok(()) };
    let message = format!("there is no array named \"{}\"; the arrays are: {}", unknown.name, names.join(", "));
    Err(Error::parameter("--samples-axis", message))
}

/// Reads the files, each with its samples along the first axis.
///
/// # Errors
/// The reader's, or [`Error::Parameter`] when `axes` names something else.
pub(super) fn load(named: &[(String, &InputArg)], axes: &[SamplesAxis]) -> Result<Inputs, Error> {
    check_axes(axes, &named.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>())?;
    let mut inputs = Inputs::default();
    // An archive is read once for all its members that follow each other.
    let mut last = None::<(&Path, Vec<u8>)>;
    for (name, arg) in named {
        if arg.member.is_none()
            && samples_axis(axes, name) == 0
            && let Some(stored) = NpyFile::open(&arg.path)?
        {
            inputs.insert_stored(name, stored);
            continue;
        }
        if arg.member.is_none() {
            match stored::open(&arg.path, &arg.file_name(), None)? {
                Input::Array(dataset) => inputs.insert(name, dataset.with_samples(samples_axis(axes, name))?),
                other => inputs.insert_input(name, other),
            }
            continue;
        }
        let dataset = if arg.is_archive() && stored::hdf5(&arg.path)?.is_none() {
            let bytes = match last.take() {
                Some((path, bytes)) if path == arg.path => bytes,
                _ => arg.bytes()?,
            };
            let dataset = io::read(&arg.file_name(), &bytes, arg.member.as_deref(), Limits::NATIVE)?;
            last = Some((&arg.path, bytes));
            dataset
        } else {
            stored::read(&arg.path, &arg.file_name(), arg.member.as_deref())?
        };
        inputs.insert(name, dataset.with_samples(samples_axis(axes, name))?);
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<String> {
        let args = texts.iter().map(|t| t.parse().expect("an input")).collect::<Vec<InputArg>>();
        names_of(&args.iter().collect::<Vec<_>>())
    }

    #[test]
    fn names_are_stems_made_unique() {
        assert_eq!(names(&["d/IT.npy", "d/V4.npy"]), ["IT", "V4"]);
        assert_eq!(names(&["a/X.npy", "b/X.npy"]), ["a/X", "b/X"]);
        assert_eq!(names(&["X.npy", "X.npy"]), ["X", "X (2)"]);
        assert_eq!(names(&["l.npz::a", "l.npz::b"]), ["l::a", "l::b"]);
    }

    #[test]
    fn members_follow_two_colons() {
        assert_eq!("a.npz::/relu/out".parse(), Ok(InputArg { path: "a.npz".into(), member: Some("/relu/out".into()) }));
        assert!("a.npz::".parse::<InputArg>().is_err(), "an empty member");
        assert!(parse_named("=x").is_err(), "an empty name");
    }
}
