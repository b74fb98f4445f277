//! The list of measures with what is known of each.

use bitflags::bitflags;

bitflags! {
    /// Changes of one representation that leave a measure as it is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Invariance: u8 {
        /// A constant added to every row.
        const TRANSLATION = 1;
        /// One positive factor.
        const SCALE = 2;
        /// A rotation or reflection of the features.
        const ROTATION = 4;
        /// An invertible linear map of the features (with more samples than features).
        const LINEAR = 8;
        /// Another order of the features.
        const PERMUTATION = 16;
    }
}

/// Whether implementations agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// At least four independent ones give the same number.
    Agreed,
    /// They differ; the note says which convention is followed here.
    Disputed,
    /// Too few to say.
    Single,
}

/// Whether more means alike or different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Greater is more alike.
    Similarity,
    /// Greater is more different.
    Distance,
}

/// One measure of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name, as specs have it.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What more of it means.
    pub direction: Direction,
    /// What leaves it as it is.
    pub invariances: Invariance,
    /// Symmetric, zero for equal sets, and the triangle inequality holds (sets at distance 0 count as one).
    pub is_metric: bool,
    /// The same for (X, Y) and (Y, X).
    pub is_symmetric: bool,
    /// Both sets need the same number of columns.
    pub needs_equal_widths: bool,
    /// Takes so long that `all` leaves it out.
    pub is_slow: bool,
    /// Operations of n samples with p features.
    pub cost: &'static str,
    /// Whether implementations agree.
    pub status: Status,
    /// The convention followed, and when the measure says little; empty when there is nothing to say.
    pub note: &'static str,
}

const TRANSLATION: Invariance = Invariance::TRANSLATION;
const SCALE: Invariance = Invariance::SCALE;
const ROTATION: Invariance = Invariance::ROTATION.union(Invariance::PERMUTATION);
const PERMUTATION: Invariance = Invariance::PERMUTATION;
const LINEAR: Invariance = Invariance::LINEAR.union(ROTATION).union(SCALE);
const SIMILAR: Invariance = TRANSLATION.union(SCALE).union(ROTATION);

const fn similarity(name: &'static str, title: &'static str, invariances: Invariance) -> Entry {
    Entry {
        name,
        title,
        direction: Direction::Similarity,
        invariances,
        is_metric: false,
        is_symmetric: true,
        needs_equal_widths: false,
        is_slow: false,
        cost: "n p²",
        status: Status::Agreed,
        note: "",
    }
}

const fn distance(name: &'static str, title: &'static str, invariances: Invariance) -> Entry {
    Entry { direction: Direction::Distance, is_metric: true, ..similarity(name, title, invariances) }
}

impl Entry {
    const fn slow(self) -> Self {
        Self { is_slow: true, ..self }
    }

    const fn at(self, cost: &'static str) -> Self {
        Self { cost, ..self }
    }

    const fn single(self, note: &'static str) -> Self {
        Self { status: Status::Single, note, ..self }
    }

    const fn disputed(self, note: &'static str) -> Self {
        Self { status: Status::Disputed, note, ..self }
    }

    const fn noting(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    const fn no_metric(self) -> Self {
        Self { is_metric: false, ..self }
    }

    const fn directed(self) -> Self {
        Self { is_symmetric: false, is_metric: false, ..self }
    }

    const fn equal_widths(self) -> Self {
        Self { needs_equal_widths: true, ..self }
    }
}

const SMALL_SAMPLE: &str =
    "With as many features as samples it is 1 whatever the data: use more samples, fewer components, or the regularized form.";
const NOT_CENTERED: &str = "Rows as they are, without centering; some packages center columns first (option centered).";
const PLATONIC: &str = "Neighbors by inner product of the rows as they are: scale rows to length 1 beforehand for cosines.";
const MASKED: &str =
    "Neighbors by inner product of the rows as they are. Being a neighbor is not mutual, so that (X, Y) and (Y, X) differ a little.";
const CONTIGUOUS: &str = "Contiguous folds, each scored by itself and averaged; pooled predictions give other numbers.";

/// All measures, as `all` evaluates them.
pub static CATALOGUE: &[Entry] = &[
    similarity("cka-kernel=linear-hsic=gretton-score", "Linear CKA", SIMILAR).noting("Biased upwards with few samples; song is not."),
    similarity("cka-kernel=linear-hsic=song-score", "Linear CKA, unbiased", SIMILAR).noting("May be negative."),
    similarity("cka-kernel=linear-hsic=lange-score", "Linear CKA without the diagonal", SIMILAR).noting("May be negative."),
    similarity("cka-kernel=linear-hsic=song-batch=32-score", "Linear CKA by batches", SIMILAR)
        .at("n (32 + p)")
        .single("Unbiased sums over contiguous batches of 32 rows; the last rows that fill no batch are left out."),
    distance("cka-kernel=linear-hsic=gretton-distance=angular", "Linear CKA angle", SIMILAR),
    similarity("cka-kernel=(rbf-sigma=1.0)-hsic=gretton-score", "Gaussian CKA", TRANSLATION.union(ROTATION))
        .at("n² p")
        .noting("The width is in units of the data; sigma=median*0.5 adapts it."),
    similarity("cka-kernel=(rbf-sigma=median*1.0)-hsic=gretton-score", "Gaussian CKA, width from the median distance", SIMILAR)
        .at("n² p")
        .single(""),
    similarity("cka-kernel=(rbf-sigma=1.0)-hsic=song-score", "Gaussian CKA, unbiased", TRANSLATION.union(ROTATION)).at("n² p"),
    similarity("cka-kernel=(laplace-sigma=1.0)-hsic=gretton-score", "Laplace CKA", TRANSLATION.union(ROTATION))
        .at("n² p")
        .single("exp(-d / (sqrt(2) sigma))."),
    similarity("rsa-rdm=correlation-compare=pearson-score", "RSA, correlation distance, Pearson", PERMUTATION.union(SCALE)).at("n² p"),
    similarity("rsa-rdm=correlation-compare=spearman-score", "RSA, correlation distance, Spearman", PERMUTATION.union(SCALE)).at("n² p"),
    similarity("rsa-rdm=squared_euclidean-compare=cosine-score", "RSA, squared distances, cosine", SIMILAR).at("n² p"),
    similarity("rsa-rdm=euclidean-compare=spearman-score", "RSA, Euclidean distances, Spearman", SIMILAR).at("n² p"),
    similarity("rsa-rdm=squared_euclidean-compare=cosine_cov-score", "RSA, whitened cosine", SIMILAR)
        .at("n² p")
        .noting("Equals linear CKA."),
    similarity("cca-score", "Mean canonical correlation", LINEAR.union(TRANSLATION)).noting(SMALL_SAMPLE),
    similarity("cca-squared_score", "Mean squared canonical correlation", LINEAR.union(TRANSLATION)).noting(SMALL_SAMPLE),
    similarity("svcca-var=0.99-score", "SVCCA, 99 % of the variance", SIMILAR),
    similarity("svcca-var=0.95-squared_score", "SVCCA, 95 % of the variance, squared", SIMILAR),
    similarity("svcca-dim=10-score", "SVCCA, 10 components", SIMILAR),
    similarity("pwcca-score", "Projection-weighted CCA", TRANSLATION.union(SCALE).union(PERMUTATION)).directed().disputed(
        "Weights are inner products of the variates with the centered columns of the set of smaller rank, the first of equals. A routine that several packages \
         share computes something else: pwcca-svcca_core-score.",
    ),
    similarity("pwcca-svcca_core-score", "Projection-weighted CCA of a shared routine", SCALE).directed().disputed(
        "Reproduces a routine that several packages share: it adds the mean of column i to direction i before an orthogonalization, so that its number depends \
         on the order of the columns and on the signs of singular vectors. Here the largest component is positive; the routine takes the signs that it gets. \
         For comparison with published numbers only.",
    ),
    similarity("rcca-k=1-score", "Regularized CCA", TRANSLATION.union(ROTATION)).single("k is added to X'X and Y'Y, which are sums over samples."),
    similarity("nbs-score", "Normalized Bures similarity", SIMILAR),
    distance("procrustes-distance=angular", "Procrustes angle", SIMILAR),
    distance("procrustes-distance=euclidean", "Procrustes distance (size and shape)", TRANSLATION.union(ROTATION)),
    distance("procrustes-distance=squared_euclidean", "Squared Procrustes distance", TRANSLATION.union(ROTATION)).no_metric(),
    distance("procrustes-cv=5folds-distance=angular", "Procrustes angle on held-out samples", SIMILAR).no_metric().noting(CONTIGUOUS),
    distance("shape-alpha=0-distance=angular", "Shape angle, fully whitened", LINEAR.union(TRANSLATION))
        .single("arccos of the mean canonical correlation for equal widths. Collapses to 0 with as many features as samples."),
    distance("shape-alpha=0.5-distance=angular", "Shape angle, half whitened", TRANSLATION.union(ROTATION)).single("Depends on the scale of the data."),
    distance("permutation-distance=angular", "Angle after matching features one to one", TRANSLATION.union(SCALE).union(PERMUTATION))
        .at("n p² + p³")
        .single(""),
    similarity("aligned_cosine-score", "Cosine of rows after rotation", SCALE.union(ROTATION)).single("Not centered. Rows of zeros are left out."),
    distance("rsm_norm_difference", "Difference of distance matrices", TRANSLATION.union(ROTATION))
        .at("n² p")
        .disputed("Frobenius norm over pairs; one package takes the spectral norm of the square matrix."),
    distance("airm-eps=1e-6", "Affine-invariant Riemannian distance", SIMILAR.difference(SCALE))
        .at("n³")
        .single("Of centered Gram matrices with eps tr / n on the diagonal; where they are not of full rank, eps decides the number."),
    distance("gulp-lambda=0", "GULP, no penalty", LINEAR.union(TRANSLATION)).no_metric().single("A squared distance."),
    distance("gulp-lambda=0.1", "GULP, penalty 0.1", SIMILAR).no_metric().single("A squared distance; sets are scaled to norm sqrt(n) first."),
    similarity("linreg-r2-y_from_x", "Linear regression, Y from X, in sample", TRANSLATION.union(SCALE).union(ROTATION).union(Invariance::LINEAR))
        .directed()
        .noting(SMALL_SAMPLE),
    similarity("linreg-r2-x_from_y", "Linear regression, X from Y, in sample", SIMILAR).directed().noting(SMALL_SAMPLE),
    similarity("ridge-lambda=1-cv=5folds-foldmean-pearson-y_from_x", "Ridge regression, held-out correlation", TRANSLATION.union(ROTATION))
        .directed()
        .disputed(CONTIGUOUS),
    similarity("ridge-lambda=1-cv=5folds-pool-pearson-y_from_x", "Ridge regression, correlation of pooled predictions", TRANSLATION.union(ROTATION))
        .directed()
        .disputed("Predictions of all folds are correlated at once; foldmean averages over folds."),
    similarity("pls-k=10-cv=5folds-foldmean-pearson-y_from_x", "PLS regression, held-out correlation", SIMILAR).directed().disputed(CONTIGUOUS),
    similarity("eos-score", "Eigenspace overlap", LINEAR).single("Not centered (option centered). Over the greater rank."),
    similarity("ensd-score", "Effective number of shared dimensions", SIMILAR).single("Of X and X it is the participation ratio, not 1."),
    distance("ensd-distance=angular_normalized", "Shared dimensions, angle as a share of a right angle", SIMILAR).single(""),
    similarity("distance_correlation-score", "Distance correlation", SIMILAR).at("n² p").single("Biased upwards with few samples."),
    similarity("distance_correlation-corrected-score", "Distance correlation, bias-corrected", SIMILAR)
        .at("n² p")
        .single("The corrected statistic, which estimates the square; may be negative."),
    similarity("isc-score", "Correlation of corresponding features", TRANSLATION.union(SCALE)).equal_widths().at("n p").single(""),
    similarity("jaccard-k=10-score", "Jaccard overlap of nearest neighbors", SCALE.union(ROTATION)).at("n² p").disputed(NOT_CENTERED),
    similarity("mutual_knn-k=10-score", "Mutual nearest neighbors", SCALE.union(ROTATION)).at("n² p").single(PLATONIC),
    similarity("cycle_knn-k=10-score", "Cycle of nearest neighbors", SCALE.union(ROTATION)).directed().at("n² p").single(PLATONIC),
    similarity("lcs_knn-k=10-score", "Longest common subsequence of neighbors", SCALE.union(ROTATION)).at("n² p").single(PLATONIC),
    similarity("edit_knn-k=10-score", "Edit distance of neighbors", SCALE.union(ROTATION)).at("n² p").single(PLATONIC),
    similarity("cknna-k=10-score", "CKA of nearest neighbors", SCALE.union(ROTATION))
        .directed().at("n² p").single(MASKED),
    similarity("rank_similarity-k=10-score", "Rank similarity of neighbors", SCALE.union(ROTATION)).at("n² p").single(NOT_CENTERED),
    similarity("second_order_cosine-k=10-score", "Second-order cosine of neighbors", SCALE.union(ROTATION)).at("n² p").single(NOT_CENTERED),
    similarity("hard_correlation-score", "Correlation of features matched one to one", TRANSLATION.union(SCALE).union(PERMUTATION))
        .at("n p² + p³")
        .disputed("Features without variance correlate 0; others give NaN."),
    similarity("soft_correlation-score", "Greatest correlation of each feature", TRANSLATION.union(SCALE).union(PERMUTATION))
        .disputed("Averaged over both directions. Features without variance correlate 0."),
    similarity("soft_matching-score", "Soft matching of features", TRANSLATION.union(SCALE).union(PERMUTATION)).at("n p² + p³").single(""),
    similarity("soft_matching-epsilon=0.05-score", "Soft matching, entropic", TRANSLATION.union(SCALE).union(PERMUTATION))
        .at("p q per sweep")
        .single("Transport with entropy (Sinkhorn) for more than 2,000 features; a little below the exact score."),
    distance("soft_matching-distance=euclidean", "Soft matching distance", TRANSLATION.union(SCALE).union(PERMUTATION)).at("n p² + p³").single(""),
    distance("imd-k=5", "Heat trace difference (IMD)", SIMILAR)
        .at("n³")
        .disputed("Exact from all eigenvalues; the reference estimates the trace from random vectors."),
    distance("rtd-batches=10-rows=500-seed=0", "Representation topology divergence", SIMILAR)
        .no_metric()
        .slow()
        .at("10 · 1000³ or n³")
        .single("Over both directions; one batch where it has all rows."),
    distance("geometry_score-landmarks=64-repeats=1000-seed=0", "Geometry score", SIMILAR)
        .no_metric()
        .slow()
        .at("1000 n 64 log 64")
        .single("Squared difference of the mean relative living times of 1-dimensional holes, of witness complexes on random landmarks; gamma = (1/128)/(n/5000), at most 99 holes."),
    distance("magnitude_difference", "Difference of the mean rows' lengths", ROTATION).at("n p").single(""),
    distance("uniformity_difference", "Difference of uniformity", TRANSLATION.union(ROTATION)).at("n² p").single("Over all n² pairs, with a row and itself."),
    distance("concentricity_difference", "Difference of mean cosines to the mean row", SCALE.union(ROTATION)).at("n p").single(""),
];
