//! The archive that grows: each layer in a file of its own until all images are done, then one `.npz`.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use eigenscope::Error;
use eigenscope::network::{Constant, Sink, of_each_image};
use serde::{Deserialize, Serialize};
use zip::write::SimpleFileOptions;

use super::{LayerShape, Spec, partial_folder};

/// Its name in the archive: what was done, as JSON.
const RECORD: &str = "eigenscope.json";

/// An extraction on its way.
#[derive(Debug)]
pub(super) struct Partial {
    folder: PathBuf,
    state: State,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    spec: Spec,
    /// Images that are done, those left out among them.
    done: usize,
    left_out: Vec<String>,
    /// Shape of each layer behind the images, once known.
    shapes: BTreeMap<String, Vec<usize>>,
}

impl Partial {
    /// Begins, or continues what was begun with the same spec.
    pub(super) fn open(target: &Path, spec: &Spec) -> Result<Self, Error> {
        let folder = partial_folder(target);
        let fresh = State { spec: spec.clone(), done: 0, left_out: Vec::new(), shapes: BTreeMap::new() };
        let kept = fs::read(folder.join(RECORD))
            .ok()
            .and_then(|bytes| serde_json::from_slice::<State>(&bytes).ok())
            .filter(|state| state.spec == *spec);
        let Some(state) = kept else {
            fs::remove_dir_all(&folder).ok();
            fs::create_dir_all(&folder).map_err(|e| cannot(&folder, &e))?;
            let out = Self { folder, state: fresh };
            out.save()?;
            return Ok(out);
        };
        let out = Self { folder, state };
        // What was written after the last mark is cut off.
        let rows = out.rows();
        for (i, name) in out.state.spec.layers.iter().enumerate() {
            if let Some(shape) = out.state.shapes.get(name) {
                let path = out.file(i);
                let length = 4 * rows as u64 * shape.iter().product::<usize>() as u64;
                let file = OpenOptions::new().write(true).open(&path).map_err(|e| cannot(&path, &e))?;
                if file.metadata().map_err(|e| cannot(&path, &e))?.len() < length {
                    return Err(Error::input(
                        path.display().to_string(),
                        "the file of an earlier run is shorter than it should be; remove its folder and start again",
                    ));
                }
                file.set_len(length).map_err(|e| cannot(&path, &e))?;
            }
        }
        Ok(out)
    }

    pub(super) fn done(&self) -> usize {
        self.state.done
    }

    pub(super) fn left_out(&self) -> &[String] {
        &self.state.left_out
    }

    /// Images that are written.
    fn rows(&self) -> usize {
        self.state.done - self.state.left_out.len()
    }

    fn file(&self, i: usize) -> PathBuf {
        self.folder.join(format!("layer-{i}.f32"))
    }

    fn save(&self) -> Result<(), Error> {
        let path = self.folder.join(RECORD);
        let bytes = serde_json::to_vec(&self.state).map_err(|e| Error::internal(e.to_string()))?;
        let next = self.folder.join("next.json");
        fs::write(&next, bytes).and_then(|()| fs::rename(&next, &path)).map_err(|e| cannot(&path, &e))
    }

    /// Writes the archive and removes the parts.
    pub(super) fn finish(self, target: &Path) -> Result<Vec<LayerShape>, Error> {
        let rows = self.rows();
        let mut layers = Vec::new();
        let next = self.folder.join("next.npz");
        let mut archive = zip::ZipWriter::new(BufWriter::new(File::create(&next).map_err(|e| cannot(&next, &e))?));
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored).large_file(true);
        let wrong = |e: &dyn std::fmt::Display| Error::input(target.display().to_string(), format!("the archive cannot be written: {e}"));
        for (i, name) in self.state.spec.layers.iter().enumerate() {
            let Some(shape) = self.state.shapes.get(name) else { continue };
            let whole: Vec<usize> = std::iter::once(rows).chain(shape.iter().copied()).collect();
            archive.start_file(format!("{name}.npy"), options).map_err(|e| wrong(&e))?;
            archive.write_all(&header(&whole)).map_err(|e| wrong(&e))?;
            let path = self.file(i);
            let mut file = BufReader::with_capacity(1 << 20, File::open(&path).map_err(|e| cannot(&path, &e))?);
            io::copy(&mut file, &mut archive).map_err(|e| wrong(&e))?;
            layers.push(LayerShape { name: name.clone(), shape: whole.iter().map(|n| *n as u64).collect() });
        }
        archive.start_file(RECORD, options).map_err(|e| wrong(&e))?;
        let record = serde_json::json!({ "spec": self.state.spec, "left_out": self.state.left_out });
        archive.write_all(&serde_json::to_vec_pretty(&record).map_err(|e| Error::internal(e.to_string()))?).map_err(|e| wrong(&e))?;
        archive.finish().map_err(|e| wrong(&e))?.flush().map_err(|e| wrong(&e))?;
        fs::rename(&next, target).map_err(|e| wrong(&e))?;
        fs::remove_dir_all(&self.folder).ok();
        Ok(layers)
    }
}

impl Sink for Partial {
    fn append(&mut self, n: usize, values: &BTreeMap<String, Constant>) -> Result<(), Error> {
        let begun = self.rows() > 0;
        for (i, name) in self.state.spec.layers.clone().iter().enumerate() {
            let is_named = self.state.spec.named.contains(name);
            let Some(array) = of_each_image(name, values.get(name), n, is_named)? else {
                // In a batch of one it may have looked as if.
                self.state.shapes.remove(name);
                continue;
            };
            if begun && !self.state.shapes.contains_key(name) {
                continue;
            }
            let shape = array.shape()[1..].to_vec();
            let known = self.state.shapes.entry(name.clone()).or_insert_with(|| shape.clone());
            if *known != shape {
                return Err(Error::parameter("layers", format!("the value \"{name}\" changes its shape between batches")));
            }
            let path = self.file(i);
            let file = OpenOptions::new().create(true).append(true).open(&path).map_err(|e| cannot(&path, &e))?;
            let mut out = BufWriter::with_capacity(1 << 20, file);
            let contiguous = array.as_standard_layout();
            let values = contiguous.as_slice().ok_or_else(|| Error::internal("an array in no order"))?;
            out.write_all(bytemuck::cast_slice(values)).and_then(|()| out.flush()).map_err(|e| cannot(&path, &e))?;
        }
        Ok(())
    }

    fn mark(&mut self, done: usize, left_out: Vec<String>) -> Result<(), Error> {
        self.state.done = done;
        self.state.left_out.extend(left_out);
        self.save()
    }
}

/// The head of a `.npy` file with f32 values.
fn header(shape: &[usize]) -> Vec<u8> {
    let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{comma}), }}", axes.join(", "));
    // Up to the line end the head is a multiple of 64 bytes.
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    while text.len() + 1 < length {
        text.push(' ');
    }
    text.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend(text.bytes());
    out
}

fn cannot(path: &Path, e: &io::Error) -> Error {
    Error::input(path.display().to_string(), format!("it cannot be written or read: {e}"))
}
