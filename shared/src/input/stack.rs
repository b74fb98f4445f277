//! Images that lie in one array.

use serde::{Deserialize, Serialize};

use super::{ImageFiles, Picture};
use crate::Error;
use crate::dataset::{Dataset, Values, shape_text};

/// How the numbers of a stack became colors of 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Levels {
    /// Integers from 0 to 255, as they are.
    Bytes,
    /// Floats from 0 to 1, times 255 and rounded: images are resized in 8 bits, whatever they come from.
    Unit,
}

/// Images of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// `name[i]`.
    names: Vec<String>,
    /// Height and width.
    pub size: [u32; 2],
    /// How the numbers were read.
    pub levels: Levels,
    /// Where the colors were.
    pub channels_last: bool,
    pixels: Vec<u8>,
}

impl Stack {
    /// The images of an array: n x height x width x 3 or n x 3 x height x width, integers from 0 to 255 or floats from 0 to 1.
    ///
    /// # Errors
    /// [`Error::Shape`] for other axes, [`Error::Input`] for other numbers.
    pub fn of(dataset: &Dataset) -> Result<Self, Error> {
        let wrong = |got: String| Error::Shape {
            what: dataset.name.clone(),
            expected: "a stack of images, n x height x width x 3 or n x 3 x height x width".into(),
            got,
        };
        let shape = dataset.shape();
        let text = shape_text(shape);
        let &[n, a, b, c] = shape else { return Err(wrong(text)) };
        let (channels_last, height, width) = match (a, c) {
            (3, 3) => return Err(wrong(format!("{text}, where either axis may be that of the colors"))),
            (_, 3) => (true, a, b),
            (3, _) => (false, b, c),
            _ => return Err(wrong(text)),
        };
        let side = |n: usize| u32::try_from(n).ok().filter(|n| *n > 0 && *n < 1 << 15);
        let (Some(rows), Some(columns), true) = (side(height), side(width), n > 0) else { return Err(wrong(text)) };
        dataset.reject_non_finite()?;
        let (levels, colors) = match &*dataset.values {
            Values::F32(a) => colors(dataset, a.iter().map(|&v| f64::from(v)))?,
            Values::F64(a) => colors(dataset, a.iter().copied())?,
        };
        let pixels = if channels_last {
            colors
        } else {
            colors.chunks_exact(3 * height * width).flat_map(|image| woven(image, height * width)).collect()
        };
        let names = (0..n).map(|i| format!("{}[{i}]", dataset.name)).collect();
        Ok(Self { names, size: [rows, columns], levels, channels_last, pixels })
    }

    /// What was assumed, for people.
    #[must_use]
    pub fn assumed(&self) -> String {
        let [height, width] = self.size;
        let order = if self.channels_last { "n x height x width x 3" } else { "n x 3 x height x width" };
        let levels = match self.levels {
            Levels::Bytes => "integers from 0 to 255",
            Levels::Unit => "floats from 0 to 1, rounded to 256 levels",
        };
        format!("read as {} images of {height} x {width} pixels ({order}), {levels}", self.names.len())
    }
}

impl ImageFiles for Stack {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn picture(&self, i: usize) -> Result<Picture, Error> {
        let length = self.pixels.len() / self.names.len();
        let pixels = self.pixels.get(i * length..(i + 1) * length).ok_or_else(|| Error::internal(format!("there is no image {i}")))?;
        Ok(Picture::Pixels(pixels.to_vec(), self.size))
    }
}

/// The colors of an image that has them one after the other, woven together.
fn woven(image: &[u8], n: usize) -> impl Iterator<Item = u8> {
    (0..n).flat_map(move |i| [image[i], image[n + i], image[2 * n + i]])
}

fn colors(dataset: &Dataset, values: impl Iterator<Item = f64> + Clone) -> Result<(Levels, Vec<u8>), Error> {
    let (low, high) = values.clone().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let is_float = dataset.dtype.starts_with("float") || dataset.dtype.starts_with("bfloat");
    let (levels, most) = if is_float { (Levels::Unit, 1.0) } else { (Levels::Bytes, 255.0) };
    if low < 0.0 || high > most {
        let kind = if is_float { "floats are colors from 0 to 1" } else { "integers are colors from 0 to 255" };
        let message =
            format!("its values ({}) reach from {low} to {high}, but {kind}; scale them, or give ready values with --input", dataset.dtype);
        return Err(Error::input(dataset.name.clone(), message));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255 was checked")]
    let level = |v: f64| (v * 255.0 / most).round() as u8;
    Ok((levels, values.map(level).collect()))
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};

    use super::*;

    fn stack(shape: &[usize], dtype: &str, value: impl Fn(&IxDyn) -> f64) -> Dataset {
        let array = ArrayD::from_shape_fn(IxDyn(shape), |at| value(&at));
        Dataset { dtype: dtype.into(), ..Dataset::from_f64("s", array) }
    }

    #[test]
    fn both_orders_of_axes_and_both_kinds_of_numbers_are_the_same_images() {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let level = |i: usize, y: usize, x: usize, color: usize| (100 * i + 20 * y + 4 * x + color) as f64;
        let last = Stack::of(&stack(&[2, 4, 5, 3], "uint8", |at| level(at[0], at[1], at[2], at[3]))).expect("images");
        let first = Stack::of(&stack(&[2, 3, 4, 5], "float64", |at| level(at[0], at[2], at[3], at[1]) / 255.0)).expect("images");
        assert_eq!((last.size, last.levels, first.levels), ([4, 5], Levels::Bytes, Levels::Unit));
        let pixels = |stack: &Stack| match stack.picture(1).expect("the second") {
            Picture::Pixels(pixels, _) => pixels,
            Picture::Encoded(_) => panic!("pixels"),
        };
        assert_eq!((pixels(&last), &last.names[1]), (pixels(&first), &"s[1]".to_owned()));
        assert_eq!(pixels(&last)[..4], [100, 101, 102, 104]);
        assert!(last.picture(2).is_err(), "there are two");
        assert!(first.assumed().contains("n x 3 x height x width") && first.assumed().contains("0 to 1"), "{}", first.assumed());
    }

    #[test]
    fn what_is_no_stack_of_images_is_told() {
        let says = |shape: &[usize], dtype: &str, value: f64, words: &str| {
            let why = Stack::of(&stack(shape, dtype, |_| value)).expect_err("refused").to_string();
            assert!(why.contains(words), "{words:?} in: {why}");
        };
        says(&[2, 4, 5], "uint8", 1.0, "got 2 x 4 x 5");
        says(&[2, 3, 5, 3], "uint8", 1.0, "either axis");
        says(&[2, 4, 5, 4], "uint8", 1.0, "2 x 4 x 5 x 4");
        says(&[0, 4, 5, 3], "uint8", 1.0, "0 x 4 x 5 x 3");
        says(&[1, 4, 5, 3], "int16", 256.0, "integers are colors from 0 to 255");
        says(&[1, 4, 5, 3], "float32", 1.5, "floats are colors from 0 to 1");
        says(&[1, 4, 5, 3], "float32", f64::NAN, "not finite");
    }
}
