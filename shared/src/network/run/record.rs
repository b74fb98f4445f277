//! Runs that can be gone back: gradients of a network's parameters, of any layer, on any device.
//!
//! Only what depends on the parameters is recorded; everything else runs as it always does. Each operation keeps what its own gradients need, and gives it
//! away when it has been gone back.

#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::backward::{Back, record};
use super::operators::Operator;
use super::tensor::{Problem, Tensor};
use super::value::{Call, Float, Made, Value};
use super::{Network, called};
use crate::Error;
use crate::network::{Constant, Node};

/// What is kept of a run.
#[derive(Debug, Default)]
pub(super) struct Tape<'a> {
    /// Names of values that depend on parameters.
    tracked: BTreeSet<&'a str>,
    steps: Vec<Step<'a>>,
}

#[derive(Debug)]
enum Step<'a> {
    /// A value that is another one.
    Same(&'a str, &'a str),
    Done(Box<Done<'a>>),
}

#[derive(Debug)]
struct Done<'a> {
    node: &'a Node,
    /// Tracked inputs, by their numbers.
    inputs: Vec<(usize, &'a str)>,
    back: Back,
}

impl<'a> Tape<'a> {
    /// A node that a convolution did.
    pub(super) fn pass(&mut self, from: &'a str, to: &'a str) {
        if self.tracked.contains(from) {
            self.tracked.insert(to);
            self.steps.push(Step::Same(from, to));
        }
    }

    /// Runs an operation; what it keeps is noted when it depends on parameters.
    pub(super) fn run(
        &mut self,
        operator: &Operator,
        call: &mut Call<'_>,
        node: &'a Node,
        names: &[&'a str],
    ) -> Result<Vec<Made>, Problem> {
        let is_float = |i: usize| matches!(call.inputs[i], Some(Value::Float(_)));
        let tracked: Vec<usize> = (0..names.len()).filter(|i| self.tracked.contains(names[*i]) && is_float(*i)).collect();
        if tracked.is_empty() {
            return (operator.run)(call);
        }
        let (made, back) = record(operator, call, &tracked)?;
        let floats = node.outputs.iter().zip(&made).filter(|(_, made)| matches!(made, Made::Ready(Value::Float(_))));
        self.tracked.extend(floats.map(|(name, _)| name.as_str()).filter(|name| !name.is_empty()));
        let done = Done { node, inputs: tracked.into_iter().map(|i| (i, names[i])).collect(), back };
        self.steps.push(Step::Done(Box::new(done)));
        Ok(made)
    }
}

/// A run that can be gone back.
#[derive(Debug)]
pub(crate) struct Recording<'a> {
    network: &'a Network,
    tape: Tape<'a>,
    /// The wanted values.
    pub(crate) values: BTreeMap<String, Tensor>,
}

impl Network {
    /// Names of the parameters that can be trained, with their shapes: weights and biases of convolutions, matrices, normalizations, embeddings, and what is
    /// added or multiplied; stored statistics of normalizations are none.
    #[must_use]
    pub(crate) fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let mut seen = BTreeSet::new();
        let mut out = Vec::new();
        for node in &self.graph.nodes {
            let trainable: &[usize] = match node.op.as_str() {
                "BatchNormalization"
                | "LayerNormalization"
                | "InstanceNormalization"
                | "GroupNormalization"
                | "Conv"
                | "ConvTranspose"
                | "SimplifiedLayerNormalization" => &[1, 2],
                "Gemm" | "MatMul" | "Add" | "Mul" | "com.microsoft.FusedMatMul" | "com.microsoft.BiasGelu" | "com.microsoft.FastGelu" => {
                    &[0, 1, 2]
                }
                "PRelu" => &[1],
                "Gather" => &[0],
                "com.microsoft.Attention" | "com.microsoft.MultiHeadAttention" => &[1, 2, 3],
                "com.microsoft.SkipLayerNormalization" | "com.microsoft.SkipSimplifiedLayerNormalization" => &[2, 3, 4],
                "com.microsoft.EmbedLayerNormalization" => &[2, 3, 4, 5, 6],
                _ => &[],
            };
            for name in trainable.iter().filter_map(|i| node.inputs.get(*i)).filter(|name| !name.is_empty()) {
                if let Some(Value::Float(Float { tensor, .. })) = self.constants.get(name)
                    // Single numbers that are added or multiplied are scales and the like.
                    && (tensor.len() > 1 || !matches!(node.op.as_str(), "Add" | "Mul"))
                    && seen.insert(name.clone())
                {
                    out.push((name.clone(), tensor.shape().to_vec()));
                }
            }
        }
        out
    }

    /// The parameters that some values depend on, in the order in which they are read.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a value that the network does not make.
    pub(crate) fn parameters_of(&self, wanted: &[String]) -> Result<Vec<(String, Vec<usize>)>, Error> {
        let needed = self.needed(wanted, &|_| false)?;
        let read: BTreeSet<&str> = needed.iter().flat_map(|i| self.graph.nodes[*i].inputs.iter().map(String::as_str)).collect();
        Ok(self.parameters().into_iter().filter(|(name, _)| read.contains(name.as_str())).collect())
    }

    /// Values that do not depend on these parameters and are read by what does: with them given, only what changes has to run.
    pub(crate) fn border(&self, parameters: &BTreeSet<&str>, wanted: &[String]) -> Result<Vec<String>, Error> {
        let needed = self.needed(wanted, &|_| false)?;
        let mut changes: BTreeSet<&str> = parameters.clone();
        let mut out = Vec::new();
        for node in needed.iter().map(|i| &self.graph.nodes[*i]) {
            if node.inputs.iter().any(|name| changes.contains(name.as_str())) {
                changes.extend(node.outputs.iter().map(String::as_str).filter(|name| !name.is_empty()));
                let fixed = node
                    .inputs
                    .iter()
                    .filter(|name| !name.is_empty() && !changes.contains(name.as_str()) && !self.constants.contains_key(*name));
                for name in fixed {
                    if !out.contains(name) {
                        out.push(name.clone());
                    }
                }
            }
        }
        for name in wanted.iter().filter(|name| !changes.contains(name.as_str())) {
            if !out.contains(name) {
                out.push(name.clone());
            }
        }
        Ok(out)
    }

    /// Those parameters as they are in the file, on the device.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a value that the network does not make.
    pub(crate) fn starting_parameters(&self, wanted: &[String]) -> Result<BTreeMap<String, Tensor>, Error> {
        let of = |(name, _)| match self.constants.get(&name) {
            Some(Value::Float(Float { tensor, .. })) => Some((name, tensor.clone())),
            _ => None,
        };
        Ok(self.parameters_of(wanted)?.into_iter().filter_map(of).collect())
    }

    /// The value of a parameter as it is in the file.
    pub(crate) async fn parameter(&self, name: &str) -> Result<Vec<f32>, Error> {
        match self.constants.get(name) {
            Some(Value::Float(Float { tensor, .. })) => tensor.clone().host().await,
            _ => Err(Error::internal(format!("the parameter {name} is not there"))),
        }
    }

    /// A tensor on the device of the network.
    pub(crate) fn tensor(&self, values: Vec<f32>, shape: Vec<usize>) -> Tensor {
        Tensor::new(values, shape, &self.device)
    }

    /// Runs with other parameters and leaves the wanted values on the device. Values that the network makes may be given as inputs.
    pub(crate) async fn run_with(
        &self,
        inputs: &BTreeMap<String, Constant>,
        parameters: &BTreeMap<String, Tensor>,
        wanted: &[String],
    ) -> Result<BTreeMap<String, Tensor>, Error> {
        Ok(self.walked(inputs, parameters, wanted, None).await?.1)
    }

    /// Runs with parameters that are trained, and remembers the way back.
    pub(crate) async fn record<'a>(
        &'a self,
        inputs: &BTreeMap<String, Constant>,
        parameters: &'a BTreeMap<String, Tensor>,
        wanted: &[String],
    ) -> Result<Recording<'a>, Error> {
        let tape = Tape { tracked: parameters.keys().map(String::as_str).collect(), steps: Vec::new() };
        let (tape, values) = self.walked(inputs, parameters, wanted, Some(tape)).await?;
        Ok(Recording { network: self, tape: tape.unwrap_or_default(), values })
    }

    async fn walked<'a>(
        &'a self,
        inputs: &BTreeMap<String, Constant>,
        parameters: &'a BTreeMap<String, Tensor>,
        wanted: &[String],
        mut tape: Option<Tape<'a>>,
    ) -> Result<(Option<Tape<'a>>, BTreeMap<String, Tensor>), Error> {
        let given = |(name, value): (&String, &Constant)| (name.clone(), Value::from_constant(value, &self.device));
        let inputs: BTreeMap<String, Value> = inputs.iter().map(given).collect();
        let mut values = BTreeMap::new();
        let mut walk = self.walk(&inputs, parameters, wanted)?;
        let mut keep = |name: String, value: Value| match value {
            Value::Float(Float { tensor, .. }) => {
                values.insert(name, tensor);
                Ok(())
            }
            _ => Err(Error::parameter("layers", format!("the value \"{name}\" is no array of floating-point numbers"))),
        };
        for name in wanted {
            if let Some(value) = walk.given(name) {
                keep(name.clone(), value)?;
            }
        }
        while let Some(step) = walk.next() {
            for (name, value) in walk.run(step, tape.as_mut()).await? {
                keep(name, value)?;
            }
        }
        Ok((tape, values))
    }
}

impl Recording<'_> {
    /// Gradients of the parameters from those of the wanted values.
    ///
    /// # Errors
    /// [`Error::Input`] that names the node that has no gradient.
    pub(crate) fn back(self, of_values: BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>, Error> {
        let mut known = of_values;
        fn add(known: &mut BTreeMap<String, Tensor>, name: &str, gradient: Tensor) -> Result<(), Problem> {
            let sum = match known.remove(name) {
                Some(other) => other.add(gradient)?,
                None => gradient,
            };
            known.insert(name.to_owned(), sum);
            Ok(())
        }
        for step in self.tape.steps.into_iter().rev() {
            match step {
                Step::Same(from, to) => {
                    if let Some(gradient) = known.remove(to) {
                        add(&mut known, from, gradient).map_err(Error::internal)?;
                    }
                }
                Step::Done(done) => {
                    let Done { node, inputs, back } = *done;
                    let gradients: Vec<Option<Tensor>> = node.outputs.iter().map(|name| known.remove(name)).collect();
                    if gradients.iter().all(Option::is_none) {
                        continue;
                    }
                    let numbers: Vec<usize> = inputs.iter().map(|(i, _)| *i).collect();
                    let failed = |message| Error::Input { input: called(node), message };
                    for (i, gradient) in back.run(gradients, &numbers, &self.network.buffers).map_err(failed)? {
                        if let Some((_, name)) = inputs.iter().find(|(k, _)| *k == i) {
                            add(&mut known, name, gradient).map_err(failed)?;
                        }
                    }
                }
            }
        }
        Ok(known)
    }
}
