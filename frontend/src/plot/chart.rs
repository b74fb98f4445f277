//! A figure with everything that a card needs to show and export it.

use std::fmt;
use std::sync::Arc;

use eigenscope::{Dataset, io};

use super::Figure;
use super::table::matrix_csv;

/// The numbers of a figure, made when asked for: those of a large matrix are long.
#[derive(Clone)]
pub struct Csv {
    text: Arc<dyn Fn() -> String + Send + Sync>,
    npy: Option<Arc<dyn Fn() -> Vec<u8> + Send + Sync>>,
}

impl Csv {
    /// From a function that writes the text.
    pub fn new(write: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { text: Arc::new(write), npy: None }
    }

    /// A named matrix, which numpy reads as well.
    pub fn matrix(corner: &str, columns: &[String], rows: &[String], at: impl Fn(usize, usize) -> f64 + Send + Sync + 'static) -> Self {
        let (corner, columns, rows, at) = (corner.to_owned(), columns.to_vec(), rows.to_vec(), Arc::new(at));
        let (n, p, value) = (rows.len(), columns.len(), Arc::clone(&at));
        let npy = move || {
            let values = (0..n).flat_map(|i| (0..p).map(move |j| (i, j))).map(|(i, j)| value(i, j)).collect();
            Dataset::from_rows("matrix", n, p, values).map(|matrix| io::write_npy(&matrix)).unwrap_or_default()
        };
        Self { text: Arc::new(move || matrix_csv(&corner, &columns, &rows, |i, j| at(i, j))), npy: Some(Arc::new(npy)) }
    }

    /// The text: a header line, then one line per row.
    #[must_use]
    pub fn text(&self) -> String {
        (self.text)()
    }

    /// Whether the numbers are a matrix.
    #[must_use]
    pub fn is_matrix(&self) -> bool {
        self.npy.is_some()
    }

    /// The matrix as an `.npy` file, when the numbers are one.
    #[must_use]
    pub fn npy(&self) -> Option<Vec<u8>> {
        self.npy.as_ref().map(|write| write())
    }
}

impl fmt::Debug for Csv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Csv")
    }
}

/// A figure, its words and its numbers.
#[derive(Debug, Clone)]
pub struct Chart {
    /// What is drawn.
    pub figure: Figure,
    /// One sentence with the main numbers, for those who cannot see the figure.
    pub summary: String,
    /// What the reader must know about the drawing: reductions, units, what is left out. May be empty.
    pub caption: String,
    /// The numbers behind it.
    pub csv: Csv,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_the_same_for_numpy_and_as_text() {
        let names = |all: &[&str]| all.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let csv =
            Csv::matrix(
                "item",
                &names(&["a", "b"]),
                &names(&["x"]),
                |i, j| if j == 0 { 0.1 } else { f64::from(u8::try_from(i).unwrap_or(9)) },
            );
        assert_eq!(csv.text(), "item,a,b\nx,0.1,0\n");
        let bytes = csv.npy().expect("a matrix");
        let back = io::read("m.npy", &bytes, None, io::Limits::BROWSER).expect("it reads");
        assert_eq!(back.values, Dataset::from_rows("m", 1, 2, vec![0.1, 0.0]).expect("it fits").values);
        assert!(!Csv::new(String::new).is_matrix() && Csv::new(String::new).npy().is_none(), "a table is none");
    }
}
