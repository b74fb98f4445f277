//! Networks that are made here, not read from a file: their nodes and the numbers that they begin with.

use ndarray::{ArrayD, IxDyn};

use super::graph::{Attribute, Constant, Node};
use crate::rng::Stream;
use crate::stats::count;

/// An operation with one output, which it is named after.
pub(crate) fn node(op: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute)]) -> Node {
    Node {
        name: output.into(),
        op: op.into(),
        inputs: inputs.iter().map(|name| (*name).into()).collect(),
        outputs: vec![output.into()],
        attributes: attributes.iter().map(|(name, value)| ((*name).into(), value.clone())).collect(),
    }
}

/// Uniform numbers within 1 / sqrt(inputs of a unit), as `PyTorch` begins linear layers and convolutions.
pub(crate) fn uniform(n: usize, fan_in: usize, rng: &mut Stream) -> Vec<f32> {
    let bound = 1.0 / count(fan_in).sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "networks are of single precision")]
    let mut draw = || ((2.0 * rng.uniform() - 1.0) * bound) as f32;
    (0..n).map(|_| draw()).collect()
}

/// The same as a constant of a network.
pub(crate) fn uniform_constant(shape: &[usize], fan_in: usize, rng: &mut Stream) -> Constant {
    let mut values = uniform(shape.iter().product(), fan_in, rng).into_iter();
    Constant::Float(ArrayD::from_shape_simple_fn(IxDyn(shape), || values.next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_numbers_fill_their_interval() {
        let values = uniform(4000, 16, &mut Stream::new(1, 0));
        let (low, high) = values.iter().fold((0.0f32, 0.0f32), |(low, high), v| (low.min(*v), high.max(*v)));
        // Of 4,000 numbers within 1/4 the largest and the smallest miss the ends by less than .001 with a chance of 1 - 2 exp(-8).
        assert!((-0.25..-0.249).contains(&low) && (0.249..0.25).contains(&high), "{low} to {high}");
        let Constant::Float(array) = uniform_constant(&[40, 100], 16, &mut Stream::new(1, 0)) else { panic!("floats") };
        assert_eq!((array.shape(), array.iter().copied().collect::<Vec<_>>()), (&[40, 100][..], values));
    }
}
