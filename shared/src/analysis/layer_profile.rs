//! From a network, images and brains to a profile over layers: dimensionality, comparison with RDMs, encoding of responses.

#[cfg(feature = "network")]
mod network;

use serde::{Deserialize, Serialize};

use super::rdm::Measure;
use super::rdm_comparison::Compare;
use super::{Context, extraction};
use crate::dataset::{Inputs, Shapes};
use crate::{Error, Estimate};

/// Memory for the values of the layers that are computed at the same time.
const GROUP_BYTES: usize = 512 << 20;

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Which layers of which network, for which images.
    pub extraction: extraction::Spec,
    /// Name of RDMs of the same images.
    pub rdms: Option<String>,
    /// How the RDM of a layer is made.
    pub measure: Measure,
    /// How it is compared with the given ones.
    pub compare: Compare,
    /// Name of responses to the same images: n x targets.
    pub targets: Option<String>,
    /// Seed of the folds of the encoding models.
    pub seed: u32,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            extraction: extraction::Spec { layers: vec!["all".into()], reading: crate::network::Reading::Avg, ..Default::default() },
            rdms: None,
            measure: Measure::Correlation,
            compare: Compare::Spearman,
            targets: None,
            seed: 0,
        }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the network.
    pub network: String,
    /// One for each layer, in the order in which the network makes them.
    pub layers: Vec<Layer>,
    /// Bounds of the similarity that any model could have, with several RDMs.
    pub noise_ceiling: Option<[f64; 2]>,
    /// Number of images.
    pub images: u32,
}

/// Numbers of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Name of the value in the network's file.
    pub name: String,
    /// Columns, positions and channels alike.
    pub n_features: u32,
    /// Participation ratio.
    pub effective_dimensionality: Option<f64>,
    /// Mean similarity of its RDM to the given ones.
    pub rsa: Option<f64>,
    /// Standard error of that mean over the given RDMs.
    pub rsa_sem: Option<f64>,
    /// Median over targets of the correlation of held-out predictions.
    pub encoding: Option<f64>,
}

impl Spec {
    pub(super) fn inputs(&self) -> Vec<String> {
        self.extraction.inputs().into_iter().chain(self.rdms.clone()).chain(self.targets.clone()).collect()
    }

    pub(super) fn estimate(&self, shapes: &Shapes) -> Estimate {
        let Estimate { flops, peak_bytes } = self.extraction.estimate(shapes);
        // Without positions a layer has a few thousand values for each image.
        let layers = if self.extraction.reading == crate::network::Reading::Full { 3.0 * crate::stats::count(GROUP_BYTES) } else { 0.0 };
        Estimate { flops, peak_bytes: peak_bytes + layers }
    }
}

/// Runs a network on images and computes, layer by layer, what is wanted.
///
/// # Definition
/// The values of a layer are those of [`extraction`](super::extraction::run), positions and channels as columns. Effective dimensionality: see
/// [`dimensionality`](super::dimensionality::run). Similarity: the layer's RDM by `measure`, compared with the given RDMs by `compare`
/// (see [`rdm_comparison`](super::rdm_comparison::run)). Encoding: ridge regression with a penalty per target over ten shuffled folds
/// (see [`encoding`](super::encoding::run)), the median over targets of the correlation.
///
/// # Shapes
/// n images, RDMs of n conditions, responses n x targets → one row for each layer.
///
/// # Degenerate
/// A layer that is constant over images has no dimensionality and no RDM by correlation: undefined numbers are `None`. Images that cannot be read are refused
/// where RDMs or responses are given, because the rows would no longer be the same.
///
/// # Accuracy
/// Values of layers in single precision, everything after that in double. Deterministic on one device.
///
/// # Cost
/// The network once for each 512 MiB of values of layers, then the three analyses for each layer.
///
/// # Errors
/// Those of the analyses; [`Error::TooLarge`] when the values of one layer exceed 2 GiB.
///
/// # Source
/// Layer profiles as in Yamins et al. 2014 and Khaligh-Razavi & Kriegeskorte 2014.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    #[cfg(feature = "network")]
    return network::run(spec, inputs, context).await;
    #[cfg(not(feature = "network"))]
    Err(extraction::without_networks(spec, inputs, context))
}
