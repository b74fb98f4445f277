//! Permutation tests: of the conditions of models, and of the groups of data RDMs.

use super::{Inference, ModelTest, Scores};
use crate::Error;
use crate::analysis::Context;
use crate::analysis::rdm_comparison::input::{Rdm, Rdms};
use crate::analysis::rdm_comparison::measure::{Form, Measure};
use crate::analysis::rdm_comparison::pairs::position;
use crate::analysis::rdm_comparison::{Compare, Side, score};
use crate::dataset::Inputs;
use crate::labels::Labels;
use crate::parallel;
use crate::rng::Stream;
use crate::stats::{count, mean};

/// Up to this many conditions all permutations are taken.
const ALL_UP_TO: usize = 7;

/// Permutations that are evaluated together.
const BLOCK: usize = 64;

/// A tie up to rounding counts as at least as large.
const TIE: f64 = 1e-12;

/// Streams of permutations start far from those of the bootstrap.
const CONDITIONS: u64 = 1 << 40;
const GROUPS: u64 = 1 << 41;

/// Permutes the conditions of each model against all data RDMs: `p = (1 + #{r* >= r}) / (1 + N)`, one-sided.
///
/// With up to 7 conditions all K! permutations are taken instead, and p is the share of them with r* >= r (the given order among them).
pub(super) fn conditions(
    inference: &Inference,
    measure: &Measure<'_>,
    rdms: &Rdms,
    scores: &Scores<'_>,
    tests: &mut [ModelTest],
    context: &Context<'_>,
) -> Result<(), Error> {
    let k = rdms.n_conditions;
    let (models, data) = (Side::prepare(measure, &rdms.models)?, Side::prepare(measure, &rdms.data)?);
    // Vectors of complete pairs, ranks among them, are permuted as they are; anything else is prepared anew.
    let complete = rdms.models.iter().chain(&rdms.data).all(|r| r.missing.is_empty());
    let gathers = complete && matches!(measure.compare, Compare::Cosine | Compare::Corr | Compare::Spearman | Compare::RhoA);
    let all = (k <= ALL_UP_TO).then(|| permutations(k));
    let n = all.as_ref().map_or(inference.permutations as usize, Vec::len);
    // The same permutations for all models.
    let permutation = |i: usize| match &all {
        Some(all) => all[i].clone(),
        None => Stream::new(inference.seed, CONDITIONS + i as u64).permutation(k),
    };
    let n_data = rdms.data.len();
    let mut at_least = vec![0usize; tests.len()];
    for first in (0..n).step_by(BLOCK) {
        context.step(0.9 + 0.09 * count(first) / count(n), "permuting the conditions")?;
        let counts = parallel::map(BLOCK.min(n - first), |i| {
            let gather = positions(&permutation(first + i));
            let one = |(model, rdm): (usize, &Rdm)| -> Result<bool, Error> {
                let Some(own) = scores.means[model] else { return Ok(false) };
                let found: Vec<f64> = if gathers {
                    let form = gathered(&models.forms[model], &gather);
                    (0..n_data).map(|s| data.group(s).score(&form, &data.forms[s])).collect()
                } else {
                    let rdms = [permuted(rdm, &gather)];
                    let side = Side::prepare(measure, &rdms)?;
                    (0..n_data).map(|s| score(measure, (&side, 0), (&data, s))).collect::<Result<_, _>>()?
                };
                let found: Vec<f64> = found.into_iter().filter(|v| v.is_finite()).collect();
                Ok(mean(&found) >= own - TIE)
            };
            rdms.models.iter().enumerate().map(one).collect::<Result<Vec<bool>, Error>>()
        });
        for found in counts {
            found?.into_iter().zip(&mut at_least).for_each(|(larger, count)| *count += usize::from(larger));
        }
    }
    for (i, test) in tests.iter_mut().enumerate().filter(|(i, _)| scores.means[*i].is_some()) {
        let p = if all.is_some() { count(at_least[i]) / count(n) } else { count(1 + at_least[i]) / count(1 + n) };
        test.p_permutation = Some(p);
    }
    Ok(())
}

/// For each pair the position of the pair that takes its place.
fn positions(permutation: &[usize]) -> Vec<usize> {
    let k = permutation.len();
    let at = |i: usize, j: usize| position(k, i.min(j), i.max(j));
    (0..k).flat_map(|i| (i + 1..k).map(move |j| (i, j))).map(|(i, j)| at(permutation[i], permutation[j])).collect()
}

fn gathered(form: &Form, positions: &[usize]) -> Form {
    let gather = |values: &[f64]| positions.iter().map(|&at| values[at]).collect();
    match form {
        Form::Unit(values) => Form::Unit(gather(values)),
        Form::Ranks(values) => Form::Ranks(gather(values)),
        Form::Order(_) | Form::Plain(_) | Form::Gram(_) | Form::Moments(_) | Form::Undefined => form.clone(),
    }
}

fn permuted(rdm: &Rdm, positions: &[usize]) -> Rdm {
    let pairs: Vec<f64> = positions.iter().map(|&at| rdm.pairs[at]).collect();
    let missing = if rdm.missing.is_empty() { Vec::new() } else { (0..pairs.len()).filter(|&at| pairs[at].is_nan()).collect() };
    Rdm { name: String::new(), pairs, missing }
}

/// All permutations of `0..k`, the identity first.
fn permutations(k: usize) -> Vec<Vec<usize>> {
    if k == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(k - 1);
    let insert = |at: usize| {
        shorter.iter().map(move |rest| {
            let mut out = rest.clone();
            out.insert(at, k - 1);
            out
        })
    };
    (0..k).rev().flat_map(insert).collect()
}

/// Permutes the labels of two groups of data RDMs: two-sided p of the difference of mean scores. Returns the names of the groups.
///
/// All choices of the first group are taken where there are no more of them than permutations asked for, then p is a share of them; else
/// `p = (1 + #{|d*| >= |d|}) / (1 + N)`.
pub(super) fn groups(
    inference: &Inference,
    labels: &Labels,
    inputs: &Inputs,
    rdms: &Rdms,
    scores: &Scores<'_>,
    tests: &mut [ModelTest],
) -> Result<[String; 2], Error> {
    let n = rdms.data.len();
    let classes = labels.classes(inputs, "the data RDMs", n)?;
    let [first, second] = classes.names.as_slice() else {
        let message = format!("has {} different labels; two groups of data RDMs are compared", classes.names.len());
        return Err(Error::input(&*labels.input, message));
    };
    let in_first: Vec<bool> = classes.codes.iter().map(|&code| code == 0).collect();
    let size = in_first.iter().filter(|first| **first).count();
    let n_random = inference.permutations as usize;
    let choices = choices(n, size, n_random);
    for (model, test) in tests.iter_mut().enumerate() {
        let scores = &scores.each[model * n..(model + 1) * n];
        let difference = |in_first: &[bool]| {
            let of = |group: bool| {
                let scores = scores.iter().zip(in_first).filter(|(score, first)| **first == group && score.is_finite());
                mean(&scores.map(|(score, _)| *score).collect::<Vec<_>>())
            };
            of(true) - of(false)
        };
        let own = difference(&in_first);
        if !own.is_finite() {
            continue;
        }
        let extreme = |found: f64| found.abs() >= own.abs() - TIE;
        let p = match &choices {
            Some(choices) => {
                let found: Vec<f64> = choices.iter().map(|choice| difference(choice)).filter(|d| d.is_finite()).collect();
                count(found.iter().filter(|d| extreme(**d)).count()) / count(found.len())
            }
            None => {
                let found = parallel::map(n_random, |i| {
                    let order = Stream::new(inference.seed, GROUPS + i as u64).permutation(n);
                    difference(&order.iter().map(|&s| in_first[s]).collect::<Vec<_>>())
                });
                let defined = found.iter().filter(|d| d.is_finite());
                count(1 + defined.clone().filter(|d| extreme(**d)).count()) / count(1 + defined.count())
            }
        };
        test.group_difference = Some(own);
        test.p_groups = Some(p);
    }
    Ok([first.clone(), second.clone()])
}

/// All ways to choose `size` of `n` items, if there are at most `most`.
fn choices(n: usize, size: usize, most: usize) -> Option<Vec<Vec<bool>>> {
    let mut total = 1usize;
    for i in 0..size.min(n - size) {
        total = total.checked_mul(n - i)? / (i + 1);
        if total > most {
            return None;
        }
    }
    let mut out = Vec::with_capacity(total);
    let mut choice: Vec<usize> = (0..size).collect();
    loop {
        let mut chosen = vec![false; n];
        choice.iter().for_each(|&i| chosen[i] = true);
        out.push(chosen);
        // The last item that can move on does, and those behind it follow.
        let Some(at) = (0..size).rev().find(|&at| choice[at] < n - size + at) else { return Some(out) };
        choice[at] += 1;
        for later in at + 1..size {
            choice[later] = choice[later - 1] + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_permutations_and_choices_come_once() {
        let mut all = permutations(4);
        assert_eq!(all[0], [0, 1, 2, 3]);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 24);
        let choices = choices(5, 2, 10).expect("ten ways");
        assert_eq!(
            (choices.len(), &choices[0], &choices[9]),
            (10, &vec![true, true, false, false, false], &vec![false, false, false, true, true])
        );
        assert!(super::choices(40, 20, 1000).is_none(), "too many");
    }

    #[test]
    fn a_permutation_moves_pairs() {
        // 0-1, 0-2, 1-2 under 0 -> 2, 1 -> 0, 2 -> 1: 2-0, 2-1, 0-1.
        assert_eq!(positions(&[2, 0, 1]), [1, 2, 0]);
    }
}
