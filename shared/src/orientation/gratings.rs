//! Gratings and the set that networks are trained on.

use crate::rng::NumpyLegacy;

/// Rows of a grating.
pub const HEIGHT: usize = 48;
/// Columns of a grating.
pub const WIDTH: usize = 64;

/// Rows and columns of the small gratings of the network that is fitted to neurons.
#[cfg(feature = "network")]
pub(super) const SMALL: [usize; 2] = [12, 16];
/// Pixels of the grating for one of the virtual screen.
const RESOLUTION: f64 = 0.1;
/// Radians of a cycle for one pixel of the screen.
const FREQUENCY: f64 = 1.0 / 28.0;

/// A grating of black and white stripes.
///
/// # Definition
/// `cos(x cos t + y sin t)` at x = j / 2.8 and y = i / 2.8 for column j and row i, t the angle in radians: 1 where it is above 0, 0 where it is below. The period is
/// 17.59 pixels. The origin is a corner: gratings of opposite angles are not mirrored.
///
/// # Shapes
/// 48 x 64 values in C order; the angle in degrees, 0 for vertical stripes.
#[must_use]
pub fn grating(angle_degrees: f64) -> Vec<f32> {
    stripes(angle_degrees, RESOLUTION, [HEIGHT, WIDTH])
}

/// The same at a quarter of the size, from -1/2 to 1/2.
#[cfg(feature = "network")]
pub(super) fn small_grating(angle_degrees: f64) -> Vec<f32> {
    stripes(angle_degrees, RESOLUTION / 4.0, SMALL).into_iter().map(|v| v - 0.5).collect()
}

fn stripes(angle_degrees: f64, resolution: f64, [height, width]: [usize; 2]) -> Vec<f32> {
    let angle = angle_degrees.to_radians();
    let (sin, cos) = angle.sin_cos();
    #[expect(clippy::cast_precision_loss, reason = "few pixels")]
    let at = |i: usize| FREQUENCY * i as f64 / resolution;
    let value = |i: usize, j: usize| {
        let value = (at(j) * cos + at(i) * sin).cos();
        // An exact 0 stays 0.
        if value > 0.0 { 1.0 } else { 0.0 }
    };
    (0..height).flat_map(|i| (0..width).map(move |j| value(i, j))).collect()
}

/// Angles between -90 and 90 degrees that numpy draws (seed 12 in the tutorial), and whether each is positive.
#[must_use]
pub fn training_set(n: usize, seed: u32) -> Vec<(f64, bool)> {
    let mut rng = NumpyLegacy::new(seed);
    (0..n).map(|_| (rng.uniform() - 0.5) * 180.0).map(|angle| (angle, angle > 0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gratings_have_the_published_numbers_of_pixels() {
        let wanted = [(-90.0, 1408), (-45.0, 1593), (-25.0, 1551), (0.0, 1488), (25.0, 1546), (45.0, 1512), (75.0, 1535), (90.0, 1408)];
        for (angle, pixels) in wanted {
            assert_eq!(grating(angle).iter().filter(|v| **v == 1.0).count(), pixels, "{angle} degrees");
        }
        let vertical = grating(0.0);
        assert!(vertical.chunks_exact(WIDTH).all(|row| row[..15].iter().map(|v| *v == 1.0).eq((0..15).map(|j| !(5..14).contains(&j)))));
    }

    #[test]
    fn the_training_set_is_the_published_one() {
        let set = training_set(1000, 12);
        for (got, want) in set.iter().zip([-62.250_688_37, 43.208_945_37, -42.603_297_27, 6.073_090_81, -87.376_506_75]) {
            assert!((got.0 - want).abs() < 1e-8, "{}, not {want}", got.0);
        }
        assert_eq!(set.iter().filter(|(_, positive)| *positive).count(), 515);
    }
}
