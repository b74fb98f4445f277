//! The run itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};

use super::{ArrayIs, BATCH_BYTES, Layer, Output, Range, Spec};
use crate::analysis::Context;
use crate::dataset::Inputs;
use crate::input::{ImageFiles, Stack};
use crate::network::{Collected, Constant, Feed, Files, Network, Plan, Preprocess, Ready, extract};
use crate::stats::small;
use crate::warp::train::Samples;
use crate::{Array, Error, Progress, parallel};

/// A network that is ready, and its images.
pub(in crate::analysis) struct Opened {
    network: Network,
    source: Source,
    /// Those that the patterns of the spec find.
    pub(in crate::analysis) layers: Vec<String>,
    named: Vec<String>,
    spec: Spec,
}

enum Source {
    Images(Arc<dyn ImageFiles>, Preprocess),
    Array(String, usize, Arc<BTreeMap<String, Constant>>),
}

/// Reads the network and finds the layers.
pub(in crate::analysis) fn open(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Opened, Error> {
    context.step(0.0, "reading the network")?;
    let graph = inputs.network("network", &spec.network)?.graph()?;
    let layers = graph.select(&spec.layers)?;
    let named = spec.layers.iter().filter(|pattern| layers.contains(pattern)).cloned().collect();
    let port = graph.inputs.first().ok_or_else(|| Error::input("network", "the network has no input"))?;
    let source = match inputs.images(&spec.images) {
        Some(images) => Source::Images(Arc::clone(images), spec.preprocess(port)?),
        None if spec.array == ArrayIs::Images => {
            let stack = Stack::of(inputs.get("images", &spec.images)?)?;
            context.warn("stack", format!("{} was {}", spec.images, stack.assumed()));
            Source::Images(Arc::new(stack), spec.preprocess(port)?)
        }
        None => {
            let dataset = inputs.get("images", &spec.images)?;
            if dataset.values.is_empty() {
                return Err(Error::input("images", "the array is empty"));
            }
            let (name, n) = (dataset.name.clone(), dataset.shape()[0]);
            let values = Constant::of_dataset(dataset.clone(), port.element)?;
            Source::Array(name, n, Arc::new(BTreeMap::from([(port.name.clone(), values)])))
        }
    };
    let network = Network::new(&spec.network, graph, context.device)?;
    Ok(Opened { network, source, layers, named, spec: spec.clone() })
}

impl Samples for Opened {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn inputs(&self, rows: &[usize]) -> Result<BTreeMap<String, Constant>, Error> {
        match &self.source {
            Source::Images(images, preprocess) => {
                let port = self.network.graph().inputs.first().map_or_else(String::new, |port| port.name.clone());
                let [h, w] = preprocess.size.map(|side| side as usize);
                let mut values = Vec::with_capacity(rows.len() * 3 * h * w);
                for image in parallel::map(rows.len(), |k| preprocess.read_one(images.as_ref(), rows[k])) {
                    values.extend(image?);
                }
                let values = ArrayD::from_shape_vec(IxDyn(&[rows.len(), 3, h, w]), values).map_err(|e| Error::internal(e.to_string()))?;
                Ok(BTreeMap::from([(port, Constant::Float(values))]))
            }
            Source::Array(_, _, values) => Ok(values.iter().map(|(name, value)| (name.clone(), value.select(rows))).collect()),
        }
    }
}

impl Opened {
    /// The network.
    pub(in crate::analysis) fn network(&self) -> &Network {
        &self.network
    }

    /// Number of images.
    pub(in crate::analysis) fn len(&self) -> usize {
        match &self.source {
            Source::Images(images, _) => images.names().len(),
            Source::Array(_, n, _) => *n,
        }
    }

    /// The name of an image.
    fn name(&self, i: usize) -> String {
        match &self.source {
            Source::Images(images, _) => images.names().get(i).cloned().unwrap_or_default(),
            Source::Array(name, ..) => format!("{name}[{i}]"),
        }
    }

    /// The values of some layers for some images.
    pub(in crate::analysis) async fn values(
        &self,
        layers: &[String],
        range: std::ops::Range<usize>,
        progress: &dyn Progress,
    ) -> Result<Collected, Error> {
        let mut feed: Box<dyn Feed> = match &self.source {
            Source::Images(images, preprocess) => {
                let port = self.network.graph().inputs.first().map_or_else(String::new, |port| port.name.clone());
                Box::new(Files::new(port, Arc::clone(images), preprocess.clone(), self.spec.skip_unreadable, range.clone()))
            }
            Source::Array(_, _, values) => Box::new(Ready::new(Arc::clone(values), range.clone())),
        };
        let mut out = Collected::new(self.named.clone());
        let plan = Plan { layers, reading: self.spec.reading, batch: None, budget_bytes: BATCH_BYTES.into() };
        extract(&self.network, plan, feed.as_mut(), &mut out, (0, range.len()), progress).await?;
        Ok(out)
    }
}

/// All images.
pub(super) async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let opened = open(spec, inputs, context)?;
    let n = opened.len();
    output(&opened, 0..n, context).await
}

/// Some of them.
pub(super) async fn run_range(spec: &Spec, range: Range, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let opened = open(spec, inputs, context)?;
    if range.first >= range.end || range.end as usize > opened.len() {
        return Err(Error::internal(format!("a task names the images {range:?} of {}", opened.len())));
    }
    output(&opened, range.first as usize..range.end as usize, context).await
}

async fn output(opened: &Opened, range: std::ops::Range<usize>, context: &Context<'_>) -> Result<Output, Error> {
    let mut found = opened.values(&opened.layers, range.clone(), context.progress).await?;
    let n = found.n;
    let layer = |name: &String| {
        let (shape, values) = found.layers.remove(name)?;
        let width = shape.iter().product();
        let values = Array::matrix(n, width, values.into_iter().map(f64::from).collect());
        Some(Layer { name: name.clone(), shape: std::iter::once(n).chain(shape).map(small).collect(), values })
    };
    let layers = opened.layers.iter().filter_map(layer).collect();
    let images = range.map(|i| opened.name(i)).filter(|name| !found.left_out.contains(name)).collect();
    if !found.left_out.is_empty() {
        context.warn(
            "images_left_out",
            format!("{} images cannot be read and are left out: {}", found.left_out.len(), found.left_out.join(", ")),
        );
    }
    let preprocess = match &opened.source {
        Source::Images(_, preprocess) => Some(preprocess.clone()),
        Source::Array(..) => None,
    };
    Ok(Output { network: opened.spec.network.clone(), layers, images, left_out: found.left_out, preprocess })
}
