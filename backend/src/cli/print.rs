//! Results for people: aligned tables on stdout.

use std::io::{self, Write};

use eigenscope::Array;
use eigenscope::analysis::rdm_comparison::inference::Over;
use eigenscope::analysis::{
    AnalysisResult, Output, dimension_use, dimensionality, embedding, encoding, few_shot, manifolds, projection, rdm, rdm_comparison,
    rdm_pool, relation, searchlight, shape_distance, tuning, variance_partition,
};
use eigenscope::compute::{DeviceInfo, DeviceKind};

/// Widest matrix that is printed in full.
const MAX_COLUMNS: usize = 12;

/// Writes a result as a short table.
pub(super) fn result(out: &mut dyn Write, result: &AnalysisResult) -> io::Result<()> {
    match &result.output {
        Output::Dimensionality(output) => dimensionality(out, output)?,
        Output::Rdm(output) => rdm(out, output)?,
        Output::RdmComparison(output) => rdm_comparison(out, output)?,
        Output::ShapeDistance(output) => shape_distance(out, output)?,
        Output::StochasticDistance(output) => super::population::print_stochastic(out, output)?,
        Output::ShapeAverage(output) => super::population::print_average(out, output)?,
        Output::ShapePath(output) => super::population::print_path(out, output)?,
        Output::Similarity(output) => super::shapes::print_similarity(out, output)?,
        Output::Encoding(output) => encoding(out, output)?,
        Output::DimensionUse(output) => dimension_use(out, output)?,
        Output::VariancePartition(output) => variance_partition(out, output)?,
        Output::Manifolds(output) => manifolds(out, output)?,
        Output::FewShot(output) => few_shot(out, output)?,
        Output::Probe(output) => super::probe::print_probe(out, output)?,
        Output::Projection(output) => projection(out, output)?,
        Output::Relation(output) => relation(out, output)?,
        Output::Embedding(output) => embedding(out, output)?,
        Output::Clustering(output) => super::cluster::print_clusters(out, output)?,
        Output::RdmPool(output) => rdm_pool(out, output)?,
        Output::Tuning(output) => tuning(out, output)?,
        Output::Searchlight(output) => searchlight(out, output)?,
        Output::Extraction(output) => super::network::print_extraction(out, output)?,
        Output::LayerProfile(output) => super::network::print_profile(out, output)?,
        Output::Orientation(output) => super::orientation::print_orientation(out, output)?,
        Output::DimComplexity(output) => super::orientation::print_complexity(out, output)?,
        Output::Warp(output) => super::warp::print_warp(out, output)?,
    }
    writeln!(out, "\ncomputed on {}", result.device.name)
}

fn dimensionality(out: &mut dyn Write, output: &dimensionality::Output) -> io::Result<()> {
    let has_intrinsic = output.spectra.iter().any(|s| s.intrinsic.is_some());
    let has_classes = output.spectra.iter().any(|s| s.intrinsic.as_ref().is_some_and(|i| i.classes.is_some()));
    let rows = output.spectra.iter().map(|s| {
        let mut row = vec![
            s.input.clone(),
            s.n_samples.to_string(),
            s.n_features.to_string(),
            optional(s.effective_dimensionality),
            optional(s.effective_dimensionality_unbiased),
            optional(s.entropy_dimension),
            optional(s.effective_rank),
            s.variance_80_count.map_or_else(undefined, |n| n.to_string()),
            optional(s.power_law_alpha),
        ];
        if has_intrinsic {
            let of = |value: fn(&dimensionality::Intrinsic) -> Option<f64>| optional(s.intrinsic.as_ref().and_then(value));
            row.extend([of(|i| i.two_nn), of(|i| i.maximum_likelihood), of(|i| i.correlation)]);
            if has_classes {
                row.extend([of(|i| i.classes.as_ref()?.between), of(|i| i.classes.as_ref()?.within_mean)]);
            }
        }
        row
    });
    let mut columns = vec!["input", "samples", "features", "ED", "ED unbiased", "entropy dim.", "eff. rank", "80 % of variance", "alpha"];
    if has_intrinsic {
        columns.extend(["TwoNN", "ML dim.", "corr. dim."]);
    }
    if has_classes {
        columns.extend(["inter-ID", "intra-ID"]);
    }
    table(out, &columns, rows.collect())
}

fn manifolds(out: &mut dyn Write, output: &manifolds::Output) -> io::Result<()> {
    writeln!(out, "{}: {} classes by {} in {} features", output.features, output.classes.len(), output.labels, output.n_features)?;
    let value = |array: &Array, i: usize| array.values.get(i).map_or_else(undefined, |&v| number(v));
    let class = |(i, (name, n)): (usize, (&String, &u32))| {
        vec![name.clone(), n.to_string(), value(&output.radius, i), value(&output.dimensionality, i)]
    };
    let shown = output.classes.iter().zip(&output.n_rows).take(MAX_COLUMNS).enumerate();
    table(out, &["class", "rows", "radius", "dimension"], shown.map(class).collect())?;
    if output.classes.len() > MAX_COLUMNS {
        writeln!(out, "… the first {MAX_COLUMNS} of {} classes; --json prints all", output.classes.len())?;
    }
    writeln!(out, "\nbetween classes: radius {}, dimension {}\n", number(output.between_radius), optional(output.between_dimensionality))?;
    let rows = output.summary.iter().map(|s| vec![s.name.clone(), optional(s.mean), optional(s.std)]);
    table(out, &["over classes or pairs", "mean", "std"], rows.collect())
}

fn encoding(out: &mut dyn Write, output: &encoding::Output) -> io::Result<()> {
    writeln!(out, "{} from {}: {} targets", output.targets, output.features, output.per_target_r.rows())?;
    let line = |name: String, n: (String, String), r: [Option<f64>; 3]| {
        let [median, mean, r2] = r.map(optional);
        vec![name, n.0, n.1, median, mean, r2]
    };
    let mut rows = output
        .per_split
        .iter()
        .enumerate()
        .map(|(i, s)| line((i + 1).to_string(), (s.n_train.to_string(), s.n_test.to_string()), [s.median_r, s.mean_r, s.r2_uniform]));
    let mut rows = rows.by_ref().collect::<Vec<_>>();
    rows.push(line("mean".into(), (String::new(), String::new()), [output.median_r, output.mean_r, output.r2_uniform]));
    table(out, &["split", "train", "test", "median r", "mean r", "R2"], rows)?;
    if output.ceiling.is_some() {
        writeln!(out, "ceiling {}, ceiled median r {}", optional(output.ceiling), optional(output.ceiled))?;
    }
    if output.score != output.median_r {
        writeln!(out, "final score {} (error {})", optional(output.score), optional(output.score_error))?;
    }
    Ok(())
}

fn dimension_use(out: &mut dyn Write, output: &dimension_use::Output) -> io::Result<()> {
    writeln!(out, "{} from principal components of {} ({} features)", output.targets, output.features, output.ambient_dim)?;
    let rows = output.num_pcs.iter().enumerate().map(|(i, k)| {
        let cells = [&output.scores, &output.sems, &output.r2, &output.r2_sems].map(|column| optional(column.get(i).copied().flatten()));
        std::iter::once(k.to_string()).chain(cells).collect()
    });
    table(out, &["PCs", "median r", "sem", "R2", "sem"], rows.collect())?;
    if let Some(reach) = &output.reach {
        let (best, at, enough) = (number(reach.best), reach.best_num_pcs, reach.enough_num_pcs);
        writeln!(out, "best median r {best} with {at} PCs; 95 % of it with {enough}")?;
    }
    Ok(())
}

fn variance_partition(out: &mut dyn Write, output: &variance_partition::Output) -> io::Result<()> {
    let letters = ["A", "B", "C", "D"].iter().zip(&output.spaces).map(|(letter, name)| format!("{letter} = {name}")).collect::<Vec<_>>();
    let how = if output.n_splits == 0 { "in sample".to_owned() } else { format!("held out, mean over {} splits", output.n_splits) };
    writeln!(out, "R2 of {} ({how}); {}", output.targets, letters.join(", "))?;
    let rows = output.parts.iter().map(|p| vec![p.row.clone(), optional(p.coefficient), optional(p.percent_total)]);
    table(out, &["Row", "Coefficient", "Percent_Total"], rows.collect())
}

fn rdm(out: &mut dyn Write, output: &rdm::Output) -> io::Result<()> {
    writeln!(out, "{}: {} conditions", output.input, output.n)?;
    let n = output.n as usize;
    let names = output.conditions.clone().unwrap_or_else(|| (1..=n).map(|i| i.to_string()).collect());
    let Some(times) = &output.times else { return matrix(out, &names, &names, &output.rdm) };
    for (time, rdm) in times.iter().zip(output.rdm.values.chunks_exact(n * n)) {
        writeln!(out, "\ntime {} to {}", time[0], time[1] - 1)?;
        matrix(out, &names, &names, &Array::matrix(n, n, rdm.to_vec()))?;
    }
    Ok(())
}

fn rdm_comparison(out: &mut dyn Write, output: &rdm_comparison::Output) -> io::Result<()> {
    writeln!(out, "{} data RDMs of {} conditions", output.n_data, output.n_conditions)?;
    let ceiling = output.models.iter().any(|m| m.test.p_vs_ceiling.is_some());
    let permuted = output.models.iter().any(|m| m.test.p_permutation.is_some());
    let grouped = output.models.iter().any(|m| m.test.group_difference.is_some());
    let rows = output.models.iter().map(|m| {
        let test = &m.test;
        let interval = test.interval.map_or_else(undefined, |[low, high]| format!("{} to {}", number(low), number(high)));
        let mut row =
            vec![m.name.clone(), optional(m.mean), optional(test.sem), interval, optional(test.p_vs_0), optional(test.p_vs_0_adjusted)];
        if ceiling {
            row.extend([optional(test.p_vs_ceiling), optional(test.p_vs_ceiling_adjusted)]);
        }
        if permuted {
            row.push(optional(test.p_permutation));
        }
        if grouped {
            row.extend([optional(test.group_difference), optional(test.p_groups)]);
        }
        row
    });
    let mut columns = vec!["model", "mean", "sem", "95 % interval", "p vs 0", "adjusted"];
    if ceiling {
        columns.extend(["p vs ceiling", "adjusted"]);
    }
    if permuted {
        columns.push("p permuted");
    }
    if grouped {
        columns.extend(["group difference", "p groups"]);
    }
    table(out, &columns, rows.collect())?;
    if let Some([low, high]) = output.noise_ceiling {
        let kind = if output.noise_ceiling_is_heuristic { " (heuristic)" } else { "" };
        writeln!(out, "noise ceiling {} to {}{kind}", number(low), number(high))?;
    }
    if let Some([conditions, data, repeats]) = output.folds {
        writeln!(out, "scored on held-out conditions ({conditions} folds) and data RDMs ({data} folds), {repeats} divisions")?;
    }
    for model in &output.models {
        if let Some(weights) = &model.weights {
            writeln!(out, "weights of {}: {}", model.name, weights.iter().map(|&w| number(w)).collect::<Vec<_>>().join(", "))?;
        }
    }
    let Some(inference) = &output.inference else { return Ok(()) };
    if let Some(over) = inference.over {
        let over = match over {
            Over::Pattern => "conditions",
            Over::Rdm => "data RDMs",
            Over::Both => "conditions and data RDMs",
            Over::Dual => "conditions, data RDMs and both (dual bootstrap)",
        };
        writeln!(out, "{} resamples of {over}; {} degrees of freedom", inference.n_resamples, inference.degrees_of_freedom)?;
    }
    if inference.pairs.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nmodels against each other")?;
    let name = |i: u32| output.models.get(i as usize).map_or_else(String::new, |m| m.name.clone());
    let rows = inference.pairs.iter().map(|pair| {
        vec![name(pair.a), name(pair.b), optional(pair.difference), optional(pair.sem), optional(pair.p), optional(pair.p_adjusted)]
    });
    table(out, &["model", "minus model", "difference", "sem", "p", "adjusted"], rows.collect())
}

fn rdm_pool(out: &mut dyn Write, output: &rdm_pool::Output) -> io::Result<()> {
    writeln!(out, "{} RDMs over {} conditions", output.n_rdms, output.n)?;
    let names = output.conditions.clone().unwrap_or_else(|| (1..=output.n).map(|i| i.to_string()).collect());
    matrix(out, &names, &names, &output.rdm)
}

fn searchlight(out: &mut dyn Write, output: &searchlight::Output) -> io::Result<()> {
    let ([x, y, z], [least, most]) = (output.shape, output.n_members);
    writeln!(out, "{}: {} searchlights of {least} to {most} voxels in {x} x {y} x {z}", output.input, output.n_centers)?;
    let row = |map: &searchlight::Map| {
        let voxel = map.best.map_or_else(undefined, |best| best.voxel.map(|v| v.to_string()).join(", "));
        let place = map.best.and_then(|best| output.millimeters(best.voxel));
        let place = place.map_or_else(undefined, |place| place.map(number).join(", "));
        vec![map.model.clone(), optional(map.mean), optional(map.best.map(|best| best.score)), voxel, place]
    };
    table(out, &["model", "mean", "best", "voxel (from 0)", "mm"], output.maps.iter().map(row).collect())
}

fn tuning(out: &mut dyn Write, output: &tuning::Output) -> io::Result<()> {
    writeln!(out, "{}: {} units, {} stimulus values", output.input, output.n_units, output.values.len())?;
    let shown = (output.n_units as usize).min(MAX_COLUMNS);
    let of = |array: &Option<Array>, i: usize| optional(array.as_ref().and_then(|a| a.values.get(i).copied()).filter(|v| v.is_finite()));
    let highest = |i: usize| {
        let best = output.means.row(i).iter().zip(&output.values).max_by(|a, b| a.0.total_cmp(b.0));
        optional(best.map(|(_, value)| *value))
    };
    let rows = (0..shown).map(|i| vec![(i + 1).to_string(), highest(i), of(&output.preferred, i), of(&output.selectivity, i)]);
    table(out, &["unit", "highest at", "preferred", "selectivity"], rows.collect())?;
    if output.n_units as usize > shown {
        writeln!(out, "… the first {shown} of {} units; --json prints all", output.n_units)?;
    }
    Ok(())
}

fn embedding(out: &mut dyn Write, output: &embedding::Output) -> io::Result<()> {
    writeln!(out, "{}: {} conditions", output.input, output.n)?;
    let (points, shown) = (&output.points, output.points.rows().min(MAX_COLUMNS));
    let row = |i: usize| std::iter::once((i + 1).to_string()).chain(points.row(i).iter().map(|&v| number(v))).collect();
    let dimensions: Vec<String> = (1..=points.columns()).map(|c| format!("dimension {c}")).collect();
    let headers: Vec<&str> = std::iter::once("condition").chain(dimensions.iter().map(String::as_str)).collect();
    table(out, &headers, (0..shown).map(row).collect())?;
    if points.rows() > shown {
        writeln!(out, "… the first {shown} of {} conditions; --json prints all", points.rows())?;
    }
    writeln!(out, "\nstress {}, correlation with the dissimilarities {}", optional(output.stress), optional(output.correlation))?;
    if let Some(divergence) = output.divergence {
        writeln!(out, "divergence of the neighbors {}", number(divergence))?;
    }
    Ok(())
}

fn shape_distance(out: &mut dyn Write, output: &shape_distance::Output) -> io::Result<()> {
    let columns = output.against.as_ref().unwrap_or(&output.names);
    matrix(out, &output.names, columns, &output.distances)?;
    if let Some(test) = &output.test_distances {
        writeln!(out, "\non held-out rows")?;
        matrix(out, &output.names, columns, test)?;
    }
    if let Some(shifts) = &output.shifts {
        writeln!(out, "\nrows that the one in the row is moved down")?;
        matrix(out, &output.names, columns, &shifts.down)?;
        writeln!(out, "\ncolumns that it is moved to the right")?;
        matrix(out, &output.names, columns, &shifts.right)?;
    }
    Ok(())
}

fn few_shot(out: &mut dyn Write, output: &few_shot::Output) -> io::Result<()> {
    let few_shot::Output { features, classes, n_samples, n_test, chance, .. } = output;
    writeln!(out, "{features}: {} classes of {n_samples} samples, {n_test} held out", classes.len())?;
    let spread = |m: few_shot::Moments| m.sem.map_or_else(|| number(m.mean), |sem| format!("{} ± {}", number(m.mean), number(sem)));
    let scores = |m: Option<few_shot::Moments>| m.map_or_else(undefined, spread);
    let rows = output.summaries.iter().map(|s| {
        let name = match s.classifier {
            few_shot::Classifier::Prototype => "prototype",
            few_shot::Classifier::Linear => "linear",
            few_shot::Classifier::Maxmargin => "maxmargin",
        };
        vec![name.into(), s.n_train.to_string(), spread(s.top1), scores(s.top5), scores(s.mrr), scores(s.log_likelihood)]
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    rows.push(vec!["chance".into(), String::new(), number(chance.top1), number(chance.top5), number(chance.mrr), String::new()]);
    table(out, &["classifier", "train", "top-1", "top-5", "MRR", "log likelihood"], rows)
}

fn projection(out: &mut dyn Write, output: &projection::Output) -> io::Result<()> {
    writeln!(out, "{}: {} classes, {} features", output.features, output.classes.len(), output.n_features)?;
    writeln!(out, "\ndistances between centroids")?;
    matrix(out, &output.classes, &output.classes, &output.centroid_distances)?;
    writeln!(out, "\nprojections divided by the radius of the class in the row")?;
    matrix(out, &output.classes, &output.classes, &output.scaled_projections)?;
    writeln!(out, "\nmeans")?;
    let line = |name: &str, m: projection::Means| {
        vec![name.into(), optional(m.centroid_distances), optional(m.scaled_projections), optional(m.projections_raw)]
    };
    let rows = vec![line("off the diagonal", output.off_diagonal), line("with the diagonal", output.with_diagonal)];
    table(out, &["", "distance", "scaled projection", "projection"], rows)
}

fn relation(out: &mut dyn Write, output: &relation::Output) -> io::Result<()> {
    let axis = |name: &str, log: bool| if log { format!("log {name}") } else { name.to_owned() };
    writeln!(out, "{} against {}", axis(&output.y, output.log_y), axis(&output.x, output.log_x))?;
    let marked =
        |p: Option<f64>, mark: &Option<String>| p.map_or_else(undefined, |p| format!("{} {}", number(p), mark.as_deref().unwrap_or("")));
    let interval = |ends: Option<[f64; 2]>| ends.map_or_else(undefined, |[low, high]| format!("{} to {}", number(low), number(high)));
    let line = |name: &str, of: &relation::Correlations| {
        vec![
            name.to_owned(),
            of.n.to_string(),
            optional(of.pearson_r),
            interval(of.pearson_interval),
            marked(of.pearson_p, &of.pearson_mark),
            optional(of.spearman_r),
            interval(of.spearman_interval),
            marked(of.spearman_p, &of.spearman_mark),
        ]
    };
    let mut rows = vec![line("all", &output.all)];
    rows.extend(output.best_layer.iter().map(|best| line("best layers", &best.of)));
    rows.extend(output.groups.iter().map(|group| line(&group.name, &group.of)));
    table(out, &["points", "n", "Pearson", "95 %", "p", "Spearman", "95 %", "p"], rows)?;
    if let Some(partial) = &output.partial {
        let (given, n) = (partial.given.join(", "), partial.n);
        let (r, p) = (optional(partial.pearson_r), optional(partial.pearson_p));
        let (rho, rho_p) = (optional(partial.spearman_r), optional(partial.spearman_p));
        writeln!(out, "\ngiven {given} ({n} points): Pearson {r} (p {p}), Spearman {rho} (p {rho_p})")?;
    }
    if let Some(partition) = &output.partition {
        writeln!(out, "\nexplained variance of {} ({} rows)", partition.dependent, partition.n)?;
        let row = |s: &relation::Share| vec![s.row.clone(), s.predictors.join(", "), number(s.coefficient), optional(s.percent_total)];
        table(out, &["part", "of", "coefficient", "% of total"], partition.rows.iter().map(row).collect())?;
    }
    Ok(())
}

/// Writes the devices.
pub(super) fn devices(out: &mut dyn Write, devices: &[DeviceInfo]) -> io::Result<()> {
    let rows = devices.iter().map(|d| {
        let kind = match d.kind {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Vulkan => "vulkan",
            DeviceKind::Webgpu => "webgpu",
            DeviceKind::Cuda => "cuda",
        };
        vec![kind.to_owned(), d.name.clone(), d.memory_bytes.map_or_else(undefined, eigenscope::error::bytes)]
    });
    table(out, &["kind", "name", "memory"], rows.collect())
}

pub(super) fn matrix(out: &mut dyn Write, rows: &[String], columns: &[String], array: &Array) -> io::Result<()> {
    let shown = array.columns().min(MAX_COLUMNS);
    let mut headers = vec![""];
    headers.extend(columns.iter().take(shown).map(String::as_str));
    let row = |i: usize| {
        let name = rows.get(i).cloned().unwrap_or_default();
        std::iter::once(name).chain(array.row(i)[..shown].iter().map(|&v| number(v))).collect()
    };
    table(out, &headers, (0..array.rows().min(MAX_COLUMNS)).map(row).collect())?;
    if array.columns() > shown {
        writeln!(out, "… the first {shown} of {} columns; --json prints all", array.columns())?;
    }
    Ok(())
}

/// Columns padded to their widest cell: the first to the left, numbers to the right.
pub(super) fn table(out: &mut dyn Write, headers: &[&str], rows: Vec<Vec<String>>) -> io::Result<()> {
    let length = |s: &str| s.chars().count();
    let width = |j: usize| rows.iter().filter_map(|row| row.get(j)).map(|s| length(s)).chain([length(headers[j])]).max().unwrap_or(0);
    let widths = (0..headers.len()).map(width).collect::<Vec<_>>();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).enumerate().map(|(j, (s, &w))| if j == 0 { format!("{s:<w$}") } else { format!("{s:>w$}") });
        writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    line(&mut headers.iter().copied())?;
    rows.iter().try_for_each(|row| line(&mut row.iter().map(String::as_str)))
}

pub(super) fn optional(value: Option<f64>) -> String {
    value.map_or_else(undefined, number)
}

fn undefined() -> String {
    "-".into()
}

/// Six significant digits at most.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return undefined();
    }
    let size = value.abs();
    if size > 0.0 && !(1e-4..1e6).contains(&size) {
        return format!("{value:.3e}");
    }
    let text = if size >= 1000.0 { format!("{value:.1}") } else { format!("{value:.4}") };
    if text == "-0.0000" { "0.0000".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut out = Vec::new();
        let rows = vec![vec!["a".into(), number(1.0)], vec!["long".into(), number(1.0e-9)]];
        table(&mut out, &["x", "value"], rows).expect("written");
        assert_eq!(String::from_utf8_lossy(&out), "x        value\na       1.0000\nlong  1.000e-9\n");
        assert_eq!(number(f64::NAN), "-");
    }
}
