//! Commonality analysis: what predictors explain alone and what they share.

/// Splits the explained variance of m predictors (or feature spaces) into the part of each subset of them.
///
/// # Definition
/// With R2(T) of the model that uses the predictors of T, and N all of them: `C(S) = sum over T in S of (-1)^(|T| + 1) R2((N \ S) + T)`.
/// For two: `C(1) = R12 - R2`, `C(2) = R12 - R1`, `C(12) = R1 + R2 - R12`.
///
/// # Shapes
/// `r2[mask]` is R2 of the subset with these bits, `r2[0]` = 0: 2^m values → 2^m values, `C(0)` = 0; they add up to `r2[2^m - 1]`.
///
/// # Degenerate
/// Common parts may be negative (suppression) and stay so. NaN in, NaN out.
///
/// # Cost
/// O(m 2^m).
///
/// # Source
/// Nimon, Lewis, Kane & Haynes 2008; Elmoznino & Bonner 2024.
#[must_use]
pub fn commonality(r2: &[f64]) -> Vec<f64> {
    let all = r2.len().saturating_sub(1);
    let mut parts: Vec<f64> = (0..r2.len()).map(|mask| -r2[all & !mask]).collect();
    // With U = S \ T the definition reads: sum over U in S of (-1)^(|S| - |U|) (-R2(N \ U)), a Moebius transform.
    let mut bit = 1;
    while bit < r2.len() {
        for mask in 0..r2.len() {
            if mask & bit != 0 {
                parts[mask] -= parts[mask & !bit];
            }
        }
        bit <<= 1;
    }
    // Nothing belongs to the empty set.
    if let Some(first) = parts.first_mut() {
        *first = 0.0;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_predictors_have_unique_and_common_parts() {
        // R1 = .5, R2 = .4, R12 = .6.
        let parts = commonality(&[0.0, 0.5, 0.4, 0.6]);
        for (part, want) in parts.iter().zip([0.0, 0.2, 0.1, 0.3]) {
            assert!((part - want).abs() < 1e-15, "{parts:?}");
        }
    }

    #[test]
    fn three_predictors_follow_the_definition_and_add_up() {
        let r2 = [0.0, 0.3, 0.25, 0.5, 0.2, 0.41, 0.37, 0.62];
        let parts = commonality(&r2);
        for set in 1..8usize {
            let mut want = 0.0;
            for within in (0..8usize).filter(|t| t & !set == 0) {
                let sign = if within.count_ones() % 2 == 0 { -1.0 } else { 1.0 };
                want += sign * r2[(7 & !set) | within];
            }
            assert!((parts[set] - want).abs() < 1e-15, "set {set}: {} not {want}", parts[set]);
        }
        assert!((parts.iter().sum::<f64>() - 0.62).abs() < 1e-15, "everything explained is somewhere");
        assert!((parts[1] - (0.62 - 0.37)).abs() < 1e-15, "unique is what the others lack");
    }

    #[test]
    fn suppression_stays_negative() {
        assert!(commonality(&[0.0, 0.1, 0.1, 0.5])[3] < 0.0, "together they explain more than the sum");
    }
}
