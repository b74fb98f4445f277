//! Random numbers: seeded streams of our own and the one stream of numpy that is worth repeating.

use rand::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64;

/// A seeded PCG-64 stream; `stream` separates items so that results do not depend on the order of work.
#[derive(Debug, Clone)]
pub struct Stream {
    pcg: Pcg64,
    spare: Option<f64>,
}

impl Stream {
    /// The stream number `stream` of `seed`.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        // State and increment are hashed: the increments of PCG ignore their lowest bit, and close ones give correlated streams.
        let (a, b) = (mix(seed), mix(stream ^ 0x5851_f42d_4c95_7f2d));
        let words = [a, b, mix(a ^ stream), mix(b ^ seed)];
        let mut key = [0u8; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let pcg = Pcg64::from_seed(key);
        Self { pcg, spare: None }
    }

    /// Uniform in [0, 1) with 53 bits.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a f64 exactly")]
    pub fn uniform(&mut self) -> f64 {
        (self.pcg.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal by the polar method.
    pub fn normal(&mut self) -> f64 {
        if let Some(value) = self.spare.take() {
            return value;
        }
        let (first, second) = polar(|| self.uniform());
        self.spare = Some(first);
        second
    }

    /// Uniform integer in `0..n` (n > 0), unbiased by rejection.
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        let limit = u64::MAX - u64::MAX % n;
        loop {
            let draw = self.pcg.next_u64();
            if draw < limit {
                #[expect(clippy::cast_possible_truncation, reason = "smaller than n, which was a usize")]
                return (draw % n) as usize;
            }
        }
    }

    /// A random permutation of `0..n`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut out: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            out.swap(i, self.below(i + 1));
        }
        out
    }
}

/// The finalizer of `SplitMix64` (Steele, Lea & Flood 2014): a bijection in which every input bit flips half of the output bits.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The legacy generator of numpy (`numpy.random.seed`, `RandomState`): MT19937 with its draw orders.
///
/// # Source
/// Matsumoto & Nishimura 1998 (initialization by Knuth's multiplier); draw orders of numpy's `RandomState`.
#[derive(Debug, Clone)]
pub struct NumpyLegacy {
    state: [u32; 624],
    at: usize,
    spare: Option<f64>,
}

impl NumpyLegacy {
    /// `numpy.random.RandomState(seed)`.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        let mut state = [0u32; 624];
        state[0] = seed;
        for i in 1..624u32 {
            let last = state[i as usize - 1];
            state[i as usize] = 1_812_433_253u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i);
        }
        Self { state, at: 624, spare: None }
    }

    fn next_u32(&mut self) -> u32 {
        if self.at == 624 {
            for i in 0..624 {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % 624] & 0x7fff_ffff);
                let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + 397) % 624] ^ (y >> 1) ^ odd;
            }
            self.at = 0;
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Uniform in [0, 1): `random_sample`.
    pub fn uniform(&mut self) -> f64 {
        let (a, b) = (self.next_u32() >> 5, self.next_u32() >> 6);
        (f64::from(a) * 67_108_864.0 + f64::from(b)) / 9_007_199_254_740_992.0
    }

    /// Standard normal: `randn`, the polar method with its cached second value.
    pub fn normal(&mut self) -> f64 {
        if let Some(value) = self.spare.take() {
            return value;
        }
        let (first, second) = polar(|| self.uniform());
        self.spare = Some(first);
        second
    }

    /// Uniform integer in `0..=max` by masking and rejection.
    fn at_most(&mut self, max: u32) -> u32 {
        if max == 0 {
            return 0;
        }
        let mask = u32::MAX >> max.leading_zeros();
        loop {
            let draw = self.next_u32() & mask;
            if draw <= max {
                return draw;
            }
        }
    }

    /// Shuffles in place: `shuffle`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.at_most(u32::try_from(i).unwrap_or(u32::MAX)) as usize;
            items.swap(i, j);
        }
    }

    /// A random permutation of `0..n`: `permutation`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut out: Vec<usize> = (0..n).collect();
        self.shuffle(&mut out);
        out
    }
}

/// One accepted pair of the polar method: (kept for the next call, returned first).
fn polar(mut uniform: impl FnMut() -> f64) -> (f64, f64) {
    loop {
        let x1 = 2.0 * uniform() - 1.0;
        let x2 = 2.0 * uniform() - 1.0;
        let r2 = x1 * x1 + x2 * x2;
        if r2 < 1.0 && r2 > 0.0 {
            let f = (-2.0 * r2.ln() / r2).sqrt();
            return (f * x1, f * x2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numpy_legacy_repeats_known_draws() {
        // numpy.random.RandomState(0): random_sample() and randn() as documented everywhere.
        let mut rng = NumpyLegacy::new(0);
        assert!((rng.uniform() - 0.548_813_503_927_324_8).abs() < 1e-16, "first uniform of seed 0");
        let mut rng = NumpyLegacy::new(0);
        assert!((rng.normal() - 1.764_052_345_967_664).abs() < 1e-15, "first normal of seed 0");
        assert!((rng.normal() - 0.400_157_208_367_223_3).abs() < 1e-15, "second normal of seed 0");
    }

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |seed, stream| Stream::new(seed, stream).uniform();
        assert_eq!(draw(1, 2).to_bits(), draw(1, 2).to_bits());
        assert_ne!(draw(1, 2).to_bits(), draw(1, 3).to_bits());
        assert_ne!(draw(1, 2).to_bits(), draw(2, 2).to_bits());
        // Streams are not correlated: means of 100 products of standard normals have a spread of 0.1.
        let draws = |stream| {
            let mut rng = Stream::new(9, stream);
            (0..100).map(|_| rng.normal()).collect::<Vec<_>>()
        };
        for stream in 0..50 {
            let product: f64 = draws(stream).iter().zip(draws(stream + 1)).map(|(a, b)| a * b / 100.0).sum();
            assert!(product.abs() < 0.5, "streams {stream} and the next: {product}");
        }
        let mut seen = Stream::new(5, 0).permutation(100);
        seen.sort_unstable();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    }
}
