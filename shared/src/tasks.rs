//! Runs by several processes: what is too long for one is divided into tasks, whose pieces the last process joins.
//!
//! A task needs the spec and the inputs of the whole run, and nothing of another task: tasks run in any order, at the same time or not, and a
//! piece that was written outlives the process that made it. Joined pieces give the numbers of a run by one process but for the order in which
//! sums were rounded.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::analysis::{AnalysisResult, AnalysisSpec, Context, Output, dimensionality, encoding, extraction, shape_distance, warp};
use crate::compute::Device;
use crate::dataset::{Inputs, Shapes};
use crate::{Error, Progress, Warning};

/// Arithmetic of a task, about: long enough that starting a process and reading the inputs do not count, short enough that little is lost
/// when it has to start again.
pub const TASK_FLOPS: f64 = 4e12;

/// What one task computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "parts", rename_all = "snake_case")]
pub enum Task {
    /// Parts of the inputs.
    Dimensionality(Vec<dimensionality::Unit>),
    /// A range of the targets.
    Encoding(encoding::Targets),
    /// A part of the matrix.
    ShapeDistance(shape_distance::Range),
    /// Some of the images.
    Extraction(extraction::Range),
    /// A point of a sweep.
    Warp(warp::Place),
}

/// What a task gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pieces {
    content: Content,
    warnings: Vec<Warning>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Dimensionality(Vec<dimensionality::Piece>),
    Encoding(Box<encoding::Piece>),
    ShapeDistance(shape_distance::Piece),
    Extraction(Box<extraction::Output>),
    Warp(warp::Point),
    /// Nothing: it was left out.
    Skipped,
}

/// The tasks of a run on inputs of these shapes, each of about `task_flops`; empty when it is not worth dividing or cannot be divided.
#[must_use]
pub fn divide(spec: &AnalysisSpec, shapes: &Shapes, task_flops: f64) -> Vec<Task> {
    match spec {
        AnalysisSpec::Dimensionality(spec) => {
            dimensionality::divide(spec, shapes, task_flops).into_iter().map(Task::Dimensionality).collect()
        }
        AnalysisSpec::Encoding(spec) => encoding::divide(spec, shapes, task_flops).into_iter().map(Task::Encoding).collect(),
        AnalysisSpec::ShapeDistance(spec) => {
            shape_distance::divide(spec, shapes, task_flops).into_iter().map(Task::ShapeDistance).collect()
        }
        AnalysisSpec::Extraction(spec) => extraction::divide(spec, shapes, task_flops).into_iter().map(Task::Extraction).collect(),
        AnalysisSpec::Warp(spec) => warp::divide(spec).into_iter().map(Task::Warp).collect(),
        AnalysisSpec::Rdm(_)
        | AnalysisSpec::LayerProfile(_)
        | AnalysisSpec::Orientation(_)
        | AnalysisSpec::DimComplexity(_)
        | AnalysisSpec::RdmComparison(_)
        | AnalysisSpec::Embedding(_)
        | AnalysisSpec::Clustering(_)
        | AnalysisSpec::RdmPool(_)
        | AnalysisSpec::Tuning(_)
        | AnalysisSpec::Searchlight(_)
        | AnalysisSpec::Similarity(_)
        | AnalysisSpec::StochasticDistance(_)
        | AnalysisSpec::ShapeAverage(_)
        | AnalysisSpec::ShapePath(_)
        | AnalysisSpec::DimensionUse(_)
        | AnalysisSpec::VariancePartition(_)
        | AnalysisSpec::Manifolds(_)
        | AnalysisSpec::FewShot(_)
        | AnalysisSpec::Probe(_)
        | AnalysisSpec::Projection(_)
        | AnalysisSpec::Relation(_) => Vec::new(),
    }
}

/// How many tasks a run has of which some may be left out; nothing where they need each other.
#[must_use]
pub fn can_skip(spec: &AnalysisSpec) -> Option<usize> {
    match spec {
        AnalysisSpec::Warp(spec) => Some(warp::divide(spec).len()),
        _ => None,
    }
}

/// What stands for the piece of a task that was left out.
#[must_use]
pub fn skipped() -> Pieces {
    Pieces { content: Content::Skipped, warnings: Vec::new() }
}

/// The run that gives a task's piece and nothing else, where other runs may need the same: a piece is known by it.
#[must_use]
pub fn alone(spec: &AnalysisSpec, task: &Task) -> Option<AnalysisSpec> {
    match (spec, task) {
        (AnalysisSpec::Warp(spec), Task::Warp(place)) => warp::alone(spec, *place).map(AnalysisSpec::Warp),
        _ => None,
    }
}

/// Runs one task.
///
/// # Errors
/// Those of the analysis; [`Error::Internal`] for a task of another spec.
pub async fn run(spec: &AnalysisSpec, task: &Task, inputs: &Inputs, device: &Device, progress: &dyn Progress) -> Result<Pieces, Error> {
    let context = Context::new(device, progress);
    context.step(0.0, "checking the inputs")?;
    let content = match (spec, task) {
        (AnalysisSpec::Dimensionality(spec), Task::Dimensionality(units)) => {
            Content::Dimensionality(dimensionality::run_units(spec, units, inputs, &context).await?)
        }
        (AnalysisSpec::Encoding(spec), Task::Encoding(targets)) => {
            Content::Encoding(Box::new(encoding::run_targets(spec, *targets, inputs, &context).await?))
        }
        (AnalysisSpec::ShapeDistance(spec), Task::ShapeDistance(range)) => {
            Content::ShapeDistance(shape_distance::run_tile(spec, *range, inputs, &context).await?)
        }
        (AnalysisSpec::Extraction(spec), Task::Extraction(range)) => {
            Content::Extraction(Box::new(extraction::run_range(spec, *range, inputs, &context).await?))
        }
        (AnalysisSpec::Warp(spec), Task::Warp(place)) => Content::Warp(warp::run_place(spec, *place, inputs, &context).await?),
        _ => return Err(another(spec)),
    };
    context.step(1.0, "done")?;
    context.announce_precision(inputs);
    Ok(Pieces { content, warnings: context.into_warnings() })
}

/// Joins the pieces of all tasks, which come in the order of [`divide`] and are asked for one after the other.
///
/// # Errors
/// Those of the analysis; [`Error::Internal`] for pieces that do not belong together.
pub fn join(
    spec: &AnalysisSpec,
    pieces: impl Iterator<Item = Result<Pieces, Error>>,
    inputs: &Inputs,
    device: &Device,
    progress: &dyn Progress,
) -> Result<AnalysisResult, Error> {
    let context = Context::new(device, progress);
    context.step(0.0, "joining the pieces of the tasks")?;
    let contents = pieces.map(|pieces| {
        let Pieces { content, warnings: of_task } = pieces?;
        of_task.into_iter().for_each(|warning| context.warn(&warning.code, warning.message));
        Ok(content)
    });
    let output = match spec {
        AnalysisSpec::Dimensionality(spec) => {
            let pieces = contents.flat_map(|content| match content {
                Ok(Content::Dimensionality(pieces)) => pieces.into_iter().map(Ok).collect(),
                Ok(_) => vec![Err(foreign())],
                Err(error) => vec![Err(error)],
            });
            Output::Dimensionality(dimensionality::join(spec, pieces, &inputs.shapes(), &context)?)
        }
        AnalysisSpec::Encoding(spec) => {
            let pieces = contents.map(|content| match content? {
                Content::Encoding(piece) => Ok(*piece),
                _ => Err(foreign()),
            });
            Output::Encoding(encoding::join(spec, pieces, inputs, &context)?)
        }
        AnalysisSpec::ShapeDistance(spec) => Output::ShapeDistance(shape_distance::join(spec, contents.map(part_of_matrix))?),
        AnalysisSpec::Extraction(_) => Output::Extraction(extraction::join(contents.map(|content| match content? {
            Content::Extraction(piece) => Ok(*piece),
            _ => Err(foreign()),
        }))?),
        AnalysisSpec::Warp(spec) => Output::Warp(warp::join(spec, contents.map(point))?),
        _ => return Err(another(spec)),
    };
    context.finish(output, inputs)
}

/// What the pieces of the tasks that are done give, where parts of a result make sense: NaN stands for the rest.
///
/// # Errors
/// Those of [`join`].
pub fn preview(spec: &AnalysisSpec, pieces: impl Iterator<Item = Result<Pieces, Error>>) -> Result<Option<Output>, Error> {
    match spec {
        AnalysisSpec::ShapeDistance(spec) => {
            let mut pieces = pieces.map(|pieces| part_of_matrix(Ok(pieces?.content))).peekable();
            if pieces.peek().is_none() {
                return Ok(None);
            }
            shape_distance::preview(spec, pieces).map(|output| Some(Output::ShapeDistance(output)))
        }
        AnalysisSpec::Warp(spec) => {
            let output = warp::join(spec, pieces.map(|pieces| point(Ok(pieces?.content))))?;
            Ok((!output.points.is_empty()).then_some(Output::Warp(output)))
        }
        _ => Ok(None),
    }
}

fn part_of_matrix(content: Result<Content, Error>) -> Result<shape_distance::Piece, Error> {
    match content? {
        Content::ShapeDistance(piece) => Ok(piece),
        _ => Err(foreign()),
    }
}

fn point(content: Result<Content, Error>) -> Result<Option<warp::Point>, Error> {
    match content? {
        Content::Warp(point) => Ok(Some(point)),
        Content::Skipped => Ok(None),
        _ => Err(foreign()),
    }
}

fn foreign() -> Error {
    Error::internal("a piece of another analysis")
}

fn another(spec: &AnalysisSpec) -> Error {
    Error::internal(format!("{} has no such tasks", spec.title()))
}
