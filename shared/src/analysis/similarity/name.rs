//! Names of measures: a family, options and an ending, joined by hyphens.

use crate::Error;

/// A measure with its options.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measure {
    pub(super) family: Family,
    pub(super) ending: Ending,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Family {
    Cka { kernel: Kernel, hsic: Hsic, batch: Option<usize> },
    Rsa { rdm: crate::analysis::rdm::Measure, compare: crate::analysis::rdm_comparison::Compare },
    Cca,
    Svcca(Keep),
    Pwcca { is_shared_routine: bool },
    RegularizedCca(f64),
    Bures,
    Procrustes { n_folds: Option<usize> },
    Shape { alpha: f64 },
    Permutation,
    AlignedCosine,
    DistanceDifference,
    AffineInvariant { eps: f64 },
    Gulp { lambda: f64 },
    Predictivity { regression: Regression, direction: Direction, folds: Option<Folds>, score: Score },
    Eigenspace { is_centered: bool },
    SharedDimensions,
    DistanceCorrelation { is_corrected: bool },
    CorrespondingColumns,
    Neighbors { kind: NeighborKind, k: usize },
    HardCorrelation,
    SoftCorrelation,
    SoftMatching { epsilon: Option<f64> },
    Holes { landmarks: usize, repeats: usize, seed: u64 },
    Topology { batches: usize, rows: usize, seed: u64 },
    Heat { k: usize },
    Magnitude,
    Uniformity,
    Concentricity,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kernel {
    Linear,
    Gaussian(Sigma),
    Laplace(Sigma),
}

/// Width of a kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sigma {
    Value(f64),
    /// So many times the median distance of two rows.
    Median(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hsic {
    Gretton,
    Song,
    Lange,
}

/// Which principal components are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Keep {
    Variance(f64),
    Components(usize),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Regression {
    LeastSquares,
    Ridge(f64),
    Pls(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    YFromX,
    XFromY,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Score {
    R2,
    Pearson,
}

/// Contiguous folds of a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Folds {
    pub(super) n: usize,
    /// Predictions of all folds are scored together, instead of each fold by itself.
    pub(super) is_pooled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NeighborKind {
    Jaccard { is_centered: bool },
    Mutual,
    Cycle,
    CommonSubsequence,
    Edits,
    KernelAlignment,
    RankSimilarity,
    SecondOrder,
}

/// What is made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Score,
    Squared,
    OneMinus,
    Angular,
    AngularNormalized,
    Euclidean,
    SquaredEuclidean,
    /// The number that the family has.
    Plain,
}

impl Measure {
    /// Reads a name such as `cka-kernel=(rbf-sigma=1.0)-hsic=song-score`. Options that are left out have their usual values.
    ///
    /// # Errors
    /// [`Error::Parameter`] that says which part is unknown and what there is.
    pub(super) fn parse(name: &str) -> Result<Self, Error> {
        let mut parts = Parts::of(name);
        let family = parts.family()?;
        let allowed = family.endings();
        let ending = parts.ending()?.unwrap_or(allowed[0]);
        parts.nothing_left()?;
        if !allowed.contains(&ending) {
            let all: Vec<&str> = allowed.iter().map(|e| e.text()).filter(|text| !text.is_empty()).collect();
            let instead = if all.is_empty() { "it has no endings".into() } else { format!("it has {}", all.join(", ")) };
            return Err(parts.wrong(&format!("{} has no ending {}; {instead}", parts.head, ending.text())));
        }
        Ok(Self { family, ending })
    }
}

impl Ending {
    fn text(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Squared => "squared_score",
            Self::OneMinus => "one_minus_score",
            Self::Angular => "distance=angular",
            Self::AngularNormalized => "distance=angular_normalized",
            Self::Euclidean => "distance=euclidean",
            Self::SquaredEuclidean => "distance=squared_euclidean",
            Self::Plain => "",
        }
    }
}

impl Family {
    /// The endings that make sense, the usual one first.
    fn endings(self) -> &'static [Ending] {
        use Ending::{Angular, AngularNormalized, Euclidean, OneMinus, Plain, Score, Squared, SquaredEuclidean};
        match self {
            Self::Cka { .. } => &[Score, OneMinus, Angular],
            Self::Bures => &[Score, Squared, OneMinus, Angular, Euclidean, SquaredEuclidean],
            Self::Cca | Self::Svcca(_) => &[Score, Squared, OneMinus, Angular],
            Self::Procrustes { n_folds: None } => &[Angular, Euclidean, SquaredEuclidean],
            Self::Procrustes { .. } => &[Angular],
            Self::Shape { .. } | Self::Permutation => &[Angular, Euclidean],
            Self::SharedDimensions => &[Score, AngularNormalized],
            Self::SoftMatching { .. } => &[Score, Euclidean],
            Self::Rsa { .. }
            | Self::Pwcca { .. }
            | Self::RegularizedCca(_)
            | Self::AlignedCosine
            | Self::Eigenspace { .. }
            | Self::DistanceCorrelation { .. }
            | Self::CorrespondingColumns
            | Self::Neighbors { .. }
            | Self::HardCorrelation
            | Self::SoftCorrelation => &[Score, OneMinus],
            Self::DistanceDifference
            | Self::AffineInvariant { .. }
            | Self::Gulp { .. }
            | Self::Predictivity { .. }
            | Self::Holes { .. }
            | Self::Topology { .. }
            | Self::Heat { .. }
            | Self::Magnitude
            | Self::Uniformity
            | Self::Concentricity => &[Plain],
        }
    }
}

/// The parts of a name, taken one by one.
#[derive(Debug)]
struct Parts<'a> {
    name: &'a str,
    head: &'a str,
    rest: Vec<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(name: &'a str) -> Self {
        let mut all = split(name).into_iter();
        let head = all.next().unwrap_or_default();
        Self { name, head, rest: all.collect() }
    }

    fn wrong(&self, message: &str) -> Error {
        Error::parameter("measures", format!("\"{}\": {message}", self.name))
    }

    fn word(&mut self, word: &str) -> bool {
        let at = self.rest.iter().position(|part| *part == word);
        at.map(|at| self.rest.remove(at)).is_some()
    }

    fn value(&mut self, key: &str) -> Option<&'a str> {
        let at = self.rest.iter().position(|part| part.split_once('=').is_some_and(|(k, _)| k == key))?;
        self.rest.remove(at).split_once('=').map(|(_, value)| value)
    }

    fn number(&mut self, key: &str, usual: f64, least: f64) -> Result<f64, Error> {
        let Some(text) = self.value(key) else { return Ok(usual) };
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() && value >= least => Ok(value),
            _ => Err(self.wrong(&format!("{key}={text} is not a number of at least {least}"))),
        }
    }

    fn count(&mut self, key: &str, usual: usize) -> Result<usize, Error> {
        let Some(text) = self.value(key) else { return Ok(usual) };
        match text.parse::<usize>() {
            Ok(value) if value > 0 => Ok(value),
            _ => Err(self.wrong(&format!("{key}={text} is not a whole number above 0"))),
        }
    }

    fn seed(&mut self) -> Result<u64, Error> {
        let Some(text) = self.value("seed") else { return Ok(0) };
        text.parse().map_err(|e| self.wrong(&format!("seed={text} is not a whole number ({e})")))
    }

    fn folds(&mut self) -> Result<Option<usize>, Error> {
        let Some(text) = self.value("cv") else { return Ok(None) };
        match text.trim_end_matches("folds").parse::<usize>() {
            Ok(n) if n > 1 => Ok(Some(n)),
            _ => Err(self.wrong(&format!("cv={text} is not a number of folds such as cv=5folds"))),
        }
    }

    fn kernel(&mut self) -> Result<Kernel, Error> {
        let Some(text) = self.value("kernel") else { return Ok(Kernel::Linear) };
        let mut inside = split(text.trim_start_matches('(').trim_end_matches(')')).into_iter();
        let word = inside.next().unwrap_or_default();
        let mut sigma = Sigma::Value(1.0);
        for part in inside {
            let value = part.strip_prefix("sigma=").ok_or_else(|| self.wrong(&format!("a kernel has sigma, not \"{part}\"")))?;
            let (factor, is_median) = value.strip_prefix("median*").map_or((value, false), |factor| (factor, true));
            let number = factor.parse::<f64>().ok().filter(|v| *v > 0.0 && v.is_finite());
            let number = number.ok_or_else(|| self.wrong(&format!("sigma={value} is not a number above 0 nor median*0.5")))?;
            sigma = if is_median { Sigma::Median(number) } else { Sigma::Value(number) };
        }
        match word {
            "linear" => Ok(Kernel::Linear),
            "rbf" => Ok(Kernel::Gaussian(sigma)),
            "laplace" => Ok(Kernel::Laplace(sigma)),
            _ => Err(self.wrong(&format!("kernel={text} is none of linear, (rbf-sigma=1.0), (laplace-sigma=1.0)"))),
        }
    }

    fn hsic(&mut self) -> Result<Hsic, Error> {
        match self.value("hsic") {
            None | Some("gretton") => Ok(Hsic::Gretton),
            Some("song") => Ok(Hsic::Song),
            Some("lange") => Ok(Hsic::Lange),
            Some(other) => Err(self.wrong(&format!("hsic={other} is none of gretton, song, lange"))),
        }
    }

    fn neighbors(&mut self, kind: NeighborKind) -> Result<Family, Error> {
        Ok(Family::Neighbors { kind, k: self.count("k", 10)? })
    }

    fn predictivity(&mut self, regression: Regression) -> Result<Family, Error> {
        let is_pooled = self.word("pool");
        if is_pooled && self.word("foldmean") {
            return Err(self.wrong("pool and foldmean exclude each other"));
        }
        self.word("foldmean");
        let folds = self.folds()?.map(|n| Folds { n, is_pooled });
        if is_pooled && folds.is_none() {
            return Err(self.wrong("pool is about folds; add cv=5folds"));
        }
        let direction = if self.word("x_from_y") { Direction::XFromY } else { Direction::YFromX };
        self.word("y_from_x");
        let score = if self.word("pearson") { Score::Pearson } else { Score::R2 };
        self.word("r2");
        Ok(Family::Predictivity { regression, direction, folds, score })
    }

    fn family(&mut self) -> Result<Family, Error> {
        Ok(match self.head {
            "cka" => {
                let (kernel, hsic) = (self.kernel()?, self.hsic()?);
                let batch = self.value("batch").map(|text| text.parse().ok().filter(|rows| *rows >= 4).ok_or(text));
                let batch = batch.transpose().map_err(|text| self.wrong(&format!("batch={text} is not a number of rows of at least 4")))?;
                if batch.is_some() && hsic != Hsic::Song {
                    return Err(self.wrong("batches need hsic=song: the others depend on the size of a batch"));
                }
                Family::Cka { kernel, hsic, batch }
            }
            "rsa" => self.rsa()?,
            "cca" => Family::Cca,
            "svcca" => match self.value("dim") {
                Some(text) => {
                    let k = text.parse().ok().filter(|k| *k > 0);
                    Family::Svcca(Keep::Components(k.ok_or_else(|| self.wrong(&format!("dim={text} is not a whole number above 0")))?))
                }
                None => {
                    let share = self.number("var", 0.99, 0.0)?;
                    if share > 1.0 || share <= 0.0 {
                        return Err(self.wrong(&format!("var={share} is not a share of the variance above 0 and at most 1")));
                    }
                    Family::Svcca(Keep::Variance(share))
                }
            },
            "pwcca" => Family::Pwcca { is_shared_routine: self.word("svcca_core") },
            "rcca" => Family::RegularizedCca(self.number("k", 1.0, 0.0)?),
            "nbs" => Family::Bures,
            "procrustes" | "size_and_shape" => Family::Procrustes { n_folds: self.folds()? },
            "shape" => {
                let alpha = self.number("alpha", 1.0, 0.0)?;
                if alpha > 1.0 {
                    return Err(self.wrong("alpha is between 0 (CCA-like) and 1 (Procrustes)"));
                }
                Family::Shape { alpha }
            }
            "permutation" => Family::Permutation,
            "aligned_cosine" => Family::AlignedCosine,
            "rsm_norm_difference" => Family::DistanceDifference,
            "airm" => Family::AffineInvariant { eps: self.number("eps", 1e-6, 0.0)? },
            "gulp" => Family::Gulp { lambda: self.number("lambda", 0.0, 0.0)? },
            "linreg" => self.predictivity(Regression::LeastSquares)?,
            "ridge" => {
                let lambda = self.number("lambda", 1.0, 0.0)?;
                self.predictivity(Regression::Ridge(lambda))?
            }
            "pls" => {
                let k = self.count("k", 10)?;
                self.predictivity(Regression::Pls(k))?
            }
            "eos" => Family::Eigenspace { is_centered: self.word("centered") },
            "ensd" => Family::SharedDimensions,
            "distance_correlation" => Family::DistanceCorrelation { is_corrected: self.word("corrected") },
            "isc" => Family::CorrespondingColumns,
            "jaccard" => {
                let is_centered = self.word("centered");
                self.neighbors(NeighborKind::Jaccard { is_centered })?
            }
            "mutual_knn" => self.neighbors(NeighborKind::Mutual)?,
            "cycle_knn" => self.neighbors(NeighborKind::Cycle)?,
            "lcs_knn" => self.neighbors(NeighborKind::CommonSubsequence)?,
            "edit_knn" => self.neighbors(NeighborKind::Edits)?,
            "cknna" => self.neighbors(NeighborKind::KernelAlignment)?,
            "rank_similarity" => self.neighbors(NeighborKind::RankSimilarity)?,
            "second_order_cosine" => self.neighbors(NeighborKind::SecondOrder)?,
            "hard_correlation" => Family::HardCorrelation,
            "soft_correlation" => Family::SoftCorrelation,
            "soft_matching" => {
                let epsilon = self.number("epsilon", 0.0, 0.0)?;
                Family::SoftMatching { epsilon: (epsilon > 0.0).then_some(epsilon) }
            }
            "geometry_score" => {
                Family::Holes { landmarks: self.count("landmarks", 64)?, repeats: self.count("repeats", 1000)?, seed: self.seed()? }
            }
            "rtd" => Family::Topology { batches: self.count("batches", 10)?, rows: self.count("rows", 500)?, seed: self.seed()? },
            "imd" => Family::Heat { k: self.count("k", 5)? },
            "magnitude_difference" => Family::Magnitude,
            "uniformity_difference" => Family::Uniformity,
            "concentricity_difference" => Family::Concentricity,
            other => {
                return Err(self.wrong(&format!("there is no family \"{other}\"; `all` evaluates every measure of the catalogue")));
            }
        })
    }

    fn rsa(&mut self) -> Result<Family, Error> {
        let known = |text: &str| serde_json::Value::String(text.into());
        let rdm = self.value("rdm").unwrap_or("correlation");
        let compare = match self.value("compare").unwrap_or("pearson") {
            "pearson" => "corr",
            // A hyphen would end the option.
            "tau_b" => "tau-b",
            "tau_a" => "tau-a",
            "rho_a" => "rho-a",
            other => other,
        };
        let wrong = |key: &str, text: &str, e: &serde_json::Error| self.wrong(&format!("{key}={text}: {e}"));
        let rdm_name = if rdm == "squared_euclidean" { "sqeuclidean" } else { rdm };
        Ok(Family::Rsa {
            rdm: serde_json::from_value(known(rdm_name)).map_err(|e| wrong("rdm", rdm, &e))?,
            compare: serde_json::from_value(known(compare)).map_err(|e| wrong("compare", compare, &e))?,
        })
    }

    fn ending(&mut self) -> Result<Option<Ending>, Error> {
        if let Some(text) = self.value("distance") {
            return match text {
                "angular" => Ok(Some(Ending::Angular)),
                "angular_normalized" => Ok(Some(Ending::AngularNormalized)),
                "euclidean" => Ok(Some(Ending::Euclidean)),
                "squared_euclidean" => Ok(Some(Ending::SquaredEuclidean)),
                _ => Err(self.wrong(&format!("distance={text} is none of angular, angular_normalized, euclidean, squared_euclidean"))),
            };
        }
        let words = [Ending::Score, Ending::Squared, Ending::OneMinus];
        Ok(words.into_iter().find(|ending| self.word(ending.text())))
    }

    fn nothing_left(&self) -> Result<(), Error> {
        match self.rest.first() {
            None => Ok(()),
            Some(part) => Err(self.wrong(&format!("{} has no option \"{part}\"", self.head))),
        }
    }
}

/// At hyphens outside parentheses that are not the sign of an exponent or a number.
fn split(name: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let mut out = Vec::new();
    let mut start = 0;
    for (i, c) in name.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '-' if depth == 0 && !name[i + 1..].starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
                out.push(&name[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    out.push(&name[start..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> String {
        Measure::parse(name).expect_err("an error").to_string()
    }

    #[test]
    fn names_have_options_in_any_order_and_usual_values() {
        let cka = |kernel, hsic, ending| Ok(Measure { family: Family::Cka { kernel, hsic, batch: None }, ending });
        assert_eq!(Measure::parse("cka"), cka(Kernel::Linear, Hsic::Gretton, Ending::Score));
        let rbf = Kernel::Gaussian(Sigma::Value(2.5));
        assert_eq!(Measure::parse("cka-hsic=song-kernel=(rbf-sigma=2.5)-distance=angular"), cka(rbf, Hsic::Song, Ending::Angular));
        let median = Kernel::Laplace(Sigma::Median(0.5));
        assert_eq!(Measure::parse("cka-kernel=(laplace-sigma=median*0.5)-score"), cka(median, Hsic::Gretton, Ending::Score));
        assert_eq!(Measure::parse("airm-eps=1e-6"), Ok(Measure { family: Family::AffineInvariant { eps: 1e-6 }, ending: Ending::Plain }));
    }

    #[test]
    fn a_wrong_part_is_named_with_what_there_is() {
        assert!(refused("ckaa-score").contains("no family \"ckaa\""), "{}", refused("ckaa-score"));
        assert!(refused("cka-kernel=cubic").contains("linear, (rbf-sigma=1.0)"));
        assert!(refused("cka-colour=red").contains("cka has no option \"colour=red\""));
        assert!(refused("cka-distance=euclidean").contains("it has score, one_minus_score, distance=angular"));
        assert!(refused("imd-score").contains("it has no endings"));
        assert!(refused("cknna-k=0").contains("above 0"));
        assert!(refused("svcca-var=1.5").contains("at most 1"));
        assert!(refused("cka-batch=10").contains("hsic=song"));
        assert!(refused("cka-hsic=song-batch=3").contains("at least 4"));
        assert!(refused("ridge-pool").contains("cv=5folds"));
    }
}
