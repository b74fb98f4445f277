//! A simulated population of neurons in V1 whose tuning is known.

use crate::rng::{NumpyLegacy, Stream};

/// Neurons.
const N: usize = 500;
/// Orientations, from -90 degrees in steps of 1.
const S: usize = 180;
/// Trials of each.
const T: usize = 4;

/// How responses vary around their mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Noise {
    /// Normal with the variance of the mean, cut at 0.
    #[default]
    Normal,
    /// Counts, from a stream of our own.
    Poisson(u64),
}

/// Tuning and responses.
///
/// # Definition
/// Neuron i prefers `mu_i` and responds to the orientation t with `f = base + amplitude exp(kappa (cos(2 (t - mu)) - 1))` on average: periodic in 180 degrees. All
/// parameters and deviations z are draws of numpy's legacy generator, seed 7, in this order: mu = 180 u - 90, kappa = 0.5 + 3.5 u, amplitude = 10 exp(z / 2), base = 2 u,
/// then z of trials, orientations and neurons. A response is `max(0, f + sqrt(f) z)`.
///
/// # Shapes
/// 500 neurons, 180 orientations, 4 trials.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Preferred orientation of each neuron, in degrees.
    pub preferred: Vec<f64>,
    /// Concentration of each.
    pub concentration: Vec<f64>,
    /// Height of each tuning curve.
    pub amplitude: Vec<f64>,
    /// Response to what is far from the preferred orientation.
    pub base: Vec<f64>,
    /// Responses: trials x orientations x neurons in C order.
    pub responses: Vec<f64>,
}

impl Population {
    /// Draws it.
    #[must_use]
    pub fn simulate(noise: Noise) -> Self {
        let mut rng = NumpyLegacy::new(7);
        let preferred: Vec<f64> = (0..N).map(|_| 180.0 * rng.uniform() - 90.0).collect();
        let concentration: Vec<f64> = (0..N).map(|_| 0.5 + 3.5 * rng.uniform()).collect();
        let amplitude: Vec<f64> = (0..N).map(|_| 10.0 * (0.5 * rng.normal()).exp()).collect();
        let base: Vec<f64> = (0..N).map(|_| 2.0 * rng.uniform()).collect();
        let mut out = Self { preferred, concentration, amplitude, base, responses: Vec::with_capacity(T * S * N) };
        let means: Vec<f64> = Self::orientations().iter().flat_map(|t| (0..N).map(|i| out.mean(i, *t)).collect::<Vec<_>>()).collect();
        for trial in 0..T {
            for (at, mean) in means.iter().enumerate() {
                let response = match noise {
                    Noise::Normal => (mean + mean.sqrt() * rng.normal()).max(0.0),
                    Noise::Poisson(seed) => poisson(&mut Stream::new(seed, (trial * means.len() + at) as u64), *mean),
                };
                out.responses.push(response);
            }
        }
        out
    }

    /// Orientations in degrees.
    #[must_use]
    pub fn orientations() -> Vec<f64> {
        (0..180u8).map(|s| f64::from(s) - 90.0).collect()
    }

    /// The mean response of a neuron to an orientation.
    ///
    /// # Panics
    /// If there is no such neuron: a defect of the caller.
    #[must_use]
    pub fn mean(&self, i: usize, degrees: f64) -> f64 {
        let away = (2.0 * (degrees - self.preferred[i]).to_radians()).cos() - 1.0;
        self.base[i] + self.amplitude[i] * (self.concentration[i] * away).exp()
    }

    /// Means over trials: orientations x neurons in C order.
    #[must_use]
    pub fn trial_means(&self) -> Vec<f64> {
        #[expect(clippy::cast_precision_loss, reason = "four")]
        let mean = |at: usize| (0..T).map(|trial| self.responses[trial * S * N + at]).sum::<f64>() / T as f64;
        (0..S * N).map(mean).collect()
    }
}

/// A count: how many exponential waiting times fit into the mean, in parts of 30 so that the product of uniforms does not vanish.
fn poisson(rng: &mut Stream, mean: f64) -> f64 {
    let (mut left, mut count) = (mean, 0u32);
    while left > 0.0 {
        let part = left.min(30.0);
        let floor = (-part).exp();
        let mut product = rng.uniform();
        while product > floor {
            count += 1;
            product *= rng.uniform();
        }
        left -= part;
    }
    count.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of numpy 2 for the same draws.
    #[test]
    fn the_population_is_that_of_numpy() {
        let population = Population::simulate(Noise::Normal);
        let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-7 * want.abs().max(1.0), "{got}, not {want}");
        near(population.preferred[0], -76.264_507_91);
        near(population.concentration[1], 2.198_936_43);
        near(population.amplitude[2], 17.916_134_33);
        near(population.base[0], 1.347_355_76);
        near(population.responses[0], 12.067_585_63);
        near(population.responses[1], 4.034_546_45);
        let last = population.responses.len() - 1;
        near(population.responses[last], 6.654_852_18);
        assert_eq!((last + 1, population.responses[last - 2]), (T * S * N, 0.0), "cut at 0");
        near(population.responses.iter().sum(), 1_711_919.685_023_338_8);
        near(population.trial_means()[90 * N..91 * N].iter().sum(), 2_382.218_005_544_202_7);
    }

    #[test]
    fn tuning_has_its_peak_at_what_is_preferred() {
        let population = Population::simulate(Noise::Normal);
        for i in 0..20 {
            let peak = population.mean(i, population.preferred[i]);
            assert!((peak - population.base[i] - population.amplitude[i]).abs() < 1e-12, "{i}");
            assert!((population.mean(i, population.preferred[i] + 180.0) - peak).abs() < 1e-12, "the period is 180 degrees");
            assert!(Population::orientations().iter().all(|t| population.mean(i, *t) <= peak + 1e-12), "{i}");
        }
    }

    #[test]
    fn counts_have_the_mean_and_the_variance_of_poisson() {
        let population = Population::simulate(Noise::Poisson(3));
        assert!(population.responses.iter().all(|r| r.fract() == 0.0 && *r >= 0.0), "whole numbers");
        // z = (r - f) / sqrt(f) over 360,000 responses: mean 0 with error 1/600, variance 1 with error below sqrt((2 + 1/f) / 360000) = .004.
        let (mut sum, mut squares) = (0.0, 0.0);
        let orientations = Population::orientations();
        for (at, r) in population.responses.iter().enumerate() {
            let mean = population.mean(at % N, orientations[at / N % S]);
            let z = (r - mean) / mean.sqrt();
            sum += z;
            squares += z * z;
        }
        let n = 360_000.0;
        assert!((sum / n).abs() < 5.0 / 600.0 && (squares / n - 1.0).abs() < 0.02, "{} and {}", sum / n, squares / n);
    }
}
