//! What is written reads back to the same bits.

use ndarray::{ArrayD, IxDyn};

use super::*;
use crate::dataset::{LabelColumn, Values};

/// Shapes of up to four axes, empty ones among them.
const SHAPES: [&[usize]; 8] = [&[5], &[4, 3], &[1, 7], &[3, 2, 4], &[2, 3, 1, 2], &[0, 3], &[2, 0, 3], &[1]];
/// Numbers that lose something in careless hands.
const HARD: [f64; 12] =
    [0.1, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324, f64::MAX, 1.0 / 3.0, -2.5e-8, 1e21, 123_456_789.123_456_79, 2.0];

fn double(shape: &[usize]) -> Dataset {
    let n: usize = shape.iter().product();
    let values = (0..n).map(|i| HARD[i * 5 % 12]).collect();
    Dataset::from_f64("x", ArrayD::from_shape_vec(IxDyn(shape), values).expect("it fits"))
}

#[expect(clippy::cast_possible_truncation, reason = "single precision is wanted")]
fn single(shape: &[usize]) -> Dataset {
    let Values::F64(wide) = (*double(shape).values).clone() else { panic!("double") };
    Dataset::from_f32("x", wide.mapv(|v| v as f32))
}

fn bits(dataset: &Dataset) -> Vec<u64> {
    match &*dataset.values {
        Values::F32(a) => a.iter().map(|v| u64::from(v.to_bits())).collect(),
        Values::F64(a) => a.iter().map(|v| v.to_bits()).collect(),
    }
}

fn written(format: SaveFormat, arrays: &[(&str, &Dataset)]) -> (Vec<u8>, Vec<Saved>) {
    let arrays: Vec<(String, &Dataset)> = arrays.iter().map(|(name, array)| ((*name).to_owned(), *array)).collect();
    save_bytes(format, &arrays).unwrap_or_else(|e| panic!("{format:?}: {e}"))
}

#[test]
fn binary_formats_keep_every_bit_type_and_axis() {
    for shape in SHAPES {
        for array in [double(shape), single(shape)] {
            for format in [SaveFormat::Npy, SaveFormat::Npz, SaveFormat::H5, SaveFormat::Mat] {
                let (bytes, saved) = written(format, &[("x", &array)]);
                let back = read(&format!("x.{}", format.ending()), &bytes, None, Limits::BROWSER).expect("reads");
                assert_eq!((&back.dtype, bits(&back)), (&array.dtype, bits(&array)), "{format:?} {shape:?}");
                let wanted = if format == SaveFormat::Mat && shape.len() == 1 { vec![shape[0], 1] } else { shape.to_vec() };
                assert_eq!(back.shape(), wanted, "{format:?}");
                assert_eq!(saved[0].shape, wanted.iter().map(|&n| n as u64).collect::<Vec<_>>(), "{format:?}");
                assert!(saved[0].left_out.is_empty(), "{saved:?}");
            }
        }
    }
}

#[test]
fn a_number_alone_is_written_too() {
    let number = Dataset::from_f64("x", ArrayD::from_elem(IxDyn(&[]), 0.1));
    for format in SaveFormat::ALL {
        let (bytes, _) = written(format, &[("x", &number)]);
        let back = read(&format!("x.{}", format.ending()), &bytes, None, Limits::BROWSER).expect("reads");
        assert_eq!((bits(&back), back.values.len()), (bits(&number), 1), "{format:?}");
    }
}

#[test]
fn tables_keep_the_numbers_of_matrices() {
    for shape in [&[5][..], &[4, 3], &[1, 7], &[12, 12]] {
        let array = double(shape);
        let (bytes, _) = written(SaveFormat::Csv, &[("x", &array)]);
        let back = read("x.csv", &bytes, None, Limits::BROWSER).expect("reads");
        assert_eq!((back.shape(), bits(&back)), (&[shape[0], *shape.get(1).unwrap_or(&1)][..], bits(&array)), "{shape:?}");
        // A table has no types: each number is the same.
        let array = single(shape);
        let (bytes, _) = written(SaveFormat::Csv, &[("x", &array)]);
        let (Values::F64(back), Values::F32(own)) = (&*read("x.csv", &bytes, None, Limits::BROWSER).expect("reads").values, &*array.values)
        else {
            panic!("a table is of double precision")
        };
        assert!(back.iter().zip(own).all(|(a, b)| a.total_cmp(&f64::from(*b)).is_eq()), "{shape:?}");
    }
}

#[test]
fn names_and_labels_of_tables_read_back() {
    let text = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let labels = |name: &str, values: &[&str]| LabelColumn { name: name.into(), values: text(values) };
    let table = |columns: Option<Vec<String>>, labels: Vec<LabelColumn>| Dataset { column_names: columns, labels, ..double(&[3, 2]) };
    for array in [
        table(Some(text(&["a", "feat; b"])), vec![]),
        table(Some(text(&["V1, left", "say \"IT\"\n"])), vec![labels("item", &["x", "", "a\tb"])]),
        table(Some(text(&["0", "1"])), vec![labels("row", &["0", "1", "2"])]),
        table(Some(text(&["5", "b"])), vec![labels("row", &["7", "8", "9"]), labels("kind", &["dog", "None", "cat"])]),
    ] {
        let (bytes, saved) = written(SaveFormat::Csv, &[("x", &array)]);
        let back = read("x.csv", &bytes, None, Limits::BROWSER).expect("reads");
        let shown = String::from_utf8_lossy(&bytes);
        assert_eq!((bits(&back), &back.column_names, &back.labels), (bits(&array), &array.column_names, &array.labels), "{shown}");
        assert!(saved[0].left_out.is_empty(), "{saved:?}");
        let (_, elsewhere) = written(SaveFormat::Npz, &[("x", &array)]);
        assert!(elsewhere[0].left_out.contains(&"column names".to_owned()), "{elsewhere:?}");
    }
    // Names that look like values are not written as if they were.
    let years = table(Some(text(&["1999", "2000"])), vec![]);
    let (bytes, saved) = written(SaveFormat::Csv, &[("x", &years)]);
    assert_eq!(saved[0].left_out, ["column names"]);
    assert_eq!(bits(&read("x.csv", &bytes, None, Limits::BROWSER).expect("reads")), bits(&years));
    // Labels alone are a table, too.
    let only = Dataset { labels: vec![labels("kind", &["dog", "", "cat"])], ..double(&[3, 0]) };
    let (bytes, _) = written(SaveFormat::Csv, &[("x", &only)]);
    assert_eq!(read("x.csv", &bytes, None, Limits::BROWSER).expect("reads").labels, only.labels);
}

#[test]
fn files_of_several_arrays_keep_their_names_and_order() {
    let (a, b) = (double(&[4, 3]), single(&[2, 3, 2]));
    for format in [SaveFormat::Npz, SaveFormat::H5, SaveFormat::Mat] {
        let name = format!("x.{}", format.ending());
        let (bytes, saved) = written(format, &[("layer/b", &b), ("a", &a)]);
        let names: Vec<String> = saved.into_iter().filter_map(|saved| saved.name).collect();
        let listed = list(&name, &bytes, Limits::BROWSER).expect("lists");
        assert_eq!(listed.into_iter().filter_map(|info| info.member).collect::<Vec<_>>(), names, "{format:?}");
        assert_eq!(names[0], if format == SaveFormat::Mat { "layer_b" } else { "layer/b" });
        for (name_in, array) in names.iter().zip([&b, &a]) {
            assert_eq!(bits(&read(&name, &bytes, Some(name_in), Limits::BROWSER).expect("reads")), bits(array), "{format:?}");
        }
        assert_eq!(bytes, written(format, &[("layer/b", &b), ("a", &a)]).0, "the same bytes each time");
    }
}

#[test]
fn what_a_format_cannot_hold_is_refused_in_a_sentence() {
    let says = |format: SaveFormat, arrays: &[(&str, &Dataset)], words: &str| {
        let arrays: Vec<(String, &Dataset)> = arrays.iter().map(|(name, array)| ((*name).to_owned(), *array)).collect();
        let why = save_bytes(format, &arrays).expect_err("refused").to_string();
        assert!(why.contains(words), "{words:?} in: {why}");
    };
    let (a, cube) = (double(&[2, 2]), double(&[2, 2, 2]));
    says(SaveFormat::Npy, &[("a", &a), ("b", &a)], ".npy holds one array, not 2; write .npz, .h5 or .mat");
    says(SaveFormat::Csv, &[("a", &cube)], "3 axes (2 x 2 x 2)");
    says(SaveFormat::Csv, &[("a", &double(&[0, 2]))], "a table with rows and columns");
    says(SaveFormat::H5, &[("a", &a), ("a/b", &a)], "\"a\" cannot be an array and the group of \"a/b\"");
    says(SaveFormat::Npz, &[], "not 0");
    says(SaveFormat::H5, &[("a", &double(&[1; 33]))], "a: it has too many axes");
    assert_eq!(SaveFormat::of("d/x.HDF5").expect("HDF5"), SaveFormat::H5);
    let why = SaveFormat::of("x.xlsx").expect_err("refused").to_string();
    assert!(why.contains("must end in .npy, .npz, .h5, .csv or .mat"), "{why}");
}
