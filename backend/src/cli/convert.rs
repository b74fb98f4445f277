//! Arrays from one format of files into another.

#![expect(clippy::doc_markdown, reason = "doc comments here are what --help prints")]

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use eigenscope::io::{SaveFormat, Saved, save};
use eigenscope::{Dataset, Error};
use serde_json::json;

use super::args::Global;
use super::inputs::{InputArg, SamplesAxis, check_axes, names_of, readable, samples_axis};
use super::print::table;
use super::{Failure, run};
use crate::inspect::Said;
use crate::stored;

/// Options of `convert`.
#[derive(Debug, Args)]
pub(super) struct ConvertArgs {
    /// Files, or arrays of files (PATH::member), and last the file to write: .npy, .npz, .h5, .csv or .mat. A file of several arrays gives all of them.
    #[arg(required = true, num_args = 2.., value_name = "IN… OUT")]
    paths: Vec<String>,
    /// The axis of an array that becomes the first, counted from 0, by its name (the member, or the file stem): X=1 exchanges rows and columns.
    #[arg(long, value_name = "NAME=AXIS", value_delimiter = ',')]
    samples_axis: Vec<SamplesAxis>,
}

/// Reads, writes, and tells what became of each array.
pub(super) fn convert(args: &ConvertArgs, global: &Global) -> Result<(), Failure> {
    let [inputs @ .., output] = args.paths.as_slice() else { return Err(Failure::usage("give a file to read and a file to write")) };
    let output = Path::new(output);
    let format = SaveFormat::of(&output.to_string_lossy())?;
    let given = inputs.iter().map(|text| text.parse()).collect::<Result<Vec<InputArg>, _>>().map_err(Failure::usage)?;
    let args_of_arrays = readable(&given)?;
    let names = names(&args_of_arrays);
    check_axes(&args.samples_axis, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut arrays = Vec::new();
    for (name, arg) in names.iter().zip(&args_of_arrays) {
        arrays.push((name.clone(), arg.array()?.with_samples(samples_axis(&args.samples_axis, name))?));
    }
    let saved = write(format, &arrays, output)?;
    let bytes = output.metadata()?.len();
    let mut out = io::stdout().lock();
    if global.json {
        let of = |((arg, saved), (_, array)): ((&InputArg, &Saved), &(String, Dataset))| json!({ "input": arg.to_string(), "name": saved.name, "shape": saved.shape, "dtype": dtype(array), "left_out": saved.left_out });
        let list: Vec<_> = args_of_arrays.iter().zip(&saved).zip(&arrays).map(of).collect();
        let answer = json!({ "output": output.display().to_string(), "format": format.ending(), "bytes": bytes, "arrays": list });
        return run::json(&mut out, &answer);
    }
    let row = |((arg, saved), (_, array)): ((&InputArg, &Saved), &(String, Dataset))| {
        let shape = saved.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
        vec![arg.to_string(), saved.name.clone().unwrap_or_default(), shape, dtype(array).into(), saved.left_out.join(", ")]
    };
    let rows: Vec<Vec<String>> = args_of_arrays.iter().zip(&saved).zip(&arrays).map(row).collect();
    table(&mut out, &["input", "name", "shape", "type", "left out"], rows)?;
    Ok(writeln!(out, "{}: {}", output.display(), eigenscope::error::bytes(bytes))?)
}

/// Options of `export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The file, read as if it had the name `name`.
    input: PathBuf,
    /// The file to write.
    output: PathBuf,
    #[arg(long = "as")]
    name: String,
    #[arg(long)]
    member: Option<String>,
    #[arg(long, default_value_t = 0)]
    samples_axis: usize,
    #[arg(long)]
    format: String,
}

/// Writes an array for the server; tells what the array is called, or what went wrong.
pub(super) fn export(args: &ExportArgs) -> Result<(), Failure> {
    let written = || {
        let format = SaveFormat::of(&format!("array.{}", args.format))?;
        let array = stored::read(&args.input, &args.name, args.member.as_deref())?.with_samples(args.samples_axis)?;
        let unwritable = |e: io::Error| Error::internal(format!("a converted array cannot be written: {e}"));
        let mut out = BufWriter::new(File::create(&args.output).map_err(unwritable)?);
        save(format, &[(array.name.clone(), &array)], &mut out)?;
        out.flush().map_err(unwritable)?;
        Ok(array.name)
    };
    run::json(&mut io::stdout().lock(), &Said::from(written()))
}

/// Members keep their names where these are different; others have the name of their file in front.
fn names(args: &[InputArg]) -> Vec<String> {
    let full = names_of(&args.iter().collect::<Vec<_>>());
    let short: Vec<String> = args.iter().zip(&full).map(|(arg, full)| arg.member.clone().unwrap_or_else(|| full.clone())).collect();
    let is_alone = |name: &String| short.iter().filter(|other| *other == name).count() == 1;
    short.iter().zip(full).map(|(short, full)| if is_alone(short) { short.clone() } else { full }).collect()
}

/// How the values are held, and written.
fn dtype(array: &Dataset) -> &'static str {
    match &*array.values {
        eigenscope::dataset::Values::F32(_) => "float32",
        eigenscope::dataset::Values::F64(_) => "float64",
    }
}

/// Writes beside the place and moves it there when it is whole.
fn write(format: SaveFormat, arrays: &[(String, Dataset)], output: &Path) -> Result<Vec<Saved>, Failure> {
    let part = Part(output.with_extension(format!("{}.part", format.ending())));
    let unwritable = |e: io::Error| Error::input(output.display().to_string(), format!("the file cannot be written: {e}"));
    let file = File::create(&part.0).map_err(unwritable)?;
    let named: Vec<(String, &Dataset)> = arrays.iter().map(|(name, array)| (name.clone(), array)).collect();
    let mut out = BufWriter::new(file);
    let saved = save(format, &named, &mut out)?;
    out.flush().map_err(unwritable)?;
    std::fs::rename(&part.0, output).map_err(unwritable)?;
    Ok(saved)
}

/// A file that is being written; removed unless it is whole.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_names_unless_two_are_the_same() {
        let of = |texts: &[&str]| names(&texts.iter().map(|text| text.parse().expect("an input")).collect::<Vec<InputArg>>());
        assert_eq!(of(&["a.npz::X", "b.npy"]), ["X", "b"]);
        assert_eq!(of(&["a.npz::X", "b.npz::X", "b.npz::Y"]), ["a::X", "b::X", "Y"]);
    }
}
