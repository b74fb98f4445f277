//! Searchlights: the RDM of the voxels around each voxel of a volume, compared with models.

#[cfg(test)]
mod tests;
mod volume;

use serde::{Deserialize, Serialize};

use self::volume::{Image, Mask, Searchlight, searchlights};
use super::Context;
use super::rdm::{self, Measure};
use super::rdm_comparison::{Compare, Models, Rdm, read_rdms};
use crate::compute::{Device, on_cpu};
use crate::dataset::{Affine, Inputs, Shapes};
use crate::io::write_nifti;
use crate::stats::{count, small};
use crate::{Array, Error, Estimate, Silent, parallel};

/// Searchlights between two looks at the clock.
const BLOCK: usize = 64;

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// The RDM of each searchlight. Its input is an image: x, y, z, and a fourth axis of conditions or measurements of them; the same holds
    /// for residuals of the noise. Precisions and bins of time have no meaning here.
    pub rdm: rdm::Spec,
    /// Name of the mask over x, y and z: voxels that are not 0 are inside. Without it all voxels with finite values that vary.
    pub mask: Option<String>,
    /// Names of the model RDMs.
    pub models: Vec<String>,
    /// How an RDM is compared with a model.
    pub compare: Compare,
    /// Voxels nearer to the center than this, in voxels, are in the searchlight; > 0.
    pub radius: f64,
    /// The least share of a searchlight that is inside the mask, from 0 to 1; the share counts voxels inside the volume.
    pub threshold: f64,
    /// Leave out voxels outside the mask.
    pub truncate: bool,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            rdm: rdm::Spec::default(),
            mask: None,
            models: Vec::new(),
            compare: Compare::default(),
            radius: 3.0,
            threshold: 1.0,
            truncate: false,
        }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the image.
    pub input: String,
    /// Dissimilarity.
    pub measure: Measure,
    /// Similarity with the models.
    pub compare: Compare,
    /// Radius in voxels.
    pub radius: f64,
    /// Voxels along x, y and z.
    pub shape: [u32; 3],
    /// Where voxels lie, if the image says so.
    pub affine: Option<Affine>,
    /// Number of searchlights.
    pub n_centers: u32,
    /// Voxels in the smallest and in the largest of them.
    pub n_members: [u32; 2],
    /// One map for each model.
    pub maps: Vec<Map>,
}

/// The scores of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// The model.
    pub model: String,
    /// Scores over x, y and z, NaN where there is no searchlight.
    pub scores: Array,
    /// Mean of the scores that are defined.
    pub mean: Option<f64>,
    /// The highest score (the lowest, where small values mean similar).
    pub best: Option<Best>,
}

/// Where a score is best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The voxel, counted from 0.
    pub voxel: [u32; 3],
    /// Its score.
    pub score: f64,
}

impl Output {
    /// Where a voxel lies, in millimeters; `None` when the image does not say.
    #[must_use]
    pub fn millimeters(&self, voxel: [u32; 3]) -> Option<[f64; 3]> {
        let [i, j, k] = voxel.map(f64::from);
        self.affine.map(|rows| rows.map(|[a, b, c, d]| a * i + b * j + c * k + d))
    }
}

/// The map of each model as a NIfTI image: the file's name, made unique, and its bytes.
///
/// # Errors
/// [`Error::Input`] for a volume that the format cannot hold.
pub fn nifti_files(output: &Output) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut names: Vec<String> = Vec::new();
    let mut file = |map: &Map| {
        let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
        let stem: String = map.model.chars().map(plain).collect();
        let all = (1..).map(|n| if n == 1 { format!("{stem}.nii") } else { format!("{stem}_{n}.nii") });
        let name = all.into_iter().find(|name| !names.contains(name)).unwrap_or_default();
        names.push(name.clone());
        Ok((name, write_nifti(output.shape, output.affine.as_ref(), &map.scores.values)?))
    };
    output.maps.iter().map(&mut file).collect()
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        self.rdm.inputs().into_iter().chain(self.mask.clone()).chain(self.models.iter().cloned()).collect()
    }

    /// What the run will cost.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let Some([x, y, z, n]) = shapes.0.get(&self.rdm.input).map(Vec::as_slice) else { return Estimate { flops: 0.0, peak_bytes: 0.0 } };
        let (voxels, n) = (count(x * y * z), count(*n));
        // A mask leaves about a third of a volume, and a searchlight is a ball.
        let (centers, members) = (if self.mask.is_some() { 0.3 } else { 1.0 } * voxels, 4.2 * self.radius.powi(3));
        let comparison = 20.0 * n * n * (1.0 + count(self.models.len()));
        Estimate {
            flops: centers * (2.0 * n * n * members + comparison),
            peak_bytes: 8.0 * (2.0 * voxels * n + voxels * count(self.models.len())),
        }
    }

    fn check(&self) -> Result<(), Error> {
        if !(self.radius > 0.0 && self.radius <= volume::MAX_RADIUS) {
            let message = format!("must be above 0 and at most {} voxels, got {}", volume::MAX_RADIUS, self.radius);
            return Err(Error::parameter("radius", message));
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err(Error::parameter("threshold", format!("must be from 0 to 1, got {}", self.threshold)));
        }
        Ok(())
    }
}

/// Maps of the similarity between models and the local geometry of a volume.
///
/// # Definition
/// The searchlight of a voxel c of the mask has the voxels v of the volume with `|v - c| < radius`, in voxels; with `truncate` those of them
/// that are in the mask. It is used when at least `threshold` of the voxels before truncation are in the mask. Its RDM is that of
/// [`rdm::run`] with these voxels as channels, and the score of a model that of [`rdm_comparison`](super::rdm_comparison::run) for this RDM.
/// Voxels with values that are not finite count as outside the mask and are in no searchlight.
///
/// # Shapes
/// Image (x, y, z, n rows), mask (x, y, z), models of k conditions → a map (x, y, z) for each model; k = n, or the number of conditions named.
///
/// # Degenerate
/// A searchlight whose RDM or score is undefined (constant rows, too few voxels, a noise covariance that cannot be inverted) has NaN; a
/// warning `undefined_searchlights` counts them and gives the first reason.
///
/// # Accuracy
/// That of the RDM and of the comparison: 1e-9 for distances that do not cancel, 1e-12 for scores. Deterministic.
///
/// # Cost
/// For each searchlight n^2 times its voxels for the RDM and k^2 for each comparison, on all threads of the CPU; ranks add a sort of k^2 / 2
/// values. The image is held once, with the rows of a voxel together.
///
/// # Errors
/// [`Error::Shape`] for an image without 4 axes or a mask of another volume; [`Error::Input`] for models of other conditions and for masks
/// without voxels or searchlights; [`Error::Parameter`] for a radius or threshold out of range; those of the RDM; [`Error::Canceled`].
///
/// # Source
/// Kriegeskorte, Goebel & Bandettini 2006, doi:10.1073/pnas.0600244103; rsatoolbox 0.3.2 (radius and threshold).
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    spec.check()?;
    let image = Image::of(inputs.get("rdm.input", &spec.rdm.input)?)?;
    let rdm = rdm::Local::new(&spec.rdm, inputs, image.n_rows(), context)?;
    let mut first = Some((image.name().to_owned(), rdm.n(image.n_rows())));
    let models = read_rdms(inputs, "models", &spec.models, &mut first)?;
    let models_prepared = Models::new(spec.compare, rdm.n(image.n_rows()), &models)?;
    let residuals = spec.rdm.noise.as_ref().filter(|_| spec.rdm.measure.uses_noise()).and_then(|noise| noise.residuals.as_ref());
    let residuals = residuals.map(|name| Image::of(inputs.get("rdm.noise.residuals", name)?)).transpose()?;
    if let Some(residuals) = &residuals {
        image.same_volume(residuals.name(), &residuals.volume())?;
    }
    context.step(0.01, "placing searchlights")?;
    let images: Vec<&Image<'_>> = std::iter::once(&image).chain(&residuals).collect();
    let mask = match &spec.mask {
        Some(name) => Mask::of(inputs.get("mask", name)?, &images)?,
        None => Mask::of_varying(&images)?,
    };
    if mask.n_excluded > 0 {
        let message = format!("{} voxels of the mask have values that are not finite (NaN or infinite) and are left out", mask.n_excluded);
        context.warn("non_finite_voxels", message);
    }
    let lights = searchlights(image.volume(), &mask, spec);
    if lights.is_empty() {
        let message = format!(
            "no voxel has a searchlight of radius {} with {} of its voxels inside the mask; lower the threshold or the radius",
            spec.radius, spec.threshold
        );
        return Err(Error::input(spec.mask.as_ref().unwrap_or(&spec.rdm.input), message));
    }
    let job = Job { rdm: &rdm, image: &image, residuals: residuals.as_ref(), models: &models_prepared, inputs, device: Device::cpu() };
    let mut scores: Vec<Result<Vec<f64>, Error>> = Vec::with_capacity(lights.len());
    for block in lights.chunks(BLOCK) {
        let share = count(scores.len()) / count(lights.len());
        context.step(0.02 + 0.97 * share, &format!("searchlight {} of {}", scores.len() + 1, lights.len()))?;
        scores.extend(parallel::map(block.len(), |i| job.scores(&block[i])));
    }
    let scores = defined(scores, models.len(), context)?;
    let maps = models.iter().enumerate().map(|(m, model)| map(model, m, &scores, &lights, image.volume(), spec.compare)).collect();
    let sizes = || lights.iter().map(|light| light.members.len());
    Ok(Output {
        input: spec.rdm.input.clone(),
        measure: spec.rdm.measure,
        compare: spec.compare,
        radius: spec.radius,
        shape: image.volume().map(small),
        affine: image.affine(),
        n_centers: small(lights.len()),
        n_members: [small(sizes().min().unwrap_or(0)), small(sizes().max().unwrap_or(0))],
        maps,
    })
}

/// What all searchlights share.
struct Job<'a> {
    rdm: &'a rdm::Local<'a>,
    image: &'a Image<'a>,
    residuals: Option<&'a Image<'a>>,
    models: &'a Models<'a>,
    inputs: &'a Inputs,
    device: Device,
}

impl Job<'_> {
    fn scores(&self, light: &Searchlight) -> Result<Vec<f64>, Error> {
        let dataset = self.image.of_voxels(&light.members)?;
        let context = Context::new(&self.device, &Silent);
        let pairs = match self.residuals {
            None => on_cpu(self.rdm.pairs(&dataset, self.inputs, &context))?,
            Some(residuals) => {
                let mut inputs = self.inputs.clone();
                inputs.insert(residuals.name(), residuals.of_voxels(&light.members)?);
                on_cpu(self.rdm.pairs(&dataset, &inputs, &context))?
            }
        };
        self.models.scores(&Rdm::new(String::new(), pairs))
    }
}

/// The scores of searchlights, NaN where they are undefined.
fn defined(scores: Vec<Result<Vec<f64>, Error>>, n_models: usize, context: &Context<'_>) -> Result<Vec<Vec<f64>>, Error> {
    let n = scores.len();
    let (mut undefined, mut reason) = (0usize, None);
    let mut out = Vec::with_capacity(n);
    for scores in scores {
        match scores {
            Ok(scores) => {
                undefined += usize::from(scores.iter().any(|s| s.is_nan()));
                out.push(scores);
            }
            Err(error @ (Error::Shape { .. } | Error::Numerical { .. })) => {
                undefined += 1;
                reason.get_or_insert_with(|| error.to_string());
                out.push(vec![f64::NAN; n_models]);
            }
            Err(error) => return Err(error),
        }
    }
    if undefined > 0 {
        let reason = reason.unwrap_or_else(|| "rows of their RDMs are constant, or all of their distances equal".into());
        context.warn("undefined_searchlights", format!("{undefined} of {n} searchlights have no score (NaN): {reason}"));
    }
    Ok(out)
}

fn map(model: &Rdm, m: usize, scores: &[Vec<f64>], lights: &[Searchlight], volume: [usize; 3], compare: Compare) -> Map {
    let mut values = vec![f64::NAN; volume.iter().product()];
    let lower_is_nearer = matches!(compare, Compare::BuresMetric | Compare::Euclidean);
    let (mut sum, mut n) = (0.0, 0usize);
    let mut best: Option<(usize, f64)> = None;
    for (light, scores) in lights.iter().zip(scores) {
        let score = scores[m];
        values[light.center] = score;
        if score.is_nan() {
            continue;
        }
        (sum, n) = (sum + score, n + 1);
        let better = |than: f64| if lower_is_nearer { score < than } else { score > than };
        if best.is_none_or(|(_, than)| better(than)) {
            best = Some((light.center, score));
        }
    }
    Map {
        model: model.name.clone(),
        scores: Array { shape: volume.map(small).to_vec(), values },
        mean: (n > 0).then(|| sum / count(n)),
        best: best.map(|(at, score)| Best { voxel: volume::place(at, volume).map(small), score }),
    }
}
