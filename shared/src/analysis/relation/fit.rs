//! The line or parabola through the points, with the confidence band of its mean.

use serde::{Deserialize, Serialize};

use crate::Array;
use crate::stats::{count, dot, mean, student_t_quantile};

/// Positions along x at which the fit is given.
const N_GRID: u32 = 101;
/// A square of x of which less than this share is not linear makes no parabola.
const STRAIGHT: f64 = 1e-9;

/// Which polynomial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Curve {
    /// Degree 1.
    #[default]
    Line,
    /// Degree 2.
    Quadratic,
}

/// A polynomial by least squares, on the axes as they are (log10 where an axis is logarithmic).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Coefficients by ascending power.
    pub coefficients: Vec<f64>,
    /// Explained share of the variance of y.
    pub r2: f64,
    /// Positions from the least to the greatest x, in units of the column.
    pub x: Array,
    /// The fit there, in units of the column.
    pub y: Array,
    /// Lower end of the 95 % confidence band of the mean; undefined without degrees of freedom.
    pub low: Array,
    /// Upper end.
    pub high: Array,
}

/// An axis: values as correlated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis<'a> {
    pub(super) values: &'a [f64],
    /// Whether the values are log10 of the column.
    pub(super) log: bool,
}

impl Axis<'_> {
    fn in_units_of_the_column(self, value: f64) -> f64 {
        if self.log { 10f64.powf(value) } else { value }
    }
}

/// The fit; `None` for a constant axis or for as few different x as there are coefficients.
pub(super) fn fit(x: Axis<'_>, y: Axis<'_>, curve: Curve) -> Option<Fit> {
    let n = x.values.len();
    let (center, basis) = (mean(x.values), Basis::of(x.values, curve)?);
    let level = mean(y.values);
    let centered: Vec<f64> = y.values.iter().map(|v| v - level).collect();
    let weights = [dot(&centered, &basis.linear), dot(&centered, &basis.square)];
    let rest: Vec<f64> = (0..n).map(|i| centered[i] - weights[0] * basis.linear[i] - weights[1] * basis.square[i]).collect();
    let (unexplained, total) = (dot(&rest, &rest), dot(&centered, &centered));
    let degree = if curve == Curve::Quadratic { 2 } else { 1 };
    let dof = n.saturating_sub(degree + 1);
    let half = student_t_quantile(0.025, count(dof)) * (unexplained / count(dof)).sqrt();

    let least = x.values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = x.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut out = [(); 4].map(|()| Vec::with_capacity(N_GRID as usize));
    for i in 0..N_GRID {
        let share = f64::from(i) / f64::from(N_GRID - 1);
        let at = least * (1.0 - share) + greatest * share;
        let [first, second] = basis.at(at - center);
        let value = level + weights[0] * first + weights[1] * second;
        let width = half * (1.0 / count(n) + first * first + second * second).sqrt();
        out[0].push(x.in_units_of_the_column(at));
        for (into, value) in out[1..].iter_mut().zip([value, value - width, value + width]) {
            into.push(y.in_units_of_the_column(value));
        }
    }
    let [grid, value, low, high] = out.map(Array::vector);
    let coefficients = basis.powers(weights, level, center, degree);
    let r2 = 1.0 - unexplained / total;
    (coefficients.iter().all(|c| c.is_finite()) && r2.is_finite()).then_some(Fit { coefficients, r2, x: grid, y: value, low, high })
}

/// Orthonormal polynomials on the points (the constant one is understood).
struct Basis {
    linear: Vec<f64>,
    square: Vec<f64>,
    /// Norm of x - mean.
    spread: f64,
    /// Mean of (x - mean)^2, its product with `linear`, and the norm of what remains.
    bend: [f64; 3],
}

impl Basis {
    fn of(x: &[f64], curve: Curve) -> Option<Self> {
        let center = mean(x);
        let z: Vec<f64> = x.iter().map(|v| v - center).collect();
        let spread = dot(&z, &z).sqrt();
        if !(spread.is_finite() && spread > 1e-14 * center.abs() * count(x.len()).sqrt()) {
            return None;
        }
        let linear: Vec<f64> = z.iter().map(|v| v / spread).collect();
        if curve == Curve::Line {
            return Some(Self { square: vec![0.0; x.len()], linear, spread, bend: [0.0, 0.0, f64::INFINITY] });
        }
        let squares: Vec<f64> = z.iter().map(|v| v * v).collect();
        let (level, slope) = (mean(&squares), dot(&squares, &linear));
        let rest: Vec<f64> = squares.iter().zip(&linear).map(|(s, l)| s - level - slope * l).collect();
        let norm = dot(&rest, &rest).sqrt();
        if norm.is_nan() || norm <= STRAIGHT * dot(&squares, &squares).sqrt() {
            return None;
        }
        Some(Self { linear, square: rest.iter().map(|v| v / norm).collect(), spread, bend: [level, slope, norm] })
    }

    /// Both polynomials at z = x - mean.
    fn at(&self, z: f64) -> [f64; 2] {
        let [level, slope, norm] = self.bend;
        let linear = z / self.spread;
        [linear, (z * z - level - slope * linear) / norm]
    }

    /// Coefficients by ascending powers of x.
    fn powers(&self, weights: [f64; 2], constant: f64, center: f64, degree: usize) -> Vec<f64> {
        let [level, slope, norm] = self.bend;
        let c2 = weights[1] / norm;
        let c1 = (weights[0] - c2 * slope) / self.spread;
        let c0 = constant - c2 * level;
        let all = [c0 - c1 * center + c2 * center * center, c1 - 2.0 * c2 * center, c2];
        all[..=degree].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(values: &[f64]) -> Axis<'_> {
        Axis { values, log: false }
    }

    #[track_caller]
    fn close(got: &[f64], want: &[f64], tolerance: f64) {
        assert!(got.len() == want.len() && got.iter().zip(want).all(|(g, w)| (g - w).abs() <= tolerance), "{got:?} instead of {want:?}");
    }

    #[test]
    fn planted_polynomials_come_back_with_a_band_of_no_width() {
        let x: Vec<f64> = (0..9).map(|i| f64::from(i) * 0.5 + 100.0).collect();
        let line: Vec<f64> = x.iter().map(|x| 3.0 - 2.0 * x).collect();
        let found = fit(raw(&x), raw(&line), Curve::Line).expect("a line");
        close(&found.coefficients, &[3.0, -2.0], 1e-10);
        close(&found.low.values, &found.high.values, 1e-9);
        let parabola: Vec<f64> = x.iter().map(|x| 1.0 + (x - 102.0) * (x - 102.0)).collect();
        let found = fit(raw(&x), raw(&parabola), Curve::Quadratic).expect("a parabola");
        close(&found.coefficients, &[10_405.0, -204.0, 1.0], 1e-7);
        assert!((found.r2 - 1.0).abs() < 1e-12, "{}", found.r2);
    }

    #[test]
    fn logarithmic_axes_are_given_in_units_of_the_column() {
        let x: Vec<f64> = (0..5).map(f64::from).collect();
        let y: Vec<f64> = x.iter().map(|x| 2.0 * x).collect();
        let found = fit(Axis { values: &x, log: true }, Axis { values: &y, log: true }, Curve::Line).expect("a line");
        close(&found.coefficients, &[0.0, 2.0], 1e-12);
        close(&[found.x.values[0], found.x.values[100]], &[1.0, 1e4], 1e-8);
        assert!((found.y.values[100] / 1e8 - 1.0).abs() < 1e-9, "{}", found.y.values[100]);
    }

    #[test]
    fn nothing_is_fitted_to_too_few_places() {
        assert_eq!(fit(raw(&[1.0, 1.0, 1.0]), raw(&[1.0, 2.0, 3.0]), Curve::Line), None);
        assert_eq!(fit(raw(&[1.0, 2.0, 1.0, 2.0]), raw(&[1.0, 2.0, 3.0, 5.0]), Curve::Quadratic), None, "two places make no parabola");
        assert_eq!(fit(raw(&[1.0, 2.0, 3.0]), raw(&[1.0; 3]), Curve::Line), None, "constant y");
        let exact = fit(raw(&[1.0, 2.0]), raw(&[1.0, 2.0]), Curve::Line).expect("a line through two points");
        assert!(exact.low.values[0].is_nan(), "without a band");
    }
}
