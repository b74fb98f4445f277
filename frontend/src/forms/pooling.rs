//! How feature maps become the features of a matrix.

use eigenscope::analysis::dimensionality::Pool;
use leptos::prelude::*;

use super::Form;
use super::fields::{choice, label};

/// Every way, that of spectra first.
pub(super) const ALL: &[(Pool, &str)] = &[
    (Pool::Avg, "mean over positions"),
    (Pool::Max, "maximum over positions"),
    (Pool::None, "none: random projection to 1,024"),
    (Pool::Flatten, "none: flatten all positions"),
    (Pool::Median, "median over positions"),
    (Pool::L1, "sum of magnitudes over positions (L1)"),
    (Pool::L2, "root of the sum of squares over positions (L2)"),
    (Pool::L1Matrix, "matrix 1-norm of each map, as dnnbrain's L1"),
    (Pool::L2Matrix, "spectral norm of each map, as dnnbrain's L2"),
];

/// The usual ways, that of classes and encoding first.
pub(super) const FEW: &[(Pool, &str)] = &[
    (Pool::Max, "maximum over positions"),
    (Pool::Avg, "mean over positions"),
    (Pool::None, "none: random projection to 1,024"),
    (Pool::Flatten, "none: flatten all positions"),
];

/// One of the ways.
pub(super) fn view(
    form: Form,
    ways: &'static [(Pool, &'static str)],
    get: impl Fn() -> Pool + Send + Sync + 'static,
    set: impl Fn(Pool) + 'static,
) -> AnyView {
    choice(
        form,
        label("pool", "Pooling of feature maps", "For arrays with more than two axes (samples × channels × height × width)."),
        ways,
        get,
        set,
    )
}
