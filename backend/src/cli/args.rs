//! The arguments of every subcommand.

#![expect(clippy::doc_markdown, reason = "doc comments here are what --help prints")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use eigenscope::DeviceChoice;
use eigenscope::analysis::dimensionality::{AlphaFit, Centering, Generator, Pool};
use eigenscope::analysis::encoding::{Convention, Preset};
use eigenscope::analysis::few_shot::{Classifier, Order};
use eigenscope::analysis::relation::Curve;
use serde::de::DeserializeOwned;

use super::backup::BackupArgs;
use super::cluster::ClusterArgs;
use super::convert::{ConvertArgs, ExportArgs};
use super::doctor::DoctorArgs;
use super::inputs::{InputArg, SamplesAxis};
use super::network;
use super::population;
use super::probe::ProbeArgs;
use super::rsa::{EmbedArgs, PoolArgs, RdmArgs, RsaArgs, SearchlightArgs, TuningArgs};
use super::serve::ServeArgs;
use super::shapes::{ShapesArgs, SimilarityArgs};
use super::words::{CvArg, KernelArg, LimitArg, ModelName, SelectionArg, TermArg};

/// A workbench for representational geometry: measure, compare and predict the representations of brains and deep networks.
#[derive(Debug, Parser)]
#[command(name = "eigenscope", version, max_term_width = 120, arg_required_else_help = false)]
pub(super) struct Cli {
    /// Options of every subcommand.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every subcommand.
#[derive(Debug, Clone, Args)]
pub(super) struct Global {
    /// Print the result as JSON on stdout and nothing else.
    #[arg(long, global = true)]
    pub json: bool,
    /// Where to compute: auto, cpu, vulkan or cuda.
    #[arg(long, global = true, value_name = "DEVICE", default_value = "auto", value_parser = word::<DeviceChoice>)]
    pub device: DeviceChoice,
    /// Seed of everything random.
    #[arg(long, global = true, value_name = "N")]
    pub seed: Option<u64>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Start the server and print the address of its page.
    Serve(ServeArgs),
    /// Run any analysis from a spec in JSON.
    Run(RunArgs),
    /// Eigenspectrum and effective dimensionality of matrices.
    Dims(Box<DimsArgs>),
    /// Geometry of class manifolds: radius, dimension, signal, overlaps and signal-to-noise ratio.
    Manifolds(ManifoldsArgs),
    /// Predict targets from features on held-out rows.
    Encode(Box<EncodeArgs>),
    /// Encoding score against the number of principal components of the features.
    DimUse(Box<DimUseArgs>),
    /// What feature spaces explain of targets alone and what they share.
    Partition(Box<PartitionArgs>),
    /// Representational dissimilarity matrix of a matrix.
    Rdm(Box<RdmArgs>),
    /// Compare data RDMs with model RDMs.
    Rsa(Box<RsaArgs>),
    /// Several RDMs, of the same or of overlapping conditions, as one.
    Pool(PoolArgs),
    /// Conditions of an RDM as points and as a tree.
    Embed(EmbedArgs),
    /// Clusters of items from their distances.
    Cluster(ClusterArgs),
    /// Tuning curves: mean responses of units to stimulus values, and what they prefer.
    Tuning(TuningArgs),
    /// Searchlights: models against the RDM around every voxel of an image.
    Searchlight(Box<SearchlightArgs>),
    /// Generalized shape distances between matrices.
    Shapes(ShapesArgs),
    /// Distances of responses that vary from repeat to repeat.
    Stochastic(population::StochasticArgs),
    /// The average of shapes, the variation around it, and clusters around averages.
    Average(population::AverageArgs),
    /// The shortest way between two shapes, and how far others are from it.
    Path(population::PathArgs),
    /// Measures of similarity of two matrices, by their names in the catalogue.
    Similarity(SimilarityArgs),
    /// The catalogue of measures of similarity: what leaves each as it is, whether it is a metric, what is disputed.
    Measures,
    /// Classify from a few samples of each class.
    FewShot(FewShotArgs),
    /// What linear models or the best single units read out of layers, on held-out rows.
    Probe(Box<ProbeArgs>),
    /// Distances between class centroids and projections of samples along them.
    Projection(ProjectionArgs),
    /// What is in files: arrays with their types and shapes, networks, sets of images.
    Inspect(super::inspect::InspectArgs),
    /// The values that a network makes, by the names of its file.
    Layers(network::LayersArgs),
    /// Activations of a network for images, layer by layer, as an archive of arrays.
    Extract(Box<network::ExtractArgs>),
    /// A network's layers for images in one go: dimensionality, comparison with RDMs, encoding of responses.
    Profile(Box<network::ProfileArgs>),
    /// Warp a network to responses, classes or RDMs along few random directions of all its parameters, and how many of them it needs.
    Warp(Box<super::warp::WarpArgs>),
    /// A network that learns to tell orientations apart, and which of its layers is more like visual cortex.
    Orientation(Box<super::orientation::OrientationArgs>),
    /// How many dimensions it takes to turn small networks of one function into another (a simulation).
    DimComplexity(super::orientation::ComplexityArgs),
    /// Relate two columns of joined tables: correlations, groups, partial correlation, commonality.
    Relate(Box<RelateArgs>),
    /// Write arrays in another format: .npy, .npz, .h5, .csv or .mat (MATLAB 5).
    Convert(ConvertArgs),
    /// List the devices that this program can compute on.
    Devices,
    /// Check devices, disk, database, port and the rest that a server needs, and say what to do.
    Doctor(DoctorArgs),
    /// Copy the data folder of a server, which may run meanwhile.
    Backup(BackupArgs),
    /// Write an array in another format; started by the server only.
    #[command(hide = true)]
    Export(ExportArgs),
    /// Run one job of the server; started by the server only.
    #[command(hide = true)]
    Task(TaskArgs),
}

/// Options of every analysis.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Common {
    /// The axis of an input along which its samples are, counted from 0, by its name (file stem): X=1 takes the columns of X. Default: 0, the rows.
    #[arg(long, value_name = "NAME=AXIS", value_delimiter = ',')]
    pub samples_axis: Vec<SamplesAxis>,
    /// Also write the result to a file: .json, or .eigr for the binary form.
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
}

/// Options of `run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The spec: the same JSON as in the HTTP interface.
    pub spec: PathBuf,
    /// An input by the name that the spec uses: name=PATH or name=PATH::member; repeat for more.
    #[arg(long, value_name = "NAME=PATH", value_parser = super::inputs::parse_named)]
    pub input: Vec<(String, InputArg)>,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `dims`.
#[derive(Debug, Args)]
pub(super) struct DimsArgs {
    /// Matrices, rows = samples: PATH or PATH::member; an archive without a member stands for all its arrays.
    #[arg(required = true)]
    pub inputs: Vec<InputArg>,
    /// How n x C x H x W activations become matrices.
    #[command(flatten)]
    pub pooling: PoolingArgs,
    /// Rows that a ZCA transform is fitted on (after pooling); it is applied before everything else.
    #[arg(long, value_name = "REFERENCE")]
    pub zca: Option<InputArg>,
    /// What is centered first: column, none, both or z.
    #[arg(long, default_value = "column", value_parser = word::<Centering>)]
    pub centering: Centering,
    /// Which power-law exponent: logspaced, tail_cut or range.
    #[arg(long, default_value = "logspaced", value_parser = word::<AlphaFit>)]
    pub alpha_fit: AlphaFit,
    /// Stop at the Gram matrix: the dimensionalities only, without eigenvalues and what is read from them.
    #[arg(long)]
    pub no_spectrum: bool,
    /// Also estimate intrinsic dimensions from distances between rows: TwoNN, maximum likelihood and correlation.
    #[arg(long)]
    pub intrinsic: bool,
    /// Share of the smallest distance ratios that TwoNN is fitted to.
    #[arg(long, value_name = "F", default_value_t = 1.0, allow_negative_numbers = true, requires = "intrinsic")]
    pub two_nn_fraction: f64,
    /// Classes of the rows, for intrinsic dimensions within and between them.
    #[arg(long, value_name = "L", requires = "intrinsic")]
    pub labels: Option<InputArg>,
    /// Column of the labels, where they have several.
    #[arg(long, value_name = "COLUMN", requires = "labels")]
    pub label_column: Option<String>,
    /// Write one row per input to a CSV file: the numbers under their published names and what the name of the input says.
    #[arg(long, value_name = "OUT.csv")]
    pub table: Option<PathBuf>,
    /// Write one row per eigenvalue to a CSV file.
    #[arg(long, value_name = "OUT.csv")]
    pub spectra: Option<PathBuf>,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `manifolds`.
#[derive(Debug, Args)]
pub(super) struct ManifoldsArgs {
    /// The features, rows = samples.
    #[arg(long, value_name = "X")]
    pub features: InputArg,
    /// The class of each row: a table with a text column, or numbers.
    #[arg(long, value_name = "L")]
    pub labels: InputArg,
    /// Column of the labels, where they have several.
    #[arg(long, value_name = "COLUMN")]
    pub label_column: Option<String>,
    /// How n x C x H x W activations become matrices.
    #[command(flatten)]
    pub pooling: PoolingArgs,
    /// The m of the signal-to-noise ratio. Default: the rows of each class.
    #[arg(long, value_name = "M")]
    pub shots: Option<u32>,
    /// Write the summary as one row of a CSV file, with the published column names.
    #[arg(long, value_name = "OUT.csv")]
    pub table: Option<PathBuf>,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

/// How activations with several axes become matrices.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct PoolingArgs {
    /// How n x C x H x W activations become matrices: avg, max, median, l1, l2, l1_matrix, l2_matrix, none (random projection) or flatten.
    #[arg(long, default_value = "avg", value_parser = word::<Pool>)]
    pub pool: Pool,
    /// Random numbers of the projection: pcg64, or numpy_legacy (seed 27 by default) for published spectra.
    #[arg(long, default_value = "pcg64", value_parser = word::<Generator>)]
    pub generator: Generator,
}

impl PoolingArgs {
    /// The seed asked for, or the one of published spectra for their generator.
    pub(super) fn seed(self, asked: Option<u64>) -> u64 {
        asked.unwrap_or(if self.generator == Generator::NumpyLegacy { 27 } else { 0 })
    }
}

/// Options of `encode`.
#[derive(Debug, Args)]
pub(super) struct EncodeArgs {
    /// The features, rows = samples.
    #[arg(long, value_name = "X")]
    pub features: InputArg,
    /// The targets, the same rows.
    #[arg(long, value_name = "Y")]
    pub targets: InputArg,
    /// Estimator, splits and final score of a project: elmoznino, brainscore, brainscore-neuroid, warping or dnnbrain. The first three split
    /// by --labels. Other options given beside it win.
    #[arg(long, value_name = "NAME", value_parser = word::<Preset>)]
    pub preset: Option<Preset>,
    /// The estimator: ols, ridge, kernel-ridge, banded-ridge, pls or best-unit. Default: ridge.
    #[arg(long, value_parser = word::<ModelName>)]
    pub model: Option<ModelName>,
    /// Penalties and components.
    #[command(flatten)]
    pub tuning: Tuning,
    /// Kernel of kernel-ridge: linear, rbf[:GAMMA] or polynomial:DEGREE[:GAMMA[:COEF0]]. Default: rbf, GAMMA 1 / features.
    #[arg(long, value_name = "KERNEL")]
    pub kernel: Option<KernelArg>,
    /// A further feature space of banded-ridge, the same rows; repeat for more.
    #[arg(long, value_name = "X")]
    pub band: Vec<InputArg>,
    /// Mixtures of the feature spaces that banded-ridge tries. Default: 20.
    #[arg(long, value_name = "N")]
    pub candidates: Option<u32>,
    /// Principal components of the features before the model, at most so many.
    #[arg(long, value_name = "N")]
    pub pca: Option<u32>,
    /// Rows that the principal components are fitted on, the same columns as the features. Default: the training rows of each split.
    #[arg(long, value_name = "REFERENCE", requires = "pca")]
    pub pca_reference: Option<InputArg>,
    /// Single repetitions of the targets (repetitions x samples x targets), for the ceiling.
    #[arg(long, value_name = "REPETITIONS")]
    pub repetitions: Option<InputArg>,
    /// How the final score is made: raw, elmoznino, brainscore, brainscore-neuroid, warping or dnnbrain. Default: raw.
    #[arg(long, value_parser = word::<Convention>)]
    pub convention: Option<Convention>,
    /// The splits.
    #[command(flatten)]
    pub splits: Splits,
    /// Penalties of ridge are multiples of the mean eigenvalue tr(Xc'Xc) / p of the training rows.
    #[arg(long)]
    pub scaled_penalties: bool,
    /// Ridge with one penalty shrinks its intercept too, as codes do that append a column of ones.
    #[arg(long)]
    pub penalize_intercept: bool,
    /// Keep the held-out predictions in the result.
    #[arg(long)]
    pub keep_predictions: bool,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

/// Penalties and components of the estimators.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Tuning {
    /// Penalties of the ridge models; each target chooses its own on the training rows. Default: 20 from 1e-2 to 1e7.
    #[arg(long, value_name = "A,…", value_delimiter = ',', allow_negative_numbers = true)]
    pub alpha: Vec<f64>,
    /// How ridge chooses among several penalties: leave-one-out, gcv or kfold:K.
    #[arg(long, value_name = "HOW")]
    pub selection: Option<SelectionArg>,
    /// Number of components of pls. Default: 25.
    #[arg(long, value_name = "N")]
    pub components: Option<u32>,
}

/// How rows are split.
#[derive(Debug, Clone, Args)]
pub(super) struct Splits {
    /// How rows are split: kfold:K[:shuffle], shuffle-split:N:TRAIN_FRACTION, stratified-kfold:K, stratified-shuffle:N:TRAIN_FRACTION,
    /// group[:K], contiguous[:TRAIN_FRACTION:VALIDATION_FRACTION], or a file with one test-fold index per row. Default: kfold:10.
    #[arg(long, value_name = "CV")]
    pub cv: Option<CvArg>,
    /// Classes of the stratified splits or groups of `group`, one label per row.
    #[arg(long, value_name = "L")]
    pub labels: Option<InputArg>,
    /// Column of the labels, where they have several.
    #[arg(long, value_name = "COLUMN", requires = "labels")]
    pub label_column: Option<String>,
}

/// Options of `dim-use`.
#[derive(Debug, Args)]
pub(super) struct DimUseArgs {
    /// The features, rows = samples.
    #[arg(long, value_name = "X")]
    pub features: InputArg,
    /// The targets, the same rows.
    #[arg(long, value_name = "Y")]
    pub targets: InputArg,
    /// Rows that the principal components are fitted on, the same columns as the features. Default: the training rows of each split.
    #[arg(long, value_name = "R")]
    pub reference: Option<InputArg>,
    /// The estimator: ols, ridge or pls (with at most as many components as there are PCs).
    #[arg(long, default_value = "ols", value_parser = word::<ModelName>)]
    pub model: ModelName,
    /// Penalties and components.
    #[command(flatten)]
    pub tuning: Tuning,
    /// The splits.
    #[command(flatten)]
    pub splits: Splits,
    /// Numbers of components; larger ones than the data have are left out. Default: 20 from 1 to 2048, evenly on a logarithmic scale.
    #[arg(long, value_name = "K,…", value_delimiter = ',')]
    pub num_pcs: Vec<u32>,
    /// How n x C x H x W activations become matrices: avg, max, none (random projection) or flatten.
    #[arg(long, default_value = "max", value_parser = word::<Pool>)]
    pub pool: Pool,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `partition`.
#[derive(Debug, Args)]
pub(super) struct PartitionArgs {
    /// Two to four feature spaces, rows = the same samples; the first is A.
    #[arg(required = true, num_args = 2..)]
    pub spaces: Vec<InputArg>,
    /// The targets, the same rows.
    #[arg(long, value_name = "Y")]
    pub targets: InputArg,
    /// The estimator: ols or ridge.
    #[arg(long, default_value = "ridge", value_parser = word::<ModelName>)]
    pub model: ModelName,
    /// Penalties.
    #[command(flatten)]
    pub tuning: Tuning,
    /// The splits.
    #[command(flatten)]
    pub splits: Splits,
    /// Fit and score on all rows instead of holding rows out.
    #[arg(long, conflicts_with_all = ["cv", "labels"])]
    pub in_sample: bool,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

/// Classes for an analysis of classes.
#[derive(Debug, Args)]
pub(super) struct ClassArgs {
    /// The features, rows = samples; or n x C x H x W activations.
    #[arg(long, value_name = "X")]
    pub features: InputArg,
    /// The class of each row, one label per row.
    #[arg(long, value_name = "L")]
    pub labels: InputArg,
    /// Column of the labels, where they have several.
    #[arg(long, value_name = "COLUMN")]
    pub label_column: Option<String>,
    /// How n x C x H x W activations become matrices: max, avg, none (random projection) or flatten.
    #[arg(long, default_value = "max", value_parser = word::<Pool>)]
    pub pool: Pool,
    /// The first so many classes by appearance, or all.
    #[arg(long, value_name = "N|all", default_value = "50")]
    pub categories: LimitArg,
}

/// Options of `few-shot`.
#[derive(Debug, Args)]
pub(super) struct FewShotArgs {
    /// Features and classes.
    #[command(flatten)]
    pub classes: ClassArgs,
    /// Classifiers: prototype, linear or maxmargin.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = "prototype,linear", value_parser = word::<Classifier>)]
    pub classifier: Vec<Classifier>,
    /// Training samples of each class.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,5,20,50")]
    pub n_train: Vec<u32>,
    /// Held-out samples of each class.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub n_test: u32,
    /// Repeats with other samples.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub repeats: u32,
    /// The first so many rows of each class. Default: as many as every class has, at most 100 or what the largest training set needs.
    #[arg(long, value_name = "N")]
    pub samples: Option<u32>,
    /// How samples are ordered: independent, or composed (numpy's legacy generator, each repeat shuffling the order before).
    #[arg(long, default_value = "independent", value_parser = word::<Order>)]
    pub order: Order,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `projection`.
#[derive(Debug, Args)]
pub(super) struct ProjectionArgs {
    /// Features and classes.
    #[command(flatten)]
    pub classes: ClassArgs,
    /// The first so many rows of each class, or all.
    #[arg(long, value_name = "N|all", default_value = "50")]
    pub samples: LimitArg,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `relate`.
#[derive(Debug, Args)]
pub(super) struct RelateArgs {
    /// Tables (CSV or TSV with a header). Those with the same columns are stacked; all are joined on the columns that they share of
    /// architecture, task, kind, source and layer.
    #[arg(required = true, value_name = "TABLE")]
    pub inputs: Vec<InputArg>,
    /// Column of the horizontal axis; underscores stand for spaces, TABLE::COLUMN where several tables have it, depth for layer depth.
    #[arg(long, value_name = "COLUMN")]
    pub x: String,
    /// Column of the vertical axis.
    #[arg(long, value_name = "COLUMN")]
    pub y: String,
    /// Correlate with the logarithm of x.
    #[arg(long)]
    pub log_x: bool,
    /// Correlate the logarithm of y.
    #[arg(long)]
    pub log_y: bool,
    /// Correlate within each value of a column too, or of several (A,B); layers are told apart by their architecture.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub by: Vec<String>,
    /// Also correlate the best layer of each model, that of the largest y.
    #[arg(long)]
    pub best_layer: bool,
    /// Partial correlation given a column, or several (A,B); log10:COLUMN takes its logarithm.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub given: Vec<TermArg>,
    /// The curve through the points: line or quadratic.
    #[arg(long, default_value = "line", value_parser = word::<Curve>)]
    pub curve: Curve,
    /// Divide the explained variance of y among 2 or 3 columns; log10:COLUMN takes a logarithm, the x column takes that of --log-x.
    #[arg(long, value_name = "A,B[,C]", value_delimiter = ',')]
    pub partition: Vec<TermArg>,
    /// Resamples of the points for 95 % intervals; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub bootstrap: u32,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `task`.
#[derive(Debug, Args)]
pub(super) struct TaskArgs {
    /// Folder with `task.json`; the result goes there.
    #[arg(long)]
    pub dir: PathBuf,
    /// Write progress to this file instead of stdout, and do not end when stdin closes.
    #[arg(long, value_name = "FILE")]
    pub progress: Option<PathBuf>,
}

/// Reads a word as the spec's JSON would: one list of names for the command line, the HTTP interface and saved files.
pub(super) fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let parse = |s: &str| serde_json::from_value::<T>(serde_json::Value::String(s.to_owned()));
    parse(text).or_else(|error| parse(&text.replace('-', "_")).or(Err(error))).map_err(|error| error.to_string())
}
