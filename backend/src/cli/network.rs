//! Networks: what is in a file, and what they make of images.

#![expect(clippy::doc_markdown, reason = "doc comments here are what --help prints")]

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use eigenscope::analysis::rdm::Measure;
use eigenscope::analysis::rdm_comparison::Compare;
use eigenscope::analysis::{extraction, layer_profile};
use eigenscope::input::{ImageFiles, Levels, Stack};
use eigenscope::network::{
    Architecture, Constant, Dim, Graph, Mask, Network, NetworkFile, Preprocess, Preset, Reading, Resize, read_masks,
};
use eigenscope::{AnalysisSpec, Device, Error, Input, Inputs};
use serde_json::json;

use super::args::{Common, Global, word};
use super::inputs::{InputArg, parse_named};
use super::print::table;
use super::run::Terminal;
use super::specs::{Plan, short_seed};
use super::{Failure, run};
use crate::extract::{self, Extracted, Form, Images, OnError, Projected, Source, Spec};

/// Options of `layers`.
#[derive(Debug, Args)]
pub(super) struct LayersArgs {
    #[command(flatten)]
    network: NetworkArg,
}

/// Which network.
#[derive(Debug, Args)]
pub(super) struct NetworkArg {
    /// An ONNX file, a state dict of PyTorch (.pth, .pt, .safetensors), or a built-in architecture: alexnet, vgg16, squeezenet1_0, squeezenet1_1, resnet18,
    /// resnet34, resnet50.
    model: PathBuf,
    /// The state dict of a built-in architecture.
    #[arg(long, value_name = "FILE", conflicts_with = "untrained")]
    weights: Option<PathBuf>,
    /// Random parameters of a built-in architecture, from --seed.
    #[arg(long)]
    untrained: bool,
}

/// Lists the values that a network makes.
pub(super) fn layers(args: &LayersArgs, global: &Global) -> Result<(), Failure> {
    let graph = args.network.open(global.seed)?.0.graph()?;
    let mut out = io::stdout().lock();
    if global.json {
        let inputs: Vec<_> = graph.inputs.iter().map(|port| json!({ "name": port.name, "shape": port.shape })).collect();
        let value = json!({ "layers": graph.layers(), "inputs": inputs, "outputs": graph.outputs, "opset": graph.opset, "n_weights": graph.n_weights() });
        return run::json(&mut out, &value);
    }
    Ok(print(&mut out, &graph)?)
}

fn print(out: &mut dyn Write, graph: &Graph) -> io::Result<()> {
    let shape = |shape: &Option<Vec<Dim>>| shape.as_deref().map_or_else(String::new, shape_text);
    for port in &graph.inputs {
        writeln!(out, "input {} {}", port.name, shape(&port.shape))?;
    }
    let rows = graph.layers().into_iter().map(|layer| vec![layer.name, layer.op, shape(&layer.shape)]);
    table(out, &["layer", "operation", "shape"], rows.collect())?;
    writeln!(out, "\n{} operations, {} weights, operators of version {}", graph.nodes.len(), graph.n_weights(), graph.opset)
}

impl NetworkArg {
    /// The network, and a hash of what it comes from.
    fn open(&self, seed: Option<u64>) -> Result<(NetworkFile, String), Error> {
        let read = |path: &Path, network: fn(String, Vec<u8>) -> NetworkFile| {
            let bytes =
                std::fs::read(path).map_err(|e| Error::input(path.display().to_string(), format!("the network cannot be read: {e}")))?;
            let hash = blake3::hash(&bytes).to_hex().to_string();
            Ok::<_, Error>((network(path.display().to_string(), bytes), hash))
        };
        let shown = self.model.display().to_string();
        let Some(architecture) = Architecture::of_name(&shown).filter(|_| !self.model.exists()) else {
            if self.weights.is_some() || self.untrained {
                let names = "alexnet, vgg16, squeezenet1_0, squeezenet1_1, resnet18, resnet34, resnet50";
                let message = format!("--weights and --untrained are for a built-in architecture ({names}), not for {shown}");
                return Err(Error::parameter("MODEL", message));
            }
            return read(&self.model, NetworkFile::new);
        };
        match &self.weights {
            Some(weights) => read(weights, NetworkFile::state),
            None if self.untrained => {
                let seed = seed.unwrap_or(0);
                Ok((NetworkFile::untrained(shown, architecture, seed), format!("untrained, seed {seed}")))
            }
            None => Err(Error::parameter("--weights", format!("{shown} needs a state dict (--weights FILE) or --untrained"))),
        }
    }
}

/// How positions are read.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PoolArg {
    None,
    Avg,
    Max,
    /// A random projection of all of them.
    Project,
}

/// What networks of a family were trained with.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PresetArg {
    Imagenet,
    Stretch,
    EfficientnetLite,
    Unit,
}

/// What happens at an image that cannot be read.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnErrorArg {
    Stop,
    Skip,
}

/// Three numbers for red, green and blue.
#[derive(Debug, Clone, Copy)]
struct Colors([f64; 3]);

fn colors(text: &str) -> Result<Colors, String> {
    let numbers: Option<Vec<f64>> = text.split(',').map(|part| part.trim().parse().ok().filter(|v: &f64| v.is_finite())).collect();
    let three = numbers.and_then(|numbers| <[f64; 3]>::try_from(numbers.as_slice()).ok());
    three.map(Colors).ok_or_else(|| "expected three numbers for red, green and blue, such as 0.5,0.5,0.5".into())
}

/// Options of `extract`.
#[derive(Debug, Args)]
pub(super) struct ExtractArgs {
    #[command(flatten)]
    what: WhatArgs,
    /// Layers and their units that are kept, as DNNBrain lists them.
    #[arg(long, value_name = "FILE.dmask.csv", conflicts_with = "layers")]
    mask: Option<PathBuf>,
    /// Values of a random projection.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    projection_dim: u32,
    /// The archive to write: .npz, .h5, or .act.h5 in the layout of DNNBrain.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Images at once; by default as many as fit into a gigabyte.
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
}

/// Which layers, for what.
#[derive(Debug, Args)]
pub(super) struct WhatArgs {
    #[command(flatten)]
    network: NetworkArg,
    /// A folder of images, a .stim.csv that lists them, or an array of them (n x height x width x 3 or n x 3 x height x width).
    #[arg(long, value_name = "DIR_OR_FILE", required_unless_present = "input")]
    images: Option<InputArg>,
    /// Ready values instead of images, for the input of that name: an array with images first. Once for each input of the network.
    #[arg(long, value_name = "NAME=PATH.npy", conflicts_with = "images", value_parser = parse_named)]
    input: Vec<(String, InputArg)>,
    /// Values by name, with * for any letters; or all, or outputs.
    #[arg(long, value_delimiter = ',', default_value = "outputs")]
    layers: Vec<String>,
    /// What is kept of positions: all of them, their mean or their largest value; or a random projection of positions and channels.
    #[arg(long, value_enum, default_value = "none")]
    pool: PoolArg,
    /// What the network's images looked like in training.
    #[arg(long, value_enum, default_value = "imagenet")]
    preprocess: PresetArg,
    /// Length of the shorter side before the center is cut; 0 stretches the image to the network's size.
    #[arg(long, value_name = "PIXELS")]
    resize: Option<u32>,
    /// Height and width that the network sees, when its file leaves them open.
    #[arg(long, value_name = "HxW")]
    size: Option<String>,
    /// Mean of red, green and blue on 0 to 1.
    #[arg(long, value_name = "R,G,B", value_parser = colors)]
    mean: Option<Colors>,
    /// Standard deviation of red, green and blue on 0 to 1.
    #[arg(long, value_name = "R,G,B", value_parser = colors)]
    std: Option<Colors>,
    /// What happens at an image that cannot be read.
    #[arg(long, value_enum, default_value = "stop")]
    on_error: OnErrorArg,
}

/// Writes activations of a network for images.
pub(super) fn extract(args: &ExtractArgs, global: &Global) -> Result<(), Failure> {
    Form::of(&args.output)?;
    let folder = args.output.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(Error::parameter("--output", format!("there is no folder {}", folder.display())).into());
    }
    if args.batch == Some(0) {
        return Err(Error::parameter("--batch", "at least one image at once").into());
    }
    let made = archive(args, global)?;
    let mut out = io::stdout().lock();
    if global.json {
        return run::json(&mut out, &made);
    }
    let rows = made.layers.iter().map(|layer| vec![layer.name.clone(), shape_text(&layer.shape)]);
    table(&mut out, &["layer", "shape"], rows.collect())?;
    for name in &made.left_out {
        writeln!(io::stderr(), "warning: {name} cannot be read and is left out").ok();
    }
    Ok(writeln!(out, "\n{} images in {:.2} s ({:.1} images/s) on {}", made.images, made.seconds, made.images_per_second, made.device)?)
}

/// Extracts into an archive, with a progress bar.
fn archive(args: &ExtractArgs, global: &Global) -> Result<Extracted, Error> {
    let what = &args.what;
    let (file, model_hash) = what.network.open(global.seed)?;
    let graph = file.graph()?;
    let masks = masks(args)?;
    let wanted = if masks.is_empty() { what.layers.clone() } else { masks.keys().cloned().collect() };
    let layers = graph.select(&wanted)?;
    let Fed { source, images, preprocess, levels } = source(what, &graph)?;
    let spec = Spec {
        model: what.network.model.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        model_hash,
        named: layers.iter().filter(|layer| wanted.contains(layer)).cloned().collect(),
        layers,
        masks,
        projection: matches!(what.pool, PoolArg::Project).then(|| Projected { width: args.projection_dim, seed: global.seed.unwrap_or(0) }),
        reading: what.reading(),
        preprocess,
        levels,
        images,
    };
    let device = pollster::block_on(Device::open(global.device))?;
    let network = Network::new(&what.network.model.display().to_string(), graph, &device)?;
    let terminal = Terminal::new();
    let made = pollster::block_on(extract::extract(&network, &device, &spec, source, args.batch, &args.output, &terminal));
    terminal.finish();
    made
}

/// Units that are kept, if they are named.
fn masks(args: &ExtractArgs) -> Result<BTreeMap<String, Mask>, Error> {
    let Some(path) = &args.mask else { return Ok(BTreeMap::new()) };
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| Error::input(&*shown, format!("the mask cannot be read: {e}")))?;
    let masks = read_masks(&shown, &text)?;
    if matches!(args.what.pool, PoolArg::Avg | PoolArg::Max)
        && let Some((layer, _)) = masks.iter().find(|(_, mask)| mask.has_positions())
    {
        let message =
            format!("it keeps rows or columns of \"{layer}\", which --pool avg and max would take together before; use --pool none");
        return Err(Error::parameter("--mask", message));
    }
    Ok(masks)
}

/// What is fed in, the names of the images, and what is done to them.
struct Fed {
    source: Source,
    images: Vec<String>,
    preprocess: Option<Preprocess>,
    levels: Option<Levels>,
}

fn source(args: &WhatArgs, graph: &Graph) -> Result<Fed, Error> {
    let port = graph.inputs.first().ok_or_else(|| Error::input(args.network.model.display().to_string(), "the network has no input"))?;
    let Some(images) = &args.images else {
        let mut inputs = BTreeMap::new();
        let mut first = None;
        for (name, path) in &args.input {
            let Some(port) = graph.inputs.iter().find(|port| port.name == *name) else {
                let names: Vec<&str> = graph.inputs.iter().map(|port| port.name.as_str()).collect();
                return Err(Error::parameter("--input", format!("the network has no input {name}; its inputs are {}", names.join(", "))));
            };
            let dataset = path.array()?;
            let n = dataset.shape().first().copied().unwrap_or(0);
            let (of, whole) = first.get_or_insert_with(|| (dataset.name.clone(), n));
            if n == 0 || n != *whole {
                let message =
                    if n == 0 { "the array is empty".into() } else { format!("{n} entries, but {of} has {whole}: one for each image") };
                return Err(Error::input(name.clone(), message));
            }
            inputs.insert(name.clone(), Constant::of_dataset(dataset, port.element)?);
        }
        let (name, n) = first.ok_or_else(|| Error::parameter("--images", "images or an input are needed"))?;
        let images = (0..n).map(|i| format!("{name}[{i}]")).collect();
        return Ok(Fed { source: Source::Arrays(inputs, n), images, preprocess: None, levels: None });
    };
    let option = |error| match error {
        Error::Parameter { field, message } => Error::parameter(format!("--{field}"), message),
        other => other,
    };
    let (found, levels) = pictures(images)?;
    let preprocess = args.spec()?.preprocess(port).map_err(option)?;
    let on_error = match args.on_error {
        OnErrorArg::Stop => OnError::Stop,
        OnErrorArg::Skip => OnError::Skip,
    };
    let names = found.names().to_vec();
    Ok(Fed { source: Source::Images(found, preprocess.clone(), on_error), images: names, preprocess: Some(preprocess), levels })
}

/// The images of a folder, a list or an array; of an array also how its numbers were read, which is told.
fn pictures(images: &InputArg) -> Result<(Arc<dyn ImageFiles>, Option<Levels>), Error> {
    if !images.is_array() {
        return Ok((Arc::new(Images::find(&images.path)?), None));
    }
    let stack = Stack::of(&images.array()?)?;
    writeln!(io::stderr(), "note: {} is {}", images.path.display(), stack.assumed()).ok();
    let levels = stack.levels;
    Ok((Arc::new(stack), Some(levels)))
}

impl WhatArgs {
    fn reading(&self) -> Reading {
        match self.pool {
            PoolArg::None | PoolArg::Project => Reading::Full,
            PoolArg::Avg => Reading::Avg,
            PoolArg::Max => Reading::Max,
        }
    }

    /// As a spec, with its network and its images among the inputs.
    pub(super) fn insert(&self, inputs: &mut Inputs, seed: Option<u64>) -> Result<extraction::Spec, Error> {
        if matches!(self.pool, PoolArg::Project) {
            return Err(Error::parameter("--pool", "here all positions are read, their mean or their maximum; project with extract"));
        }
        let spec = self.spec()?;
        inputs.insert_input(&spec.network, Input::Network(Arc::new(self.network.open(seed)?.0)));
        match (&self.images, &self.input[..]) {
            (Some(images), _) => inputs.insert_input(&spec.images, Input::Images(pictures(images)?.0)),
            (None, [(_, values)]) => inputs.insert(&spec.images, values.array()?),
            (None, _) => return Err(Error::parameter("--images", "images or one input are needed")),
        }
        Ok(spec)
    }

    /// As a spec; its inputs are called `network` and `images`.
    fn spec(&self) -> Result<extraction::Spec, Error> {
        let size = |text: &String| {
            let sides = text.split_once('x').and_then(|(h, w)| Some([h.parse().ok()?, w.parse().ok()?]));
            sides.ok_or_else(|| Error::parameter("--size", format!("{text} is not HEIGHTxWIDTH")))
        };
        Ok(extraction::Spec {
            network: "network".into(),
            images: "images".into(),
            array: extraction::ArrayIs::Values,
            layers: self.layers.clone(),
            reading: self.reading(),
            preset: match self.preprocess {
                PresetArg::Imagenet => Preset::Imagenet,
                PresetArg::Stretch => Preset::Stretch,
                PresetArg::EfficientnetLite => Preset::EfficientnetLite,
                PresetArg::Unit => Preset::Unit,
            },
            size: self.size.as_ref().map(size).transpose()?,
            resize: self.resize.map(|shorter| if shorter == 0 { Resize::Stretch } else { Resize::Crop(shorter) }),
            mean: self.mean.map(|colors| colors.0),
            std: self.std.map(|colors| colors.0),
            skip_unreadable: matches!(self.on_error, OnErrorArg::Skip),
        })
    }
}

/// Options of `profile`.
#[derive(Debug, Args)]
pub(super) struct ProfileArgs {
    #[command(flatten)]
    what: WhatArgs,
    /// RDMs of the same images, in their order, from brains or behavior: each layer's RDM is compared with them.
    #[arg(long, value_name = "RDMS")]
    rdms: Option<InputArg>,
    /// How the RDMs are compared: corr, cosine, spearman, rho-a, tau-a, …
    #[arg(long, default_value = "spearman", value_parser = word::<Compare>)]
    compare: Compare,
    /// Dissimilarity of a layer's RDM.
    #[arg(long, default_value = "correlation", value_parser = word::<Measure>)]
    measure: Measure,
    /// Responses to the same images (images x voxels or neurons): each layer predicts them by ridge regression on held-out images.
    #[arg(long, value_name = "RESPONSES")]
    targets: Option<InputArg>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// From a network and images to numbers for each layer.
pub(super) fn profile(args: &ProfileArgs, seed: Option<u64>) -> Result<Plan, Error> {
    let mut inputs = Inputs::default();
    let extraction = args.what.insert(&mut inputs, seed)?;
    let mut name = |given: &Option<InputArg>, name: &str| {
        given.as_ref().map(|given| given.array().map(|dataset| inputs.insert(name, dataset)).map(|()| name.to_owned())).transpose()
    };
    let spec = layer_profile::Spec {
        extraction,
        rdms: name(&args.rdms, "rdms")?,
        measure: args.measure,
        compare: args.compare,
        targets: name(&args.targets, "targets")?,
        seed: seed.map_or(Ok(0), short_seed)?,
    };
    Ok(Plan { spec: AnalysisSpec::LayerProfile(spec), inputs })
}

/// Layers and their shapes.
pub(super) fn print_extraction(out: &mut dyn Write, output: &extraction::Output) -> io::Result<()> {
    let rows = output.layers.iter().map(|layer| vec![layer.name.clone(), shape_text(&layer.shape)]);
    table(out, &["layer", "shape"], rows.collect())?;
    writeln!(out, "\n{} images", output.images.len())
}

/// One line for each layer.
pub(super) fn print_profile(out: &mut dyn Write, output: &layer_profile::Output) -> io::Result<()> {
    let number = |v: Option<f64>| v.map_or_else(|| "–".into(), |v| format!("{v:.4}"));
    let has = |value: fn(&layer_profile::Layer) -> Option<f64>| output.layers.iter().any(|layer| value(layer).is_some());
    let (has_rsa, has_encoding) = (has(|layer| layer.rsa), has(|layer| layer.encoding));
    let rows = output.layers.iter().map(|layer| {
        let mut row = vec![layer.name.clone(), layer.n_features.to_string(), number(layer.effective_dimensionality)];
        if has_rsa {
            row.extend([number(layer.rsa), number(layer.rsa_sem)]);
        }
        row.extend(has_encoding.then(|| number(layer.encoding)));
        row
    });
    let mut head = vec!["layer", "features", "ED"];
    if has_rsa {
        head.extend(["RSA", "SEM"]);
    }
    head.extend(has_encoding.then_some("median r"));
    table(out, &head, rows.collect())?;
    if let Some([low, high]) = output.noise_ceiling {
        writeln!(out, "\nnoise ceiling {low:.4} to {high:.4}")?;
    }
    writeln!(out, "\n{} images", output.images)
}

/// `12 x 5`.
fn shape_text<T: ToString>(shape: &[T]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
}
