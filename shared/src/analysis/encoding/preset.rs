//! Settings of the field's projects by name.

use serde::{Deserialize, Serialize};

use super::spec::{Convention, Cv, Model, Spec};
use crate::labels::Labels;

/// A project whose estimator, splits and final score are taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Elmoznino & Bonner, Brain-Score of that time.
    Elmoznino,
    /// Brain-Score.
    Brainscore,
    /// Brain-Score, target by target.
    BrainscoreNeuroid,
    /// `encoder_warping`.
    Warping,
    /// `DNNBrain`.
    Dnnbrain,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Elmoznino, Self::Brainscore, Self::BrainscoreNeuroid, Self::Warping, Self::Dnnbrain];

    /// How the final score is made.
    #[must_use]
    pub fn convention(self) -> Convention {
        match self {
            Self::Elmoznino => Convention::Elmoznino,
            Self::Brainscore => Convention::Brainscore,
            Self::BrainscoreNeuroid => Convention::BrainscoreNeuroid,
            Self::Warping => Convention::Warping,
            Self::Dnnbrain => Convention::Dnnbrain,
        }
    }

    /// The estimator: PLS with 25 components, or least squares.
    #[must_use]
    pub fn model(self) -> Model {
        match self {
            Self::Elmoznino | Self::Brainscore | Self::BrainscoreNeuroid => Model::Pls { components: 25 },
            Self::Warping | Self::Dnnbrain => Model::Ols,
        }
    }

    /// The splits: ten of 90 % stratified by `labels` (seed 1), the first 60 % and the last 20 %, or five folds.
    #[must_use]
    pub fn cv(self, labels: Labels) -> Cv {
        match self {
            Self::Elmoznino | Self::Brainscore | Self::BrainscoreNeuroid => {
                Cv::StratifiedShuffle { n_splits: 10, train_fraction: 0.9, seed: 1, labels }
            }
            Self::Warping => Cv::Contiguous { train_fraction: 0.6, validation_fraction: 0.2 },
            Self::Dnnbrain => Cv::Kfold { k: 5, shuffle: false, seed: 0 },
        }
    }

    /// Whether its splits go by classes.
    #[must_use]
    pub fn takes_labels(self) -> bool {
        self.cv(Labels::default()).input().is_some()
    }

    /// Sets estimator, splits and final score; the labels that the spec has stay.
    pub fn apply(self, spec: &mut Spec) {
        let labels = match &spec.cv {
            Cv::StratifiedKfold { labels, .. } | Cv::StratifiedShuffle { labels, .. } | Cv::Group { labels, .. } => labels.clone(),
            Cv::Kfold { .. } | Cv::ShuffleSplit { .. } | Cv::Contiguous { .. } | Cv::Folds { .. } => Labels::default(),
        };
        spec.model = self.model();
        spec.cv = self.cv(labels);
        spec.convention = self.convention();
    }

    /// The preset that a spec follows.
    #[must_use]
    pub fn of(spec: &Spec) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| {
            let mut set = spec.clone();
            preset.apply(&mut set);
            set == *spec
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_sets_everything_and_is_recognized() {
        for preset in Preset::ALL {
            let mut spec = Spec { features: "X".into(), ..Spec::default() };
            assert_eq!(Preset::of(&spec), None);
            preset.apply(&mut spec);
            assert_eq!((Preset::of(&spec), spec.features.as_str()), (Some(preset), "X"));
            if let Cv::StratifiedShuffle { labels, .. } = &mut spec.cv {
                labels.input = "objects".into();
                preset.apply(&mut spec);
                assert_eq!(spec.cv.input(), Some("objects"), "labels stay");
            }
            assert_eq!(preset.takes_labels(), spec.cv.input().is_some());
        }
    }
}
