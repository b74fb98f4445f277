//! How many dimensions it takes to turn a network of one function into another.

use serde::{Deserialize, Serialize};

use super::Context;
use crate::dataset::{Inputs, Shapes};
use crate::warp::Function;
use crate::{Array, Error, Estimate};

/// Points of a picture.
#[cfg(feature = "network")]
const POINTS: usize = 100;

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// What networks compute before they are warped to sin(3 pi x / 4).
    pub functions: Vec<Function>,
    /// Numbers of dimensions, three scalers among them: at least 4.
    pub dims: Vec<u32>,
    /// Steps of a fit, at most.
    pub steps: u32,
    /// Seed of networks, inputs and subspaces.
    pub seed: u32,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            functions: vec![Function::Square, Function::Cube, Function::Sine],
            dims: vec![4, 6, 11, 20, 34, 58, 100],
            steps: 100_000,
            seed: 0,
        }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// 100 points from -1 to 1.
    pub x: Vec<f64>,
    /// The function that networks are warped to.
    pub target: Vec<f64>,
    /// One row of the figure for each function.
    pub rows: Vec<Row>,
}

/// A network of one function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The function.
    pub function: Function,
    /// What the network computes before it is warped.
    pub before: Vec<f64>,
    /// Smooth L1 loss to the function.
    pub loss: f64,
    /// Numbers of dimensions.
    pub dims: Vec<u32>,
    /// What the warped networks compute: one row for each number of dimensions.
    pub after: Array,
    /// Their smooth L1 loss to the target.
    pub losses: Vec<f64>,
    /// Steps that they took.
    pub steps: Vec<u32>,
}

impl Spec {
    #[expect(clippy::unused_self, reason = "as every analysis")]
    pub(super) fn inputs(&self) -> Vec<String> {
        Vec::new()
    }

    pub(super) fn estimate(&self, _: &Shapes) -> Estimate {
        let fits = crate::stats::count(self.functions.len() * (self.dims.len() + 1));
        Estimate { flops: fits * f64::from(self.steps) / 4.0 * 1e8, peak_bytes: 1e8 }
    }

    fn check(&self) -> Result<(), Error> {
        if self.functions.is_empty() || self.dims.is_empty() {
            return Err(Error::parameter("dims", "name at least one function and one number of dimensions"));
        }
        if let Some(d) = self.dims.iter().find(|d| !(4..=16_641).contains(*d)) {
            return Err(Error::parameter("dims", format!("{d} dimensions; from 4 (three are scalers) to 16,641")));
        }
        if self.steps == 0 {
            return Err(Error::parameter("steps", "at least one step is taken"));
        }
        Ok(())
    }
}

/// Warps small networks of simple functions to another function.
///
/// # Definition
/// Networks of 1, 128, 128 and 1 units with rectifiers, the last layer without bias, learn a function (x², x³, sin(pi x / 2)) by all their parameters, then
/// sin(3 pi x / 4) along a random subspace of d dimensions with a scaler for each layer. Each step takes 1,000 new inputs from the normal distribution; smooth L1 loss, Adam
/// with a rate of 1e-4, a tenth of it after 1,000 steps without a relative gain of 1e-4; it ends after 2,000 steps without one of 1e-5.
///
/// # Shapes
/// → for each function 100 values before and 100 for each number of dimensions after.
///
/// # Degenerate
/// A fit that runs out of steps is shown as far as it came.
///
/// # Accuracy
/// Single precision. Deterministic on one device.
///
/// # Cost
/// 100 million multiply-adds a step.
///
/// # Errors
/// [`Error::Parameter`] for fewer than 4 dimensions.
///
/// # Source
/// The simulation of `encoder_warping`.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    spec.check()?;
    #[cfg(feature = "network")]
    return network::run(spec, inputs, context).await;
    #[cfg(not(feature = "network"))]
    Err(super::extraction::without_networks(spec, inputs, context))
}

#[cfg(feature = "network")]
mod network {
    use super::{Context, Error, Function, Inputs, Output, POINTS, Row, Spec};
    use crate::Array;
    use crate::analysis::Output as AnyOutput;
    use crate::progress::Part;
    use crate::stats::{count, small};
    use crate::warp::complexity::Mlp;

    pub(super) async fn run(spec: &Spec, _: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
        let x: Vec<f64> = (0..POINTS).map(|i| -1.0 + 2.0 * count(i) / count(POINTS - 1)).collect();
        let target = x.iter().map(|x| Function::Target.of(*x)).collect();
        let mut out = Output { x: x.clone(), target, rows: Vec::new() };
        let fits = count(spec.functions.len() * (spec.dims.len() + 1));
        let (seed, most) = (u64::from(spec.seed), spec.steps as usize);
        let mut done = 0.0;
        for (k, function) in spec.functions.iter().enumerate() {
            let mut part = || {
                done += 1.0;
                Part::new(context.progress, (done - 1.0) / fits, done / fits)
            };
            let own = seed * 1000 + k as u64;
            let mut start = Mlp::new(own, context.device)?;
            let first = start.fit(*function, None, (own, most), &part()).await?;
            let before = start.values(&x).await?;
            let mut row = Row {
                function: *function,
                before,
                loss: first.loss,
                dims: Vec::new(),
                after: Array::matrix(0, POINTS, Vec::new()),
                losses: Vec::new(),
                steps: Vec::new(),
            };
            out.rows.push(row.clone());
            for d in &spec.dims {
                let mut warped = start.copy(context.device)?;
                let fitted = warped.fit(Function::Target, Some(*d), (own + 500, most), &part()).await?;
                row.dims.push(*d);
                row.losses.push(fitted.loss);
                row.steps.push(small(fitted.steps));
                let mut values = std::mem::take(&mut row.after.values);
                values.extend(warped.values(&x).await?);
                row.after = Array::matrix(row.dims.len(), POINTS, values);
                if let Some(last) = out.rows.last_mut() {
                    *last = row.clone();
                }
                context.progress.preview(&|| Some(AnyOutput::DimComplexity(out.clone())));
            }
        }
        Ok(out)
    }
}

#[cfg(all(test, feature = "network"))]
mod tests {
    use super::*;
    use crate::{Device, Silent};

    #[test]
    fn every_number_of_dimensions_has_its_curve() {
        let spec = Spec { functions: vec![Function::Square], dims: vec![4, 34], steps: 300, seed: 1 };
        let spec = crate::AnalysisSpec::DimComplexity(spec);
        let result = pollster::block_on(crate::analysis::run(&spec, &Inputs::default(), &Device::cpu(), &Silent)).expect("it runs");
        let crate::analysis::Output::DimComplexity(output) = result.output else { panic!("another output") };
        assert_eq!((output.x.len(), output.x[0], output.x[99]), (100, -1.0, 1.0));
        let [row] = output.rows.as_slice() else { panic!("one function") };
        assert_eq!(
            (row.dims.as_slice(), row.after.rows(), row.after.columns(), row.steps.as_slice()),
            (&[4, 34][..], 2, 100, &[300, 300][..])
        );
        assert!(row.losses[1] < row.losses[0], "more dimensions come closer: {:?}", row.losses);
        let few = crate::AnalysisSpec::DimComplexity(Spec { dims: vec![3], ..Spec::default() });
        assert!(pollster::block_on(crate::analysis::run(&few, &Inputs::default(), &Device::cpu(), &Silent)).is_err());
    }
}
