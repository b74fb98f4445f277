//! The analyses by the words that people choose them with.

use eigenscope::AnalysisSpec;
use leptos::prelude::*;

use super::Form;

/// Which analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Dimensionality,
    Rdm,
    RdmComparison,
    ShapeDistance,
    StochasticDistance,
    ShapeAverage,
    ShapePath,
    Similarity,
    Clustering,
    Encoding,
    DimensionUse,
    VariancePartition,
    Manifolds,
    Relation,
    FewShot,
    Probe,
    Projection,
    Embedding,
    RdmPool,
    Tuning,
    Searchlight,
    Extraction,
    LayerProfile,
    Warp,
    Orientation,
    DimComplexity,
}

impl Kind {
    pub(crate) const ALL: [Self; 26] = [
        Self::Dimensionality,
        Self::Manifolds,
        Self::Rdm,
        Self::RdmComparison,
        Self::RdmPool,
        Self::Embedding,
        Self::Searchlight,
        Self::Tuning,
        Self::ShapeDistance,
        Self::StochasticDistance,
        Self::ShapeAverage,
        Self::ShapePath,
        Self::Similarity,
        Self::Clustering,
        Self::Encoding,
        Self::DimensionUse,
        Self::VariancePartition,
        Self::FewShot,
        Self::Probe,
        Self::Projection,
        Self::Relation,
        Self::LayerProfile,
        Self::Warp,
        Self::Extraction,
        Self::Orientation,
        Self::DimComplexity,
    ];

    pub(crate) fn of(spec: &AnalysisSpec) -> Self {
        match spec {
            AnalysisSpec::Dimensionality(_) => Self::Dimensionality,
            AnalysisSpec::Rdm(_) => Self::Rdm,
            AnalysisSpec::RdmComparison(_) => Self::RdmComparison,
            AnalysisSpec::ShapeDistance(_) => Self::ShapeDistance,
            AnalysisSpec::StochasticDistance(_) => Self::StochasticDistance,
            AnalysisSpec::ShapeAverage(_) => Self::ShapeAverage,
            AnalysisSpec::ShapePath(_) => Self::ShapePath,
            AnalysisSpec::Similarity(_) => Self::Similarity,
            AnalysisSpec::Clustering(_) => Self::Clustering,
            AnalysisSpec::Encoding(_) => Self::Encoding,
            AnalysisSpec::DimensionUse(_) => Self::DimensionUse,
            AnalysisSpec::VariancePartition(_) => Self::VariancePartition,
            AnalysisSpec::Manifolds(_) => Self::Manifolds,
            AnalysisSpec::Relation(_) => Self::Relation,
            AnalysisSpec::FewShot(_) => Self::FewShot,
            AnalysisSpec::Probe(_) => Self::Probe,
            AnalysisSpec::Projection(_) => Self::Projection,
            AnalysisSpec::Embedding(_) => Self::Embedding,
            AnalysisSpec::RdmPool(_) => Self::RdmPool,
            AnalysisSpec::Tuning(_) => Self::Tuning,
            AnalysisSpec::Searchlight(_) => Self::Searchlight,
            AnalysisSpec::Extraction(_) => Self::Extraction,
            AnalysisSpec::LayerProfile(_) => Self::LayerProfile,
            AnalysisSpec::Warp(_) => Self::Warp,
            AnalysisSpec::Orientation(_) => Self::Orientation,
            AnalysisSpec::DimComplexity(_) => Self::DimComplexity,
        }
    }

    /// As in the spec's JSON and in addresses.
    pub(crate) fn slug(self) -> &'static str {
        match self {
            Self::Dimensionality => "dimensionality",
            Self::Rdm => "rdm",
            Self::RdmComparison => "rdm_comparison",
            Self::ShapeDistance => "shape_distance",
            Self::StochasticDistance => "stochastic_distance",
            Self::ShapeAverage => "shape_average",
            Self::ShapePath => "shape_path",
            Self::Similarity => "similarity",
            Self::Clustering => "clustering",
            Self::Encoding => "encoding",
            Self::DimensionUse => "dimension_use",
            Self::VariancePartition => "variance_partition",
            Self::Manifolds => "manifolds",
            Self::Relation => "relation",
            Self::FewShot => "few_shot",
            Self::Probe => "probe",
            Self::Projection => "projection",
            Self::Embedding => "embedding",
            Self::RdmPool => "rdm_pool",
            Self::Tuning => "tuning",
            Self::Searchlight => "searchlight",
            Self::Extraction => "extraction",
            Self::LayerProfile => "layer_profile",
            Self::Warp => "warp",
            Self::Orientation => "orientation",
            Self::DimComplexity => "dim_complexity",
        }
    }

    pub(crate) fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.slug() == slug)
    }

    fn title(self) -> &'static str {
        match self {
            Self::Dimensionality => "Dimensionality: eigenspectrum and effective dimensions",
            Self::Rdm => "RDM: how different every pair of conditions is",
            Self::RdmComparison => "RDM comparison: models against measured RDMs",
            Self::ShapeDistance => "Shape distance: how far apart representations are",
            Self::StochasticDistance => "Stochastic distance: responses that vary from repeat to repeat",
            Self::ShapeAverage => "Shape average: what representations share, and clusters",
            Self::ShapePath => "Shape path: the way between two representations",
            Self::Similarity => "Similarity: every measure of the catalogue at once",
            Self::Clustering => "Clustering: groups in a matrix of distances",
            Self::Encoding => "Encoding: predict neurons from features",
            Self::DimensionUse => "Dimension use: how many components a prediction needs",
            Self::VariancePartition => "Variance partition: what feature spaces explain alone and share",
            Self::Manifolds => "Class manifolds: size, distance and overlap of classes",
            Self::Relation => "Relation: one metric of layers against another",
            Self::FewShot => "Few-shot: classify from a few examples",
            Self::Probe => "Probe: what linear models read out of layers",
            Self::Projection => "Projection: how classes lie to each other",
            Self::Tuning => "Tuning curves: responses over a stimulus value",
            Self::Searchlight => "Searchlight: where in a volume models fit",
            Self::Extraction => "Extraction: activations of a network for images",
            Self::LayerProfile => "Layer profile: a network layer by layer, against brains",
            Self::Warp => "Warp: how few dimensions of its parameters bring a network to responses",
            Self::Orientation => "Orientation model: a small network learns, beside a visual cortex",
            Self::DimComplexity => "Dimensions of a change: one function turned into another (simulation)",
            Self::RdmPool => "Pooled RDM: several RDMs as one",
            Self::Embedding => "Embedding: conditions of an RDM as points and as a tree",
        }
    }

    fn explanation(self) -> &'static str {
        match self {
            Self::Dimensionality => "How many directions carry the variance of a representation, and how fast its eigenspectrum falls.",
            Self::Rdm => "Compares the response patterns of all pairs of rows; the matrix is the geometry of the representation.",
            Self::RdmComparison => "Scores model RDMs against data RDMs, with standard errors and a noise ceiling.",
            Self::ShapeDistance => "Aligns representations of the same samples by rotation, matching or shifts and measures what remains.",
            Self::StochasticDistance => {
                "Compares means and covariances, distributions or processes of responses after the best map of neurons."
            }
            Self::ShapeAverage => {
                "Averages representations after alignment, shows how each differs from the average, and groups them around several averages."
            }
            Self::ShapePath => "Follows the shortest path between two representations and measures how far others are from it.",
            Self::Similarity => {
                "Evaluates measures of similarity of two representations, each with what leaves it unchanged and what is disputed."
            }
            Self::Clustering => {
                "Groups the conditions of an RDM, or networks by their distances, and says how well each item lies in its group."
            }
            Self::DimensionUse => "Predicts targets from the first principal components of the features, for ever more of them.",
            Self::VariancePartition => "Fits every subset of two to four feature spaces and divides the explained variance between them.",
            Self::Manifolds => {
                "Describes the cloud of rows of each class: its radius and dimension, and how well few examples tell classes apart."
            }
            Self::Encoding => "Fits a linear model from features to targets and scores its prediction on held-out rows.",
            Self::Relation => "Joins tables of metrics per layer and correlates two of their columns, over all layers and within groups.",
            Self::FewShot => "Trains classifiers on a few samples of each class and scores them on held-out samples.",
            Self::Probe => "Predicts classes or numbers from each layer, by all of its units or by its best one, on held-out rows.",
            Self::Searchlight => "Compares models with the RDM of the voxels around each voxel of an image.",
            Self::Extraction => "Runs a network on images and keeps the values of some layers as datasets.",
            Self::LayerProfile => {
                "Runs a network on images and says of each layer how many dimensions it has, how similar it is to RDMs, and how well it predicts responses."
            }
            Self::Warp => {
                "Trains a network along ever more random directions of its parameters until its layers predict responses, classes or an RDM, and counts the directions it needs."
            }
            Self::DimComplexity => {
                "A simulation: small networks of one function are turned into another along random directions of all their parameters. How many does it take?"
            }
            Self::Orientation => {
                "Trains a small network on tilted gratings and compares its layers with a population of visual cortex: filters, RDMs, tuning, points."
            }
            Self::Tuning => "Averages the responses of each unit to each value, and finds the value that it prefers.",
            Self::RdmPool => "Averages RDMs of the same or of overlapping conditions, brought to one scale if wanted.",
            Self::Embedding => "Places conditions so that distances (or neighbors) are like those of the RDM, and merges them into a tree.",
            Self::Projection => "Measures distances between class centroids and how far the samples of a class reach along them.",
        }
    }
}

pub(super) fn select(form: Form) -> impl IntoView {
    let choose = move |event| {
        if let Some(kind) = Kind::from_slug(&event_target_value(&event)) {
            form.kind.set(kind);
        }
    };
    let options = Kind::ALL.map(|kind| {
        view! {
            <option value=kind.slug() prop:selected=move || form.kind.get() == kind>
                {kind.title()}
            </option>
        }
    });
    view! {
        <div class="field">
            <label for="analysis">"What to compute"</label>
            <select
                id="analysis"
                data-testid="analysis-select"
                aria-describedby="analysis-help"
                on:change=choose
            >
                {options.into_iter().collect_view()}
            </select>
            <p class="help" id="analysis-help">{move || form.kind.get().explanation()}</p>
        </div>
    }
    .into_any()
}
