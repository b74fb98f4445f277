//! Published tables of Elmoznino & Bonner 2024: relations between dimensionality, geometry and encoding scores.

use std::collections::HashMap;
use std::path::Path;

use eigenscope::Dataset;
use eigenscope::dataset::Values;
use eigenscope::io::{self, Limits};
use eigenscope::stats::{commonality, pearson};

fn table(name: &str) -> Option<Dataset> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/encoder_dimensionality").join(name);
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: {} is not beside the checkout", path.display());
        return None;
    };
    Some(io::read(name, &bytes, None, Limits::NATIVE).expect("a table"))
}

fn column(table: &Dataset, name: &str) -> Vec<f64> {
    let names = table.column_names.as_ref().expect("a header");
    let at = names.iter().position(|n| n == name).unwrap_or_else(|| panic!("{name} is one of {names:?}"));
    let Values::F64(values) = &*table.values else { unreachable!("tables are f64") };
    values.outer_iter().map(|row| row[[at]]).collect()
}

/// Architecture, task, kind, source and layer of each row; the task of untrained networks is the text `None`.
fn keys(table: &Dataset) -> Vec<Vec<String>> {
    let columns = ["architecture", "task", "kind", "source", "layer"];
    let column = |name: &&str| &table.labels.iter().find(|l| l.name == *name).expect("an identity column").values;
    let columns = columns.iter().map(column).collect::<Vec<_>>();
    (0..table.shape()[0]).map(|i| columns.iter().map(|values| values[i].clone()).collect()).collect()
}

#[test]
fn dimensionality_predicts_encoding_as_published() {
    let (Some(metrics), Some(encoding)) =
        (table("eigmetrics_imagenet_pooling_true.csv"), table("encoding_majajhong_it_pls_pooling_false.csv"))
    else {
        return;
    };
    let scores: HashMap<_, _> = keys(&encoding).into_iter().zip(column(&encoding, "score")).collect();
    let pairs = keys(&metrics).into_iter().zip(column(&metrics, "effective dimensionality"));
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.filter_map(|(key, x)| scores.get(&key).map(|y| (x, *y))).unzip();
    assert_eq!(x.len(), 536, "no key is lost");
    assert!((pearson(&x, &y) - 0.5881).abs() < 5e-5, "max pooling, raw: {}", pearson(&x, &y));

    let Some(joined) = table("data_snr_global.csv") else { return };
    let x: Vec<f64> = column(&joined, "effective dimensionality").iter().map(|v| v.ln()).collect();
    let r = pearson(&x, &column(&joined, "score"));
    assert!(x.len() == 568 && (r - 0.8438).abs() < 5e-5, "average pooling, logarithm: {r}");
}

/// R2 of least squares with an intercept on none, the first, the second and both predictors.
fn r2(y: &[f64], a: &[f64], b: &[f64]) -> [f64; 4] {
    let (ya, yb, ab) = (pearson(y, a), pearson(y, b), pearson(a, b));
    [0.0, ya * ya, yb * yb, (ya * ya + yb * yb - 2.0 * ya * yb * ab) / (1.0 - ab * ab)]
}

#[test]
fn variance_is_shared_as_published() {
    let Some(joined) = table("data_snr_global.csv") else { return };
    let ed: Vec<f64> = column(&joined, "effective dimensionality").iter().map(|v| v.log10()).collect();
    let cases = [
        ("encoding_ed_snr", "score", "signal-noise-ratio (mean)", [0.006_779_5, 0.034_753_5, 0.705_200_2, 0.746_733_2]),
        ("encoding_ed_mrr", "score", "MRR", [0.000_445_85, 0.074_336_3, 0.711_533_9, 0.786_316_0]),
        ("encoding_ed_signal", "score", "signal (mean)", [0.241_227_6, 0.025_048_9, 0.470_752_1, 0.737_028_6]),
        ("mrr_ed_snr", "MRR", "signal-noise-ratio (mean)", [0.002_186_4, 0.068_100_5, 0.916_745_9, 0.987_032_8]),
        ("mrr_ed_signal", "MRR", "signal (mean)", [0.362_223_4, 0.013_735_3, 0.556_709_0, 0.932_667_7]),
    ];
    for (file, dependent, predictor, printed) in cases {
        let r2 = r2(&column(&joined, dependent), &ed, &column(&joined, predictor));
        let parts = commonality(&r2);
        let got = [parts[1], parts[2], parts[3], r2[3]];
        for (got, want) in got.iter().zip(printed) {
            assert!((got - want).abs() <= 1e-7, "{file}: {got}, printed {want}");
        }
        let Some(published) = table(&format!("variance_partitions_{file}.csv")) else { continue };
        // The files carry 13 to 15 digits.
        for (got, want) in got.iter().zip(column(&published, "Coefficient")) {
            assert!((got - want).abs() <= 1e-12, "{file}: {got} against {want}");
        }
    }
}
