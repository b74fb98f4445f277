//! Units that are kept: a `.dmask.csv` of `DNNBrain`.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis};
use serde::{Deserialize, Serialize};

use super::Constant;
use crate::Error;

/// Places of a layer that are kept, counted from 1, in any order; nothing is all of an axis.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mask {
    /// Channels, or units of a layer without positions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<u32>>,
    /// Rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<u32>>,
    /// Columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<u32>>,
}

/// Reads `.dmask.csv`: for each layer a line `layer=axes` (of chn, row and col; none: all of it), then a line of numbers for each axis.
///
/// # Errors
/// [`Error::Format`] with the line.
pub fn read_masks(file: &str, text: &str) -> Result<BTreeMap<String, Mask>, Error> {
    let mut lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    let bad = |i: usize, what: String| Error::format(file, format!("line {}: {what}", i + 1));
    let mut out = BTreeMap::new();
    while let Some((i, line)) = lines.next() {
        let (layer, axes) = line.rsplit_once('=').ok_or_else(|| bad(i, format!("\"{line}\" is not layer=axes")))?;
        let mut mask = Mask::default();
        for axis in axes.split(',').map(str::trim).filter(|axis| !axis.is_empty()) {
            let kept = match axis {
                "chn" => &mut mask.channels,
                "row" => &mut mask.rows,
                "col" => &mut mask.columns,
                other => return Err(bad(i, format!("the axis \"{other}\" is none of chn, row and col"))),
            };
            let (at, numbers) = lines.next().ok_or_else(|| bad(i, format!("the numbers of {axis} are missing behind it")))?;
            let numbers: Option<Vec<u32>> = numbers.split(',').map(|n| n.trim().parse().ok().filter(|n| *n > 0)).collect();
            *kept =
                Some(numbers.ok_or_else(|| bad(at, format!("the places of {axis} are whole numbers from 1, with commas between them")))?);
        }
        if out.insert(layer.trim().to_owned(), mask).is_some() {
            return Err(bad(i, format!("the layer \"{}\" is there twice", layer.trim())));
        }
    }
    if out.is_empty() {
        return Err(Error::format(file, "it names no layers"));
    }
    Ok(out)
}

impl Mask {
    /// Whether some positions are left out.
    #[must_use]
    pub fn has_positions(&self) -> bool {
        self.rows.is_some() || self.columns.is_some()
    }

    fn apply(&self, name: &str, array: &ArrayD<f32>) -> Result<ArrayD<f32>, Error> {
        let mut out = array.clone();
        for (axis, what, kept) in [(1, "channel", &self.channels), (2, "row", &self.rows), (3, "column", &self.columns)] {
            let Some(kept) = kept else { continue };
            // A layer without positions has one.
            let length = out.shape().get(axis).copied().unwrap_or(1);
            if let Some(outside) = kept.iter().find(|n| **n as usize > length) {
                return Err(Error::parameter("--mask", format!("it keeps {what} {outside} of \"{name}\", which has {length}")));
            }
            if axis < out.ndim() {
                let places: Vec<usize> = kept.iter().map(|n| *n as usize - 1).collect();
                out = out.select(Axis(axis), &places);
            }
        }
        Ok(out)
    }
}

/// Leaves of the values of `n` images what the masks keep.
///
/// # Errors
/// [`Error::Parameter`] for a place that a layer does not have.
pub fn apply_masks(masks: &BTreeMap<String, Mask>, n: usize, values: &mut BTreeMap<String, Constant>) -> Result<(), Error> {
    for (name, mask) in masks {
        if let Some(Constant::Float(array)) = values.get_mut(name)
            && array.shape().first() == Some(&n)
        {
            *array = mask.apply(name, array)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::IxDyn;

    use super::*;

    #[test]
    fn masks_keep_what_they_name_in_their_order() {
        let masks = read_masks("a.dmask.csv", "conv=chn,col\n3,1\n\n 2,2 \nfc=\n").expect("reads");
        assert_eq!((masks.len(), &masks["fc"]), (2, &Mask::default()));
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let array = ArrayD::from_shape_fn(IxDyn(&[2, 3, 2, 2]), |at| (1000 * at[0] + 100 * at[1] + 10 * at[2] + at[3]) as f32);
        let kept = masks["conv"].apply("conv", &array).expect("inside");
        assert_eq!(kept.shape(), [2, 2, 2, 2]);
        assert_eq!(kept.iter().take(4).copied().collect::<Vec<_>>(), [201.0, 201.0, 211.0, 211.0]);
        let mut values = BTreeMap::from([("conv".to_owned(), Constant::Float(array.clone()))]);
        apply_masks(&masks, 2, &mut values).expect("inside");
        assert!(matches!(&values["conv"], Constant::Float(a) if *a == kept), "in place");
        let matrix = ArrayD::zeros(IxDyn(&[2, 3]));
        let flat = Mask { channels: Some(vec![2]), rows: Some(vec![1]), columns: None };
        assert_eq!(flat.apply("fc", &matrix).expect("one row").shape(), [2, 1]);
        let why = Mask { rows: Some(vec![2]), ..flat }.apply("fc", &matrix).expect_err("no second row").to_string();
        assert!(why.contains("keeps row 2 of \"fc\", which has 1"), "{why}");
    }

    #[test]
    fn broken_masks_name_the_line() {
        for (text, words) in [
            ("", "names no layers"),
            ("conv", "line 1: \"conv\" is not"),
            ("a=chn\n1\na=\n", "line 3: the layer \"a\" is there twice"),
            ("a=chn", "line 1: the numbers of chn"),
            ("a=chn\n0,1", "line 2"),
            ("a=depth\n1", "\"depth\""),
        ] {
            let why = read_masks("m", text).expect_err("refused").to_string();
            assert!(why.contains(words), "{words:?} in: {why}");
        }
    }
}
