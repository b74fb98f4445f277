//! What tests of several modules share.

use serde_json::Value;

/// Asserts that a number is another one but for so much.
#[track_caller]
pub(crate) fn within(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{what}: {got}, not {want}");
}

/// Asserts that two results are equal but for the order in which sums were rounded: 1e-11, relative to what is above 1.
#[track_caller]
pub(crate) fn near(a: &Value, b: &Value, at: &str) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "fields of {at}");
            a.iter().for_each(|(key, value)| near(value, &b[key], key));
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "length of {at}");
            a.iter().zip(b).for_each(|(a, b)| near(a, b, at));
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().expect("a number"), b.as_f64().expect("a number"));
            assert!((a - b).abs() <= 1e-11 * b.abs().max(1.0), "{at}: {a} in parts, {b} whole");
        }
        _ => assert_eq!(a, b, "{at}"),
    }
}
