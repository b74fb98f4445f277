//! Sums in eight independent lanes: faster than one running sum, more accurate, and the same on every machine.

const LANES: usize = 8;

/// Sum of `term(x_i, y_i)` over pairs; stops at the shorter slice.
#[inline]
pub fn fold_pairs(x: &[f64], y: &[f64], term: impl Fn(f64, f64) -> f64) -> f64 {
    let n = x.len().min(y.len());
    let (x_blocks, x_rest) = x[..n].as_chunks::<LANES>();
    let (y_blocks, y_rest) = y[..n].as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (a, b) in x_blocks.iter().zip(y_blocks) {
        for (lane, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += term(a, b);
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(&a, &b)| term(a, b)).sum();
    lanes.iter().sum::<f64>() + rest
}

/// Inner product; stops at the shorter slice.
#[must_use]
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    fold_pairs(x, y, |a, b| a * b)
}

/// Sum of the values; 0 for none.
#[must_use]
pub fn sum(x: &[f64]) -> f64 {
    fold_pairs(x, x, |a, _| a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_and_the_rest_are_all_added() {
        let x: Vec<f64> = (1..=21).map(f64::from).collect();
        assert_eq!(sum(&x).to_bits(), 231.0f64.to_bits());
        assert_eq!(dot(&x, &x).to_bits(), 3311.0f64.to_bits());
        assert_eq!(sum(&[]).to_bits(), 0.0f64.to_bits());
    }
}
