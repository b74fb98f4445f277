//! Splits that respect classes or groups of rows. Rows carry codes, 0 to the number of classes - 1.

use super::cv::Split;
use crate::rng::NumpyLegacy;

/// How many rows each class has.
pub(super) fn class_sizes(codes: &[usize]) -> Vec<usize> {
    let mut sizes = vec![0; codes.iter().max().map_or(0, |&largest| largest + 1)];
    for &code in codes {
        sizes[code] += 1;
    }
    sizes
}

/// The fold of each row: folds hold about the same share of every class.
///
/// # Definition
/// Of the sorted codes, fold i counts the classes at positions i, i + k, i + 2k, …; the rows of a class go to folds 0, 1, … in row order, as
/// many as counted. Codes are in the order of first appearance.
///
/// # Source
/// scikit-learn `StratifiedKFold(n_splits=k)` without shuffling.
pub(super) fn stratified_folds(codes: &[usize], k: usize) -> Vec<usize> {
    let sizes = class_sizes(codes);
    let mut sorted = codes.to_vec();
    sorted.sort_unstable();
    let mut shares = vec![vec![0usize; k]; sizes.len()];
    for (at, &code) in sorted.iter().enumerate() {
        shares[code][at % k] += 1;
    }
    let mut queues: Vec<_> = shares
        .into_iter()
        .map(|share| share.into_iter().enumerate().flat_map(|(fold, n)| std::iter::repeat_n(fold, n)).collect::<Vec<_>>().into_iter())
        .collect();
    codes.iter().map(|&code| queues[code].next().unwrap_or(0)).collect()
}

/// The fold of each row: all rows of a group in one fold, folds of about the same size.
///
/// # Definition
/// Groups from the largest to the smallest (equal ones: the later code first) each go to the fold that is lightest so far.
///
/// # Source
/// scikit-learn `GroupKFold`.
pub(super) fn group_folds(codes: &[usize], k: usize) -> Vec<usize> {
    let sizes = class_sizes(codes);
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&group| sizes[group]);
    let mut weights = vec![0; k];
    let mut fold_of_group = vec![0; sizes.len()];
    for &group in order.iter().rev() {
        let lightest = (0..k).min_by_key(|&fold| weights[fold]).unwrap_or(0);
        weights[lightest] += sizes[group];
        fold_of_group[group] = lightest;
    }
    codes.iter().map(|&code| fold_of_group[code]).collect()
}

/// Random splits that hold out about the same share of every class.
///
/// # Definition
/// Per split: the number of training rows of each class by the largest-remainder rule (ties drawn at random), likewise of test rows from
/// what is left; a permutation within each class; a permutation of the training and of the test list. One stream for all splits. Codes are
/// in the order of the sorted class names.
///
/// # Source
/// scikit-learn `StratifiedShuffleSplit` with `random_state=seed`: the same rows in the same order.
pub(super) fn stratified_shuffle(codes: &[usize], n_splits: usize, n_train: usize, n_test: usize, seed: u32) -> Vec<Split> {
    let sizes = class_sizes(codes);
    let rows_of: Vec<Vec<usize>> = (0..sizes.len()).map(|class| (0..codes.len()).filter(|&row| codes[row] == class).collect()).collect();
    let mut rng = NumpyLegacy::new(seed);
    (0..n_splits)
        .map(|_| {
            let train_sizes = shares(&sizes, n_train, &mut rng);
            let left: Vec<usize> = sizes.iter().zip(&train_sizes).map(|(all, taken)| all - taken).collect();
            let test_sizes = shares(&left, n_test, &mut rng);
            let (mut train, mut test) = (Vec::with_capacity(n_train), Vec::with_capacity(n_test));
            for (class, rows) in rows_of.iter().enumerate() {
                let order = rng.permutation(rows.len());
                let (n_train, n_test) = (train_sizes[class], test_sizes[class]);
                train.extend(order[..n_train].iter().map(|&i| rows[i]));
                test.extend(order[n_train..n_train + n_test].iter().map(|&i| rows[i]));
            }
            let permuted = |rows: &[usize], rng: &mut NumpyLegacy| rng.permutation(rows.len()).into_iter().map(|i| rows[i]).collect();
            let train = permuted(&train, &mut rng);
            let test = permuted(&test, &mut rng);
            Split { train, test }
        })
        .collect()
}

/// `n` draws shared out in proportion to `sizes`, the most likely way.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "parts of small counts")]
fn shares(sizes: &[usize], n: usize, rng: &mut NumpyLegacy) -> Vec<usize> {
    let total = sizes.iter().sum::<usize>() as f64;
    let exact: Vec<f64> = sizes.iter().map(|&size| size as f64 / total * n as f64).collect();
    let mut out: Vec<usize> = exact.iter().map(|share| share.floor() as usize).collect();
    let mut missing = n.saturating_sub(out.iter().sum());
    let remainders: Vec<f64> = exact.iter().map(|share| share - share.floor()).collect();
    let mut different = remainders.clone();
    different.sort_by(|a, b| b.total_cmp(a));
    different.dedup();
    for value in different {
        if missing == 0 {
            break;
        }
        let tied: Vec<usize> = (0..sizes.len()).filter(|&class| remainders[class].total_cmp(&value).is_eq()).collect();
        let add = missing.min(tied.len());
        for &i in &rng.permutation(tied.len())[..add] {
            out[tied[i]] += 1;
        }
        missing -= add;
    }
    out
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        codes: Vec<usize>,
        k: usize,
        stratified: Option<Vec<usize>>,
        group: Vec<usize>,
        n_group_folds: usize,
        shuffle: Vec<Rows>,
    }

    #[derive(Deserialize)]
    struct Rows {
        train: Vec<usize>,
        test: Vec<usize>,
    }

    /// Codes by first appearance, as `stratified_folds` takes them.
    fn by_appearance(codes: &[usize]) -> Vec<usize> {
        let mut seen = Vec::new();
        codes
            .iter()
            .map(|code| {
                seen.iter().position(|known| known == code).unwrap_or_else(|| {
                    seen.push(*code);
                    seen.len() - 1
                })
            })
            .collect()
    }

    #[test]
    fn splits_are_those_of_scikit_learn() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/splits.json");
        let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).expect("the fixture is in the tree")).expect("it is JSON");
        for case in cases {
            let n = case.codes.len();
            if let Some(want) = &case.stratified {
                assert_eq!(&stratified_folds(&by_appearance(&case.codes), case.k), want, "stratified, {n} rows");
            }
            assert_eq!(group_folds(&case.codes, case.n_group_folds), case.group, "groups, {n} rows");
            let (n_train, n_test) = (case.shuffle[0].train.len(), case.shuffle[0].test.len());
            for (got, want) in stratified_shuffle(&case.codes, 3, n_train, n_test, 1).iter().zip(&case.shuffle) {
                assert_eq!((&got.train, &got.test), (&want.train, &want.test), "shuffled, {n} rows");
            }
        }
    }
}
