//! Several RDMs, of all conditions or of some, as one.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::Context;
use super::rdm_comparison::{mirrored, position, stack};
use crate::dataset::{Inputs, Shapes};
use crate::labels::Labels;
use crate::stats::{count, small};
use crate::{Array, Error, Estimate};

/// Steps of the rescaling at most.
const MOST_STEPS: u32 = 1000;

/// Squared dissimilarities below this count as much as this.
const LEAST_EVIDENCE: f64 = 0.04;

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Names of inputs with RDMs: K x K, R x K x K, or R x K(K-1)/2 each. NaN marks a missing pair.
    pub inputs: Vec<String>,
    /// The names of the conditions of each input, in its order; without them the header of the input, or else all inputs have the same conditions.
    pub conditions: Vec<Labels>,
    /// How they are brought to one scale.
    pub rescale: Rescale,
}

impl Default for Spec {
    fn default() -> Self {
        Self { inputs: Vec::new(), conditions: Vec::new(), rescale: Rescale::None }
    }
}

/// How RDMs are brought to one scale before they are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rescale {
    /// As they are.
    #[default]
    None,
    /// Scaled to the estimate on the pairs in common; large dissimilarities count more.
    Evidence,
    /// Likewise; RDMs of few pairs count more for each of them.
    Setsize,
    /// Likewise; all pairs count equally.
    Simple,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Number of RDMs.
    pub n_rdms: u32,
    /// Number of conditions of the union.
    pub n: u32,
    /// Names of the conditions; absent when they have none.
    pub conditions: Option<Vec<String>>,
    /// The pooled RDM, n x n; NaN where no RDM has the pair.
    pub rdm: Array,
    /// How many RDMs have each pair, n x n.
    pub counts: Array,
    /// Steps until the scales came to rest; absent without rescaling.
    pub steps: Option<u32>,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        self.inputs.iter().chain(self.conditions.iter().map(|labels| &labels.input)).cloned().collect()
    }

    /// What the run will cost.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let sizes = self.inputs.iter().map(|name| {
            let shape = shapes.0.get(name).map_or(&[][..], Vec::as_slice);
            shape.iter().map(|&n| count(n)).product::<f64>()
        });
        let total: f64 = sizes.sum();
        Estimate { flops: 100.0 * total, peak_bytes: 8.0 * 4.0 * total }
    }
}

/// An RDM on the pairs of the union.
struct Placed {
    pairs: Vec<f64>,
}

/// Pools RDMs over the union of their conditions.
///
/// # Definition
/// Each RDM is placed into the union of all conditions (in order of first appearance), pairs that it lacks are missing. Without rescaling:
/// the mean over the RDMs that have a pair. With: s(v) = v / |v| over defined pairs; from the estimate e = s(mean), repeatedly each RDM
/// becomes s(r) times the norm of e on its pairs, and e = s(weighted mean), until the squared change is below 1e-8 (at most 1000 steps).
/// Weights of a pair: `evidence` max(d^2, 0.04), `setsize` 1 / number of pairs of the RDM, `simple` 1. The result is the weighted mean.
///
/// # Shapes
/// Any number of RDMs → one RDM (n, n) and the number of RDMs for each of its pairs (n, n).
///
/// # Degenerate
/// Pairs that no RDM has are NaN (warning `missing_pairs`). RDMs of zeros have no scale and keep none.
///
/// # Accuracy
/// 1e-12 for means; rescaling stops at a squared change of 1e-8. Deterministic.
///
/// # Cost
/// O(R n^2) a step. Memory: R n^2 / 2 numbers twice.
///
/// # Errors
/// Those of RDM inputs; [`Error::Input`] for names that repeat within an RDM, or another number of names than conditions;
/// [`Error::Parameter`] for no input or another number of labels than inputs.
///
/// # Source
/// rsatoolbox 0.3.2 (`from_partials`, `rescale`); the number of steps is bounded here.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    if spec.inputs.is_empty() {
        return Err(Error::parameter("inputs", "name at least one input with RDMs"));
    }
    if !spec.conditions.is_empty() && spec.conditions.len() != spec.inputs.len() {
        let message =
            format!("{} inputs have {} sets of condition names; give one for each, or none", spec.inputs.len(), spec.conditions.len());
        return Err(Error::parameter("conditions", message));
    }
    let mut read = Vec::with_capacity(spec.inputs.len());
    for (i, name) in spec.inputs.iter().enumerate() {
        let (k, rdms) = stack(inputs.get("inputs", name)?)?;
        read.push((name, names_of(spec, inputs, i, k)?, k, rdms));
    }
    let named = read.iter().filter(|(_, names, ..)| names.is_some()).count();
    if named > 0
        && let Some((name, ..)) = read.iter().find(|(_, names, ..)| names.is_none())
    {
        return Err(Error::input(*name, "has no names of its conditions, but other inputs have; name the conditions of all, or of none"));
    }
    context.step(0.2, "placing the RDMs")?;
    let mut union: Vec<String> = Vec::new();
    let first = read[0].2;
    for (name, names, k, _) in &read {
        match names {
            Some(names) => names.iter().for_each(|n| {
                if !union.contains(n) {
                    union.push(n.clone());
                }
            }),
            None if *k != first => {
                let message =
                    format!("has {k} conditions but {} has {first}; give the names of the conditions to pool partial RDMs", read[0].0);
                return Err(Error::input(*name, message));
            }
            None => {}
        }
    }
    let n = if named > 0 { union.len() } else { first };
    let place = |condition: &String| union.iter().position(|u| u == condition).unwrap_or(0);
    let mut placed = Vec::new();
    for (_, names, k, rdms) in &read {
        let places: Vec<usize> = names.as_ref().map_or_else(|| (0..*k).collect(), |names| names.iter().map(place).collect());
        placed.extend(rdms.iter().map(|pairs| Placed { pairs: spread(pairs, &places, n) }));
    }
    let (pooled, steps) = match spec.rescale {
        Rescale::None => (mean(&placed, |_, _| 1.0), None),
        Rescale::Evidence | Rescale::Setsize | Rescale::Simple => {
            let (pooled, steps) = rescaled(placed.as_slice(), spec.rescale, context)?;
            (pooled, Some(steps))
        }
    };
    let missing = pooled.iter().filter(|v| v.is_nan()).count();
    if missing > 0 {
        context.warn("missing_pairs", format!("{missing} of {} pairs are in no RDM and stay undefined (NaN)", pooled.len()));
    }
    let counts: Vec<f64> = (0..pooled.len()).map(|at| count(placed.iter().filter(|r| !r.pairs[at].is_nan()).count())).collect();
    Ok(Output {
        n_rdms: small(placed.len()),
        n: small(n),
        conditions: (named > 0).then_some(union),
        rdm: Array::matrix(n, n, mirrored(&pooled, n)),
        counts: Array::matrix(n, n, mirrored(&counts, n)),
        steps,
    })
}

/// The names of the conditions of an input: as given, or its header.
fn names_of(spec: &Spec, inputs: &Inputs, i: usize, k: usize) -> Result<Option<Vec<String>>, Error> {
    let name = &spec.inputs[i];
    let names = match spec.conditions.get(i) {
        Some(of) => {
            let classes = of.classes(inputs, name, k)?;
            Some(classes.codes.iter().map(|&code| classes.names[code].clone()).collect::<Vec<_>>())
        }
        None => inputs.column_names(name).filter(|names| names.len() == k && names.iter().all(|n| !n.is_empty())),
    };
    if let Some(names) = &names {
        for (at, condition) in names.iter().enumerate() {
            if names[..at].contains(condition) {
                return Err(Error::input(
                    name,
                    format!("has the condition \"{condition}\" twice; average its rows before the RDM is made"),
                ));
            }
        }
    }
    Ok(names)
}

/// The pairs of some conditions at their places among n; NaN elsewhere.
fn spread(pairs: &[f64], places: &[usize], n: usize) -> Vec<f64> {
    let mut out = vec![f64::NAN; n * n.saturating_sub(1) / 2];
    let mut at = 0;
    for (a, &i) in places.iter().enumerate() {
        for &j in &places[a + 1..] {
            out[position(n, i.min(j), i.max(j))] = pairs[at];
            at += 1;
        }
    }
    out
}

/// Weighted means over the RDMs that have a pair.
fn mean(rdms: &[Placed], weight: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let n = rdms.first().map_or(0, |r| r.pairs.len());
    let one = |at: usize| {
        let defined = rdms.iter().enumerate().filter(|(_, r)| !r.pairs[at].is_nan());
        let (sum, total) = defined.fold((0.0, 0.0), |(sum, total), (i, r)| (sum + weight(i, at) * r.pairs[at], total + weight(i, at)));
        sum / total
    };
    (0..n).map(one).collect()
}

/// Root of the sum of squares over what is defined in both.
fn norm(values: &[f64], defined: &[f64]) -> f64 {
    values.iter().zip(defined).filter(|(v, d)| !v.is_nan() && !d.is_nan()).map(|(v, _)| v * v).sum::<f64>().sqrt()
}

fn scaled(values: Vec<f64>) -> Vec<f64> {
    let size = norm(&values, &values);
    if size > 0.0 { values.iter().map(|v| v / size).collect() } else { values }
}

/// The weighted mean of RDMs that were brought to one scale, and the number of steps.
fn rescaled(rdms: &[Placed], how: Rescale, context: &Context<'_>) -> Result<(Vec<f64>, u32), Error> {
    let sizes: Vec<f64> = rdms.iter().map(|r| count(r.pairs.iter().filter(|v| !v.is_nan()).count())).collect();
    let weight = |i: usize, at: usize| match how {
        Rescale::Evidence => rdms[i].pairs[at].powi(2).max(LEAST_EVIDENCE),
        Rescale::Setsize => 1.0 / sizes[i],
        Rescale::Simple | Rescale::None => 1.0,
    };
    let mut estimate = scaled(mean(rdms, |_, _| 1.0));
    for step in 1..=MOST_STEPS {
        context.step(0.3 + 0.6 * f64::from(step) / f64::from(MOST_STEPS), "bringing the RDMs to one scale")?;
        let aligned: Vec<Placed> = crate::parallel::map(rdms.len(), |i| {
            let size = norm(&estimate, &rdms[i].pairs);
            Placed { pairs: scaled(rdms[i].pairs.clone()).into_iter().map(|v| v * size).collect() }
        });
        let pooled = mean(&aligned, weight);
        let next = scaled(pooled.clone());
        let change: f64 = next.iter().zip(&estimate).filter(|(a, _)| !a.is_nan()).map(|(a, b)| (a - b) * (a - b)).sum();
        estimate = next;
        if change < 1e-8 {
            return Ok((pooled, step));
        }
    }
    context.warn("not_converged", format!("the scales of the RDMs still moved after {MOST_STEPS} steps"));
    Ok((estimate, MOST_STEPS))
}
