//! `eigenscope backup`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::args::Global;
use super::{Failure, run, serve};
use crate::store::StoreError;
use crate::store::backup::{Bytes, backup as make};

/// Options of `backup`.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// New folder for the backup; `eigenscope serve --data-dir OUT_DIR` serves it.
    #[arg(value_name = "OUT_DIR")]
    pub out: PathBuf,
    /// Folder of a server, which may run meanwhile. Default: eigenscope in the user's data folder.
    #[arg(long, value_name = "D")]
    pub data_dir: Option<PathBuf>,
    /// Copy every file, instead of giving those on the same disk a second name: needed against a disk that breaks.
    #[arg(long)]
    pub copy: bool,
}

/// Makes a backup of a data folder.
pub(super) fn backup(args: &BackupArgs, global: &Global) -> Result<(), Failure> {
    let root = serve::data_dir(args.data_dir.as_deref())?;
    let how = if args.copy { Bytes::Copied } else { Bytes::Linked };
    let made = make(&root, &args.out, how).map_err(|e| match e {
        StoreError::Unusable(message) => Failure::usage(message),
        StoreError::Io(e) => Failure::usage(format!("the backup could not be written: {e}")),
        other => Failure::internal(format!("the backup could not be made: {other}")),
    })?;
    let mut out = io::stdout().lock();
    if global.json {
        return run::json(
            &mut out,
            &serde_json::json!({ "folder": args.out, "files": made.files, "bytes": made.bytes, "linked": made.linked }),
        );
    }
    let size = eigenscope::error::bytes(made.bytes);
    writeln!(out, "{} files ({size}, {} of them linked) and the database are in {}", made.files, made.linked, args.out.display())?;
    Ok(())
}
