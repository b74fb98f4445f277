//! Networks: what is in a file, and what they make of images.

#![expect(clippy::doc_markdown, reason = "doc comments here are what --help prints")]

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use eigenscope::analysis::rdm::Measure;
use eigenscope::analysis::rdm_comparison::Compare;
use eigenscope::dataset::Values;
use eigenscope::network::{Architecture, Dim, Graph, Network, Preprocess, Preset, Reading, Resize, from_state, read_onnx, read_state};
use eigenscope::{Device, Error};
use serde_json::json;

use super::args::{Global, word};
use super::inputs::{InputArg, parse_named};
use super::print::table;
use super::run::Terminal;
use super::{Failure, run};
use crate::compute;
use crate::extract::{self, Extracted, Form, Images, Levels, Mask, OnError, Projected, Source, Spec, Stack, read_masks};
use crate::profile::{self, Wanted};

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
    let (graph, _) = args.network.read(global.seed)?;
    let mut out = io::stdout().lock();
    if global.json {
        let inputs: Vec<_> = graph.inputs.iter().map(|port| json!({ "name": port.name, "shape": port.shape })).collect();
        let value = json!({ "layers": graph.layers(), "inputs": inputs, "outputs": graph.outputs, "opset": graph.opset, "n_weights": graph.n_weights() });
        return run::json(&mut out, &value);
    }
    Ok(print(&mut out, &graph)?)
}

fn print(out: &mut dyn Write, graph: &Graph) -> io::Result<()> {
    let shape = |shape: &Option<Vec<Dim>>| {
        let dim = |dim: &Dim| match dim {
            Dim::Fixed(n) => n.to_string(),
            Dim::Named(name) if name.is_empty() => "?".into(),
            Dim::Named(name) => name.clone(),
        };
        shape.as_ref().map_or_else(String::new, |shape| shape.iter().map(dim).collect::<Vec<_>>().join(" x "))
    };
    for port in &graph.inputs {
        writeln!(out, "input {} {}", port.name, shape(&port.shape))?;
    }
    let rows = graph.layers().into_iter().map(|layer| vec![layer.name, layer.op, shape(&layer.shape)]);
    table(out, &["layer", "operation", "shape"], rows.collect())?;
    writeln!(out, "\n{} operations, {} weights, operators of version {}", graph.nodes.len(), graph.n_weights(), graph.opset)
}

impl NetworkArg {
    /// The graph, and a hash of what it comes from.
    fn read(&self, seed: Option<u64>) -> Result<(Graph, String), Error> {
        let file = |path: &Path| {
            std::fs::read(path).map_err(|e| Error::input(path.display().to_string(), format!("the network cannot be read: {e}")))
        };
        let shown = self.model.display().to_string();
        if let Some(architecture) = Architecture::of_name(&shown).filter(|_| !self.model.exists()) {
            if let Some(weights) = &self.weights {
                let bytes = file(weights)?;
                let graph = from_state(&shown, read_state(&weights.display().to_string(), &bytes)?)?;
                return Ok((graph, blake3::hash(&bytes).to_hex().to_string()));
            }
            if !self.untrained {
                return Err(Error::parameter("--weights", format!("{shown} needs a state dict (--weights FILE) or --untrained")));
            }
            let seed = seed.unwrap_or(0);
            return Ok((from_state(&shown, architecture.untrained(seed))?, format!("untrained, seed {seed}")));
        }
        if self.weights.is_some() || self.untrained {
            let names = "alexnet, vgg16, squeezenet1_0, squeezenet1_1, resnet18, resnet34, resnet50";
            return Err(Error::parameter(
                "MODEL",
                format!("--weights and --untrained are for a built-in architecture ({names}), not for {shown}"),
            ));
        }
        let bytes = file(&self.model)?;
        let is_state = self.model.extension().and_then(|e| e.to_str()).is_some_and(|e| ["pt", "pth", "safetensors"].contains(&e));
        let graph = if is_state { from_state(&shown, read_state(&shown, &bytes)?)? } else { read_onnx(&shown, &bytes)? };
        Ok((graph, blake3::hash(&bytes).to_hex().to_string()))
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
    /// The archive to write: .npz, .h5, or .act.h5 in the layout of DNNBrain.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

/// Which layers, for what.
#[derive(Debug, Args)]
pub(super) struct WhatArgs {
    #[command(flatten)]
    network: NetworkArg,
    /// A folder of images, a .stim.csv that lists them, or an array of them (n x height x width x 3 or n x 3 x height x width).
    #[arg(long, value_name = "DIR_OR_FILE", required_unless_present = "input")]
    images: Option<InputArg>,
    /// Ready values instead of images, for the input of that name: an array with images first.
    #[arg(long, value_name = "NAME=PATH.npy", conflicts_with = "images", value_parser = parse_named)]
    input: Option<(String, InputArg)>,
    /// Values by name, with * for any letters; or all, or outputs.
    #[arg(long, value_delimiter = ',', default_value = "outputs")]
    layers: Vec<String>,
    /// Layers and their units that are kept, as DNNBrain lists them.
    #[arg(long, value_name = "FILE.dmask.csv", conflicts_with = "layers")]
    mask: Option<PathBuf>,
    /// What is kept of positions: all of them, their mean or their largest value; or a random projection of positions and channels.
    #[arg(long, value_enum, default_value = "none")]
    pool: PoolArg,
    /// Values of a random projection.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    projection_dim: u32,
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
    /// Images at once; by default as many as fit into a gigabyte.
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
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
    let made = archive(&args.what, &args.output, global)?;
    let mut out = io::stdout().lock();
    if global.json {
        return run::json(&mut out, &made);
    }
    let shape = |shape: &[u64]| shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
    let rows = made.layers.iter().map(|layer| vec![layer.name.clone(), shape(&layer.shape)]);
    table(&mut out, &["layer", "shape"], rows.collect())?;
    for name in &made.left_out {
        writeln!(io::stderr(), "warning: {name} cannot be read and is left out").ok();
    }
    Ok(writeln!(out, "\n{} images in {:.2} s ({:.1} images/s) on {}", made.images, made.seconds, made.images_per_second, made.device)?)
}

/// Extracts into an archive, with a progress bar.
fn archive(args: &WhatArgs, target: &Path, global: &Global) -> Result<Extracted, Error> {
    if args.batch == Some(0) {
        return Err(Error::parameter("--batch", "at least one image at once"));
    }
    let (graph, model_hash) = args.network.read(global.seed)?;
    let masks = masks(args)?;
    let wanted = if masks.is_empty() { args.layers.clone() } else { masks.keys().cloned().collect() };
    let layers = graph.select(&wanted)?;
    let Fed { source, names, preprocess, levels } = source(args, &graph)?;
    let spec = Spec {
        model: args.network.model.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        model_hash,
        named: layers.iter().filter(|layer| wanted.contains(layer)).cloned().collect(),
        layers,
        masks,
        projection: matches!(args.pool, PoolArg::Project).then(|| Projected { width: args.projection_dim, seed: global.seed.unwrap_or(0) }),
        reading: match args.pool {
            PoolArg::None | PoolArg::Project => Reading::Full,
            PoolArg::Avg => Reading::Avg,
            PoolArg::Max => Reading::Max,
        },
        preprocess,
        levels,
        images: names,
    };
    let device = pollster::block_on(Device::open(global.device))?;
    let network = Network::new(&args.network.model.display().to_string(), graph, &device)?;
    let terminal = Terminal::new();
    let made = pollster::block_on(extract::extract(&network, &device, &spec, source, args.batch, target, &terminal));
    terminal.finish();
    made
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
    /// Keep the activations in this archive.
    #[arg(long, value_name = "OUT.npz")]
    keep: Option<PathBuf>,
}

/// From a network and images to numbers for each layer.
pub(super) fn profile(args: &ProfileArgs, global: &Global) -> Result<(), Failure> {
    let wanted = Wanted {
        rdms: args.rdms.as_ref().map(InputArg::array).transpose()?,
        compare: args.compare,
        measure: args.measure,
        targets: args.targets.as_ref().map(InputArg::array).transpose()?,
        seed: global.seed.unwrap_or(0),
    };
    let folder = std::env::temp_dir().join(format!("eigenscope-profile-{}", std::process::id()));
    let target = match &args.keep {
        Some(path) if Form::of(path)? != Form::Npz => {
            return Err(Error::parameter("--keep", format!("{} must end in .npz", path.display())).into());
        }
        Some(path) => path.clone(),
        None => {
            std::fs::create_dir_all(&folder)
                .map_err(|e| Error::input(folder.display().to_string(), format!("the folder cannot be made: {e}")))?;
            folder.join("activations.npz")
        }
    };
    let made = archive(&args.what, &target, global).and_then(|made| {
        let terminal = Terminal::new();
        let profile = compute::on_device(global.device, async |device| profile::profile(&target, &made, &wanted, &device, &terminal).await);
        terminal.finish();
        profile
    });
    std::fs::remove_dir_all(&folder).ok();
    let made = made?;
    for warning in &made.warnings {
        writeln!(io::stderr(), "warning: {warning}").ok();
    }
    let mut out = io::stdout().lock();
    if global.json {
        return run::json(&mut out, &made);
    }
    let number = |v: Option<f64>| v.map_or_else(|| "–".into(), |v| format!("{v:.4}"));
    let rows = made.layers.iter().map(|layer| {
        let mut row = vec![layer.name.clone(), layer.n_features.to_string(), number(layer.effective_dimensionality)];
        row.extend(args.rdms.as_ref().map(|_| number(layer.rsa)));
        row.extend(args.rdms.as_ref().map(|_| number(layer.rsa_sem)));
        row.extend(args.targets.as_ref().map(|_| number(layer.encoding)));
        row
    });
    let mut head = vec!["layer", "features", "ED"];
    if args.rdms.is_some() {
        head.extend(["RSA", "SEM"]);
    }
    if args.targets.is_some() {
        head.push("median r");
    }
    table(&mut out, &head, rows.collect())?;
    if let Some([low, high]) = made.noise_ceiling {
        writeln!(out, "\nnoise ceiling {low:.4} to {high:.4}")?;
    }
    Ok(writeln!(out, "\n{} images, computed on {}", made.images, made.device)?)
}

/// Units that are kept, if they are named.
fn masks(args: &WhatArgs) -> Result<BTreeMap<String, Mask>, Error> {
    let Some(path) = &args.mask else { return Ok(BTreeMap::new()) };
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| Error::input(&*shown, format!("the mask cannot be read: {e}")))?;
    let masks = read_masks(&shown, &text)?;
    if matches!(args.pool, PoolArg::Avg | PoolArg::Max)
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
    names: Vec<String>,
    preprocess: Option<Preprocess>,
    levels: Option<Levels>,
}

fn source(args: &WhatArgs, graph: &Graph) -> Result<Fed, Error> {
    let port = graph.inputs.first().ok_or_else(|| Error::input(args.network.model.display().to_string(), "the network has no input"))?;
    let Some(images) = &args.images else {
        let (name, path) = args.input.as_ref().ok_or_else(|| Error::parameter("--images", "images or an input are needed"))?;
        if *name != port.name {
            return Err(Error::parameter("--input", format!("the network has no input {name}; its input is {}", port.name)));
        }
        let dataset = path.array()?;
        #[expect(clippy::cast_possible_truncation, reason = "networks compute in single precision")]
        let values = match &*dataset.values {
            Values::F32(a) => a.clone(),
            Values::F64(a) => a.mapv(|v| v as f32),
        };
        let n = values.shape().first().copied().unwrap_or(0);
        if n == 0 {
            return Err(Error::input(name.clone(), "the array is empty"));
        }
        let names = (0..n).map(|i| format!("{}[{i}]", dataset.name)).collect();
        return Ok(Fed { source: Source::Array(values), names, preprocess: None, levels: None });
    };
    let stack = if images.is_array() { Some(Stack::of(&images.array()?)?) } else { None };
    let preset = match args.preprocess {
        PresetArg::Imagenet => Preset::Imagenet,
        PresetArg::Stretch => Preset::Stretch,
        PresetArg::EfficientnetLite => Preset::EfficientnetLite,
        PresetArg::Unit => Preset::Unit,
    };
    let mut preprocess = preset.of_size(size(args, port)?);
    match args.resize {
        Some(0) => preprocess.resize = Resize::Stretch,
        Some(shorter) => preprocess.resize = Resize::Crop(shorter),
        None => {}
    }
    preprocess.mean = args.mean.map_or(preprocess.mean, |colors| colors.0);
    preprocess.std = args.std.map_or(preprocess.std, |colors| colors.0);
    if preprocess.std.iter().any(|s| *s <= 0.0 || !s.is_finite()) {
        return Err(Error::parameter("--std", "standard deviations are above 0"));
    }
    let on_error = match args.on_error {
        OnErrorArg::Stop => OnError::Stop,
        OnErrorArg::Skip => OnError::Skip,
    };
    if let Some(stack) = stack {
        writeln!(io::stderr(), "note: {} is {}", images.path.display(), stack.assumed()).ok();
        let (names, levels) = (stack.names.clone(), Some(stack.levels));
        return Ok(Fed { source: Source::Stack(stack, preprocess.clone()), names, preprocess: Some(preprocess), levels });
    }
    let found = Images::find(&images.path)?;
    let names = found.names.clone();
    Ok(Fed { source: Source::Images(found, preprocess.clone(), on_error), names, preprocess: Some(preprocess), levels: None })
}

/// Height and width that the network sees.
fn size(args: &WhatArgs, port: &eigenscope::network::Port) -> Result<[u32; 2], Error> {
    let shape = port.shape.as_deref().unwrap_or_default();
    if let [_, colors, h, w] = shape {
        if let Dim::Fixed(colors) = colors
            && *colors != 3
        {
            return Err(Error::input(
                port.name.clone(),
                format!("the network sees {colors} channels, not the three of an image; give it arrays with --input"),
            ));
        }
        if let (Dim::Fixed(h), Dim::Fixed(w), None) = (h, w, &args.size) {
            let of = |n: u64| {
                u32::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| Error::input(port.name.clone(), format!("a side of {n} pixels")))
            };
            return Ok([of(*h)?, of(*w)?]);
        }
    } else if port.shape.is_some() {
        return Err(Error::input(
            port.name.clone(),
            format!("the network's input has {} axes, not the four of images; give it arrays with --input", shape.len()),
        ));
    }
    let text = args.size.as_deref().ok_or_else(|| {
        Error::parameter("--size", "the network's file leaves the size of its images open; name it, for example --size 224x224")
    })?;
    let parsed = text
        .split_once('x')
        .and_then(|(h, w)| Some([h.parse().ok()?, w.parse().ok()?]))
        .filter(|[h, w]| *h > 0 && *w > 0 && *h < 1 << 15 && *w < 1 << 15);
    parsed.ok_or_else(|| Error::parameter("--size", format!("{text} is not HEIGHTxWIDTH")))
}
