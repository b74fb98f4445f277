//! Tables of results as CSV text, which the reader of this library reads back.

/// Writes a header and rows; cells with separators or quotes are quoted.
pub(crate) fn csv<'a>(header: impl IntoIterator<Item = &'a str>, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        for (i, cell) in cells.enumerate() {
            if i > 0 {
                out.push(',');
            }
            if cell.contains([',', '"', '\n', '\r']) {
                out.push('"');
                out.push_str(&cell.replace('"', "\"\""));
                out.push('"');
            } else {
                out.push_str(cell);
            }
        }
        out.push('\n');
    };
    line(&mut header.into_iter());
    rows.into_iter().for_each(|row| line(&mut row.iter().map(String::as_str)));
    out
}

/// The shortest text that reads back as the same number; empty where undefined.
pub(crate) fn number(value: Option<f64>) -> String {
    let Some(value) = value.filter(|v| v.is_finite()) else { return String::new() };
    let size = value.abs();
    if size != 0.0 && !(1e-5..1e16).contains(&size) { format!("{value:e}") } else { value.to_string() }
}

/// A count; empty where undefined.
pub(crate) fn count(value: Option<u32>) -> String {
    value.map(|n| n.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_undefined_ones_empty() {
        let rows = [vec!["a,b".to_owned(), number(Some(0.1)), number(None)], vec!["\"".into(), number(Some(1e-30)), count(Some(3))]];
        assert_eq!(csv(["x", "y", "z"], rows), "x,y,z\n\"a,b\",0.1,\n\"\"\"\",1e-30,3\n");
    }
}
