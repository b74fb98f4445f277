//! Metric multidimensional scaling by majorization.

use faer::Mat;

use super::Spec;
use crate::analysis::Context;
use crate::rng::Stream;
use crate::stats::count;
use crate::{Error, parallel};

/// Steps of one start at most.
pub(super) const MOST_STEPS: u32 = 500;

/// A step that lowers the stress by less than this share of it is the last.
const TOLERANCE: f64 = 1e-9;

/// The best of a start from given points and of random ones.
pub(super) fn best(distances: &Mat<f64>, first: &Mat<f64>, spec: &Spec, context: &Context<'_>) -> Result<Mat<f64>, Error> {
    let (k, d) = (first.nrows(), first.ncols());
    let size = largest(distances);
    let starts = spec.n_starts as usize + 1;
    let mut best: Option<(f64, Mat<f64>)> = None;
    for start in 0..starts {
        let from = if start == 0 {
            first.clone()
        } else {
            let mut rng = Stream::new(spec.seed, start as u64);
            Mat::from_fn(k, d, |_, _| size * rng.normal() / count(d).sqrt())
        };
        let step = |share: f64| context.step(0.1 + 0.8 * (count(start) + share) / count(starts), "multidimensional scaling");
        let found = majorize(distances, from, step)?;
        if best.as_ref().is_none_or(|best| found.0 < best.0) {
            best = Some(found);
        }
    }
    Ok(best.map_or_else(|| first.clone(), |best| best.1))
}

/// Raw stress and points where the Guttman transform comes to rest.
pub(super) fn majorize(
    distances: &Mat<f64>,
    mut points: Mat<f64>,
    step: impl Fn(f64) -> Result<(), Error>,
) -> Result<(f64, Mat<f64>), Error> {
    let mut stress = f64::INFINITY;
    for i in 0..MOST_STEPS {
        step(f64::from(i) / f64::from(MOST_STEPS))?;
        let (now, next) = guttman(distances, &points);
        if stress - now <= TOLERANCE * now {
            return Ok((now, points));
        }
        stress = now;
        points = next;
    }
    let (now, _) = guttman(distances, &points);
    Ok((now, points))
}

/// The stress of the points, and the next ones: `x_i = sum over j of (d_ij / |x_i - x_j|) (x_i - x_j) / K`, the centroid at the origin.
fn guttman(distances: &Mat<f64>, points: &Mat<f64>) -> (f64, Mat<f64>) {
    let (k, d) = (points.nrows(), points.ncols());
    let rows: Vec<Vec<f64>> = (0..k).map(|i| (0..d).map(|c| points[(i, c)]).collect()).collect();
    let found = parallel::map(k, |i| {
        let (mut stress, mut next) = (0.0, vec![0.0; d]);
        let wanted = distances.col_as_slice(i);
        for (j, other) in rows.iter().enumerate().filter(|(j, _)| *j != i) {
            let squared: f64 = rows[i].iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
            let distance = squared.sqrt();
            stress += (distance - wanted[j]).powi(2);
            if distance > 0.0 {
                let ratio = wanted[j] / distance;
                next.iter_mut().zip(rows[i].iter().zip(other)).for_each(|(next, (a, b))| *next += ratio * (a - b));
            }
        }
        (0.5 * stress, next)
    });
    let stress = found.iter().map(|(stress, _)| stress).sum();
    (stress, Mat::from_fn(k, d, |i, c| found[i].1[c] / count(k)))
}

fn largest(distances: &Mat<f64>) -> f64 {
    (0..distances.ncols()).flat_map(|j| distances.col_as_slice(j)).fold(0.0, |m: f64, v| m.max(*v))
}
