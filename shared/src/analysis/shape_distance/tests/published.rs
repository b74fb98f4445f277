//! The sums of distances that netrep publishes, for 64 + 64 sets drawn by numpy's default generator.

use rand::Rng as _;
use rand_pcg::Pcg64;

use super::*;

/// `numpy.random.default_rng(seed).standard_normal()`.
struct NumpyNormal {
    pcg: Pcg64,
    /// Layers of the ziggurat: right edges, and densities there.
    x: Vec<f64>,
    f: Vec<f64>,
}

const LAYERS: usize = 256;
/// Where the tail starts, and the area of a layer.
const TAIL: f64 = 3.654_152_885_361_009;
const AREA: f64 = 0.004_928_673_233_974_658;

impl NumpyNormal {
    fn new(seed: u32) -> Self {
        let words = seed_sequence(seed);
        let wide = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        let density = |x: f64| (-0.5 * x * x).exp();
        // From the tail inward: each layer has the same area.
        let mut x = vec![TAIL];
        for _ in 2..LAYERS {
            let last = x[x.len() - 1];
            x.push((-2.0 * (AREA / last + density(last)).ln()).sqrt());
        }
        let f: Vec<f64> = x.iter().map(|x| density(*x)).collect();
        Self { pcg: Pcg64::new(wide(words[0], words[1]), wide(words[2], words[3])), x, f }
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a f64 exactly")]
    fn uniform(&mut self) -> f64 {
        (self.pcg.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Marsaglia & Tsang's ziggurat with 256 layers; layer 0 is the one with the tail, layer 1 the outermost but one.
    #[expect(clippy::cast_precision_loss, reason = "52 bits fit a f64 exactly")]
    fn next(&mut self) -> f64 {
        let scale = (1u64 << 52) as f64;
        loop {
            let bits = self.pcg.next_u64();
            let layer = (bits & 0xff) as usize;
            let (sign, magnitude) = (bits >> 8 & 1, bits >> 9 & ((1 << 52) - 1));
            // Width of the layer, and of the part of it that lies under the curve for sure.
            let (width, sure) = match layer {
                0 => (AREA / self.f[0], TAIL),
                1 => (self.x[LAYERS - 2], 0.0),
                _ => (self.x[LAYERS - 1 - layer], self.x[LAYERS - layer]),
            };
            let value = magnitude as f64 * (width / scale);
            let signed = if sign == 1 { -value } else { value };
            if (magnitude as f64) < (sure / width * scale).trunc() {
                return signed;
            }
            if layer == 0 {
                loop {
                    let x = -(1.0 / TAIL) * (-self.uniform()).ln_1p();
                    let y = -(-self.uniform()).ln_1p();
                    if y + y > x * x {
                        return if magnitude >> 8 & 1 == 1 { -(TAIL + x) } else { TAIL + x };
                    }
                }
            }
            let (low, high) = if layer == 1 { (self.f[LAYERS - 2], 1.0) } else { (self.f[LAYERS - 1 - layer], self.f[LAYERS - layer]) };
            if (high - low) * self.uniform() + low < (-0.5 * value * value).exp() {
                return signed;
            }
        }
    }
}

/// Four words of `numpy.random.SeedSequence(seed).generate_state(4, uint64)`.
fn seed_sequence(seed: u32) -> [u64; 4] {
    let mut constant = 0x43b0_d7e5u32;
    let mut hashed = |value: u32| {
        let value = value ^ constant;
        constant = constant.wrapping_mul(0x931e_8875);
        let value = value.wrapping_mul(constant);
        value ^ value >> 16
    };
    let mut pool = [hashed(seed), hashed(0), hashed(0), hashed(0)];
    for from in 0..4 {
        for to in (0..4).filter(|to| *to != from) {
            let mixed = pool[to].wrapping_mul(0xca01_f9dd).wrapping_sub(hashed(pool[from]).wrapping_mul(0x4973_f715));
            pool[to] = mixed ^ mixed >> 16;
        }
    }
    let mut constant = 0x8b51_f9ddu32;
    let words: Vec<u64> = (0..8)
        .map(|i| {
            let value = pool[i % 4] ^ constant;
            constant = constant.wrapping_mul(0x58f3_8ded);
            let value = value.wrapping_mul(constant);
            u64::from(value ^ value >> 16)
        })
        .collect();
    std::array::from_fn(|i| words[2 * i] | words[2 * i + 1] << 32)
}

#[test]
fn the_generator_is_that_of_numpy() {
    // default_rng(0).standard_normal(4) of numpy 2.4.
    let mut normal = NumpyNormal::new(0);
    for want in [0.125_730_221_093_393_3, -0.132_104_863_291_301_9, 0.640_422_650_443_282_1, 0.104_900_117_153_039_71] {
        let got = normal.next();
        assert!((got - want).abs() < 1e-14, "{got}, not {want}");
    }
}

#[test]
fn sums_of_gaussian_sets_are_the_published_ones() {
    let mut normal = NumpyNormal::new(0);
    // All train sets, then all test sets, rows before columns.
    let mut draw = || (0..64).map(|_| (0..1024 * 64).map(|_| normal.next()).collect::<Vec<f64>>()).collect::<Vec<_>>();
    let (train, test) = (draw(), draw());
    let rows = Rows { train: (0..1024).collect(), test: (1024..2048).collect() };
    let mut inputs = Inputs::default();
    let names: Vec<String> = (0..64).map(|i| format!("net{i}")).collect();
    for (name, (train, test)) in names.iter().zip(train.into_iter().zip(test)) {
        inputs.insert(name, Dataset::from_rows(name, 2048, 64, [train, test].concat()).expect("fits"));
    }
    let spec = Spec { inputs: names, ..Spec::default() };
    let device = Device::cpu();
    let filling = pollster::block_on(pairs::fill(&spec, &[rows], spec.whole(), &inputs, &Context::new(&device, &Silent))).expect("runs");
    let output = filling.output(&spec).expect("whole");
    let sums = [&output.distances, output.test_distances.as_ref().expect("held out")].map(|d| crate::stats::sum(&d.values));
    for (got, want) in sums.iter().zip([5_478.173_387_196_459, 6_333.232_718_084_371]) {
        assert!((got - want).abs() < 1e-12 * want, "{got}, not {want}");
    }
}
