//! The page as a folder: modules, scripts, styles, each also compressed.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::tools::{Failure, at, is_newer, npm_packages, root, target_dir};
use crate::wasm;

/// Builds the page and returns its folder.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    let modules = npm_packages()?;
    let bound = wasm::build()?;
    let (root, site) = (root(), target_dir().join("site"));
    std::fs::create_dir_all(&site).map_err(at(&site))?;
    let frontend = root.join("frontend");
    let files = [
        (root.join("index.html"), "index.html"),
        (frontend.join("boot.js"), "boot.js"),
        (frontend.join("worker.js"), "worker.js"),
        (frontend.join("style.css"), "style.css"),
        (frontend.join("views.css"), "views.css"),
        (frontend.join("icon.svg"), "icon.svg"),
        (bound.join("ui.js"), "ui.js"),
        (bound.join("ui_bg.wasm"), "ui_bg.wasm"),
        (bound.join(wasm::LOADER), wasm::LOADER),
        (bound.join(wasm::REST), wasm::REST),
        (bound.join("compute.js"), "compute.js"),
        (bound.join("compute_bg.wasm"), "compute_bg.wasm"),
        (modules.join("plotly.js-strict-dist-min/plotly-strict.min.js"), "plotly.js"),
    ];
    for (from, name) in files {
        let to = site.join(name);
        // By their bytes: a checkout of older sources leaves a newer copy behind.
        let bytes = std::fs::read(&from).map_err(at(&from))?;
        if std::fs::read(&to).ok().as_ref() != Some(&bytes) {
            std::fs::write(&to, bytes).map_err(at(&to))?;
        }
        compress(&to)?;
    }
    snippets(&bound, &site)?;
    Ok(site)
}

/// wasm-bindgen's own script snippets, when a dependency has any.
fn snippets(bound: &Path, site: &Path) -> Result<(), Failure> {
    let from = bound.join("snippets");
    if from.is_dir() { copy_folder(&from, &site.join("snippets")) } else { Ok(()) }
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(to).map_err(at(to))?;
    for entry in from.read_dir().map_err(at(from))? {
        let path = entry.map_err(at(from))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            std::fs::copy(&path, &target).map_err(at(&path))?;
            compress(&target)?;
        }
    }
    Ok(())
}

/// Writes `FILE.br` beside a file unless it is there and newer.
fn compress(file: &Path) -> Result<(), Failure> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let to = file.with_file_name(format!("{name}.br"));
    if is_newer(&to, file) {
        return Ok(());
    }
    let bytes = std::fs::read(file).map_err(at(file))?;
    let mut out = Vec::new();
    {
        let mut writer = brotli::CompressorWriter::new(&mut out, 1 << 16, 11, 24);
        writer.write_all(&bytes)?;
    }
    println!("{name}: {} kB, {} kB as brotli", bytes.len() / 1000, out.len() / 1000);
    std::fs::write(&to, out).map_err(at(&to))
}
