//! Built-in architectures with torchvision's names, as graphs over the arrays of a state dict.
//!
//! Values are named after the modules that make them (`layer1.0.conv1`, `features.3`); where a module runs twice, its second value has the name of the block.
//! Widths, depths and groups follow from the shapes of the arrays, so that smaller relatives are built, too.

use std::collections::BTreeMap;

use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use super::State;
use crate::Error;
use crate::dataset::shape_text;
use crate::network::{Attribute, Constant, Dim, Element, Graph, Node, Port};
use crate::rng::Stream;

/// A family of networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Krizhevsky 2014 (torchvision's one-tower form).
    Alexnet,
    /// Simonyan & Zisserman 2015, 16 layers.
    Vgg16,
    /// Iandola et al. 2016.
    #[serde(rename = "squeezenet1_0")]
    Squeezenet10,
    /// Its cheaper revision.
    #[serde(rename = "squeezenet1_1")]
    Squeezenet11,
    /// He et al. 2016, basic blocks.
    Resnet18,
    /// Of 34 layers.
    Resnet34,
    /// Bottleneck blocks, the stride in their 3 x 3 convolution.
    Resnet50,
}

/// Operators of the graphs that are made here.
const OPSET: i64 = 17;

impl Architecture {
    /// Its name as torchvision writes it.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "alexnet" => Self::Alexnet,
            "vgg16" => Self::Vgg16,
            "squeezenet1_0" => Self::Squeezenet10,
            "squeezenet1_1" => Self::Squeezenet11,
            "resnet18" => Self::Resnet18,
            "resnet34" => Self::Resnet34,
            "resnet50" => Self::Resnet50,
            _ => return None,
        })
    }

    /// Seeded random parameters, as torchvision starts training with: an "untrained" network.
    ///
    /// # Definition
    /// Convolutions of `ResNet`: normal, variance 2 / (outputs x kernel). `VGG`: the same, linear layers normal of deviation 0.01. `SqueezeNet`: uniform within
    /// sqrt(6 / (inputs x kernel)), the last convolution normal of deviation 0.01. `AlexNet`, and the linear layer of `ResNet`: weights and biases uniform within
    /// 1 / sqrt(inputs x kernel). All other biases 0; norms 1, 0, mean 0, variance 1.
    ///
    /// # Source
    /// torchvision 0.29; our own random numbers, so that one seed gives other values than torch's.
    #[must_use]
    pub fn untrained(self, seed: u64) -> State {
        let mut rng = Stream::new(seed, 0);
        self.shapes().into_iter().map(|(name, shape)| (name.clone(), self.initial(&name, &shape, &mut rng))).collect()
    }

    fn initial(self, name: &str, shape: &[usize], rng: &mut Stream) -> Constant {
        let n: usize = shape.iter().product();
        let kernel: usize = shape.iter().skip(2).product();
        #[expect(clippy::cast_precision_loss, reason = "numbers of weights")]
        let (fan_in, fan_out) = ((shape.get(1).copied().unwrap_or(1) * kernel) as f64, (shape[0] * kernel) as f64);
        let is_bias = name.ends_with(".bias");
        let mut normal = |deviation: f64| -> Vec<f64> { (0..n).map(|_| deviation * rng.normal()).collect() };
        let values = match (self, shape.len()) {
            _ if name.ends_with("running_mean") => vec![0.0; n],
            _ if name.ends_with("running_var") => vec![1.0; n],
            (Self::Resnet18 | Self::Resnet34 | Self::Resnet50, 1) if !name.starts_with("fc") => vec![if is_bias { 0.0 } else { 1.0 }; n],
            (Self::Resnet18 | Self::Resnet34 | Self::Resnet50 | Self::Vgg16, 4) => normal((2.0 / fan_out).sqrt()),
            (Self::Vgg16, 2) => normal(0.01),
            (Self::Squeezenet10 | Self::Squeezenet11, 4) if name.starts_with("classifier") => normal(0.01),
            (Self::Vgg16 | Self::Squeezenet10 | Self::Squeezenet11, 1) => vec![0.0; n],
            (Self::Squeezenet10 | Self::Squeezenet11, _) => uniform(rng, n, (6.0 / fan_in).sqrt()),
            // Biases are as wide as the weights of their layer.
            (_, 1) => {
                let weight = self.shapes().into_iter().find(|(other, _)| *other == name.replace(".bias", ".weight"));
                #[expect(clippy::cast_precision_loss, reason = "numbers of weights")]
                let inputs = weight.map_or(1.0, |(_, shape)| shape[1..].iter().product::<usize>() as f64);
                uniform(rng, n, 1.0 / inputs.sqrt())
            }
            _ => uniform(rng, n, 1.0 / fan_in.sqrt()),
        };
        #[expect(clippy::cast_possible_truncation, reason = "networks compute in single precision")]
        let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
        Constant::Float(ArrayD::from_shape_vec(shape, values).unwrap_or_default())
    }

    /// Names and shapes of its arrays, for images of three colors and 1,000 classes.
    fn shapes(self) -> Vec<(String, Vec<usize>)> {
        let mut out = Shapes(Vec::new());
        match self {
            Self::Alexnet => {
                for (i, from, to, k) in [(0, 3, 64, 11), (3, 64, 192, 5), (6, 192, 384, 3), (8, 384, 256, 3), (10, 256, 256, 3)] {
                    out.conv(&format!("features.{i}"), from, to, k);
                }
                for (i, from, to) in [(1, 9216, 4096), (4, 4096, 4096), (6, 4096, 1000)] {
                    out.linear(&format!("classifier.{i}"), from, to);
                }
            }
            Self::Vgg16 => {
                let convolutions = [(0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128), (10, 128, 256), (12, 256, 256), (14, 256, 256)];
                let deeper = [(17, 256, 512), (19, 512, 512), (21, 512, 512), (24, 512, 512), (26, 512, 512), (28, 512, 512)];
                for (i, from, to) in convolutions.into_iter().chain(deeper) {
                    out.conv(&format!("features.{i}"), from, to, 3);
                }
                for (i, from, to) in [(0, 25088, 4096), (3, 4096, 4096), (6, 4096, 1000)] {
                    out.linear(&format!("classifier.{i}"), from, to);
                }
            }
            Self::Squeezenet10 | Self::Squeezenet11 => {
                let first = self == Self::Squeezenet10;
                out.conv("features.0", 3, if first { 96 } else { 64 }, if first { 7 } else { 3 });
                let places: [usize; 8] = if first { [3, 4, 5, 7, 8, 9, 10, 12] } else { [3, 4, 6, 7, 9, 10, 11, 12] };
                let mut from = if first { 96 } else { 64 };
                for (i, (squeeze, expand)) in
                    places.into_iter().zip([(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)])
                {
                    out.conv(&format!("features.{i}.squeeze"), from, squeeze, 1);
                    out.conv(&format!("features.{i}.expand1x1"), squeeze, expand, 1);
                    out.conv(&format!("features.{i}.expand3x3"), squeeze, expand, 3);
                    from = 2 * expand;
                }
                out.conv("classifier.1", 512, 1000, 1);
            }
            Self::Resnet18 | Self::Resnet34 | Self::Resnet50 => {
                let depths = if self == Self::Resnet18 { [2, 2, 2, 2] } else { [3, 4, 6, 3] };
                let is_deep = self == Self::Resnet50;
                out.bare("conv1", 3, 64, 7);
                out.norm("bn1", 64);
                let mut from = 64;
                for (stage, depth) in depths.into_iter().enumerate() {
                    let width = 64 << stage;
                    let to = if is_deep { 4 * width } else { width };
                    for block in 0..depth {
                        let name = format!("layer{}.{block}", stage + 1);
                        let parts: &[(usize, usize, usize)] = if is_deep {
                            &[(from, width, 1), (width, width, 3), (width, to, 1)]
                        } else {
                            &[(from, width, 3), (width, width, 3)]
                        };
                        for (i, (from, to, k)) in parts.iter().enumerate() {
                            out.bare(&format!("{name}.conv{}", i + 1), *from, *to, *k);
                            out.norm(&format!("{name}.bn{}", i + 1), *to);
                        }
                        if from != to {
                            out.bare(&format!("{name}.downsample.0"), from, to, 1);
                            out.norm(&format!("{name}.downsample.1"), to);
                        }
                        from = to;
                    }
                }
                out.linear("fc", from, 1000);
            }
        }
        out.0
    }
}

fn uniform(rng: &mut Stream, n: usize, bound: f64) -> Vec<f64> {
    (0..n).map(|_| bound * (2.0 * rng.uniform() - 1.0)).collect()
}

struct Shapes(Vec<(String, Vec<usize>)>);

impl Shapes {
    fn bare(&mut self, name: &str, from: usize, to: usize, k: usize) {
        self.0.push((format!("{name}.weight"), vec![to, from, k, k]));
    }

    fn conv(&mut self, name: &str, from: usize, to: usize, k: usize) {
        self.bare(name, from, to, k);
        self.0.push((format!("{name}.bias"), vec![to]));
    }

    fn linear(&mut self, name: &str, from: usize, to: usize) {
        self.0.push((format!("{name}.weight"), vec![to, from]));
        self.0.push((format!("{name}.bias"), vec![to]));
    }

    fn norm(&mut self, name: &str, n: usize) {
        for part in ["weight", "bias", "running_mean", "running_var"] {
            self.0.push((format!("{name}.{part}"), vec![n]));
        }
    }
}

/// The network of a state dict, by the names of its arrays.
///
/// # Errors
/// [`Error::Unsupported`] when the names are of no built-in architecture, [`Error::Format`] when an array is missing or has an impossible shape.
pub fn from_state(file: &str, state: State) -> Result<Graph, Error> {
    let has = |name: &str| state.contains_key(name);
    let kind = if has("conv1.weight") && has("layer1.0.conv1.weight") && has("fc.weight") {
        Builder::resnet
    } else if has("features.3.squeeze.weight") {
        Builder::squeezenet
    } else if has("features.0.weight") && has("classifier.6.weight") {
        if has("features.3.weight") && kernel(&state, "features.0.weight") > 3 { Builder::alexnet } else { Builder::vgg }
    } else {
        let some: Vec<&str> = state.keys().take(3).map(String::as_str).collect();
        let message = format!(
            "its arrays ({}, …) belong to no built-in architecture (AlexNet, VGG, SqueezeNet, ResNet); export the network as ONNX instead",
            some.join(", ")
        );
        return Err(Error::Unsupported { file: file.into(), message });
    };
    let mut builder = Builder { file, graph: Graph { opset: OPSET, ..Graph::default() }, state };
    let channels = match builder.state.get(if builder.state.contains_key("conv1.weight") { "conv1.weight" } else { "features.0.weight" }) {
        Some(weight) => weight.shape().get(1).copied().unwrap_or(3),
        None => 3,
    };
    let dim = |name: &str| Dim::Named(name.into());
    builder.graph.inputs = vec![Port {
        name: "input".into(),
        shape: Some(vec![dim("batch"), Dim::Fixed(channels as u64), dim("height"), dim("width")]),
        element: Element::Float,
    }];
    let output = kind(&mut builder)?;
    builder.node("Identity", &[&output], "output", BTreeMap::new());
    builder.graph.outputs = vec!["output".into()];
    builder.graph.check(file)?;
    Ok(builder.graph)
}

fn kernel(state: &State, name: &str) -> usize {
    state.get(name).and_then(|w| w.shape().last().copied()).unwrap_or(0)
}

struct Builder<'a> {
    file: &'a str,
    graph: Graph,
    state: State,
}

type Options = BTreeMap<String, Attribute>;

impl Builder<'_> {
    fn node(&mut self, op: &str, inputs: &[&str], output: &str, attributes: Options) -> String {
        let inputs = inputs.iter().map(|name| (*name).to_owned()).collect();
        self.graph.nodes.push(Node { name: output.into(), op: op.into(), inputs, outputs: vec![output.into()], attributes });
        output.to_owned()
    }

    /// Moves an array of the state dict into the graph.
    fn array(&mut self, name: &str, axes: usize) -> Result<Vec<usize>, Error> {
        if let Some(known) = self.graph.constants.get(name) {
            return Ok(known.shape().to_vec());
        }
        let array =
            self.state.remove(name).ok_or_else(|| Error::format(self.file, format!("the array {name} is missing from the state dict")))?;
        let shape = array.shape().to_vec();
        if shape.len() != axes || !matches!(array, Constant::Float(_)) {
            return Err(Error::format(
                self.file,
                format!("the array {name} has the shape {}, not {axes} axes of floating-point numbers", shape_text(&shape)),
            ));
        }
        self.graph.constants.insert(name.into(), array);
        Ok(shape)
    }

    fn conv(&mut self, name: &str, input: &str, channels: usize, stride: usize, pad: usize) -> Result<(String, usize), Error> {
        let weight = format!("{name}.weight");
        let shape = self.array(&weight, 4)?;
        if shape[1] == 0 || !channels.is_multiple_of(shape[1]) {
            return Err(Error::format(self.file, format!("{weight} reads {} channels, but {channels} are there", shape[1])));
        }
        let bias = format!("{name}.bias");
        let mut inputs = vec![input.to_owned(), weight];
        if self.state.contains_key(&bias) {
            self.array(&bias, 1)?;
            inputs.push(bias);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let options = Options::from([
            ("strides".into(), ints(&[stride, stride])),
            ("pads".into(), ints(&[pad; 4])),
            ("group".into(), Attribute::Int(i64::try_from(channels / shape[1]).unwrap_or(1))),
        ]);
        Ok((self.node("Conv", &inputs, name, options), shape[0]))
    }

    fn norm(&mut self, name: &str, input: &str) -> Result<String, Error> {
        let parts = ["weight", "bias", "running_mean", "running_var"].map(|part| format!("{name}.{part}"));
        for part in &parts {
            self.array(part, 1)?;
        }
        Ok(self.node("BatchNormalization", &[input, &parts[0], &parts[1], &parts[2], &parts[3]], name, Options::new()))
    }

    fn relu(&mut self, name: &str, input: &str) -> String {
        self.node("Relu", &[input], name, Options::new())
    }

    fn max_pool(&mut self, name: &str, input: &str, kernel: usize, pad: usize, rounds_up: bool) -> String {
        let options = Options::from([
            ("kernel_shape".into(), ints(&[kernel, kernel])),
            ("strides".into(), ints(&[2, 2])),
            ("pads".into(), ints(&[pad; 4])),
            ("ceil_mode".into(), Attribute::Int(i64::from(rounds_up))),
        ]);
        self.node("MaxPool", &[input], name, options)
    }

    fn linear(&mut self, name: &str, input: &str) -> Result<String, Error> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        self.array(&weight, 2)?;
        self.array(&bias, 1)?;
        Ok(self.node("Gemm", &[input, &weight, &bias], name, Options::from([("transB".into(), Attribute::Int(1))])))
    }

    fn resnet(&mut self) -> Result<String, Error> {
        let colors = self.array("conv1.weight", 4)?[1];
        let (mut x, mut channels) = self.conv("conv1", "input", colors, 2, 3)?;
        x = self.norm("bn1", &x)?;
        x = self.relu("relu", &x);
        x = self.max_pool("maxpool", &x, 3, 1, false);
        for stage in 1.. {
            if !self.state.contains_key(&format!("layer{stage}.0.conv1.weight")) {
                break;
            }
            for block in 0.. {
                let name = format!("layer{stage}.{block}");
                if !self.state.contains_key(&format!("{name}.conv1.weight")) {
                    break;
                }
                let stride = if stage > 1 && block == 0 { 2 } else { 1 };
                (x, channels) = self.block(&name, &x, channels, stride)?;
            }
        }
        x = self.node("GlobalAveragePool", &[&x], "avgpool", Options::new());
        x = self.node("Flatten", &[&x], "flatten", Options::new());
        self.linear("fc", &x)
    }

    fn block(&mut self, name: &str, input: &str, channels: usize, stride: usize) -> Result<(String, usize), Error> {
        let is_deep = self.state.contains_key(&format!("{name}.conv3.weight"));
        let strides: &[usize] = if is_deep { &[1, stride, 1] } else { &[stride, 1] };
        let (mut x, mut width) = (input.to_owned(), channels);
        for (i, stride) in strides.iter().enumerate() {
            let conv = format!("{name}.conv{}", i + 1);
            let pad = kernel(&self.state, &format!("{conv}.weight")) / 2;
            (x, width) = self.conv(&conv, &x, width, *stride, pad)?;
            x = self.norm(&format!("{name}.bn{}", i + 1), &x)?;
            if i + 1 < strides.len() {
                let relu = if i == 0 { format!("{name}.relu") } else { format!("{name}.relu_{i}") };
                x = self.relu(&relu, &x);
            }
        }
        let mut skip = input.to_owned();
        if self.state.contains_key(&format!("{name}.downsample.0.weight")) {
            (skip, _) = self.conv(&format!("{name}.downsample.0"), &skip, channels, stride, 0)?;
            skip = self.norm(&format!("{name}.downsample.1"), &skip)?;
        }
        x = self.node("Add", &[&x, &skip], &format!("{name}.add"), Options::new());
        Ok((self.relu(name, &x), width))
    }

    fn alexnet(&mut self) -> Result<String, Error> {
        let (mut x, mut channels) = ("input".to_owned(), self.array("features.0.weight", 4)?[1]);
        for (i, stride, pad, pools) in [(0, 4, 2, true), (3, 1, 2, true), (6, 1, 1, false), (8, 1, 1, false), (10, 1, 1, true)] {
            (x, channels) = self.conv(&format!("features.{i}"), &x, channels, stride, pad)?;
            x = self.relu(&format!("features.{}", i + 1), &x);
            if pools {
                x = self.max_pool(&format!("features.{}", i + 2), &x, 3, 0, false);
            }
        }
        self.classifier(&x, channels, &[(1, Some(2)), (4, Some(5)), (6, None)])
    }

    fn vgg(&mut self) -> Result<String, Error> {
        let (mut x, mut channels) = ("input".to_owned(), self.array("features.0.weight", 4)?[1]);
        let last = (0..100).rev().find(|i| self.state.contains_key(&format!("features.{i}.weight"))).unwrap_or(0);
        let mut i = 0;
        while i <= last {
            let name = format!("features.{i}");
            if i > 0 && !self.state.contains_key(&format!("{name}.weight")) {
                x = self.max_pool(&name, &x, 2, 0, false);
                i += 1;
                continue;
            }
            (x, channels) = self.conv(&name, &x, channels, 1, 1)?;
            i += 1;
            if self.state.contains_key(&format!("features.{i}.running_mean")) {
                x = self.norm(&format!("features.{i}"), &x)?;
                i += 1;
            }
            x = self.relu(&format!("features.{i}"), &x);
            i += 1;
        }
        x = self.max_pool(&format!("features.{i}"), &x, 2, 0, false);
        self.classifier(&x, channels, &[(0, Some(1)), (3, Some(4)), (6, None)])
    }

    /// Average to the size that the first linear layer wants, then linear layers with their activations.
    fn classifier(&mut self, input: &str, channels: usize, layers: &[(usize, Option<usize>)]) -> Result<String, Error> {
        let first = format!("classifier.{}.weight", layers[0].0);
        let wanted = self.array(&first, 2)?[1];
        let side = (1..=64).find(|side| side * side * channels == wanted);
        let side =
            side.ok_or_else(|| Error::format(self.file, format!("{first} reads {wanted} values, no square of {channels} channels")))?;
        let mut x =
            self.node("eigenscope.AdaptiveAveragePool", &[input], "avgpool", Options::from([("output_size".into(), ints(&[side, side]))]));
        x = self.node("Flatten", &[&x], "flatten", Options::new());
        for (linear, relu) in layers {
            x = self.linear(&format!("classifier.{linear}"), &x)?;
            if let Some(relu) = relu {
                x = self.relu(&format!("classifier.{relu}"), &x);
            }
        }
        Ok(x)
    }

    fn squeezenet(&mut self) -> Result<String, Error> {
        let colors = self.array("features.0.weight", 4)?[1];
        let (mut x, mut channels) = self.conv("features.0", "input", colors, 2, 0)?;
        x = self.relu("features.1", &x);
        let last = (0..100).rev().find(|i| self.state.contains_key(&format!("features.{i}.squeeze.weight"))).unwrap_or(0);
        for i in 2..=last {
            let name = format!("features.{i}");
            if !self.state.contains_key(&format!("{name}.squeeze.weight")) {
                x = self.max_pool(&name, &x, 3, 0, true);
                continue;
            }
            let squeezed;
            (x, squeezed) = self.conv(&format!("{name}.squeeze"), &x, channels, 1, 0)?;
            x = self.relu(&format!("{name}.squeeze_activation"), &x);
            let (narrow, a) = self.conv(&format!("{name}.expand1x1"), &x, squeezed, 1, 0)?;
            let narrow = self.relu(&format!("{name}.expand1x1_activation"), &narrow);
            let (wide, b) = self.conv(&format!("{name}.expand3x3"), &x, squeezed, 1, 1)?;
            let wide = self.relu(&format!("{name}.expand3x3_activation"), &wide);
            x = self.node("Concat", &[&narrow, &wide], &name, Options::from([("axis".into(), Attribute::Int(1))]));
            channels = a + b;
        }
        (x, _) = self.conv("classifier.1", &x, channels, 1, 0)?;
        x = self.relu("classifier.2", &x);
        x = self.node("GlobalAveragePool", &[&x], "classifier.3", Options::new());
        Ok(self.node("Flatten", &[&x], "flatten", Options::new()))
    }
}

fn ints(values: &[usize]) -> Attribute {
    Attribute::Ints(values.iter().map(|v| i64::try_from(*v).unwrap_or(i64::MAX)).collect())
}
