//! Where a network's inputs come from: image files that are decoded ahead, or an array.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use eigenscope::Error;
use eigenscope::input::{IMAGE_ENDINGS, ImageFiles, Picture, Stimuli, by_number, is_image, read_stimuli};
use eigenscope::network::{Batch, Constant, Feed, Preprocess, Ready};
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

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
    names: Vec<String>,
    paths: Vec<PathBuf>,
}

impl ImageFiles for Images {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn picture(&self, i: usize) -> Result<Picture, Error> {
        let path = self.paths.get(i).ok_or_else(|| Error::internal(format!("there is no image {i}")))?;
        let read = std::fs::read(path).map_err(|e| Error::input(path.display().to_string(), format!("the image cannot be read: {e}")));
        Ok(Picture::Encoded(read?))
    }

    fn shown(&self, i: usize) -> String {
        self.paths.get(i).map_or_else(String::new, |path| path.display().to_string())
    }
}

impl Images {
    /// All images of a folder by their names, or those that a `.stim.csv` of `DNNBrain` lists.
    ///
    /// # Errors
    /// [`Error::Input`] for a folder without images and a table that cannot be read.
    pub fn find(path: &Path) -> Result<Self, Error> {
        let shown = path.display().to_string();
        if path.is_dir() {
            let entries = std::fs::read_dir(path).map_err(|e| Error::input(&*shown, format!("the folder cannot be read: {e}")))?;
            let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).map(|path| (name(&path), path));
            let mut found: Vec<(String, PathBuf)> = files.filter(|(name, _)| is_image(name)).collect();
            found.sort_by(|(a, _), (b, _)| by_number(a, b));
            if found.is_empty() {
                return Err(Error::input(shown, format!("the folder has no images ({})", IMAGE_ENDINGS.join(", "))));
            }
            let (names, paths) = found.into_iter().unzip();
            return Ok(Self { names, paths });
        }
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::input(&*shown, format!("neither a folder of images nor a table of them: {e}")))?;
        let Stimuli { folder, names } = read_stimuli(&shown, &text)?;
        let root = path.parent().unwrap_or(Path::new(".")).join(folder.unwrap_or_default());
        Ok(Self { paths: names.iter().map(|name| root.join(name)).collect(), names })
    }
}

/// Inputs in order.
#[derive(Debug)]
pub enum Source {
    /// Images and what is done to them.
    Images(Arc<dyn ImageFiles>, Preprocess, OnError),
    /// Ready values by the names of the network's inputs, and how many images they are of.
    Arrays(BTreeMap<String, Constant>, usize),
}

/// Images that are decoded ahead by a thread of their own.
struct Ahead {
    /// The input that they are.
    port: String,
    receiver: Receiver<Decoded>,
    size: [u32; 2],
    on_error: OnError,
}

/// A decoded image, or why it is none.
type Decoded = (String, Result<Vec<f32>, Error>);

/// Images that are decoded before they are needed.
const AHEAD: usize = 96;

impl Source {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Images(images, ..) => images.names().len(),
            Self::Arrays(_, n) => *n,
        }
    }

    /// From the given image on.
    pub(super) fn read_from(self, port: &str, first: usize) -> Result<Box<dyn Feed>, Error> {
        match self {
            Self::Arrays(inputs, n) => Ok(Box::new(Ready::new(Arc::new(inputs), first..n))),
            Self::Images(images, preprocess, on_error) => {
                let (sender, receiver) = sync_channel(AHEAD);
                let size = preprocess.size;
                let decode = move || {
                    for (i, name) in images.names().iter().enumerate().skip(first) {
                        // Nobody listens any more when the run has stopped.
                        if sender.send((name.clone(), preprocess.read_one(images.as_ref(), i))).is_err() {
                            return;
                        }
                    }
                };
                std::thread::Builder::new()
                    .name("images".into())
                    .spawn(decode)
                    .map_err(|e| Error::internal(format!("no thread to decode images: {e}")))?;
                Ok(Box::new(Ahead { port: port.to_owned(), receiver, size, on_error }))
            }
        }
    }
}

impl Feed for Ahead {
    fn next(&mut self, size: usize) -> Result<Option<Batch>, Error> {
        let (mut values, mut n, mut consumed, mut left_out) = (Vec::new(), 0, 0, Vec::new());
        while n < size {
            let Ok((name, decoded)) = self.receiver.recv() else { break };
            consumed += 1;
            match decoded {
                Ok(decoded) => {
                    values.extend(decoded);
                    n += 1;
                }
                Err(_) if self.on_error == OnError::Skip => left_out.push(name),
                Err(why) => return Err(why),
            }
        }
        if consumed == 0 {
            return Ok(None);
        }
        let [h, w] = self.size.map(|side| side as usize);
        let values = ArrayD::from_shape_vec(IxDyn(&[n, 3, h, w]), values).map_err(|e| Error::internal(e.to_string()))?;
        let inputs = BTreeMap::from([(self.port.clone(), Constant::Float(values))]);
        Ok(Some(Batch { inputs, n, consumed, left_out }))
    }
}
