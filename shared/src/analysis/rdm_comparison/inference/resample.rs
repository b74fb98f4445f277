//! Resamples of conditions and data RDMs, and the scores of all models in them.

use faer::Mat;

use super::explicit::Explicit;
use super::products::Products;
use super::ranks::Ranks;
use crate::Error;
use crate::analysis::rdm_comparison::Compare;
use crate::analysis::rdm_comparison::ceiling;
use crate::analysis::rdm_comparison::input::Rdms;
use crate::analysis::rdm_comparison::measure::Measure;
use crate::rng::Stream;

/// A resample needs this many distinct conditions.
const LEAST_CONDITIONS: usize = 3;

/// How often each condition is drawn, and in how many ways data RDMs are drawn along with it.
#[derive(Debug, Clone)]
pub(super) struct Draw {
    /// How often each condition is drawn.
    pub(super) conditions: Vec<f64>,
    /// How often each data RDM is drawn, for each way.
    pub(super) data: Vec<Vec<f64>>,
}

/// Mean score of each model, then the lower and the upper ceiling; NaN where undefined.
pub(super) type Row = Vec<f64>;

/// How often each of `n` items is drawn when `n` are drawn with replacement.
pub(super) fn multiplicities(n: usize, rng: &mut Stream) -> Vec<f64> {
    let mut out = vec![0.0; n];
    for _ in 0..n {
        out[rng.below(n)] += 1.0;
    }
    out
}

/// Evaluates the models in resamples, by the fastest exact way that the measure has.
#[derive(Debug)]
pub(super) struct Evaluator<'a> {
    n_models: usize,
    n_data: usize,
    way: Way,
    /// For resamples in which a closed form is singular.
    explicit: Explicit<'a>,
}

#[derive(Debug)]
enum Way {
    Products(Products),
    Ranks(Ranks),
    Explicit,
}

/// Lower and upper ceiling by how often each data RDM is drawn.
pub(super) type Ceiling<'a> = Box<dyn Fn(&[f64]) -> Result<Option<[f64; 2]>, Error> + Send + Sync + 'a>;

/// The scores of one resample of conditions, before data RDMs are drawn.
pub(super) struct Scored<'a> {
    /// Models x data RDMs.
    pub(super) scores: Vec<f64>,
    /// Lower and upper ceiling of data RDMs drawn this often.
    pub(super) ceiling: Ceiling<'a>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(measure: &'a Measure<'a>, rdms: &'a Rdms) -> Self {
        let complete = rdms.data.iter().chain(&rdms.models).all(|r| r.missing.is_empty());
        let way = match measure.compare {
            Compare::Cosine | Compare::Corr if complete => Way::Products(Products::new(measure.compare, rdms)),
            Compare::CosineCov | Compare::CorrCov if complete && measure.sigma.is_none() => {
                Way::Products(Products::new(measure.compare, rdms))
            }
            Compare::Spearman | Compare::RhoA if complete => Way::Ranks(Ranks::new(measure.compare, rdms)),
            Compare::Cosine
            | Compare::Corr
            | Compare::CosineCov
            | Compare::CorrCov
            | Compare::Spearman
            | Compare::RhoA
            | Compare::TauA
            | Compare::TauB
            | Compare::Bures
            | Compare::BuresMetric
            | Compare::NegRiemDist
            | Compare::Euclidean => Way::Explicit,
        };
        Self { n_models: rdms.models.len(), n_data: rdms.data.len(), way, explicit: Explicit::new(measure, rdms) }
    }

    /// All resamples written out.
    #[cfg(test)]
    pub(super) fn explicit(measure: &'a Measure<'a>, rdms: &'a Rdms) -> Self {
        Self { way: Way::Explicit, ..Self::new(measure, rdms) }
    }

    /// One row for each way that each draw has to draw data RDMs.
    pub(super) fn rows(&self, draws: &[Draw]) -> Result<Vec<Vec<Row>>, Error> {
        let undefined = |draw: &Draw| vec![vec![f64::NAN; self.n_models + 2]; draw.data.len()];
        let usable = |draw: &Draw| draw.conditions.iter().filter(|m| **m > 0.0).count() >= LEAST_CONDITIONS;
        let block = match &self.way {
            Way::Products(products) => Some(products.block(draws)),
            Way::Ranks(_) | Way::Explicit => None,
        };
        crate::parallel::map(draws.len(), |i| {
            let draw = &draws[i];
            if !usable(draw) {
                return Ok(undefined(draw));
            }
            let closed = match &self.way {
                Way::Products(products) => block.as_ref().and_then(|block| products.scored(block, i, draw)),
                Way::Ranks(ranks) => Some(ranks.scored(draw)),
                Way::Explicit => None,
            };
            let scored = match closed {
                Some(scored) => scored,
                None => self.explicit.scored(draw)?,
            };
            draw.data.iter().map(|weights| self.row(&scored, weights)).collect()
        })
        .into_iter()
        .collect()
    }

    fn row(&self, scored: &Scored<'_>, weights: &[f64]) -> Result<Row, Error> {
        let mean = |scores: &[f64]| ceiling::weighted_mean(scores.iter().copied(), weights);
        let mut row: Row = scored.scores.chunks_exact(self.n_data).map(mean).collect();
        row.extend((scored.ceiling)(weights)?.unwrap_or([f64::NAN; 2]));
        Ok(row)
    }
}

/// The ceiling from the similarities of data RDMs, n x n.
pub(super) fn ceiling_of(similarities: Vec<f64>, n: usize) -> Ceiling<'static> {
    Box::new(move |weights| {
        let used: Vec<usize> = (0..n).filter(|&s| weights[s] > 0.0 && similarities[s * n + s].is_finite()).collect();
        if used.len() < 2 {
            return Ok(None);
        }
        let counts: Vec<f64> = used.iter().map(|&s| weights[s]).collect();
        let terms = ceiling::from_similarities(&counts, |s, r| similarities[used[s] * n + used[r]]);
        Ok(ceiling::bounds(&terms, &counts))
    })
}

/// The multiplicities of several draws, conditions x draws.
pub(super) fn conditions_of(draws: &[Draw]) -> Mat<f64> {
    let k = draws.first().map_or(0, |d| d.conditions.len());
    Mat::from_fn(k, draws.len(), |c, i| draws[i].conditions[c])
}
