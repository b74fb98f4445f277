//! What is drawn of a result.

use std::sync::Arc;

use eigenscope::dataset::LabelColumn;
use eigenscope::{AnalysisResult, AnalysisSpec};
use leptos::prelude::*;

/// Draws a result.
#[component]
pub fn ResultView(result: Arc<AnalysisResult>, spec: AnalysisSpec, labels: Vec<LabelColumn>) -> impl IntoView {
    let _ = (&spec, &labels);
    view! { <p>{format!("A result of version {}.", result.version)}</p> }
}
