//! Householder reflectors `I - tau v v'` with `v_0 = 1`, on slices.

/// What a reflector leaves: it maps the vector that it was made from to (beta, 0, …, 0).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reflector {
    /// The value that stays, of the vector's length.
    pub beta: f64,
    /// Zero where nothing has to be reflected, else between 1 and 2.
    pub tau: f64,
}

/// Makes the reflector of a vector that is not empty, in its place.
///
/// The squares of the values must not overflow. Source: LAPACK `dlarfg`.
#[inline(always)]
pub(super) fn make(x: &mut [f64]) -> Reflector {
    let alpha = x[0];
    let tail = dot(&x[1..], &x[1..]);
    x[0] = 1.0;
    if tail == 0.0 {
        return Reflector { beta: alpha, tau: 0.0 };
    }
    let beta = -(alpha * alpha + tail).sqrt().copysign(alpha);
    let scale = (alpha - beta).recip();
    x[1..].iter_mut().for_each(|v| *v *= scale);
    Reflector { beta, tau: (beta - alpha) / beta }
}

/// y - tau v (v'y).
#[inline(always)]
pub(super) fn apply(tau: f64, v: &[f64], y: &mut [f64]) {
    let scale = -tau * dot(v, y);
    add_scaled(y, scale, v);
}

/// y + scale x.
#[inline(always)]
pub(super) fn add_scaled(y: &mut [f64], scale: f64, x: &[f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += scale * x);
}

/// x'y, in eight partial sums, so that the compiler may use vectors.
#[inline(always)]
pub(super) fn dot(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len().min(y.len());
    let (x, y) = (&x[..n], &y[..n]);
    let mut sums = [0.0; 8];
    for (x, y) in x.chunks_exact(8).zip(y.chunks_exact(8)) {
        for i in 0..8 {
            sums[i] += x[i] * y[i];
        }
    }
    let rest = n / 8 * 8;
    let tail: f64 = x[rest..].iter().zip(&y[rest..]).map(|(x, y)| x * y).sum();
    tail + ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reflector_maps_its_vector_to_the_first_axis() {
        let x = [3.0, -4.0, 12.0];
        let mut v = x;
        let Reflector { beta, tau } = make(&mut v);
        assert!((beta + 13.0).abs() < 1e-15, "minus the length: {beta}");
        let mut y = x;
        apply(tau, &v, &mut y);
        assert!((y[0] - beta).abs() < 1e-14 && y[1].abs() < 1e-14 && y[2].abs() < 1e-14, "{y:?}");
        let mut along = [-2.0, 0.0];
        assert_eq!(make(&mut along), Reflector { beta: -2.0, tau: 0.0 });
    }

    #[test]
    fn dots_count_every_value() {
        let x: Vec<f64> = (1..=19).map(f64::from).collect();
        assert_eq!(dot(&x, &x), 2470.0);
    }
}
