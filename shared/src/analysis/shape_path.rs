//! The shortest way between two shapes, and how far others are from it.

#[cfg(test)]
mod tests;

use faer::Mat;
use serde::{Deserialize, Serialize};

use super::Context;
use super::shape_average::common_coordinates;
use crate::dataset::{Inputs, Matrix, Shapes};
use crate::shapes::{Group, Path, Score, align};
use crate::stats::{count, small};
use crate::{Array, Error, Estimate, parallel};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of the input where the path starts, rows = samples.
    pub x: String,
    /// Name of the input where it ends.
    pub y: String,
    /// Names of inputs whose distances to the points of the path are measured.
    pub others: Vec<String>,
    /// Maps of columns that are free.
    pub group: Group,
    /// `euclidean`: a straight line after alignment; `angular`: an arc, scale does not count.
    pub score: Score,
    /// Subtract column means.
    pub center_columns: bool,
    /// Points of the path, both ends included.
    pub n_points: u32,
    /// Give the points themselves, in the columns of x.
    pub keep_points: bool,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            x: String::new(),
            y: String::new(),
            others: Vec::new(),
            group: Group::Orthogonal,
            score: Score::Angular,
            center_columns: true,
            n_points: 11,
            keep_points: false,
        }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Names of the ends.
    pub ends: [String; 2],
    /// The distance of the ends.
    pub length: f64,
    /// Places on the path, 0 at x and 1 at y.
    pub t: Vec<f64>,
    /// Names of x, y and the others.
    pub names: Vec<String>,
    /// Distances of these (rows) to the points of the path.
    pub distances: Array,
    /// The points, points x samples x columns, when they were asked for.
    pub points: Option<Array>,
}

/// More points than this are no picture.
const MOST_POINTS: u32 = 1001;

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        [&self.x, &self.y].into_iter().chain(&self.others).cloned().collect()
    }

    /// What the run will cost: an alignment for each point and input.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let all = self.inputs();
        let m = shapes.of(&self.x).0;
        let widest = all.iter().map(|name| shapes.of(name).1).fold(0.0, f64::max);
        let p = if self.group == Group::Orthogonal && !self.keep_points { widest.min(m) } else { widest };
        let alignments = count(all.len()) * f64::from(self.n_points);
        let kept = if self.keep_points { f64::from(self.n_points) } else { 2.0 };
        Estimate {
            flops: alignments * (2.0 * m * p * p + 20.0 * p * p * p),
            peak_bytes: 8.0 * ((count(all.len()) + 2.0 * kept) * m * p + 6.0 * p * p),
        }
    }

    fn check(&self, inputs: &Inputs) -> Result<Vec<Matrix>, Error> {
        if !(2..=MOST_POINTS).contains(&self.n_points) {
            return Err(Error::parameter("n_points", format!("must be 2 to {MOST_POINTS}, got {}", self.n_points)));
        }
        let field = |i: usize| ["x", "y", "others"][i.min(2)];
        let matrices = self.inputs().iter().enumerate().map(|(i, name)| inputs.matrix(field(i), name)).collect::<Result<Vec<_>, _>>()?;
        matrices[1..].iter().try_for_each(|other| matrices[0].same_rows(other))?;
        Ok(matrices)
    }
}

/// Points on the shortest path between two representations modulo alignment, and distances to them.
///
/// # Definition
/// X and Y centered by columns and padded to one width; T aligns Y to X. `euclidean`: `P(t) = (1 - t) X + t Y T`. `angular`, on matrices of norm 1:
/// `P(t) = (sin((1 - t) theta) X + sin(t theta) Y T) / sin theta`, theta the angle of X and Y T. Distances of other representations to P(t) are those
/// after their own alignment. The distance from X to P(t) is t times the length.
///
/// # Shapes
/// x: (m, p), y: (m, q), others (m, any) → distances (2 + others, points); points (points, m, max(p, q)).
///
/// # Degenerate
/// `angular` with a representation without variance: an error, as it has no direction.
///
/// # Accuracy
/// 1e-12 relative but near 0, where roots leave 1e-8 of the norm. Deterministic.
///
/// # Cost
/// One alignment per point and representation: O(m n^2 + n^3).
///
/// # Errors
/// [`Error::Parameter`] for the number of points, [`Error::RowMismatch`], [`Error::NonFinite`], [`Error::Input`] without variance, [`Error::Numerical`],
/// [`Error::Canceled`].
///
/// # Source
/// Kendall 1984; Dryden & Mardia 2016; Williams et al. 2021.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let matrices = spec.check(inputs)?;
    context.step(0.05, "reducing the representations")?;
    // Kept points are in the columns of x: no other coordinates then.
    let group = if spec.keep_points { Group::Identity } else { spec.group };
    let xs = common_coordinates(&matrices, group, spec.center_columns, false);
    if spec.score == Score::Angular
        && let Some(at) = xs.iter().position(|x| x.norm_l2() <= 0.0)
    {
        return Err(Error::input(
            matrices[at].name(),
            "its rows are all equal: it has no direction; use the Euclidean distance or leave it out",
        ));
    }
    context.step(0.2, "aligning the ends")?;
    let path = Path::between(xs[0].as_ref(), xs[1].as_ref(), spec.group, spec.score)?;
    let n = spec.n_points as usize;
    let t: Vec<f64> = (0..n).map(|i| count(i) / count(n - 1)).collect();
    let mut distances = Mat::zeros(xs.len(), n);
    let mut kept = Vec::new();
    for (i, t) in t.iter().enumerate() {
        context.step(0.2 + 0.8 * count(i) / count(n), &format!("point {} of {n}", i + 1))?;
        let point = path.at(*t);
        let found = parallel::map(xs.len(), |k| {
            let moved = align(xs[k].as_ref(), point.as_ref(), spec.group)?.apply(xs[k].as_ref());
            Ok(spec.score.between(&moved, &point))
        });
        for (k, distance) in found.into_iter().enumerate() {
            distances[(k, i)] = distance?;
        }
        if spec.keep_points {
            kept.extend(Array::from_mat(point.as_ref()).values);
        }
    }
    let shape = vec![small(n), small(xs[0].nrows()), small(xs[0].ncols())];
    Ok(Output {
        ends: [spec.x.clone(), spec.y.clone()],
        length: path.length(),
        t,
        names: spec.inputs(),
        distances: Array::from_mat(distances.as_ref()),
        points: spec.keep_points.then_some(Array { shape, values: kept }),
    })
}
