//! The archive that grows: each layer in a file of its own until all images are done, then one file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use eigenscope::Error;
use eigenscope::network::{Constant, of_each_image};
use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use super::output::{Form, Part};
use super::{LayerShape, RECORD, Spec, partial_folder};

/// An extraction on its way.
#[derive(Debug)]
pub(super) struct Partial {
    folder: PathBuf,
    form: Form,
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
    /// Layers in double precision.
    #[serde(default)]
    doubles: BTreeSet<String>,
}

impl Partial {
    /// Begins, or continues what was begun with the same spec.
    pub(super) fn open(target: &Path, form: Form, spec: &Spec) -> Result<Self, Error> {
        let folder = partial_folder(target);
        let fresh = State { spec: spec.clone(), done: 0, left_out: Vec::new(), shapes: BTreeMap::new(), doubles: BTreeSet::new() };
        let kept = fs::read(folder.join(RECORD))
            .ok()
            .and_then(|bytes| serde_json::from_slice::<State>(&bytes).ok())
            .filter(|state| state.spec == *spec);
        let Some(state) = kept else {
            fs::remove_dir_all(&folder).ok();
            fs::create_dir_all(&folder).map_err(|e| cannot(&folder, &e))?;
            let out = Self { folder, form, state: fresh };
            out.save()?;
            return Ok(out);
        };
        let out = Self { folder, form, state };
        // What was written after the last mark is cut off.
        let rows = out.rows();
        for (i, name) in out.state.spec.layers.iter().enumerate() {
            if let Some(shape) = out.state.shapes.get(name) {
                let path = out.file(i);
                let length = u64::from(out.width(name)) * rows as u64 * shape.iter().product::<usize>() as u64;
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

    /// Bytes of a value.
    fn width(&self, name: &str) -> u32 {
        if self.state.doubles.contains(name) { 8 } else { 4 }
    }

    fn file(&self, i: usize) -> PathBuf {
        self.folder.join(format!("layer-{i}.values"))
    }

    fn save(&self) -> Result<(), Error> {
        let path = self.folder.join(RECORD);
        let bytes = serde_json::to_vec(&self.state).map_err(|e| Error::internal(e.to_string()))?;
        let next = self.folder.join("next.json");
        fs::write(&next, bytes).and_then(|()| fs::rename(&next, &path)).map_err(|e| cannot(&path, &e))
    }

    /// Values of some more images; those that are projected replace what the network made.
    pub(super) fn append(
        &mut self,
        n: usize,
        values: &BTreeMap<String, Constant>,
        projected: &BTreeMap<String, ArrayD<f64>>,
    ) -> Result<(), Error> {
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
            let double = projected.get(name);
            let shape = double.map_or(array.shape(), |double| double.shape())[1..].to_vec();
            self.form.check(name, 1 + shape.len())?;
            let known = self.state.shapes.entry(name.clone()).or_insert_with(|| shape.clone());
            if *known != shape {
                return Err(Error::parameter("layers", format!("the value \"{name}\" changes its shape between batches")));
            }
            let path = self.file(i);
            let file = OpenOptions::new().create(true).append(true).open(&path).map_err(|e| cannot(&path, &e))?;
            let mut out = BufWriter::with_capacity(1 << 20, file);
            let written = if let Some(double) = double {
                self.state.doubles.insert(name.clone());
                write(&mut out, double)
            } else {
                write(&mut out, array)
            };
            written.and_then(|()| out.flush()).map_err(|e| cannot(&path, &e))?;
        }
        Ok(())
    }

    /// Remembers how far it is.
    pub(super) fn mark(&mut self, done: usize, left_out: Vec<String>) -> Result<(), Error> {
        self.state.done = done;
        self.state.left_out.extend(left_out);
        self.save()
    }

    /// Writes the archive and removes the parts.
    pub(super) fn finish(self, target: &Path) -> Result<Vec<LayerShape>, Error> {
        let rows = self.rows();
        let mut parts = Vec::new();
        for (i, name) in self.state.spec.layers.iter().enumerate() {
            let Some(shape) = self.state.shapes.get(name) else { continue };
            let shape = self.form.shape(std::iter::once(rows).chain(shape.iter().copied()).map(|n| n as u64).collect());
            let path = self.file(i);
            let file = File::open(&path).map_err(|e| cannot(&path, &e))?;
            parts.push(Part { name: name.clone(), shape, width: self.width(name), values: BufReader::with_capacity(1 << 20, file) });
        }
        let layers = parts.iter().map(|part| LayerShape { name: part.name.clone(), shape: part.shape.clone() }).collect();
        let record = serde_json::json!({ "spec": self.state.spec, "left_out": self.state.left_out });
        let record = serde_json::to_string_pretty(&record).map_err(|e| Error::internal(e.to_string()))?;
        let next = self.folder.join("next.archive");
        let wrong = |e: io::Error| Error::input(target.display().to_string(), format!("the archive cannot be written: {e}"));
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&next).map_err(|e| cannot(&next, &e))?);
        self.form.write(&mut file, parts, &record).and_then(|()| file.flush()).map_err(wrong)?;
        fs::rename(&next, target).map_err(wrong)?;
        fs::remove_dir_all(&self.folder).ok();
        Ok(layers)
    }
}

/// Values in C order. Files of this machine's own making are read by itself: they have its byte order, which is little-endian on all that are supported.
fn write<T: bytemuck::Pod>(out: &mut impl Write, array: &ArrayD<T>) -> io::Result<()> {
    let contiguous = array.as_standard_layout();
    out.write_all(bytemuck::cast_slice(contiguous.as_slice().unwrap_or_default()))
}

fn cannot(path: &Path, e: &io::Error) -> Error {
    Error::input(path.display().to_string(), format!("it cannot be written or read: {e}"))
}
