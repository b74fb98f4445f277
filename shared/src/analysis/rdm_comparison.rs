//! Comparison of data RDMs with model RDMs.
//!
//! Each RDM is prepared once (ranks, norms, whitened or factored matrices), then every pair costs an inner product or little more.
//! All of it runs on the host in f64.

mod ceiling;
mod flexible;
mod geometry;
pub mod inference;
mod input;
mod measure;
mod pairs;
mod riemann;
#[cfg(test)]
mod tests;
mod whitening;

use serde::{Deserialize, Serialize};

use self::ceiling::Ceiling;
pub use self::flexible::{Family, Flexible};
pub(super) use self::geometry::centered_gram;
use self::inference::{CrossValidation, Crossed, Inference, ModelTest, Over, Scores, Tests};
pub(super) use self::input::rdms_of as stack;
pub(super) use self::input::{Rdm, read as read_rdms};
use self::input::{Rdms, conditions_of};
pub(super) use self::measure::score_of_two;
use self::measure::{Form, Measure, Prepared};
pub(super) use self::pairs::{mirrored, position};
use super::{Context, rdm};
use crate::dataset::{Inputs, Shapes};
use crate::stats::{count, mean, small};
use crate::{Array, Error, Estimate, parallel};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Names of inputs with data RDMs: K x K, R x K x K, or R x K(K-1)/2 each; all are stacked.
    ///
    /// A square matrix is one RDM unless it is neither symmetric nor zero on its diagonal and its width is K(K-1)/2 for some K: then its
    /// rows are vectors of pairs (0, 1), (0, 2), …, (1, 2), … A list of numbers is one vector. NaN marks a missing pair.
    pub data: Vec<String>,
    /// Names of inputs with model RDMs, likewise.
    pub models: Vec<String>,
    /// How two RDMs are compared.
    pub compare: Compare,
    /// Name of the covariance of the conditions (K x K) for `cosine_cov`, `corr_cov` and `neg_riem_dist`; identity if absent.
    pub sigma_k: Option<String>,
    /// Models with parameters; with them all models are scored on held-out conditions of held-out data RDMs.
    pub flexible: Vec<Flexible>,
    /// How they are cross-validated.
    pub cv: CrossValidation,
    /// How sure the scores are: bootstraps and tests.
    pub inference: Inference,
    /// Give the RDMs back, to look at them side by side.
    pub keep_rdms: bool,
}

/// The RDMs that were compared, on their way back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptRdms {
    /// Data RDMs, then models, then the RDMs of models with parameters.
    pub names: Vec<String>,
    /// RDMs x pairs (0, 1), (0, 2), …, (1, 2), …; NaN where missing.
    pub pairs: Array,
}

/// Dissimilarities that are given back at most: 64 MB.
const MOST_KEPT: usize = 8_000_000;

/// Similarity of two RDM vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Compare {
    /// Cosine.
    #[serde(rename = "cosine")]
    Cosine,
    /// Pearson correlation.
    #[default]
    #[serde(rename = "corr")]
    Corr,
    /// Spearman correlation.
    #[serde(rename = "spearman")]
    Spearman,
    /// Expected Spearman correlation under random tie breaking.
    #[serde(rename = "rho-a")]
    RhoA,
    /// Kendall's tau-a.
    #[serde(rename = "tau-a")]
    TauA,
    /// Kendall's tau-b.
    #[serde(rename = "tau-b")]
    TauB,
    /// Whitened cosine.
    #[serde(rename = "cosine_cov")]
    CosineCov,
    /// Whitened Pearson correlation.
    #[serde(rename = "corr_cov")]
    CorrCov,
    /// Normalized Bures similarity of the centered Gram matrices.
    #[serde(rename = "bures")]
    Bures,
    /// Bures distance of the centered Gram matrices.
    #[serde(rename = "bures_metric")]
    BuresMetric,
    /// Negative Riemannian distance of second moments.
    #[serde(rename = "neg_riem_dist")]
    NegRiemDist,
    /// Euclidean distance.
    #[serde(rename = "euclidean")]
    Euclidean,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The measure.
    pub compare: Compare,
    /// Number of conditions.
    pub n_conditions: u32,
    /// Number of data RDMs.
    pub n_data: u32,
    /// One per model RDM.
    pub models: Vec<ModelScore>,
    /// Lower and upper noise ceiling; absent for a single usable data RDM and for distances.
    pub noise_ceiling: Option<[f64; 2]>,
    /// Whether the ceiling is only a heuristic (tau, bures, RDMs with different missing pairs) and not a bound.
    pub noise_ceiling_is_heuristic: bool,
    /// Scores, models x data RDMs.
    pub scores: Array,
    /// Names of the data RDMs.
    pub data_names: Vec<String>,
    /// Tests of models against each other, and how the standard errors and p-values came about; absent where there are none.
    pub inference: Option<Tests>,
    /// Folds of conditions, folds of data RDMs and repeats, when the scores are cross-validated.
    pub folds: Option<[u32; 3]>,
    /// The RDMs, if they were asked for and are not too many.
    pub rdms: Option<KeptRdms>,
}

/// The score of one model over all data RDMs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelScore {
    /// Name of the model RDM.
    pub name: String,
    /// Mean over data RDMs; `None` when undefined for all.
    pub mean: Option<f64>,
    /// For a model with parameters the weights of its RDMs (norm 1), fitted to everything.
    pub weights: Option<Vec<f64>>,
    /// How sure it is: from the bootstrap if there is one, else over data RDMs.
    #[serde(flatten)]
    pub test: ModelTest,
}

impl Compare {
    /// Whether 0 means "unrelated": distances have no noise ceiling and no test against zero.
    fn is_distance(self) -> bool {
        matches!(self, Self::BuresMetric | Self::NegRiemDist | Self::Euclidean)
    }

    fn uses_sigma(self) -> bool {
        matches!(self, Self::CosineCov | Self::CorrCov | Self::NegRiemDist)
    }
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        let sigma = self.sigma_k.iter().filter(|_| self.compare.uses_sigma());
        self.data
            .iter()
            .chain(&self.models)
            .chain(self.flexible.iter().flat_map(|model| &model.rdms))
            .chain(sigma)
            .chain(self.inference.inputs())
            .cloned()
            .collect()
    }

    fn check(&self) -> Result<(), Error> {
        for (i, model) in self.flexible.iter().enumerate() {
            if model.name.trim().is_empty() {
                return Err(Error::parameter("flexible", format!("model {} with parameters has no name; give it one", i + 1)));
            }
            if !(model.ridge >= 0.0 && model.ridge.is_finite()) {
                return Err(Error::parameter("flexible.ridge", format!("must be 0 or a positive number, got {}", model.ridge)));
            }
        }
        if !self.flexible.is_empty() && self.inference.permutations > 0 && self.inference.groups.is_none() {
            let message = "conditions are permuted for models without parameters; leave permutations out, or the models with parameters";
            return Err(Error::parameter("inference.permutations", message));
        }
        Ok(())
    }

    /// What the run will cost.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let size = |names: &[String]| {
            names.iter().fold((0.0, 0.0f64), |(rdms, conditions), name| {
                let (r, k) = stack_size(shapes.0.get(name).map_or(&[], Vec::as_slice));
                (rdms + r, conditions.max(k))
            })
        };
        let ((data, k), (models, k_models)) = (size(&self.data), size(&self.models));
        let k = k.max(k_models);
        let m = k * (k - 1.0).max(0.0) / 2.0;
        let (rdms, scores) = (data + models, data * (models + data));
        let sort = 10.0 * m * m.max(2.0).log2();
        let flops = match self.compare {
            Compare::Cosine | Compare::Corr | Compare::Euclidean => rdms * 4.0 * m + scores * 2.0 * m,
            Compare::Spearman | Compare::RhoA => (rdms + 2.0 * data) * sort + scores * 2.0 * m,
            Compare::TauA | Compare::TauB => (rdms + scores) * sort,
            Compare::CosineCov | Compare::CorrCov => {
                let solves = if self.sigma_k.is_some() { 2.0 * k * k * k } else { 0.0 };
                rdms * (8.0 * m + solves) + scores * 2.0 * m
            }
            Compare::Bures | Compare::BuresMetric => (rdms + 2.0 * data) * 12.0 * k * k * k + scores * 6.0 * k * k * k,
            // 81 eigenvalue problems for each score.
            Compare::NegRiemDist => data * models * 81.0 * 2.0 * k * k * k,
        };
        let resample = match self.compare {
            Compare::Cosine | Compare::Corr => 2.0 * m * scores,
            Compare::CosineCov | Compare::CorrCov if self.sigma_k.is_none() => 2.0 * m * scores + 4.0 * k * k * rdms,
            Compare::Spearman | Compare::RhoA => 2.0 * m * scores + 8.0 * m * (rdms + data * (data + 1.0)),
            Compare::TauA
            | Compare::TauB
            | Compare::CosineCov
            | Compare::CorrCov
            | Compare::Bures
            | Compare::BuresMetric
            | Compare::NegRiemDist
            | Compare::Euclidean => flops,
        };
        let ways = if self.inference.over == Over::Dual { 2.0 } else { 1.0 };
        let resamples = f64::from(self.inference.bootstrap) * ways;
        let permutations = f64::from(self.inference.permutations) * models * data * 2.0 * m;
        // The pairs, their prepared form and the work space of one more; then the scores of all resamples.
        let peak_bytes = 8.0 * m * (2.0 * rdms + 6.0) + 8.0 * resamples * (models + 2.0);
        Estimate { flops: flops + resamples * resample + permutations, peak_bytes }
    }
}

/// Number of conditions in an input of this shape.
pub(super) fn n_conditions(shape: &[usize]) -> f64 {
    stack_size(shape).1
}

/// Number of RDMs and of conditions in an input of this shape.
fn stack_size(shape: &[usize]) -> (f64, f64) {
    match *shape {
        [m] => (1.0, conditions_of(m).map_or(0.0, count)),
        [r, k] if r == k => (1.0, count(k)),
        [r, m] => (count(r), conditions_of(m).map_or(0.0, count)),
        [r, k, _] => (count(r), count(k)),
        _ => (0.0, 0.0),
    }
}

/// Compares every model RDM with every data RDM.
///
/// # Definition
/// x, y are the vectors of n = K(K-1)/2 pairs.
/// - `cosine`, `corr` (Pearson), `spearman` (Pearson of average ranks);
/// - `rho-a`: 12 sum (rx - mean)(ry - mean) / (n^3 - n), the expected Spearman correlation when ties are broken at random;
/// - `tau-a`, `tau-b`: Kendall, without and with correction for ties;
/// - `cosine_cov`: x'V^-1 y / sqrt(x'V^-1 x y'V^-1 y), V = Xi o Xi, Xi = C S C', C the pair contrasts, S = `sigma_k`;
///   `corr_cov`: the same after subtracting each vector's mean;
/// - `bures`: F / sqrt(tr G1 tr G2), F = tr (G1^.5 G2 G1^.5)^.5, G = -1/2 H D H with D the RDM as squared distances, eigenvalues below 0
///   set to 0; `bures_metric`: sqrt(tr G1 + tr G2 - 2 F);
/// - `neg_riem_dist`: minus the minimum over a, b > 0 of sqrt(sum ln^2 eig(a G1 + b G0, G2)), G the second moments relative to condition 1
///   (G1 model, G2 data) and G0 those of noise with covariance S;
/// - `euclidean`: |x - y|.
///
/// Per model: mean over data RDMs, and how sure it is ([`Inference`]). Without a bootstrap: the standard error over data RDMs (ddof 1) and
/// R - 1 degrees of freedom. With one: the standard deviation (ddof 1) over resamples that draw conditions, data RDMs or both with
/// replacement, times sqrt(n / (n - 1)) for one factor; copies of one condition make no pair, and fewer than 3 distinct conditions make no
/// resample. `dual`: `a_r s_r + a_p s_p - a_r a_p (s_both - s_r - s_p)`, clipped to `max(a_r s_r, a_p s_p)..s_both`; min(R, K) - 1 degrees
/// of freedom. Tests: against zero (one-sided), against the lower ceiling and between models (two-sided), of the difference itself in each
/// resample, so that what varies together cancels; `p_adjusted` by false discovery rate or Bonferroni within each of the three families.
/// Noise ceiling: mean score of each data RDM against the pool of all (upper) and of all others (lower); the pool is the mean of unit vectors
/// (in the metric of the measure), of ranks, or of trace-normalized Gram matrices.
///
/// # Shapes
/// R data and M model RDMs over the same K >= 3 conditions → scores (M, R).
///
/// # Degenerate
/// Missing (NaN) pairs: each comparison uses the pairs finite in both (warning `nan_pairs`); whitened measures delete them from V, Bures and
/// Riemannian ones accept only whole missing conditions. Constant RDMs have undefined (NaN) scores, left out of means (warning
/// `undefined_scores`); so have data RDMs of fewer channels than conditions - 1 in `neg_riem_dist` (singular second moments). R = 1: no ceiling, and no standard error or test
/// but by a bootstrap over conditions or by permutation.
///
/// # Accuracy
/// 1e-12 for all but `neg_riem_dist` (1e-8 of the minimum); deterministic.
///
/// # Cost
/// A resample costs n (M R + R^2 / 2) multiplications for cosines and correlations (one matrix product), n (M + R) (R + 1) steps for ranks
/// (nothing is sorted again), and a comparison of its own for the other measures.
///
/// # Errors
/// [`Error::Input`] for asymmetric RDMs, nonzero diagonals, fewer than 3 or different conditions; [`Error::Shape`] for other shapes;
/// [`Error::Parameter`] for missing names; [`Error::Numerical`] for a singular `sigma_k`; [`Error::Canceled`].
///
/// # Source
/// rsatoolbox 0.3.2; Nili et al. 2014 (tau-a, ceilings); Schütt et al. 2023, eLife 12:e82566 (rho-a, whitened measures). Deviations, on
/// purpose: `sigma_k` is centered by generalized least squares, so that the result is that of V^-1 for every `sigma_k`; pools of whitened
/// measures are normalized in the whitened metric, so that the upper ceiling is a bound; NaN pairs may differ between RDMs; `bures_metric`
/// is the metric and not its square; `neg_riem_dist` searches one dimension (the scale has a closed form) and cannot stop early.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    spec.check()?;
    let rdms = Rdms::read(spec, inputs)?;
    let k = rdms.n_conditions;
    let sigma = match &spec.sigma_k {
        Some(name) if spec.compare.uses_sigma() => {
            let matrix = inputs.matrix("sigma_k", name)?;
            if (matrix.n_samples(), matrix.n_features()) != (k, k) {
                let got = format!("{} x {}", matrix.n_samples(), matrix.n_features());
                return Err(Error::Shape { what: name.clone(), expected: format!("a covariance of the {k} conditions, {k} x {k}"), got });
            }
            rdm::cholesky(&matrix, "the covariance of the conditions")?;
            Some(matrix.to_mat())
        }
        Some(_) => {
            context.warn("unused_parameter", "sigma_k is only used by cosine_cov, corr_cov and neg_riem_dist");
            None
        }
        None => None,
    };
    warn_missing(context, &rdms);
    context.step(0.1, "preparing the RDMs")?;
    let measure = Measure { compare: spec.compare, n_conditions: k, sigma: sigma.as_ref() };
    spec.inference.check(&measure)?;
    if !spec.flexible.is_empty() {
        return cross_validated(spec, &measure, &rdms, inputs, context);
    }
    let data = Side::prepare(&measure, &rdms.data)?;
    context.step(0.25, "preparing the model RDMs")?;
    let models = Side::prepare(&measure, &rdms.models)?;
    warn_clipped(context, &[(&rdms.data, &data.forms), (&rdms.models, &models.forms)]);

    let mut scores = Vec::with_capacity(rdms.models.len() * rdms.data.len());
    for i in 0..rdms.models.len() {
        context.step(0.4 + 0.1 * count(i) / count(rdms.models.len()), "comparing RDMs")?;
        for score in parallel::map(rdms.data.len(), |s| score(&measure, (&models, i), (&data, s))) {
            scores.push(score?);
        }
    }
    let shared = (data.groups.len() == 1).then(|| &data.groups[0]);
    let step = |share: f64| context.step(0.5 + 0.1 * share, "noise ceiling");
    let ceiling: Option<Ceiling> = if spec.compare.is_distance() {
        None
    } else {
        ceiling::ceiling(&measure, shared, &rdms.data, &data.forms, &vec![1.0; rdms.data.len()], &step)?
    };
    let names: Vec<String> = rdms.models.iter().map(|m| m.name.clone()).collect();
    let heuristic = ceiling.as_ref().is_some_and(|c| c.heuristic);
    let (bounds, terms) = (ceiling.as_ref().map(|c| c.bounds), ceiling.as_ref().map(|c| c.terms.as_slice()));
    let mut output = judged(spec, &measure, &rdms, Found { names, scores, bounds, terms }, None, inputs, context)?;
    output.noise_ceiling_is_heuristic = heuristic;
    Ok(output)
}

/// All models on held-out conditions of held-out data RDMs.
fn cross_validated(spec: &Spec, measure: &Measure<'_>, rdms: &Rdms, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let refuse = |message: &str| Err(Error::parameter("flexible", message));
    if !matches!(spec.compare, Compare::Cosine | Compare::Corr | Compare::CosineCov | Compare::CorrCov | Compare::Spearman | Compare::RhoA)
    {
        return refuse("models with parameters are fitted for cosine, corr, cosine_cov, corr_cov, spearman and rho-a; choose one of them");
    }
    if measure.sigma.is_some() {
        return refuse("models with parameters are fitted without a covariance of the conditions; leave sigma_k out");
    }
    if let Some(gap) = rdms.all().find(|rdm| !rdm.missing.is_empty()) {
        return refuse(&format!("models with parameters need complete RDMs, but {} has {} missing pairs", gap.name, gap.missing.len()));
    }
    spec.cv.check(rdms, &spec.inference)?;
    context.step(0.3, "fitting models to folds")?;
    let crossed = Crossed { flexible: &spec.flexible, cv: &spec.cv };
    let found = inference::cross_validated(&spec.inference, crossed, measure, rdms);
    let names: Vec<String> = rdms.models.iter().map(|m| &m.name).chain(spec.flexible.iter().map(|m| &m.name)).cloned().collect();
    let bounds = ceiling::bounds(&found.ceiling_terms, &vec![1.0; rdms.data.len()]);
    let terms = bounds.map(|_| found.ceiling_terms.as_slice());
    let all = Found { names, scores: found.each, bounds, terms };
    let mut output = judged(spec, measure, rdms, all, Some(crossed), inputs, context)?;
    // Training RDMs are not the test RDMs: nothing bounds a score strictly.
    output.noise_ceiling_is_heuristic = true;
    output.folds = Some(found.folds);
    for (model, weights) in output.models.iter_mut().skip(rdms.models.len()).zip(found.weights) {
        model.weights = weights;
    }
    Ok(output)
}

/// Scores of models (x data RDMs) before they are judged.
struct Found<'a> {
    names: Vec<String>,
    scores: Vec<f64>,
    bounds: Option<[f64; 2]>,
    terms: Option<&'a [[f64; 2]]>,
}

fn judged(
    spec: &Spec,
    measure: &Measure<'_>,
    rdms: &Rdms,
    found: Found<'_>,
    crossed: Option<Crossed<'_>>,
    inputs: &Inputs,
    context: &Context<'_>,
) -> Result<Output, Error> {
    let Found { names, scores, bounds, terms } = found;
    let undefined = scores.iter().filter(|v| v.is_nan()).count();
    if undefined > 0 {
        let message = format!("{undefined} of {} scores are undefined (constant or degenerate RDMs) and left out of means", scores.len());
        context.warn("undefined_scores", message);
    }
    let n_data = rdms.data.len();
    let means: Vec<Option<f64>> = scores.chunks_exact(n_data).map(mean_of_defined).collect();
    let known = Scores { each: &scores, means: &means, ceiling: bounds, ceiling_terms: terms };
    let (tests, inference) = inference::infer(&spec.inference, measure, rdms, &known, crossed, inputs, context)?;
    let named = |((name, mean), test): ((String, Option<f64>), ModelTest)| ModelScore { name, mean, weights: None, test };
    Ok(Output {
        compare: spec.compare,
        n_conditions: small(rdms.n_conditions),
        n_data: small(n_data),
        models: names.into_iter().zip(means).zip(tests).map(named).collect(),
        noise_ceiling: bounds,
        noise_ceiling_is_heuristic: false,
        scores: Array::matrix(scores.len() / n_data, n_data, scores),
        data_names: rdms.data.iter().map(|r| r.name.clone()).collect(),
        inference,
        folds: None,
        rdms: if spec.keep_rdms { kept(rdms, context) } else { None },
    })
}

fn kept(rdms: &Rdms, context: &Context<'_>) -> Option<KeptRdms> {
    let all = || rdms.data.iter().chain(&rdms.models).chain(rdms.parts.iter().flatten());
    let total: usize = all().map(|rdm| rdm.pairs.len()).sum();
    if total > MOST_KEPT {
        let message = format!("the RDMs have {total} dissimilarities and are not given back; at most {MOST_KEPT} are");
        context.warn("rdms_not_kept", message);
        return None;
    }
    let n = all().count();
    let pairs = Array::matrix(n, total.checked_div(n).unwrap_or(0), all().flat_map(|rdm| rdm.pairs.iter().copied()).collect());
    Some(KeptRdms { names: all().map(|rdm| rdm.name.clone()).collect(), pairs })
}

fn mean_of_defined(scores: &[f64]) -> Option<f64> {
    let defined: Vec<f64> = scores.iter().copied().filter(|v| v.is_finite()).collect();
    let mean = mean(&defined);
    mean.is_finite().then_some(mean)
}

/// RDMs of one role, prepared; those with the same missing pairs share a group.
struct Side<'a> {
    rdms: &'a [Rdm],
    groups: Vec<Prepared<'a>>,
    group_of: Vec<usize>,
    forms: Vec<Form>,
}

impl<'a> Side<'a> {
    fn prepare(measure: &Measure<'a>, rdms: &'a [Rdm]) -> Result<Self, Error> {
        let mut groups: Vec<Prepared<'a>> = Vec::new();
        let mut group_of = Vec::with_capacity(rdms.len());
        for rdm in rdms {
            let known = groups.iter().position(|g| g.present.missing == rdm.missing);
            group_of.push(known.unwrap_or(groups.len()));
            if known.is_none() {
                groups.push(measure.on(rdm.missing.clone())?);
            }
        }
        let forms = parallel::map(rdms.len(), |i| groups[group_of[i]].form(&rdms[i].pairs)).into_iter().collect::<Result<_, _>>()?;
        Ok(Self { rdms, groups, group_of, forms })
    }

    fn group(&self, i: usize) -> &Prepared<'a> {
        &self.groups[self.group_of[i]]
    }
}

/// The score of a model and a data RDM on the pairs that are in both.
fn score(measure: &Measure<'_>, (models, i): (&Side<'_>, usize), (data, s): (&Side<'_>, usize)) -> Result<f64, Error> {
    let (model, subject) = (&models.rdms[i], &data.rdms[s]);
    if model.missing == subject.missing {
        return Ok(data.group(s).score(&models.forms[i], &data.forms[s]));
    }
    if model.missing.is_empty() {
        // The usual case: a complete model, and data with gaps that are prepared already.
        let group = data.group(s);
        return Ok(group.score(&group.form(&model.pairs)?, &data.forms[s]));
    }
    measure.score_on_shared_pairs(model, subject)
}

/// Models that one RDM after another is compared with.
pub(super) struct Models<'a> {
    measure: Measure<'a>,
    side: Side<'a>,
}

impl<'a> Models<'a> {
    /// # Errors
    /// Those of the measure.
    pub(super) fn new(compare: Compare, n_conditions: usize, rdms: &'a [Rdm]) -> Result<Self, Error> {
        let measure = Measure { compare, n_conditions, sigma: None };
        let side = Side::prepare(&measure, rdms)?;
        Ok(Self { measure, side })
    }

    /// The score of each model on the pairs that it shares with the RDM; NaN where it is undefined.
    ///
    /// # Errors
    /// Those of the measure.
    pub(super) fn scores(&self, rdm: &Rdm) -> Result<Vec<f64>, Error> {
        let mut forms: Vec<Option<Form>> = self.side.groups.iter().map(|_| None).collect();
        let score = |(i, model): (usize, &Rdm)| {
            if rdm.missing.len() == rdm.pairs.len() {
                return Ok(f64::NAN);
            }
            if model.missing != rdm.missing {
                return self.measure.score_on_shared_pairs(model, rdm);
            }
            let form = &mut forms[self.side.group_of[i]];
            let form = match form {
                Some(form) => form,
                None => form.insert(self.side.group(i).form(&rdm.pairs)?),
            };
            Ok(self.side.group(i).score(&self.side.forms[i], form))
        };
        self.side.rdms.iter().enumerate().map(score).collect()
    }
}

fn warn_missing(context: &Context<'_>, rdms: &Rdms) {
    let gaps: Vec<&Rdm> = rdms.data.iter().chain(&rdms.models).filter(|r| !r.missing.is_empty()).collect();
    if let Some(first) = gaps.first() {
        let total: usize = gaps.iter().map(|r| r.missing.len()).sum();
        let all = rdms.data.len() + rdms.models.len();
        let message = format!(
            "{total} pairs are missing (NaN) in {} of {all} RDMs (first: {}, {} of {} pairs); each comparison uses the pairs that are in both",
            gaps.len(),
            first.name,
            first.missing.len(),
            first.pairs.len()
        );
        context.warn("nan_pairs", message);
    }
}

fn warn_clipped(context: &Context<'_>, sides: &[(&Vec<Rdm>, &Vec<Form>)]) {
    const NOTEWORTHY: f64 = 1e-6;
    let clipped: Vec<(&str, f64)> = sides
        .iter()
        .flat_map(|(rdms, forms)| rdms.iter().zip(forms.iter()))
        .filter_map(|(rdm, form)| if let Form::Gram(gram) = form { Some((rdm.name.as_str(), gram.clipped)) } else { None })
        .filter(|(_, share)| *share > NOTEWORTHY)
        .collect();
    if let Some((name, share)) = clipped.first() {
        let message = format!(
            "{} RDMs are not squared Euclidean distances; the negative part of their Gram matrices was set to zero (first: {name}, {:.2} % of the trace)",
            clipped.len(),
            100.0 * share
        );
        context.warn("not_euclidean", message);
    }
}
