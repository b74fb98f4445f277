//! `eigenscope inspect`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use eigenscope::api::ArrayInfo;
use serde_json::json;

use super::args::Global;
use super::print::table;
use super::{Failure, run};
use crate::inspect::{self, Said};

/// Options of `inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// Files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Read the file as if it had this name.
    #[arg(long = "as", hide = true, value_name = "NAME")]
    name: Option<String>,
    /// Answer as the server reads it, errors included.
    #[arg(long, hide = true)]
    for_server: bool,
}

/// Tells what is in files.
pub(super) fn inspect(args: &InspectArgs, global: &Global) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let arrays = |path: &Path| inspect::arrays(path, &args.name.clone().unwrap_or_else(|| name_of(path)));
    if args.for_server {
        for path in &args.paths {
            run::json(&mut out, &Said::from(arrays(path)))?;
        }
        return Ok(());
    }
    let files = args.paths.iter().map(|path| Ok((path, arrays(path)?))).collect::<Result<Vec<_>, Failure>>()?;
    if global.json {
        let files: Vec<_> = files.iter().map(|(path, arrays)| json!({ "file": path, "arrays": arrays })).collect();
        return run::json(&mut out, &json!({ "files": files }));
    }
    for (path, arrays) in files {
        writeln!(out, "{}", path.display())?;
        table(&mut out, &["member", "type", "shape", ""], arrays.iter().map(row).collect())?;
    }
    Ok(())
}

fn row(array: &ArrayInfo) -> Vec<String> {
    let shape = array.shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ");
    vec![array.member.clone().unwrap_or_default(), array.dtype.clone(), shape, array.refused.clone().unwrap_or_default()]
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
