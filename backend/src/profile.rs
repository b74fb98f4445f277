//! From the activations of a network to a profile over its layers: dimensionality, comparison with RDMs, encoding of responses.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use eigenscope::analysis::encoding::{self, Cv, Model};
use eigenscope::analysis::rdm::{self, Measure};
use eigenscope::analysis::rdm_comparison::{self, Compare};
use eigenscope::analysis::{Output, dimensionality};
use eigenscope::dataset::{Dataset, Inputs};
use eigenscope::io::{self, Limits};
use eigenscope::progress::Part;
use eigenscope::{AnalysisResult, AnalysisSpec, Device, Error, Progress};
use serde::Serialize;

use crate::extract::Extracted;

/// What is computed of each layer.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// RDMs of the same images.
    pub rdms: Option<Dataset>,
    /// How they are compared with a layer's.
    pub compare: Compare,
    /// How a layer's RDM is made.
    pub measure: Measure,
    /// Responses to the same images.
    pub targets: Option<Dataset>,
    /// Of the folds.
    pub seed: u64,
}

/// Numbers of one layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerProfile {
    /// Name of the value.
    pub name: String,
    /// Columns, positions and channels alike.
    pub n_features: u64,
    /// Participation ratio.
    pub effective_dimensionality: Option<f64>,
    /// Mean similarity of its RDM to the given ones.
    pub rsa: Option<f64>,
    /// Standard error of that mean over the given RDMs.
    pub rsa_sem: Option<f64>,
    /// Median over targets of the correlation of held-out predictions; ridge regression, ten shuffled folds, a penalty per target.
    pub encoding: Option<f64>,
}

/// A network's layers in their order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// One for each layer.
    pub layers: Vec<LayerProfile>,
    /// Bounds of the similarity that any model could have.
    pub noise_ceiling: Option<[f64; 2]>,
    /// Number of images.
    pub images: u64,
    /// The device, for people.
    pub device: String,
    /// What to know about the numbers.
    pub warnings: Vec<String>,
}

/// Reads one layer after the other from the archive and computes what is wanted.
///
/// # Errors
/// Those of the analyses, and [`Error::Input`] when images were left out: the rows would no longer be those of the RDMs and responses.
pub async fn profile(
    archive: &Path,
    made: &Extracted,
    wanted: &Wanted,
    device: &Device,
    progress: &dyn Progress,
) -> Result<Profile, Error> {
    if !made.left_out.is_empty() && (wanted.rdms.is_some() || wanted.targets.is_some()) {
        return Err(Error::Input {
            input: "images".into(),
            message: format!(
                "{} of them cannot be read, so that their order is no longer that of the RDMs or responses",
                made.left_out.len()
            ),
        });
    }
    let mut out =
        Profile { layers: Vec::new(), noise_ceiling: None, images: made.images, device: device.info().name.clone(), warnings: Vec::new() };
    let n = made.layers.len();
    for (i, layer) in made.layers.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "numbers of layers")]
        let part = Part::new(progress, i as f64 / n as f64, (i + 1) as f64 / n as f64);
        part.step(0.0, &layer.name)?;
        let found = of_layer(flat(archive, &layer.name)?, wanted, device, &part, &mut out).await?;
        out.layers.push(LayerProfile { name: layer.name.clone(), ..found });
    }
    Ok(out)
}

const LAYER: &str = "layer";
const RDM: &str = "layer_rdm";
const RDMS: &str = "rdms";
const TARGETS: &str = "targets";

async fn of_layer(
    layer: Dataset,
    wanted: &Wanted,
    device: &Device,
    progress: &dyn Progress,
    out: &mut Profile,
) -> Result<LayerProfile, Error> {
    let n_features = layer.shape()[1] as u64;
    let mut inputs = Inputs::default();
    inputs.insert(LAYER, layer);
    let mut found =
        LayerProfile { name: String::new(), n_features, effective_dimensionality: None, rsa: None, rsa_sem: None, encoding: None };
    let spec =
        dimensionality::Spec { inputs: vec![LAYER.into()], pool: dimensionality::Pool::Flatten, spectrum: false, ..Default::default() };
    if let Output::Dimensionality(output) = run(AnalysisSpec::Dimensionality(spec), &inputs, device, progress, out).await? {
        found.effective_dimensionality = output.spectra.first().and_then(|spectrum| spectrum.effective_dimensionality);
    }
    if let Some(rdms) = &wanted.rdms {
        let spec = rdm::Spec { input: LAYER.into(), measure: wanted.measure, ..Default::default() };
        if let Output::Rdm(output) = run(AnalysisSpec::Rdm(spec), &inputs, device, progress, out).await? {
            let k = output.n as usize;
            inputs.insert(RDM, Dataset::from_rows(RDM, k, k, output.rdm.values)?);
        }
        inputs.insert(RDMS, rdms.clone());
        let spec =
            rdm_comparison::Spec { data: vec![RDMS.into()], models: vec![RDM.into()], compare: wanted.compare, ..Default::default() };
        if let Output::RdmComparison(output) = run(AnalysisSpec::RdmComparison(spec), &inputs, device, progress, out).await? {
            out.noise_ceiling = output.noise_ceiling;
            found.rsa = output.models.first().and_then(|model| model.mean);
            found.rsa_sem = output.models.first().and_then(|model| model.test.sem);
        }
    }
    if let Some(targets) = &wanted.targets {
        inputs.insert(TARGETS, targets.clone());
        let model = Model::Ridge { alphas: encoding::default_alphas(), selection: Default::default() };
        let seed = u32::try_from(wanted.seed).map_err(|e| Error::parameter("--seed", e.to_string()))?;
        let cv = Cv::Kfold { k: 10, shuffle: true, seed };
        let spec = encoding::Spec { features: LAYER.into(), targets: TARGETS.into(), model, cv, ..Default::default() };
        if let Output::Encoding(output) = run(AnalysisSpec::Encoding(spec), &inputs, device, progress, out).await? {
            found.encoding = output.median_r;
        }
    }
    Ok(found)
}

async fn run(spec: AnalysisSpec, inputs: &Inputs, device: &Device, progress: &dyn Progress, out: &mut Profile) -> Result<Output, Error> {
    let AnalysisResult { output, warnings, .. } = eigenscope::run(&spec, inputs, device, progress).await?;
    for warning in warnings {
        if !out.warnings.contains(&warning.message) {
            out.warnings.push(warning.message);
        }
    }
    Ok(output)
}

/// A layer as a matrix: one row for each image.
fn flat(archive: &Path, name: &str) -> Result<Dataset, Error> {
    let shown = archive.display().to_string();
    let wrong = |e: &dyn std::fmt::Display| Error::input(shown.clone(), format!("the activations cannot be read again: {e}"));
    let file = File::open(archive).map_err(|e| wrong(&e))?;
    let mut zip = zip::ZipArchive::new(BufReader::new(file)).map_err(|e| wrong(&e))?;
    let entry = zip.by_name(&format!("{name}.npy")).map_err(|e| wrong(&e))?;
    let available = entry.size();
    let dataset = io::read_npy(name, entry, available, Limits::NATIVE)?;
    let n = dataset.shape().first().copied().unwrap_or(0);
    let width = dataset.shape().iter().skip(1).product();
    let reshaped = |e: ndarray::ShapeError| wrong(&e);
    Ok(match &*dataset.values {
        eigenscope::dataset::Values::F32(a) => Dataset::from_f32(name, a.to_shape(vec![n, width]).map_err(reshaped)?.to_owned()),
        eigenscope::dataset::Values::F64(a) => Dataset::from_f64(name, a.to_shape(vec![n, width]).map_err(reshaped)?.to_owned()),
    })
}
