//! The values of layers for many images, batch after batch.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};

use super::graph::{Constant, Dim};
use super::run::{Activations, Network};
use super::settings::{Preprocess, Reading};
use crate::input::ImageFiles;
use crate::{Error, Progress, parallel};

/// Images of a batch at most.
const MOST: usize = 64;

/// What is extracted.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Values by their names.
    pub layers: &'a [String],
    /// How positions are read.
    pub reading: Reading,
    /// Images at a time; as many as fit into the budget when nothing is said.
    pub batch: Option<usize>,
    /// Memory for values while a batch runs.
    pub budget_bytes: u64,
}

/// Some images as a network sees them.
#[derive(Debug)]
pub struct Batch {
    /// Inputs of the network by their names, images first.
    pub inputs: BTreeMap<String, Constant>,
    /// Images in it.
    pub n: usize,
    /// Images that it stands for.
    pub consumed: usize,
    /// Names of those that cannot be read.
    pub left_out: Vec<String>,
}

/// Hands out images in order.
pub trait Feed {
    /// Up to so many images; nothing at the end.
    ///
    /// # Errors
    /// Those of an image that cannot be read.
    fn next(&mut self, size: usize) -> Result<Option<Batch>, Error>;
}

/// Takes values in the order of the images.
pub trait Sink {
    /// Values of some more images.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a layer that was named and has no entry for each image; those of a file.
    fn append(&mut self, n: usize, values: BTreeMap<String, Constant>) -> impl Future<Output = Result<(), Error>>;

    /// So many images are done, those left out among them.
    ///
    /// # Errors
    /// Those of a file.
    fn mark(&mut self, done: usize, left_out: Vec<String>) -> Result<(), Error>;
}

/// Runs a network on all images that a feed still has; `done` of `n` were done before.
///
/// # Errors
/// Those of the network, of the images and of the sink.
pub async fn extract(
    network: &Network,
    plan: Plan<'_>,
    feed: &mut dyn Feed,
    sink: &mut impl Sink,
    (mut done, n): (usize, usize),
    progress: &dyn Progress,
) -> Result<(), Error> {
    let port = network.graph().inputs.first().ok_or_else(|| Error::input("network", "the network has no input"))?;
    let fixed = match port.shape.as_ref().and_then(|shape| shape.first()) {
        Some(Dim::Fixed(n)) => usize::try_from(*n).ok().filter(|n| *n > 0),
        _ => None,
    };
    let mut size = fixed.or(plan.batch).unwrap_or(1);
    while let Some(images) = feed.next(size)? {
        done += images.consumed;
        if images.n > 0 {
            let made: Activations = network.run(&images.inputs, plan.layers, plan.reading).await?;
            let each = made.peak_bytes / images.n as u64;
            sink.append(images.n, made.values).await?;
            if fixed.is_none() && plan.batch.is_none() {
                size = usize::try_from(plan.budget_bytes / each.max(1)).unwrap_or(MOST).clamp(1, MOST);
            }
        }
        sink.mark(done, images.left_out)?;
        #[expect(clippy::cast_precision_loss, reason = "numbers of images")]
        let frac = done as f64 / n.max(1) as f64;
        progress.step(frac, &format!("{done} of {n} images"))?;
    }
    Ok(())
}

/// A value with one entry for each of `n` images; nothing for another one that was not named: shapes, indices and constants have no images.
///
/// # Errors
/// [`Error::Parameter`] for a named value that is none.
pub fn of_each_image<'a>(name: &str, value: Option<&'a Constant>, n: usize, is_named: bool) -> Result<Option<&'a ArrayD<f32>>, Error> {
    match value {
        Some(Constant::Float(array)) if array.shape().first() == Some(&n) => Ok(Some(array)),
        _ if !is_named => Ok(None),
        Some(Constant::Float(array)) => {
            let message = format!("the value \"{name}\" has the shape {:?} for {n} images; it is not one of each image", array.shape());
            Err(Error::parameter("layers", message))
        }
        _ => Err(Error::parameter("layers", format!("the value \"{name}\" is no array of floating-point numbers; name other layers"))),
    }
}

/// Images, decoded when they are wanted.
#[derive(Debug)]
pub struct Files {
    /// The input that they are.
    port: String,
    images: Arc<dyn ImageFiles>,
    preprocess: Preprocess,
    skip_unreadable: bool,
    rest: Range<usize>,
}

impl Files {
    /// Some of the images.
    #[must_use]
    pub fn new(port: String, images: Arc<dyn ImageFiles>, preprocess: Preprocess, skip_unreadable: bool, range: Range<usize>) -> Self {
        Self { port, images, preprocess, skip_unreadable, rest: range }
    }
}

impl Feed for Files {
    fn next(&mut self, size: usize) -> Result<Option<Batch>, Error> {
        let places = self.rest.start..self.rest.end.min(self.rest.start + size);
        if places.is_empty() {
            return Ok(None);
        }
        self.rest.start = places.end;
        let decode = |k: usize| self.preprocess.read_one(self.images.as_ref(), places.start + k);
        let (mut values, mut n, mut left_out) = (Vec::new(), 0, Vec::new());
        for (i, decoded) in places.clone().zip(parallel::map(places.len(), decode)) {
            match decoded {
                Ok(decoded) => {
                    values.extend(decoded);
                    n += 1;
                }
                Err(_) if self.skip_unreadable => left_out.push(self.images.names()[i].clone()),
                Err(why) => return Err(why),
            }
        }
        let [h, w] = self.preprocess.size.map(|side| side as usize);
        let values = ArrayD::from_shape_vec(IxDyn(&[n, 3, h, w]), values).map_err(|e| Error::internal(e.to_string()))?;
        let inputs = BTreeMap::from([(self.port.clone(), Constant::Float(values))]);
        Ok(Some(Batch { inputs, n, consumed: places.len(), left_out }))
    }
}

/// Values that are as the network wants them, images first.
#[derive(Debug)]
pub struct Ready {
    inputs: Arc<BTreeMap<String, Constant>>,
    rest: Range<usize>,
}

impl Ready {
    /// Some of the images of arrays by the names of the inputs; all of them have entries for as many images.
    #[must_use]
    pub fn new(inputs: Arc<BTreeMap<String, Constant>>, range: Range<usize>) -> Self {
        Self { inputs, rest: range }
    }
}

impl Feed for Ready {
    fn next(&mut self, size: usize) -> Result<Option<Batch>, Error> {
        let places = self.rest.start..self.rest.end.min(self.rest.start + size);
        if places.is_empty() {
            return Ok(None);
        }
        self.rest.start = places.end;
        let n = places.len();
        let inputs = self.inputs.iter().map(|(name, value)| (name.clone(), value.rows(places.clone()))).collect();
        Ok(Some(Batch { inputs, n, consumed: n, left_out: Vec::new() }))
    }
}

/// Values in memory.
#[derive(Debug, Default)]
pub struct Collected {
    /// Layers that must have one entry for each image.
    named: Vec<String>,
    /// Shape behind the images and values of each layer.
    pub layers: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    /// Images that have values.
    pub n: usize,
    /// Names of the others.
    pub left_out: Vec<String>,
}

impl Collected {
    /// Nothing yet. Layers that are `named` one by one must be arrays with one entry for each image; others that are not are left out.
    #[must_use]
    pub fn new(named: Vec<String>) -> Self {
        Self { named, ..Self::default() }
    }
}

impl Sink for Collected {
    async fn append(&mut self, n: usize, values: BTreeMap<String, Constant>) -> Result<(), Error> {
        for (name, value) in &values {
            let Some(array) = of_each_image(name, Some(value), n, self.named.contains(name))? else {
                self.layers.remove(name);
                continue;
            };
            let shape = &array.shape()[1..];
            if self.n == 0 {
                self.layers.insert(name.clone(), (shape.to_vec(), Vec::new()));
            }
            let Some((known, all)) = self.layers.get_mut(name) else { continue };
            if known != shape {
                return Err(Error::parameter("layers", format!("the value \"{name}\" changes its shape between batches")));
            }
            all.extend(array.iter());
        }
        self.n += n;
        Ok(())
    }

    fn mark(&mut self, _done: usize, left_out: Vec<String>) -> Result<(), Error> {
        self.left_out.extend(left_out);
        Ok(())
    }
}
