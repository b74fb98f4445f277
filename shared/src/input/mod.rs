//! What a file is read as: an array, a network, or a set of images.

mod stack;
mod stimuli;

use std::cmp::Ordering;
use std::fmt::Debug;
use std::sync::Arc;

use crate::network::NetworkFile;
use crate::{Dataset, Error};

pub use stack::{Levels, Stack};
pub use stimuli::{Stimuli, read_stimuli};

/// One input of a run.
#[derive(Debug, Clone)]
pub enum Input {
    /// Numbers and labels.
    Array(Dataset),
    /// A network.
    Network(Arc<NetworkFile>),
    /// Images in order.
    Images(Arc<dyn ImageFiles>),
}

/// Images in order; each is read when it is needed.
pub trait ImageFiles: Debug + Send + Sync {
    /// Their names as they are recorded.
    fn names(&self) -> &[String];

    /// One of them.
    ///
    /// # Errors
    /// [`Error::Input`] or [`Error::Format`] when it cannot be read.
    fn picture(&self, i: usize) -> Result<Picture, Error>;

    /// The name of one in messages.
    fn shown(&self, i: usize) -> String {
        self.names().get(i).cloned().unwrap_or_default()
    }
}

/// An image before it is prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picture {
    /// The bytes of its file.
    Encoded(Vec<u8>),
    /// Red, green and blue of each pixel, rows from the top, and height and width.
    Pixels(Vec<u8>, [u32; 2]),
}

/// Endings of files that are images.
pub const IMAGE_ENDINGS: [&str; 9] = ["png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp", "jpe"];

/// Whether a file is an image by its name.
#[must_use]
pub fn is_image(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| IMAGE_ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
}

/// Names in the order that people count: `face 2` before `face 10`.
#[must_use]
pub fn by_number(a: &str, b: &str) -> Ordering {
    let parts = |name: &str| -> Vec<(u64, String)> {
        let lower = name.to_lowercase();
        let runs = lower.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).map(<[u8]>::to_vec);
        let texts = runs.map(|run| String::from_utf8_lossy(&run).into_owned());
        texts.map(|run| run.parse().map_or_else(|_| (u64::MAX, run.clone()), |n| (n, String::new()))).collect()
    };
    parts(a).cmp(&parts(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_ordered_as_people_count() {
        let mut names = vec!["stim_10.png", "stim_2.png", "Stim_1.png", "stim_02b.png"];
        names.sort_by(|a, b| by_number(a, b));
        assert_eq!(names, ["Stim_1.png", "stim_2.png", "stim_02b.png", "stim_10.png"]);
        assert!(is_image("a.JPG") && !is_image("a.npy") && !is_image("png"), "by their ending");
    }
}
