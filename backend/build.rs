//! Embeds the built page: every file of the folder named by `EIGENSCOPE_SITE`.
//!
//! Without the variable the table is empty and the server shows a page that says how to build the site.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut say = String::from("cargo:rerun-if-env-changed=EIGENSCOPE_SITE\ncargo:rerun-if-changed=build.rs\n");
    let mut table = String::from("[\n");
    if let Some(root) = std::env::var_os("EIGENSCOPE_SITE").filter(|v| !v.is_empty()).map(PathBuf::from) {
        let root = root.canonicalize().map_err(|e| format!("EIGENSCOPE_SITE={}: {e}", root.display()))?;
        let mut files = Vec::new();
        collect(&root, &mut files, &mut say)?;
        files.sort();
        for file in files {
            let relative = file.strip_prefix(&root)?.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
            writeln!(table, "({relative:?}, include_bytes!({:?}) as &[u8]),", file.display().to_string())?;
        }
    }
    table.push(']');
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("site.rs"), table)?;
    std::io::Write::write_all(&mut std::io::stdout(), say.as_bytes())?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>, say: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    writeln!(say, "cargo:rerun-if-changed={}", folder.display())?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files, say)?;
        } else {
            writeln!(say, "cargo:rerun-if-changed={}", path.display())?;
            files.push(path);
        }
    }
    Ok(())
}
