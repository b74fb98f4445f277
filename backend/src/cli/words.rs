//! Small languages on the command line: estimators, splits, selections.

use std::str::FromStr;

use eigenscope::analysis::encoding::Selection;
use serde::Deserialize;

use super::inputs::InputArg;

/// Name of an estimator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ModelName {
    /// Least squares.
    Ols,
    /// Ridge regression.
    Ridge,
    /// Partial least squares.
    Pls,
}

/// `kfold:K[:shuffle]`, `shuffle-split:N:FRACTION` or a file of folds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CvArg {
    /// Folds.
    Kfold {
        /// How many.
        k: u32,
        /// Permute first.
        shuffle: bool,
    },
    /// Random splits.
    ShuffleSplit {
        /// How many.
        n_splits: u32,
        /// Fraction to train on.
        train_fraction: f64,
    },
    /// Folds from a file.
    Folds(InputArg),
}

const CV_HELP: &str = "expected kfold:K, kfold:K:shuffle, shuffle-split:N:TRAIN_FRACTION or a file such as FOLDS.npy";

impl FromStr for CvArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(':').collect::<Vec<_>>();
        let count = |s: &str| s.parse::<u32>().map_err(|e| format!("\"{s}\" is not a count ({e}); {CV_HELP}"));
        match parts.as_slice() {
            ["kfold", k] => Ok(Self::Kfold { k: count(k)?, shuffle: false }),
            ["kfold", k, "shuffle"] => Ok(Self::Kfold { k: count(k)?, shuffle: true }),
            ["shuffle-split", n, fraction] => Ok(Self::ShuffleSplit {
                n_splits: count(n)?,
                train_fraction: fraction.parse().map_err(|e| format!("\"{fraction}\" is not a fraction ({e}); {CV_HELP}"))?,
            }),
            ["kfold" | "shuffle-split", ..] => Err(CV_HELP.into()),
            _ if text.contains('.') || text.contains('/') => Ok(Self::Folds(text.parse()?)),
            _ => Err(CV_HELP.into()),
        }
    }
}

/// `leave-one-out`, `gcv` or `kfold:K`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SelectionArg(pub Selection);

impl FromStr for SelectionArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fold = |k: &str| k.parse::<u32>().ok().map(|k| Selection::Kfold { k });
        let found = match text {
            "leave-one-out" | "leave_one_out" | "loo" => Some(Selection::LeaveOneOut),
            "gcv" => Some(Selection::Gcv),
            _ => text.strip_prefix("kfold:").and_then(fold),
        };
        found.map(Self).ok_or_else(|| "expected leave-one-out, gcv or kfold:K".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_read_from_words() {
        assert_eq!("kfold:5:shuffle".parse(), Ok(CvArg::Kfold { k: 5, shuffle: true }));
        assert_eq!("shuffle-split:10:0.9".parse(), Ok(CvArg::ShuffleSplit { n_splits: 10, train_fraction: 0.9 }));
        assert!(matches!("folds.npz::a".parse(), Ok(CvArg::Folds(_))), "a file with a member");
        for bad in ["kfold", "kfold:x", "kfold:5:mixed", "five", "shuffle-split:3"] {
            assert!(bad.parse::<CvArg>().is_err(), "{bad} is refused");
        }
        assert_eq!("kfold:4".parse(), Ok(SelectionArg(Selection::Kfold { k: 4 })));
    }
}
