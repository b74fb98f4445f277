//! Small languages on the command line: estimators, splits, selections.

use std::str::FromStr;

use eigenscope::analysis::encoding::{Kernel, Selection};
use eigenscope::analysis::relation::Term;
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
    /// Ridge regression on a kernel.
    KernelRidge,
    /// Ridge regression over several feature spaces.
    BandedRidge,
    /// Partial least squares.
    Pls,
    /// The best single feature.
    BestUnit,
}

impl ModelName {
    /// Whether it has penalties.
    pub(super) fn has_penalties(self) -> bool {
        matches!(self, Self::Ridge | Self::KernelRidge | Self::BandedRidge)
    }
}

/// `linear`, `rbf[:GAMMA]` or `polynomial:DEGREE[:GAMMA[:COEF0]]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KernelArg(pub Kernel);

impl FromStr for KernelArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = || "expected linear, rbf, rbf:GAMMA, polynomial:DEGREE, polynomial:DEGREE:GAMMA or polynomial:DEGREE:GAMMA:COEF0";
        let number = |s: &str| s.parse::<f64>().map_err(|e| format!("\"{s}\" is not a number ({e}); {}", help()));
        let degree = |s: &str| s.parse::<u32>().map_err(|e| format!("\"{s}\" is not a degree ({e}); {}", help()));
        let kernel = match text.split(':').collect::<Vec<_>>().as_slice() {
            ["linear"] => Kernel::Linear,
            ["rbf"] => Kernel::Rbf { gamma: None },
            ["rbf", gamma] => Kernel::Rbf { gamma: Some(number(gamma)?) },
            ["polynomial", d] => Kernel::Polynomial { degree: degree(d)?, gamma: None, coef0: 1.0 },
            ["polynomial", d, gamma] => Kernel::Polynomial { degree: degree(d)?, gamma: Some(number(gamma)?), coef0: 1.0 },
            ["polynomial", d, gamma, coef0] => {
                Kernel::Polynomial { degree: degree(d)?, gamma: Some(number(gamma)?), coef0: number(coef0)? }
            }
            _ => return Err(help().into()),
        };
        Ok(Self(kernel))
    }
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
    /// Folds with the classes of `--labels`.
    StratifiedKfold {
        /// How many.
        k: u32,
    },
    /// Random splits with the classes of `--labels`.
    StratifiedShuffle {
        /// How many.
        n_splits: u32,
        /// Fraction to train on.
        train_fraction: f64,
    },
    /// Groups of `--labels` stay together.
    Group {
        /// How many folds; all groups without.
        k: Option<u32>,
    },
    /// One split in row order.
    Contiguous {
        /// Fraction to train on.
        train_fraction: f64,
        /// Fraction between.
        validation_fraction: f64,
    },
    /// Folds from a file.
    Folds(InputArg),
}

impl CvArg {
    /// Whether `--labels` belongs to it.
    pub(super) fn takes_labels(&self) -> bool {
        matches!(self, Self::StratifiedKfold { .. } | Self::StratifiedShuffle { .. } | Self::Group { .. })
    }
}

const CV_HELP: &str = "expected kfold:K, kfold:K:shuffle, shuffle-split:N:TRAIN_FRACTION, stratified-kfold:K, \
    stratified-shuffle:N:TRAIN_FRACTION, group, group:K, contiguous, contiguous:TRAIN_FRACTION:VALIDATION_FRACTION or a file such as FOLDS.npy";

impl FromStr for CvArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(':').collect::<Vec<_>>();
        let count = |s: &str| s.parse::<u32>().map_err(|e| format!("\"{s}\" is not a count ({e}); {CV_HELP}"));
        let fraction = |s: &str| s.parse::<f64>().map_err(|e| format!("\"{s}\" is not a fraction ({e}); {CV_HELP}"));
        match parts.as_slice() {
            ["kfold", k] => Ok(Self::Kfold { k: count(k)?, shuffle: false }),
            ["kfold", k, "shuffle"] => Ok(Self::Kfold { k: count(k)?, shuffle: true }),
            ["shuffle-split", n, f] => Ok(Self::ShuffleSplit { n_splits: count(n)?, train_fraction: fraction(f)? }),
            ["stratified-kfold", k] => Ok(Self::StratifiedKfold { k: count(k)? }),
            ["stratified-shuffle", n, f] => Ok(Self::StratifiedShuffle { n_splits: count(n)?, train_fraction: fraction(f)? }),
            ["group"] => Ok(Self::Group { k: None }),
            ["group", k] => Ok(Self::Group { k: Some(count(k)?) }),
            ["contiguous"] => Ok(Self::Contiguous { train_fraction: 0.6, validation_fraction: 0.2 }),
            ["contiguous", f, v] => Ok(Self::Contiguous { train_fraction: fraction(f)?, validation_fraction: fraction(v)? }),
            ["kfold" | "shuffle-split" | "stratified-kfold" | "stratified-shuffle" | "group" | "contiguous", ..] => Err(CV_HELP.into()),
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

/// A number, or `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LimitArg(pub Option<u32>);

impl FromStr for LimitArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self(None));
        }
        text.parse().map(|n| Self(Some(n))).map_err(|e| format!("expected a whole number or all ({e})"))
    }
}

/// `COLUMN`, `log10:COLUMN` or `raw:COLUMN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TermArg {
    /// The column.
    pub column: String,
    /// Whether its logarithm was asked for, if anything was said.
    pub log: Option<bool>,
}

impl TermArg {
    /// The term of a spec; without a word of its own the x column enters as x does.
    pub(super) fn term(&self, x: &str, log_x: bool) -> Term {
        let plain = |name: &str| name.trim().to_lowercase().replace('_', " ");
        let log = self.log.unwrap_or(log_x && plain(&self.column) == plain(x));
        Term { column: self.column.clone(), log }
    }
}

impl FromStr for TermArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (log, column) = match text.split_once(':') {
            Some(("log10" | "log", column)) if !column.starts_with(':') => (Some(true), column),
            Some(("raw", column)) if !column.starts_with(':') => (Some(false), column),
            _ => (None, text),
        };
        if column.trim().is_empty() {
            return Err("expected COLUMN, log10:COLUMN or raw:COLUMN".into());
        }
        Ok(Self { column: column.trim().into(), log })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_say_whether_they_are_logarithms() {
        let term = |text: &str, log_x| text.parse::<TermArg>().expect("a term").term("effective_dimensionality", log_x);
        assert_eq!(term("log10:signal (mean)", false), Term { column: "signal (mean)".into(), log: true });
        assert!(term("Effective Dimensionality", true).log, "as x");
        assert!(!term("raw:effective_dimensionality", true).log && !term("signal", true).log, "unless it is said");
        assert_eq!(term("log::signal", false).column, "log::signal", "a table named log");
        assert!("log10:".parse::<TermArg>().is_err_and(|e| e.contains("COLUMN")), "no column");
    }

    #[test]
    fn splits_are_read_from_words() {
        assert_eq!("kfold:5:shuffle".parse(), Ok(CvArg::Kfold { k: 5, shuffle: true }));
        assert_eq!("shuffle-split:10:0.9".parse(), Ok(CvArg::ShuffleSplit { n_splits: 10, train_fraction: 0.9 }));
        assert_eq!("group".parse(), Ok(CvArg::Group { k: None }));
        assert_eq!("contiguous".parse(), Ok(CvArg::Contiguous { train_fraction: 0.6, validation_fraction: 0.2 }));
        assert_eq!("stratified-shuffle:10:0.9".parse(), Ok(CvArg::StratifiedShuffle { n_splits: 10, train_fraction: 0.9 }));
        assert!(matches!("folds.npz::a".parse(), Ok(CvArg::Folds(_))), "a file with a member");
        for bad in ["kfold", "kfold:x", "kfold:5:mixed", "five", "shuffle-split:3"] {
            assert!(bad.parse::<CvArg>().is_err(), "{bad} is refused");
        }
        assert_eq!("rbf:0.5".parse(), Ok(KernelArg(Kernel::Rbf { gamma: Some(0.5) })));
        assert_eq!("polynomial:2".parse(), Ok(KernelArg(Kernel::Polynomial { degree: 2, gamma: None, coef0: 1.0 })));
        assert!("sigmoid".parse::<KernelArg>().is_err_and(|e| e.contains("polynomial:DEGREE")), "the kernels are named");
        assert_eq!(("all".parse(), "12".parse()), (Ok(LimitArg(None)), Ok(LimitArg(Some(12)))));
        assert!("-1".parse::<LimitArg>().is_err(), "not a count");
        assert_eq!("kfold:4".parse(), Ok(SelectionArg(Selection::Kfold { k: 4 })));
    }
}
