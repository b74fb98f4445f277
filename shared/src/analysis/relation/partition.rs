//! Commonality: the explained variance of one column divided among two or three others.

use serde::{Deserialize, Serialize};

use crate::stats::{commonality, explained, pearson};

/// Who explains what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    /// The column that is explained.
    pub dependent: String,
    /// The predictors A, B and C, `log10` written out.
    pub predictors: Vec<String>,
    /// Rows with a value in all of them.
    pub n: u32,
    /// Parts of one predictor, of two, of three, and the total.
    pub rows: Vec<Share>,
}

/// One part of the explained variance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// `Unique_A`, `Common_A_and_B`, …, `Total`.
    pub row: String,
    /// The names behind the letters.
    pub predictors: Vec<String>,
    /// Share of the variance of the dependent column; negative parts are suppression.
    pub coefficient: f64,
    /// The same in percent of the total; `None` when nothing is explained.
    pub percent_total: Option<f64>,
}

/// R of every subset of predictors by bits: R2, and for a single predictor with the sign of its correlation; NaN for a constant y.
pub(super) fn signed_r2(y: &[f64], predictors: &[Vec<f64>]) -> Vec<f64> {
    let of = |mask: usize| {
        let chosen: Vec<Vec<f64>> = predictors.iter().enumerate().filter(|(i, _)| mask & (1 << i) != 0).map(|(_, p)| p.clone()).collect();
        match &chosen[..] {
            [] => 0.0,
            [one] => {
                let r = pearson(one, y);
                // A constant predictor explains nothing.
                let sign = if r < 0.0 { -1.0 } else { 1.0 };
                sign * explained(y, &chosen)
            }
            _ => explained(y, &chosen),
        }
    };
    (0..1 << predictors.len()).map(of).collect()
}

/// The shares by ascending number of predictors, then the total.
pub(super) fn shares(r2: &[f64], names: &[String]) -> Vec<Share> {
    const LETTERS: [&str; 3] = ["A", "B", "C"];
    let parts = commonality(r2);
    let total = r2.last().copied().unwrap_or(0.0);
    let percent = |part: f64| (total > 0.0).then(|| 100.0 * part / total);
    let mut masks: Vec<usize> = (1..r2.len()).collect();
    masks.sort_by_key(|mask| (mask.count_ones(), (0..3).filter(|i| mask & (1 << i) != 0).collect::<Vec<usize>>()));
    let share = |mask: usize| {
        let chosen: Vec<usize> = (0..names.len().min(3)).filter(|i| mask & (1 << i) != 0).collect();
        let letters = chosen.iter().map(|&i| LETTERS[i]).collect::<Vec<_>>().join("_and_");
        let row = format!("{}_{letters}", if chosen.len() == 1 { "Unique" } else { "Common" });
        let predictors = chosen.iter().map(|&i| names[i].clone()).collect();
        Share { row, predictors, coefficient: parts[mask], percent_total: percent(parts[mask]) }
    };
    let mut out: Vec<Share> = masks.into_iter().map(share).collect();
    out.push(Share { row: "Total".into(), predictors: names.to_vec(), coefficient: total, percent_total: percent(total) });
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(n: usize) -> Vec<String> {
        ["p", "q", "s"][..n].iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn rows_are_named_as_in_the_published_tables() {
        let rows = |n: usize| shares(&vec![0.0; 1 << n], &names(n)).into_iter().map(|s| s.row).collect::<Vec<_>>();
        assert_eq!(rows(2), ["Unique_A", "Unique_B", "Common_A_and_B", "Total"]);
        let three =
            ["Unique_A", "Unique_B", "Unique_C", "Common_A_and_B", "Common_A_and_C", "Common_B_and_C", "Common_A_and_B_and_C", "Total"];
        assert_eq!(rows(3), three);
        assert_eq!(shares(&[0.0; 4], &names(2))[0].percent_total, None, "nothing is explained");
    }

    #[test]
    fn a_single_predictor_carries_the_sign_of_its_correlation() {
        let x = vec![1.0, 2.0, 3.0, 4.0];
        let y = [4.0, 3.5, 1.0, 0.0];
        let r2 = signed_r2(&y, std::slice::from_ref(&x));
        let r = pearson(&x, &y);
        assert!((r2[1] + r * r).abs() < 1e-14, "{r2:?}");
        assert!(signed_r2(&[1.0; 4], &[x])[1].is_nan(), "constant y");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn shares_add_up_to_the_total(points in prop::collection::vec((-5.0..5.0f64, -5.0..5.0f64, -5.0..5.0f64, -5.0..5.0f64), 6..40)) {
            let column = |f: fn(&(f64, f64, f64, f64)) -> f64| points.iter().map(f).collect::<Vec<_>>();
            let predictors = vec![column(|p| p.0), column(|p| p.1), column(|p| p.2)];
            let r2 = signed_r2(&column(|p| p.3), &predictors);
            let shares = shares(&r2, &names(3));
            let (total, parts) = shares.split_last().expect("a total");
            prop_assert!((parts.iter().map(|s| s.coefficient).sum::<f64>() - total.coefficient).abs() < 1e-12);
            prop_assert!(r2[7] + 1e-12 >= r2[3].max(r2[5]).max(r2[6]), "more predictors explain no less");
        }
    }
}
