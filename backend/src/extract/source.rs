//! Where a network's inputs come from: image files that are decoded ahead, or an array.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};

use eigenscope::Error;
use eigenscope::network::Preprocess;
use ndarray::{ArrayD, Axis, IxDyn, Slice};
use serde::{Deserialize, Serialize};

use super::stack::Stack;

/// What happens at an image that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The run stops there; what is done is kept.
    #[default]
    Stop,
    /// It is left out and named.
    Skip,
}

/// Image files in order.
#[derive(Debug, Clone)]
pub struct Images {
    /// Their names as they are shown and recorded.
    pub names: Vec<String>,
    /// Where they are.
    pub paths: Vec<PathBuf>,
}

const ENDINGS: [&str; 9] = ["png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp", "jpe"];

impl Images {
    /// All images of a folder by their names, or those that a `.stim.csv` of `DNNBrain` lists.
    ///
    /// # Errors
    /// [`Error::Input`] for a folder without images and a table that cannot be read.
    pub fn find(path: &Path) -> Result<Self, Error> {
        let shown = path.display().to_string();
        if path.is_dir() {
            let entries = std::fs::read_dir(path).map_err(|e| Error::input(&*shown, format!("the folder cannot be read: {e}")))?;
            let mut paths: Vec<PathBuf> =
                entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(|path| is_image(path)).collect();
            paths.sort();
            if paths.is_empty() {
                return Err(Error::input(shown, format!("the folder has no images ({})", ENDINGS.join(", "))));
            }
            let names = paths.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect();
            return Ok(Self { names, paths });
        }
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::input(&*shown, format!("neither a folder of images nor a table of them: {e}")))?;
        stimuli(&shown, path.parent().unwrap_or(Path::new(".")), &text)
    }
}

fn is_image(path: &Path) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| ENDINGS.contains(&e.to_ascii_lowercase().as_str()))
}

/// A `.stim.csv`: lines `key=value`, then `data=` with the columns, then rows.
fn stimuli(file: &str, folder: &Path, text: &str) -> Result<Images, Error> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut root = folder.to_path_buf();
    let mut kind = String::new();
    let columns = loop {
        let line = lines.next().ok_or_else(|| Error::format(file, "this is no list of stimuli: there is no line data=stimID,…"))?;
        let (key, value) = line.split_once('=').ok_or_else(|| Error::format(file, format!("\"{line}\" is not key=value")))?;
        match key.trim() {
            "data" => break value.split(',').map(|c| c.trim().to_owned()).collect::<Vec<_>>(),
            "path" => root = folder.join(value.trim()),
            "type" => value.trim().clone_into(&mut kind),
            _ => {}
        }
    };
    if kind != "image" {
        return Err(Error::format(file, format!("stimuli of type \"{kind}\" are not read, only type=image")));
    }
    let at = columns.iter().position(|c| c == "stimID").ok_or_else(|| Error::format(file, "the column stimID is missing"))?;
    let name = |line: &str| {
        line.split(',').nth(at).map(|v| v.trim().to_owned()).ok_or_else(|| Error::format(file, format!("the row \"{line}\" has no stimID")))
    };
    let names: Vec<String> = lines.map(name).collect::<Result<_, _>>()?;
    if names.is_empty() {
        return Err(Error::format(file, "it lists no stimuli"));
    }
    let paths = names.iter().map(|name| root.join(name)).collect();
    Ok(Images { names, paths })
}

/// Inputs in order.
#[derive(Debug)]
pub enum Source {
    /// Images and what is done to them.
    Images(Images, Preprocess, OnError),
    /// Images of an array and what is done to them.
    Stack(Stack, Preprocess),
    /// Ready values, images first.
    Array(ArrayD<f32>),
}

/// Some of them.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) values: ArrayD<f32>,
    /// Images in it.
    pub(super) n: usize,
    /// Images that it stands for.
    pub(super) consumed: usize,
    pub(super) left_out: Vec<String>,
}

/// Hands out batches.
pub(super) enum Reader {
    Ahead { receiver: Receiver<Decoded>, size: [u32; 2], on_error: OnError },
    Array { values: ArrayD<f32>, at: usize },
}

/// A decoded image, or why it is none.
type Decoded = (String, Result<Vec<f32>, Error>);

/// Images that are decoded before they are needed.
const AHEAD: usize = 96;

impl Source {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Images(images, ..) => images.names.len(),
            Self::Stack(stack, _) => stack.names.len(),
            Self::Array(values) => values.shape().first().copied().unwrap_or(0),
        }
    }

    /// From the given image on.
    pub(super) fn read_from(self, first: usize) -> Result<Reader, Error> {
        let n = self.len();
        match self {
            Self::Array(values) => Ok(Reader::Array { values, at: first }),
            Self::Images(images, preprocess, on_error) => {
                let size = preprocess.size;
                let decode = move |i: usize| {
                    let shown = images.paths[i].display().to_string();
                    let read = std::fs::read(&images.paths[i]).map_err(|e| Error::input(&*shown, format!("the image cannot be read: {e}")));
                    (images.names[i].clone(), read.and_then(|bytes| preprocess.read(&shown, &bytes)))
                };
                Ok(Reader::Ahead { receiver: ahead(first..n, decode)?, size, on_error })
            }
            Self::Stack(stack, preprocess) => {
                let size = preprocess.size;
                let decode = move |i: usize| (stack.names[i].clone(), preprocess.apply(&stack.names[i], stack.pixels(i), stack.size));
                Ok(Reader::Ahead { receiver: ahead(first..n, decode)?, size, on_error: OnError::Stop })
            }
        }
    }
}

/// Decodes images on a thread of its own, before they are needed.
fn ahead(places: Range<usize>, decode: impl Fn(usize) -> Decoded + Send + 'static) -> Result<Receiver<Decoded>, Error> {
    let (sender, receiver) = sync_channel(AHEAD);
    // Nobody listens any more when the run has stopped.
    let work = move || places.map(decode).try_for_each(|decoded| sender.send(decoded)).unwrap_or_default();
    std::thread::Builder::new()
        .name("images".into())
        .spawn(work)
        .map_err(|e| Error::internal(format!("no thread to decode images: {e}")))?;
    Ok(receiver)
}

impl Reader {
    /// Up to so many images; nothing at the end.
    pub(super) fn next(&mut self, size: usize) -> Result<Option<Batch>, Error> {
        match self {
            Self::Array { values, at } => {
                let n = values.shape().first().copied().unwrap_or(0);
                let end = (*at + size).min(n);
                if *at >= end {
                    return Ok(None);
                }
                let part = values.slice_axis(Axis(0), Slice::from(*at..end)).to_owned();
                let taken = end - *at;
                *at = end;
                Ok(Some(Batch { values: part, n: taken, consumed: taken, left_out: Vec::new() }))
            }
            Self::Ahead { receiver, size: [h, w], on_error } => {
                let (mut values, mut n, mut consumed, mut left_out) = (Vec::new(), 0, 0, Vec::new());
                while n < size {
                    let Ok((name, decoded)) = receiver.recv() else { break };
                    consumed += 1;
                    match decoded {
                        Ok(decoded) => {
                            values.extend(decoded);
                            n += 1;
                        }
                        Err(_) if *on_error == OnError::Skip => left_out.push(name),
                        Err(why) => return Err(why),
                    }
                }
                if consumed == 0 {
                    return Ok(None);
                }
                let shape = [n, 3, *h as usize, *w as usize];
                let values = ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| Error::internal(e.to_string()))?;
                Ok(Some(Batch { values, n, consumed, left_out }))
            }
        }
    }
}
