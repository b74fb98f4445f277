//! Splits of the rows into training and test sets.

use super::{Cv, stratified};
use crate::Error;
use crate::dataset::{Dataset, Inputs, Values, shape_text};
use crate::labels::{Classes, Labels};
use crate::rng::NumpyLegacy;
use crate::stats::blocks;

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
/// `stratified_kfold`, `stratified_shuffle`, `group`: see `stratified`; codes of classes by first appearance for the first, by sorted name
/// (numbers by value) for the others; of `n` rows `n - floor(f n)` are held out by a stratified shuffle.
/// `contiguous`: the first `floor(f n)` rows to train on, `floor(v n)` left out, the rest held out.
/// `folds`: each distinct value of the input holds out its rows, in ascending order of the values.
///
/// # Errors
/// [`Error::Parameter`] or [`Error::Input`] with the numbers when a scheme does not fit `n` rows.
///
/// # Source
/// scikit-learn `KFold`, `ShuffleSplit(train_size=f)`, `StratifiedKFold`, `StratifiedShuffleSplit` and `GroupKFold` with
/// `random_state=seed`: the same rows in the same order. `contiguous` as in `encoder_warping` (0.6, 0.2).
pub fn splits(cv: &Cv, data: &str, n: usize, inputs: &Inputs) -> Result<Vec<Split>, Error> {
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
        Cv::ShuffleSplit { n_splits, train_fraction, seed } => {
            let n_train = check_shuffle(*n_splits, *train_fraction, n)?;
            shuffled(*n_splits, n_train, *seed, n)
        }
        Cv::StratifiedKfold { k, labels } => {
            let k = check_folds("cv.k", *k, n)?;
            let classes = labels.classes(inputs, data, n)?;
            // A class with fewer rows than folds would be missing from some training-test pairs.
            classes.require(labels, k)?;
            by_fold(&stratified::stratified_folds(&classes.codes, k), k)
        }
        Cv::StratifiedShuffle { n_splits, train_fraction, seed, labels } => {
            let n_train = check_shuffle(*n_splits, *train_fraction, n)?;
            let classes = labels.classes(inputs, data, n)?;
            classes.require(labels, 2)?;
            if classes.names.len() > n_train.min(n - n_train) {
                let message = format!(
                    "{} classes cannot all be in {n_train} training and {} held-out rows; choose another fraction",
                    classes.names.len(),
                    n - n_train
                );
                return Err(Error::parameter("cv.train_fraction", message));
            }
            let splits = stratified::stratified_shuffle(&classes.clone().sorted().codes, *n_splits as usize, n_train, n - n_train, *seed);
            require_classes(&splits, &classes, labels)?;
            splits
        }
        Cv::Group { k, labels } => {
            let classes = labels.classes(inputs, data, n)?;
            classes.require(labels, 1)?;
            let n_groups = u32::try_from(classes.names.len()).unwrap_or(u32::MAX);
            let k = k.unwrap_or(n_groups);
            if k > n_groups {
                let message = format!("{k} folds were asked for but there are only {n_groups} groups; use at most {n_groups}");
                return Err(Error::parameter("cv.k", message));
            }
            let k = check_folds("cv.k", k, n)?;
            by_fold(&stratified::group_folds(&classes.sorted().codes, k), k)
        }
        Cv::Contiguous { train_fraction, validation_fraction } => vec![contiguous(*train_fraction, *validation_fraction, n)?],
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

/// Refuses splits that do not train on every class or do not hold out some of it.
fn require_classes(splits: &[Split], classes: &Classes, labels: &Labels) -> Result<(), Error> {
    for (i, split) in splits.iter().enumerate() {
        for (rows, what) in [(&split.train, "trains on"), (&split.test, "holds out")] {
            let mut seen = vec![false; classes.names.len()];
            rows.iter().for_each(|&row| seen[classes.codes[row]] = true);
            if let Some(missing) = seen.iter().position(|&seen| !seen) {
                let n = classes.codes.iter().filter(|&&code| code == missing).count();
                let message = format!(
                    "split {} {what} no row of class \"{}\", which has {n}; choose another fraction or join small classes",
                    i + 1,
                    classes.names[missing]
                );
                return Err(Error::input(&*labels.input, message));
            }
        }
    }
    Ok(())
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

fn by_fold(fold_of_row: &[usize], k: usize) -> Vec<Split> {
    (0..k)
        .map(|fold| {
            let (test, train) = (0..fold_of_row.len()).partition(|&row| fold_of_row[row] == fold);
            Split { train, test }
        })
        .collect()
}

/// Training rows of a random split.
fn check_shuffle(n_splits: u32, train_fraction: f64, n: usize) -> Result<usize, Error> {
    if n_splits == 0 {
        return Err(Error::parameter("cv.n_splits", "0 splits were asked for; at least 1 is needed"));
    }
    if !(train_fraction > 0.0 && train_fraction < 1.0) {
        return Err(Error::parameter("cv.train_fraction", format!("{train_fraction} is not between 0 and 1 (both excluded)")));
    }
    let n_train = part(train_fraction, n);
    if n_train < 2 || n_train >= n {
        return Err(Error::parameter(
            "cv.train_fraction",
            format!("{train_fraction} of {n} rows is {n_train} to train on; at least 2 are needed and one must be left to hold out"),
        ));
    }
    Ok(n_train)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and n")]
fn part(fraction: f64, n: usize) -> usize {
    (fraction * super::columns::count(n)).floor() as usize
}

fn contiguous(train_fraction: f64, validation_fraction: f64, n: usize) -> Result<Split, Error> {
    let fine = train_fraction > 0.0 && validation_fraction >= 0.0 && train_fraction + validation_fraction < 1.0;
    if !fine {
        return Err(Error::parameter(
            "cv.train_fraction",
            format!(
                "{train_fraction} to train on and {validation_fraction} for validation leave nothing to hold out; they add up to less than 1"
            ),
        ));
    }
    let n_train = part(train_fraction, n);
    let start = n_train + part(validation_fraction, n);
    Ok(Split { train: (0..n_train).collect(), test: (start..n).collect() })
}

fn shuffled(n_splits: u32, n_train: usize, seed: u32, n: usize) -> Vec<Split> {
    let mut rng = NumpyLegacy::new(seed);
    (0..n_splits)
        .map(|_| {
            let mut test = rng.permutation(n);
            let train = test.split_off(n - n_train);
            Split { train, test }
        })
        .collect()
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
    use crate::labels::Labels;
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
        let sizes: Vec<_> = splits(&kfold(4), "X", 10, &Inputs::default()).expect("fits").iter().map(|s| s.test.clone()).collect();
        assert_eq!(sizes, [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7], vec![8, 9]]);
    }

    #[test]
    fn given_folds_may_have_any_integers() {
        let (cv, inputs) = folds(vec![7.0, -1.0, 7.0, 3.0, 3.0, -0.0, 0.0]);
        let tests: Vec<_> = splits(&cv, "X", 7, &inputs).expect("fits").into_iter().map(|s| s.test).collect();
        assert_eq!(tests, [vec![1], vec![5, 6], vec![3, 4], vec![0, 2]]);
    }

    #[test]
    fn classes_and_groups_are_respected() {
        let mut inputs = Inputs::default();
        let classes = [2.0, 2.0, 10.0, 2.0, 10.0, 10.0, 2.0, 10.0, 2.0, 10.0];
        inputs.insert("L", Dataset::from_rows("L", 10, 1, classes.to_vec()).expect("fits"));
        let labels = || Labels { input: "L".into(), column: None };
        let folds = splits(&Cv::StratifiedKfold { k: 5, labels: labels() }, "X", 10, &inputs).expect("fits");
        let one_of_each = |test: &[usize]| test.len() == 2 && classes[test[0]].total_cmp(&classes[test[1]]).is_ne();
        assert!(folds.iter().all(|split| one_of_each(&split.test)), "{folds:?}");
        let groups = splits(&Cv::Group { k: None, labels: labels() }, "X", 10, &inputs).expect("fits");
        assert_eq!(groups.iter().map(|s| s.test.clone()).collect::<Vec<_>>(), [vec![2, 4, 5, 7, 9], vec![0, 1, 3, 6, 8]]);
        let halves = Cv::StratifiedShuffle { n_splits: 2, train_fraction: 0.5, seed: 1, labels: labels() };
        for split in splits(&halves, "X", 10, &inputs).expect("fits") {
            let twos = split.train.iter().filter(|&&row| classes[row] < 5.0).count();
            assert!((2..=3).contains(&twos) && split.train.len() == 5 && split.test.len() == 5, "{split:?}");
        }
        let error = splits(&Cv::StratifiedKfold { k: 6, labels: labels() }, "X", 10, &inputs).expect_err("five rows a class");
        assert!(error.to_string().contains("class \"2\" has 5 rows"), "{error}");
        let error = splits(&Cv::Group { k: Some(3), labels: labels() }, "X", 10, &inputs).expect_err("two groups");
        assert!(error.to_string().contains("only 2 groups"), "{error}");
    }

    #[test]
    fn a_contiguous_split_leaves_the_validation_rows_out() {
        let cv = Cv::Contiguous { train_fraction: 0.6, validation_fraction: 0.2 };
        let split = splits(&cv, "X", 11, &Inputs::default()).expect("fits").remove(0);
        assert_eq!((split.train, split.test), ((0..6).collect(), (8..11).collect()));
    }

    #[test]
    fn schemes_that_do_not_fit_are_refused_with_numbers() {
        let refuse = |cv: &Cv, n: usize, inputs: &Inputs, field: &str, words: &str| {
            let error = splits(cv, "X", n, inputs).expect_err("does not fit");
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
        let contiguous = Cv::Contiguous { train_fraction: 0.8, validation_fraction: 0.2 };
        refuse(&contiguous, 9, &none, "cv.train_fraction", "less than 1");
        refuse(&Cv::Folds { input: "absent".into() }, 9, &none, "cv.input", "no input named \"absent\"");
        let (cv, inputs) = folds(vec![0.0, 1.0, 0.5]);
        refuse(&cv, 3, &inputs, "cv.input", "0.5 at row 3");
        refuse(&cv, 4, &inputs, "cv.input", "each of the 4 rows");
        let (cv, inputs) = folds(vec![2.0; 5]);
        refuse(&cv, 5, &inputs, "cv.input", "one fold");
    }
}
