//! Splits of the rows into training and test sets.

use super::Cv;
use crate::Error;
use crate::dataset::{Dataset, Inputs, Values, shape_text};
use crate::rng::NumpyLegacy;

/// One split: the rows to fit on and the rows held out, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Rows to fit on, in the order of the scheme.
    pub train: Vec<usize>,
    /// Rows held out.
    pub test: Vec<usize>,
}

/// The splits of `n` rows, each with at least two training rows and one test row.
///
/// # Definition
/// `kfold`: contiguous blocks, the first `n mod k` one row longer; shuffled: blocks of a seeded permutation, rows ascending within a split.
/// `shuffle_split`: the first `n - floor(f n)` rows of a new permutation are held out and the rest is trained on, one random stream for all splits.
/// `folds`: each distinct value of the input holds out its rows, in ascending order of the values.
///
/// # Errors
/// [`Error::Parameter`] or [`Error::Input`] with the numbers when a scheme does not fit `n` rows.
///
/// # Source
/// scikit-learn `KFold` and `ShuffleSplit(train_size=f)` with `random_state=seed`: the same rows in the same order.
pub fn splits(cv: &Cv, n: usize, inputs: &Inputs) -> Result<Vec<Split>, Error> {
    let splits = match cv {
        Cv::Kfold { k, shuffle, seed } => {
            let k = check_folds("cv.k", *k, n)?;
            let order = if *shuffle { NumpyLegacy::new(*seed).permutation(n) } else { (0..n).collect() };
            let mut fold_of_row = vec![0; n];
            for (fold, block) in blocks(n, k).into_iter().enumerate() {
                for &row in &order[block] {
                    fold_of_row[row] = fold;
                }
            }
            by_fold(&fold_of_row, k)
        }
        Cv::ShuffleSplit { n_splits, train_fraction, seed } => shuffled(*n_splits, *train_fraction, *seed, n)?,
        Cv::Folds { input } => given(inputs.get("cv.input", input)?, n)?,
    };
    for (i, split) in splits.iter().enumerate() {
        if split.train.len() < 2 || split.test.is_empty() {
            return Err(Error::parameter(
                "cv",
                format!(
                    "split {} of {} trains on {} rows and holds out {}; at least 2 and 1 are needed ({n} rows in all)",
                    i + 1,
                    splits.len(),
                    split.train.len(),
                    split.test.len()
                ),
            ));
        }
    }
    Ok(splits)
}

/// Checks a number of folds against the number of rows.
pub(super) fn check_folds(field: &str, k: u32, n: usize) -> Result<usize, Error> {
    let folds = k as usize;
    if k < 2 {
        return Err(Error::parameter(field, format!("{k} folds were asked for; at least 2 are needed")));
    }
    if folds > n {
        return Err(Error::parameter(field, format!("{k} folds were asked for but there are only {n} rows; use at most {n}")));
    }
    Ok(folds)
}

/// The `k` contiguous blocks of `n` rows, the first `n mod k` one row longer.
pub(super) fn blocks(n: usize, k: usize) -> Vec<std::ops::Range<usize>> {
    let mut start = 0;
    (0..k)
        .map(|i| {
            let block = start..start + n / k + usize::from(i < n % k);
            start = block.end;
            block
        })
        .collect()
}

fn by_fold(fold_of_row: &[usize], k: usize) -> Vec<Split> {
    (0..k)
        .map(|fold| {
            let (test, train) = (0..fold_of_row.len()).partition(|&row| fold_of_row[row] == fold);
            Split { train, test }
        })
        .collect()
}

fn shuffled(n_splits: u32, train_fraction: f64, seed: u32, n: usize) -> Result<Vec<Split>, Error> {
    if n_splits == 0 {
        return Err(Error::parameter("cv.n_splits", "0 splits were asked for; at least 1 is needed"));
    }
    if !(train_fraction > 0.0 && train_fraction < 1.0) {
        return Err(Error::parameter("cv.train_fraction", format!("{train_fraction} is not between 0 and 1 (both excluded)")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and n")]
    let n_train = (train_fraction * super::columns::count(n)).floor() as usize;
    if n_train < 2 || n_train >= n {
        return Err(Error::parameter(
            "cv.train_fraction",
            format!("{train_fraction} of {n} rows is {n_train} to train on; at least 2 are needed and one must be left to hold out"),
        ));
    }
    let mut rng = NumpyLegacy::new(seed);
    Ok((0..n_splits)
        .map(|_| {
            let mut test = rng.permutation(n);
            let train = test.split_off(n - n_train);
            Split { train, test }
        })
        .collect())
}

fn given(folds: &Dataset, n: usize) -> Result<Vec<Split>, Error> {
    let values: Vec<f64> = match &*folds.values {
        Values::F32(a) => a.iter().map(|&v| f64::from(v)).collect(),
        Values::F64(a) => a.iter().copied().collect(),
    };
    if values.len() != n || folds.shape().iter().filter(|&&length| length > 1).count() > 1 {
        return Err(Error::input(
            "cv.input",
            format!("\"{}\" is {} but one fold number for each of the {n} rows is needed", folds.name, shape_text(folds.shape())),
        ));
    }
    if let Some(row) = values.iter().position(|v| v.fract() != 0.0 || !v.is_finite()) {
        return Err(Error::input(
            "cv.input",
            format!("\"{}\" has {} at row {} (counted from 1); folds are whole numbers", folds.name, values[row], row + 1),
        ));
    }
    let mut distinct = values.clone();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    if distinct.len() < 2 {
        return Err(Error::input(
            "cv.input",
            format!("\"{}\" puts all {n} rows into one fold, which leaves none to train on; at least 2 folds are needed", folds.name),
        ));
    }
    let fold_of_row: Vec<usize> = values.iter().map(|v| distinct.partition_point(|d| d < v)).collect();
    Ok(by_fold(&fold_of_row, distinct.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{ArrayD, IxDyn};

    fn kfold(k: u32) -> Cv {
        Cv::Kfold { k, shuffle: false, seed: 0 }
    }

    fn folds(values: Vec<f64>) -> (Cv, Inputs) {
        let mut inputs = Inputs::default();
        inputs.insert("F", Dataset::from_f64("F", ArrayD::from_shape_vec(IxDyn(&[values.len()]), values).expect("a vector")));
        (Cv::Folds { input: "F".into() }, inputs)
    }

    #[test]
    fn the_first_folds_take_the_extra_rows() {
        let sizes: Vec<_> = splits(&kfold(4), 10, &Inputs::default()).expect("fits").iter().map(|s| s.test.clone()).collect();
        assert_eq!(sizes, [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7], vec![8, 9]]);
    }

    #[test]
    fn given_folds_may_have_any_integers() {
        let (cv, inputs) = folds(vec![7.0, -1.0, 7.0, 3.0, 3.0, -0.0, 0.0]);
        let tests: Vec<_> = splits(&cv, 7, &inputs).expect("fits").into_iter().map(|s| s.test).collect();
        assert_eq!(tests, [vec![1], vec![5, 6], vec![3, 4], vec![0, 2]]);
    }

    #[test]
    fn schemes_that_do_not_fit_are_refused_with_numbers() {
        let refuse = |cv: &Cv, n: usize, inputs: &Inputs, field: &str, words: &str| {
            let error = splits(cv, n, inputs).expect_err("does not fit");
            assert_eq!(error.field(), Some(field));
            assert!(error.to_string().contains(words), "{error} has {words}");
        };
        let none = Inputs::default();
        refuse(&kfold(1), 9, &none, "cv.k", "1 folds");
        refuse(&kfold(10), 9, &none, "cv.k", "only 9 rows");
        refuse(&kfold(2), 3, &none, "cv", "trains on 1 rows");
        let shuffle = |n_splits, train_fraction| Cv::ShuffleSplit { n_splits, train_fraction, seed: 0 };
        refuse(&shuffle(0, 0.5), 9, &none, "cv.n_splits", "at least 1");
        refuse(&shuffle(3, 1.0), 9, &none, "cv.train_fraction", "not between 0 and 1");
        refuse(&shuffle(3, f64::NAN), 9, &none, "cv.train_fraction", "not between 0 and 1");
        refuse(&shuffle(3, 0.1), 9, &none, "cv.train_fraction", "0 to train on");
        refuse(&Cv::Folds { input: "absent".into() }, 9, &none, "cv.input", "no input named \"absent\"");
        let (cv, inputs) = folds(vec![0.0, 1.0, 0.5]);
        refuse(&cv, 3, &inputs, "cv.input", "0.5 at row 3");
        refuse(&cv, 4, &inputs, "cv.input", "each of the 4 rows");
        let (cv, inputs) = folds(vec![2.0; 5]);
        refuse(&cv, 5, &inputs, "cv.input", "one fold");
    }
}
