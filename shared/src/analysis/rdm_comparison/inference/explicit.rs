//! Resamples written out: for measures without a closed form, and to check those with one.

use super::resample::{Draw, Scored};
use crate::Error;
use crate::analysis::rdm_comparison::ceiling;
use crate::analysis::rdm_comparison::input::{Rdm, Rdms};
use crate::analysis::rdm_comparison::measure::Measure;
use crate::analysis::rdm_comparison::pairs::position;
use crate::analysis::rdm_comparison::{Compare, Side, score};

#[derive(Debug)]
pub(super) struct Explicit<'a> {
    measure: &'a Measure<'a>,
    rdms: &'a Rdms,
}

impl<'a> Explicit<'a> {
    pub(super) fn new(measure: &'a Measure<'a>, rdms: &'a Rdms) -> Self {
        Self { measure, rdms }
    }

    /// The scores of one resample.
    pub(super) fn scored(&self, draw: &Draw) -> Result<Scored<'a>, Error> {
        // Conditions, each as often as it is drawn.
        let items: Vec<usize> = (0..draw.conditions.len()).flat_map(|c| repeat(c, draw.conditions[c])).collect();
        let resampled = |rdms: &[Rdm]| crate::parallel::map(rdms.len(), |i| self.resampled(&rdms[i], &items));
        let (models, data) = (resampled(&self.rdms.models), resampled(&self.rdms.data));
        let measure = self.measure;
        let mut scores = Vec::with_capacity(models.len() * data.len());
        {
            let (models, data) = (Side::prepare(measure, &models)?, Side::prepare(measure, &data)?);
            for i in 0..models.rdms.len() {
                for s in 0..data.rdms.len() {
                    scores.push(score(measure, (&models, i), (&data, s))?);
                }
            }
        }
        let ceiling = move |drawn: &[f64]| {
            let side = Side::prepare(measure, &data)?;
            let shared = (side.groups.len() == 1).then(|| &side.groups[0]);
            let found = ceiling::ceiling(measure, shared, &data, &side.forms, drawn, &|_| Ok(()))?;
            Ok(found.map(|ceiling| ceiling.bounds))
        };
        Ok(Scored { scores, ceiling: Box::new(ceiling) })
    }

    /// The pairs of drawn conditions. Two copies of one condition make no pair; where a measure needs complete RDMs, one of distance 0.
    fn resampled(&self, rdm: &Rdm, items: &[usize]) -> Rdm {
        let k = self.rdms.n_conditions;
        let same = match self.measure.compare {
            Compare::Bures | Compare::BuresMetric | Compare::NegRiemDist => 0.0,
            Compare::Cosine
            | Compare::Corr
            | Compare::Spearman
            | Compare::RhoA
            | Compare::TauA
            | Compare::TauB
            | Compare::CosineCov
            | Compare::CorrCov
            | Compare::Euclidean => f64::NAN,
        };
        let mut pairs = Vec::with_capacity(items.len() * items.len().saturating_sub(1) / 2);
        for (place, &i) in items.iter().enumerate() {
            // Items ascend, so that i <= j.
            pairs.extend(items[place + 1..].iter().map(|&j| if i == j { same } else { rdm.pairs[position(k, i, j)] }));
        }
        let missing = (0..pairs.len()).filter(|&at| pairs[at].is_nan()).collect();
        Rdm { name: rdm.name.clone(), pairs, missing }
    }
}

fn repeat(item: usize, times: f64) -> impl Iterator<Item = usize> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of draws")]
    std::iter::repeat_n(item, times as usize)
}
