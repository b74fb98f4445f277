//! Least squares of one variable on a few.

use super::{centered_unit, dot, mean, sum};

/// A predictor of which less than this share is not explained by those before it says nothing of its own.
const COLLINEAR: f64 = 1e-10;

/// Residuals of ordinary least squares with an intercept.
///
/// # Definition
/// `y - X b` with b the least-squares solution and X the predictors and a column of ones: Gram-Schmidt orthogonalization, each step twice.
///
/// # Shapes
/// y: n, each predictor: n → n.
///
/// # Degenerate
/// Constant predictors and those that depend linearly on earlier ones change nothing.
///
/// # Accuracy
/// A few eps of |y - mean|, whatever the condition of the predictors.
///
/// # Panics
/// If a predictor has another length than y: a defect of the caller.
#[must_use]
pub fn residuals(y: &[f64], predictors: &[Vec<f64>]) -> Vec<f64> {
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(predictors.len());
    for predictor in predictors {
        assert_eq!(predictor.len(), y.len(), "predictors are as long as what they predict");
        let Some(mut column) = centered_unit(predictor) else { continue };
        remove(&mut column, &basis);
        if dot(&column, &column).sqrt() > COLLINEAR
            && let Some(unit) = centered_unit(&column)
        {
            basis.push(unit);
        }
    }
    let center = mean(y);
    let mut out: Vec<f64> = y.iter().map(|v| v - center).collect();
    remove(&mut out, &basis);
    out
}

/// The share of the variance of y that predictors explain, R2 of ordinary least squares with an intercept; NaN for a constant y.
///
/// # Panics
/// As [`residuals`].
#[must_use]
pub fn explained(y: &[f64], predictors: &[Vec<f64>]) -> f64 {
    match centered_unit(y) {
        Some(unit) => {
            let rest = residuals(&unit, predictors);
            (1.0 - dot(&rest, &rest)).max(0.0)
        }
        None => f64::NAN,
    }
}

fn remove(y: &mut [f64], basis: &[Vec<f64>]) {
    for _ in 0..2 {
        for column in basis {
            let weight = dot(y, column);
            y.iter_mut().zip(column).for_each(|(v, c)| *v -= weight * c);
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of values in memory")]
        let center = sum(y) / y.len() as f64;
        y.iter_mut().for_each(|v| *v -= center);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residuals_are_orthogonal_and_planes_are_explained() {
        let a = vec![1.0, 2.0, 3.0, 5.0, 8.0];
        let b = vec![0.5, -1.0, 4.0, 2.0, 0.0];
        let y = [3.0, 1.0, 4.0, 1.0, 5.0];
        let rest = residuals(&y, &[a.clone(), b.clone()]);
        assert!(dot(&rest, &a).abs() < 1e-13 && dot(&rest, &b).abs() < 1e-13 && sum(&rest).abs() < 1e-13, "{rest:?}");
        let plane: Vec<f64> = a.iter().zip(&b).map(|(a, b)| 2.0 * a - 3.0 * b + 7.0).collect();
        assert!((explained(&plane, &[a, b]) - 1.0).abs() < 1e-15, "a plane");
    }

    #[test]
    fn dependent_and_constant_predictors_add_nothing() {
        let a = vec![1.0, 2.0, 3.0, 5.0];
        let y = [2.0, 1.0, 4.0, 3.0];
        let twice: Vec<f64> = a.iter().map(|v| 2.0 * v + 1.0).collect();
        let (one, more) = (explained(&y, std::slice::from_ref(&a)), explained(&y, &[a, twice, vec![1.0; 4]]));
        assert!((one - more).abs() < 1e-14, "{one} and {more}");
        assert!(explained(&[1.0, 1.0], &[vec![1.0, 2.0]]).is_nan(), "nothing to explain");
    }
}
