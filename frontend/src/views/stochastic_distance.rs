//! Distances of stochastic responses: the same matrices as those of shapes.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::stochastic_distance::Output;
use leptos::prelude::*;

use super::Part;
use super::conditions::told_apart;
use super::shape_distance::{Found, matrices};
use crate::plot::number;

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let rows = told_apart(&output.names);
    let (distances, test) = (&output.distances, output.test_distances.as_ref());
    let found = Found { columns: rows.clone(), rows, unit: "Distance of responses", distances, test };
    let note = effort(&output.iterations.values);
    view! {
        {matrices(&found, &spec)}
        <p class="muted small" data-testid="fit-effort">{note}</p>
    }
    .into_any()
}

/// How long fits took.
fn effort(iterations: &[f64]) -> String {
    let mut all: Vec<f64> = iterations.iter().copied().filter(|n| *n > 0.0).collect();
    all.sort_by(f64::total_cmp);
    match (all.first(), all.last()) {
        (Some(least), Some(most)) if least < most => format!("Fits took {} to {} iterations.", number::exact(*least), number::exact(*most)),
        (Some(all), _) => format!("Fits took {} iterations.", number::exact(*all)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effort_of_fits_is_said() {
        assert_eq!(effort(&[0.0, 12.0, 12.0, 0.0]), "Fits took 12 iterations.");
        assert_eq!(effort(&[0.0, 12.0, 40.0]), "Fits took 12 to 40 iterations.");
        assert_eq!(effort(&[0.0]), "");
    }
}
