//! What the scores of the classes say about the true one.

/// A prediction against the truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ranked {
    /// The class with the largest score; of equal ones the first.
    pub predicted: usize,
    /// Whether the true class is the first.
    pub top1: bool,
    /// Whether the true class is among the first five.
    pub top5: bool,
    /// 1 / number of scores that are not below that of the true class.
    pub reciprocal_rank: f64,
}

/// Ranks the scores of one row.
///
/// # Definition
/// Among the first k: fewer than k scores are larger or, where equal, of a class before the true one. The rank counts every score that is at
/// least that of the true class, its own included: ties count against it.
pub(super) fn rank(scores: impl Iterator<Item = f64> + Clone, truth: usize) -> Ranked {
    let own = scores.clone().nth(truth).unwrap_or(f64::NAN);
    let (mut before, mut at_least) = (0usize, 0u32);
    let (mut predicted, mut largest) = (0, f64::NEG_INFINITY);
    for (k, score) in scores.enumerate() {
        if score > largest {
            (predicted, largest) = (k, score);
        }
        before += usize::from(score > own || (score == own && k < truth));
        at_least += u32::from(score >= own);
    }
    Ranked { predicted, top1: before < 1, top5: before < 5, reciprocal_rank: 1.0 / f64::from(at_least.max(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(scores: &[f64], truth: usize) -> Ranked {
        rank(scores.iter().copied(), truth)
    }

    #[test]
    fn the_largest_score_wins_and_ties_go_to_the_first() {
        let scores = [0.1, 0.7, 0.7, 0.2];
        let first = ranked(&scores, 1);
        assert_eq!((first.predicted, first.top1), (1, true));
        let second = ranked(&scores, 2);
        assert_eq!((second.predicted, second.top1), (1, false), "an equal class before it");
        assert_eq!((first.reciprocal_rank, second.reciprocal_rank), (0.5, 0.5), "ties count against both");
        assert_eq!(ranked(&scores, 0).reciprocal_rank, 0.25);
    }

    #[test]
    fn five_places_are_given_by_index_where_scores_are_equal() {
        let flat = [1.0; 8];
        assert!(ranked(&flat, 4).top5 && !ranked(&flat, 5).top5, "the fifth and the sixth of eight equals");
        assert_eq!(ranked(&flat, 4).reciprocal_rank, 0.125);
    }
}
