//! Measures of how similar two representations are: one audited catalogue, evaluated on a pair of matrices.

mod alignment;
mod canonical;
mod catalogue;
mod heat;
mod holes;
mod kernel;
mod matching;
mod name;
mod neighbors;
mod overlap;
mod predict;
mod riemann;
mod rips;
mod side;
mod simple;
#[cfg(test)]
mod tests;
mod topology;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::catalogue::{CATALOGUE, Direction, Entry, Invariance, Status};
use self::name::{Ending, Family, Measure, NeighborKind};
use self::neighbors::Neighbors;
use self::side::Side;
use super::{Context, rdm, rdm_comparison, shape_distance};
use crate::dataset::{Inputs, Shapes};
use crate::stats::count;
use crate::{Error, Estimate, Silent};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of the first input, rows = samples.
    pub x: String,
    /// Name of the second, with the same samples in the same order.
    pub y: String,
    /// Names of measures; `all` for the catalogue.
    pub measures: Vec<String>,
}

impl Default for Spec {
    fn default() -> Self {
        Self { x: String::new(), y: String::new(), measures: vec![ALL.into()] }
    }
}

/// Stands for every measure of the catalogue.
const ALL: &str = "all";

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the first input.
    pub x: String,
    /// Name of the second.
    pub y: String,
    /// The value of each measure, by its name.
    pub values: BTreeMap<String, f64>,
    /// Why other measures have none.
    pub left_out: BTreeMap<String, String>,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        vec![self.x.clone(), self.y.clone()]
    }

    /// What the run will cost: about three decompositions and three distance matrices per input, and some products for each measure.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let ((n, p), (_, q)) = (shapes.of(&self.x), shapes.of(&self.y));
        let wide = p.max(q);
        let (least, n_measures) = (n.min(wide), count(self.names().len()));
        let once = 20.0 * n * wide * least + 6.0 * n * n * wide + 30.0 * least * least * least;
        let each = 2.0 * n * p * q + 4.0 * n * n;
        Estimate { flops: 2.0 * once + n_measures * each + 9.0 * n * n * n, peak_bytes: 8.0 * (4.0 * n * (p + q) + 12.0 * n * n) }
    }

    /// Whether all names of measures can be read.
    ///
    /// # Errors
    /// [`Error::Parameter`] that names the first that cannot.
    pub fn check_names(&self) -> Result<(), Error> {
        self.parsed().map(drop)
    }

    fn parsed(&self) -> Result<Vec<(&str, Measure)>, Error> {
        let names = self.names();
        if names.is_empty() {
            return Err(Error::parameter("measures", "no measure is named; name some, or `all`"));
        }
        names.into_iter().map(|name| Ok((name, Measure::parse(name)?))).collect()
    }

    /// The measures, without repeats.
    fn names(&self) -> Vec<&str> {
        let mut out = Vec::new();
        for name in &self.measures {
            let some = if name == ALL {
                CATALOGUE.iter().filter(|entry| !entry.is_slow).map(|entry| entry.name).collect()
            } else {
                vec![name.as_str()]
            };
            some.into_iter().for_each(|name| {
                if !out.contains(&name) {
                    out.push(name);
                }
            });
        }
        out
    }
}

/// Measures of similarity between two representations of the same samples.
///
/// # Definition
/// By the name of each: a family, options and an ending, joined by hyphens, for example `cka-kernel=linear-hsic=song-score`. The modules of this
/// one hold the definitions, [`CATALOGUE`] the list with what is known of each. Endings: `score` s, `squared_score`, `one_minus_score`,
/// `distance=angular` = arccos s, `distance=euclidean`. Columns are centered first unless a measure says otherwise.
///
/// # Shapes
/// x: (n, p), y: (n, q) → one number for each measure.
///
/// # Degenerate
/// A measure that does not apply (different widths, too few samples) or is undefined (no variance) is left out with the reason.
///
/// # Accuracy
/// f64 on the host throughout; deterministic. RDMs, shape distances and PLS contract on the device.
///
/// # Cost
/// [`Entry::cost`]; decompositions, distances and Gram matrices of an input are made once.
///
/// # Errors
/// [`Error::Parameter`] for a name that cannot be read, [`Error::RowMismatch`], [`Error::NonFinite`], [`Error::Numerical`], [`Error::Canceled`].
///
/// # Source
/// Names and the golden values of the tests: Cloos et al. 2024, similarity-repository. Each definition has its own.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let (x, y) = (inputs.matrix("x", &spec.x)?, inputs.matrix("y", &spec.y)?);
    x.same_rows(&y)?;
    let measures = spec.parsed()?;
    if x.n_samples() < 2 {
        return Err(Error::input(&*spec.x, format!("{} sample (rows); measures of similarity need at least 2", x.n_samples())));
    }
    let pair = Pair { x: Side::new(&x), y: Side::new(&y), spec, inputs };
    for side in [&pair.x, &pair.y].into_iter().filter(|side| side.norm <= 0.0) {
        context.warn("constant_data", format!("{}: its rows are all equal; most measures of it are undefined", side.name));
    }
    let mut out = Output { x: spec.x.clone(), y: spec.y.clone(), values: BTreeMap::new(), left_out: BTreeMap::new() };
    if spec.measures.iter().any(|name| name == ALL) {
        let slow = CATALOGUE.iter().filter(|entry| entry.is_slow && !measures.iter().any(|(name, _)| *name == entry.name));
        out.left_out = slow.map(|entry| (entry.name.into(), "takes long; name it to have it".into())).collect();
    }
    for (i, &(name, measure)) in measures.iter().enumerate() {
        context.step(count(i) / count(measures.len()), name)?;
        let found = match pair.obstacle(measure.family) {
            Some(reason) => Err(reason),
            None => match pair.value(measure, context).await {
                Ok(value) if value.is_finite() => Ok(value),
                Ok(_) => Err("undefined for these data: something that it divides by is zero or negative".into()),
                Err(Error::Canceled) => return Err(Error::Canceled),
                Err(error) => Err(error.to_string()),
            },
        };
        match found {
            Ok(value) => drop(out.values.insert(name.into(), value)),
            Err(reason) => drop(out.left_out.insert(name.into(), reason)),
        }
    }
    Ok(out)
}

/// Two representations of the same samples.
struct Pair<'a> {
    x: Side,
    y: Side,
    spec: &'a Spec,
    inputs: &'a Inputs,
}

impl Pair<'_> {
    /// Why a measure does not apply.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most measures apply to anything")]
    fn obstacle(&self, family: Family) -> Option<String> {
        let (n, p, q) = (self.x.n(), self.x.width(), self.y.width());
        let needs = |least: usize, why: &str| (n < least).then(|| format!("needs at least {least} samples{why}; there are {n}"));
        match family {
            Family::CorrespondingColumns if p != q => Some(format!("needs the same columns on both sides; there are {p} and {q}")),
            Family::Cka { hsic: name::Hsic::Song, batch: None, .. } | Family::DistanceCorrelation { is_corrected: true } => needs(4, ""),
            Family::Rsa { .. } => needs(3, ""),
            Family::Neighbors { k, kind } => {
                let least = if kind == NeighborKind::KernelAlignment { (k + 1).max(4) } else { k + 1 };
                if kind == NeighborKind::KernelAlignment && k < 2 {
                    return Some("needs k of at least 2".into());
                }
                needs(least, &format!(" for {k} neighbors"))
            }
            Family::Heat { k } => needs(k + 1, &format!(" for {k} neighbors")),
            Family::Svcca(name::Keep::Components(k)) if p.min(q) < k || n <= k => {
                Some(format!("needs at least {k} columns on both sides and more samples; there are {p}, {q} columns and {n} samples"))
            }
            Family::Cca if n <= p.max(q) => Some(format!("is 1 whatever the data with as many features ({}) as samples ({n})", p.max(q))),
            Family::Cka { batch: Some(rows), .. } => needs(rows, " for one batch"),
            Family::Topology { .. } => needs(4, ""),
            Family::Holes { landmarks, .. } => needs(landmarks, " for landmarks"),
            Family::Pwcca { .. } if n <= p + q => Some(format!(
                "is not unique with more features of both ({p} + {q}) than samples ({n}): variates of correlation 1 can be turned among themselves"
            )),
            Family::Procrustes { n_folds: Some(k) } | Family::Predictivity { folds: Some(name::Folds { n: k, .. }), .. } => {
                needs(2 * k, &format!(" for {k} folds"))
            }
            _ => None,
        }
    }

    async fn value(&self, measure: Measure, context: &Context<'_>) -> Result<f64, Error> {
        let (x, y) = (&self.x, &self.y);
        let score = match measure.family {
            Family::Cka { kernel, hsic, batch: None } => kernel::alignment(x, y, kernel, hsic),
            Family::Cka { kernel, batch: Some(rows), .. } => kernel::by_batches(x, y, kernel, rows),
            Family::Rsa { rdm, compare } => self.rsa(rdm, compare, context).await?,
            Family::Cca => canonical::summary(&canonical::correlations(x, y)?, measure.ending == Ending::Squared),
            Family::Svcca(keep) => canonical::summary(&canonical::of_components(x, y, keep)?, measure.ending == Ending::Squared),
            Family::Pwcca { is_shared_routine: false } => canonical::projection_weighted(x, y)?,
            Family::Pwcca { is_shared_routine: true } => canonical::weighted_by_shifted_directions(x, y)?,
            Family::RegularizedCca(k) => canonical::regularized(x, y, k)?,
            Family::Bures | Family::Procrustes { n_folds: None } => alignment::bures(x, y)?,
            Family::Procrustes { n_folds: Some(k) } => return alignment::held_out_angle(x, y, k),
            Family::Shape { alpha } => return self.shape(alpha, measure.ending, context).await,
            Family::Permutation => alignment::permuted_cosine(x, y),
            Family::AlignedCosine => alignment::aligned_cosine(x, y)?,
            Family::DistanceDifference => alignment::distance_difference(x, y),
            Family::AffineInvariant { eps } => riemann::affine_invariant(x, y, eps)?,
            Family::Gulp { lambda } => riemann::gulp(x, y, lambda)?,
            Family::Predictivity { regression: name::Regression::LeastSquares, direction, folds: None, score: name::Score::R2 } => {
                if direction == name::Direction::YFromX {
                    predict::explained(x, y)?
                } else {
                    predict::explained(y, x)?
                }
            }
            Family::Predictivity { regression, direction, folds, score } => {
                predict::score(x, y, direction, regression, folds, score, context.device).await?
            }
            Family::Eigenspace { is_centered } => overlap::eigenspace(x, y, is_centered)?,
            Family::SharedDimensions if measure.ending == Ending::AngularNormalized => overlap::shared_dimensions_angle(x, y)?,
            Family::SharedDimensions => overlap::shared_dimensions(x, y)?,
            Family::DistanceCorrelation { is_corrected } => overlap::distance_correlation(x, y, is_corrected),
            Family::CorrespondingColumns => overlap::corresponding_columns(x, y),
            Family::Neighbors { kind, k } => neighbors(x, y, kind, k),
            Family::HardCorrelation => matching::one_to_one(x, y),
            Family::SoftCorrelation => matching::greatest(x, y),
            Family::SoftMatching { epsilon: None } => matching::soft(x, y)?,
            Family::SoftMatching { epsilon: Some(epsilon) } => matching::entropic(x, y, epsilon),
            Family::Holes { landmarks, repeats, seed } => {
                return holes::geometry_score(x, y, landmarks, repeats, seed, context.progress);
            }
            Family::Topology { batches, rows, seed } => topology::divergence(x, y, batches, rows, seed, context.progress)?,
            Family::Heat { k } => heat::difference(x, y, k)?,
            Family::Magnitude => (simple::magnitude(x) - simple::magnitude(y)).abs(),
            Family::Uniformity => (simple::uniformity(x) - simple::uniformity(y)).abs(),
            Family::Concentricity => (simple::concentricity(x) - simple::concentricity(y)).abs(),
        };
        Ok(match (measure.ending, measure.family) {
            (Ending::OneMinus, _) => 1.0 - score,
            (Ending::Squared, Family::Bures) => score * score,
            (Ending::Angular, _) => score.clamp(-1.0, 1.0).acos(),
            (Ending::Euclidean, Family::SoftMatching { .. }) => (2.0 - 2.0 * score).max(0.0).sqrt(),
            (Ending::Euclidean, _) => alignment::squared_distance(x, y, score).sqrt(),
            (Ending::SquaredEuclidean, _) => alignment::squared_distance(x, y, score),
            (Ending::Score | Ending::Squared | Ending::Plain | Ending::AngularNormalized, _) => score,
        })
    }

    async fn rsa(&self, measure: rdm::Measure, compare: rdm_comparison::Compare, context: &Context<'_>) -> Result<f64, Error> {
        let inner = Context::new(context.device, &Silent);
        let mut rdms = Vec::with_capacity(2);
        for input in [&self.spec.x, &self.spec.y] {
            let spec = rdm::Spec { input: input.clone(), measure, ..rdm::Spec::default() };
            rdms.push(rdm::run(&spec, self.inputs, &inner).await?.rdm);
        }
        rdm_comparison::score_of_two(compare, &rdms[0], &rdms[1])
    }

    async fn shape(&self, alpha: f64, ending: Ending, context: &Context<'_>) -> Result<f64, Error> {
        let score = if ending == Ending::Angular { shape_distance::Score::Angular } else { shape_distance::Score::Euclidean };
        let spec = shape_distance::Spec { inputs: self.spec.inputs(), alpha, score, ..shape_distance::Spec::default() };
        let inner = Context::new(context.device, &Silent);
        Ok(shape_distance::run(&spec, self.inputs, &inner).await?.distances.values[1])
    }
}

fn neighbors(x: &Side, y: &Side, kind: NeighborKind, k: usize) -> f64 {
    let by_product = |of: fn(&Neighbors, &Neighbors) -> f64| of(&neighbors::by_product(x, k), &neighbors::by_product(y, k));
    let by_cosine = |is_centered, of: fn(&Neighbors, &Neighbors) -> f64| {
        of(&neighbors::by_cosine(x, k, is_centered), &neighbors::by_cosine(y, k, is_centered))
    };
    match kind {
        NeighborKind::Jaccard { is_centered } => by_cosine(is_centered, neighbors::jaccard),
        NeighborKind::Mutual => by_product(neighbors::mutual),
        NeighborKind::Cycle => by_product(neighbors::cycle),
        NeighborKind::CommonSubsequence => by_product(neighbors::common_subsequence),
        NeighborKind::Edits => by_product(neighbors::edits),
        NeighborKind::RankSimilarity => by_cosine(false, neighbors::rank_similarity),
        NeighborKind::KernelAlignment => neighbors::kernel_alignment(x, y, k),
        NeighborKind::SecondOrder => neighbors::second_order(x, y, k),
    }
}
