//! The filters that the network begins with.

use std::f64::consts::TAU;

/// Filters of the convolution.
pub const N_FILTERS: usize = 6;
/// Their height and width.
pub const KERNEL: usize = 7;

/// A center, its negative, and four oriented filters.
///
/// # Definition
/// On seven points from -3.5 to 3.5, x along rows and y along columns, rho their distance from the middle and `G(s) = exp(-rho / (2 s^2))` with s = 1.1:
/// `G(s) - G(2 s) / 2`, its negative, and `G(0.4 s) cos(2 pi (x cos p + y sin p) / 10 + pi / 2)` for p = 0, 45, 90 and 135 degrees; each divided by its largest magnitude.
///
/// # Shapes
/// 6 x 7 x 7 values in C order.
#[must_use]
pub fn filters() -> Vec<f32> {
    const WIDTH: f64 = 1.1;
    #[expect(clippy::cast_precision_loss, reason = "seven points")]
    let at = |i: usize| -3.5 + 7.0 * i as f64 / (KERNEL - 1) as f64;
    let points: Vec<(f64, f64)> = (0..KERNEL).flat_map(|i| (0..KERNEL).map(move |j| (at(i), at(j)))).collect();
    let bump = |x: f64, y: f64, s: f64| (-x.hypot(y) / (2.0 * s * s)).exp();
    let center = |x: f64, y: f64| bump(x, y, WIDTH) - 0.5 * bump(x, y, 2.0 * WIDTH);
    let oriented = |x: f64, y: f64, degrees: f64| {
        let (sin, cos) = degrees.to_radians().sin_cos();
        bump(x, y, 0.4 * WIDTH) * (TAU * (x * cos + y * sin) / 10.0 + TAU / 4.0).cos()
    };
    let filter = |k: usize, (x, y): (f64, f64)| match k {
        0 => center(x, y),
        1 => -center(x, y),
        _ => oriented(x, y, [0.0, 45.0, 90.0, 135.0][k - 2]),
    };
    let scaled = |k: usize| {
        let values: Vec<f64> = points.iter().map(|point| filter(k, *point)).collect();
        let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        #[expect(clippy::cast_possible_truncation, reason = "networks are of single precision")]
        let single = values.into_iter().map(move |v| (v / largest) as f32);
        single
    };
    (0..N_FILTERS).flat_map(scaled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of numpy.
    #[test]
    fn filters_have_the_published_values() {
        let all = filters();
        assert_eq!(all.len(), 294);
        let filter = |k: usize| &all[49 * k..49 * (k + 1)];
        // Single precision, and sums of 49 values of it.
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a}, not {b}");
        let at = |k: usize, i: usize| f64::from(filter(k)[i]);
        let sum = |k: usize| (0..49).map(|i| at(k, i)).sum::<f64>();
        near(sum(0), -5.105_495_993_8);
        near(at(0, 24), 1.0);
        near(at(0, 0), -0.341_023_144_2);
        assert!(filter(0).iter().zip(filter(1)).all(|(a, b)| *a == -b), "the second is the negative of the first");
        for (k, [up, left, corner]) in [
            (2, [1.0, 0.0, 0.000_470_879_73]),
            (3, [1.0, 1.0, 0.000_410_823]),
            (4, [0.0, 1.0, 0.000_578_850_88]),
            (5, [-1.0, 1.0, -0.000_389_460_35]),
        ] {
            near(sum(k), 0.0);
            near(at(k, 2 * 7 + 3), up);
            near(at(k, 3 * 7 + 2), left);
            near(at(k, 1), corner);
        }
    }
}
