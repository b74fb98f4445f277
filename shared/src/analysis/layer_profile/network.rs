//! The run itself.

use ndarray::{ArrayD, IxDyn};

use super::super::rdm_comparison;
use super::super::{AnalysisSpec, Output as AnyOutput, dimensionality, encoding, extraction, rdm};
use super::{GROUP_BYTES, Layer, Output, Spec};
use crate::analysis::Context;
use crate::analysis::encoding::{Cv, Model};
use crate::dataset::{Dataset, Inputs};
use crate::progress::Part;
use crate::stats::{count, small};
use crate::{AnalysisResult, Error, Progress};

/// The largest layer.
const LAYER_BYTES: u64 = 2 << 30;

const LAYER: &str = "layer";
const RDM: &str = "layer_rdm";

pub(super) async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let mut given = Inputs::default();
    for (field, name) in [("rdms", &spec.rdms), ("targets", &spec.targets)] {
        if let Some(name) = name {
            given.insert(name, inputs.get(field, name)?.clone());
        }
    }
    let opened = extraction::open(&spec.extraction, inputs, context)?;
    let n = opened.len();
    let mut out = Output { network: spec.extraction.network.clone(), layers: Vec::new(), noise_ceiling: None, images: small(n) };
    // The first image tells how large layers are.
    let first = opened.values(&opened.layers, 0..n.min(1), &crate::Silent).await?;
    let sized =
        |name: &String| first.layers.get(name).map(|(shape, _)| (name.clone(), 4 * n as u64 * shape.iter().product::<usize>() as u64));
    let groups = groups(opened.layers.iter().filter_map(sized).collect())?;
    let n_layers: usize = groups.iter().map(Vec::len).sum();
    let mut n_done = 0;
    for group in groups {
        let at = |done: usize| count(done) / count(n_layers.max(1));
        // Values take longer than what is made of them.
        let (from, to) = (at(n_done), at(n_done + group.len()));
        let values_end = from + 0.7 * (to - from);
        let mut found = opened.values(&group, 0..n, &Part::new(context.progress, from, values_end)).await?;
        if !found.left_out.is_empty() && (spec.rdms.is_some() || spec.targets.is_some()) {
            let message =
                format!("{} of them cannot be read, so that their order is no longer that of the RDMs or responses", found.left_out.len());
            return Err(Error::input("images", message));
        }
        out.images = small(found.n);
        let each = (to - values_end) / count(group.len());
        for (i, name) in group.iter().enumerate() {
            let from = values_end + each * count(i);
            let part = Part::new(context.progress, from, from + each);
            part.step(0.0, name)?;
            // Constants of length 1 were layers to the first image.
            let Some((shape, values)) = found.layers.remove(name) else { continue };
            let array = ArrayD::from_shape_vec(IxDyn(&[found.n, shape.iter().product()]), values);
            let array = array.map_err(|e| Error::internal(e.to_string()))?;
            let layer = of_layer(name, array, spec, &given, context, &part, &mut out).await?;
            out.layers.push(layer);
            context.progress.preview(&|| Some(AnyOutput::LayerProfile(out.clone())));
        }
        n_done += group.len();
    }
    if out.layers.is_empty() {
        return Err(Error::parameter("extraction.layers", "none of these values has one entry for each image"));
    }
    Ok(out)
}

/// Layers that are computed together, in their order.
fn groups(layers: Vec<(String, u64)>) -> Result<Vec<Vec<String>>, Error> {
    let mut out: Vec<Vec<String>> = Vec::new();
    let mut bytes = 0;
    for (name, size) in layers {
        if size > LAYER_BYTES {
            let what = format!("the layer \"{name}\" with all its positions (read positions as their mean or maximum)");
            return Err(Error::TooLarge { what, needed_bytes: size, limit_bytes: LAYER_BYTES });
        }
        match out.last_mut().filter(|_| bytes + size <= GROUP_BYTES as u64) {
            Some(group) => group.push(name),
            None => {
                out.push(vec![name]);
                bytes = 0;
            }
        }
        bytes += size;
    }
    Ok(out)
}

async fn of_layer(
    name: &str,
    values: ArrayD<f32>,
    spec: &Spec,
    given: &Inputs,
    context: &Context<'_>,
    progress: &dyn Progress,
    out: &mut Output,
) -> Result<Layer, Error> {
    let n_features = small(values.shape()[1]);
    let mut inputs = given.clone();
    inputs.insert(LAYER, Dataset::from_f32(name, values));
    let run = async |spec: AnalysisSpec, inputs: &Inputs| {
        let AnalysisResult { output, warnings, .. } = Box::pin(super::super::run(&spec, inputs, context.device, progress)).await?;
        warnings.iter().for_each(|warning| context.warn(&warning.code, warning.message.clone()));
        Ok::<_, Error>(output)
    };
    let mut found = Layer { name: name.into(), n_features, effective_dimensionality: None, rsa: None, rsa_sem: None, encoding: None };
    let dims =
        dimensionality::Spec { inputs: vec![LAYER.into()], pool: dimensionality::Pool::Flatten, spectrum: false, ..Default::default() };
    if let AnyOutput::Dimensionality(output) = run(AnalysisSpec::Dimensionality(dims), &inputs).await? {
        found.effective_dimensionality = output.spectra.first().and_then(|spectrum| spectrum.effective_dimensionality);
    }
    if let Some(rdms) = &spec.rdms {
        let of_layer = rdm::Spec { input: LAYER.into(), measure: spec.measure, ..Default::default() };
        if let AnyOutput::Rdm(output) = run(AnalysisSpec::Rdm(of_layer), &inputs).await? {
            let k = output.n as usize;
            inputs.insert(RDM, Dataset::from_rows(RDM, k, k, output.rdm.values)?);
        }
        let comparison =
            rdm_comparison::Spec { data: vec![rdms.clone()], models: vec![RDM.into()], compare: spec.compare, ..Default::default() };
        if let AnyOutput::RdmComparison(output) = run(AnalysisSpec::RdmComparison(comparison), &inputs).await? {
            out.noise_ceiling = output.noise_ceiling;
            found.rsa = output.models.first().and_then(|model| model.mean);
            found.rsa_sem = output.models.first().and_then(|model| model.test.sem);
        }
    }
    if let Some(targets) = &spec.targets {
        let model = Model::Ridge { alphas: encoding::default_alphas(), selection: Default::default() };
        let cv = Cv::Kfold { k: 10, shuffle: true, seed: spec.seed };
        let fit = encoding::Spec { features: LAYER.into(), targets: targets.clone(), model, cv, ..Default::default() };
        if let AnyOutput::Encoding(output) = run(AnalysisSpec::Encoding(fit), &inputs).await? {
            found.encoding = output.median_r;
        }
    }
    Ok(found)
}
