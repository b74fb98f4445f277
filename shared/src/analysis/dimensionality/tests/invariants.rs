//! What must hold for any data.

use proptest::prelude::*;

use super::*;

fn mat(n: usize, p: usize, seed: u64) -> Mat<f64> {
    let mut rng = Stream::new(seed, 7);
    Mat::from_fn(n, p, |_, j| rng.normal() / f64::from(u32::try_from(j + 1).expect("small")))
}

fn spectrum_of(x: &Mat<f64>) -> Spectrum {
    column(&Dataset::from_rows("X", x.nrows(), x.ncols(), Array::from_mat(x.as_ref()).values).expect("fits"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_rotation_and_a_scale_leave_every_dimensionality(seed in 0u64..1000, n in 4usize..20, p in 3usize..12, scale in 0.001f64..1000.0) {
        let x = mat(n, p, seed);
        let q = mat(p, p, seed + 1).qr().compute_thin_Q();
        let (a, b) = (spectrum_of(&x), spectrum_of(&(&x * q * faer::Scale(scale))));
        near(b.effective_dimensionality, a.effective_dimensionality.expect("defined"), 1e-9, "ED");
        near(b.entropy_dimension, a.entropy_dimension.expect("defined"), 1e-9, "entropy");
        near(b.effective_rank, a.effective_rank.expect("defined"), 1e-6, "effective rank");
        for (a, b) in a.eigenvalues.values.iter().zip(&b.eigenvalues.values) {
            prop_assert!((a * scale * scale - b).abs() < 1e-9 * scale * scale, "{} against {}", a, b);
        }
    }

    #[test]
    fn rows_that_come_twice_change_nothing(seed in 0u64..1000, n in 4usize..15, p in 2usize..10) {
        let x = mat(n, p, seed);
        let twice = Mat::from_fn(2 * n, p, |i, j| x[(i % n, j)]);
        let (a, b) = (spectrum_of(&x), spectrum_of(&twice));
        near(b.effective_dimensionality, a.effective_dimensionality.expect("defined"), 1e-10, "ED");
        prop_assert_eq!(a.variance_80_count, b.variance_80_count);
    }

    #[test]
    fn a_planted_dimension_is_found(seed in 0u64..1000, d in 2u32..6) {
        // Directions of equal variance: orthonormal, centered columns, turned into 12 dimensions.
        let columns = d as usize;
        let mut flat = mat(40, columns, seed);
        spectral::center_columns(&mut flat);
        let flat = flat.qr().compute_thin_Q();
        let map = mat(12, columns, seed + 3).qr().compute_thin_Q();
        let got = spectrum_of(&(flat * map.transpose()));
        near(got.effective_dimensionality, d.into(), 1e-10, "ED");
        near(got.effective_rank, d.into(), 1e-7, "effective rank");
        prop_assert!(got.variance_80_count.is_some_and(|k| k <= d), "{:?}", got.variance_80_count);
    }

    #[test]
    fn the_exponent_of_a_power_law_is_recovered(alpha in 0.2f64..3.0, scale in 1e-6f64..1e6, n in 60u32..2000) {
        let values: Vec<f64> = (1..=n).map(|i| scale * f64::from(i).powf(-alpha)).collect();
        for fit in [AlphaFit::Logspaced, AlphaFit::TailCut, AlphaFit::Range] {
            near(power_law_alpha(&values, fit).map(|law| law.alpha), alpha, 1e-10, "alpha");
        }
    }
}
