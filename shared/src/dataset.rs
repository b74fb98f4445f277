//! Datasets: n-dimensional arrays with labels, and their two-dimensional form, rows = samples.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use faer::Mat;
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::blocks::{Blocks, Stored, tiled};
use crate::input::{ImageFiles, Input};
use crate::network::NetworkFile;

/// Values as stored: f32 stays f32 until a decomposition needs f64.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Single precision.
    F32(ArrayD<f32>),
    /// Double precision; integers and booleans are widened to it.
    F64(ArrayD<f64>),
}

impl Values {
    /// Lengths of the axes.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32(a) => a.shape(),
            Self::F64(a) => a.shape(),
        }
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of NaN and infinite values.
    #[must_use]
    pub fn count_non_finite(&self) -> usize {
        match self {
            Self::F32(a) => a.iter().filter(|v| !v.is_finite()).count(),
            Self::F64(a) => a.iter().filter(|v| !v.is_finite()).count(),
        }
    }
}

/// What belongs to the axes of an array, when one of them becomes the first and the others keep their order. Without such an axis all stay.
#[must_use]
pub fn samples_first<T>(mut of_axes: Vec<T>, axis: usize) -> Vec<T> {
    if let Some(moved) = of_axes.get_mut(..=axis) {
        moved.rotate_right(1);
    }
    of_axes
}

/// The way back: what belongs to the axes as the file has them, from [`samples_first`].
#[must_use]
pub fn as_in_file<T>(mut of_axes: Vec<T>, axis: usize) -> Vec<T> {
    if let Some(moved) = of_axes.get_mut(..=axis) {
        moved.rotate_left(1);
    }
    of_axes
}

/// Where the voxels of an image lie: the x, y and z in millimeters of the voxel (i, j, k), counted from 0, are the rows times (i, j, k, 1).
pub type Affine = [[f64; 4]; 3];

/// A column of text that labels rows: a category, a subject, an object name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelColumn {
    /// Header of the column.
    pub name: String,
    /// One text per row.
    pub values: Vec<String>,
}

/// An array with a name, and the labels that came with it. Cloning is cheap.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// File stem or member name, as shown to people.
    pub name: String,
    /// Element type in the file, as numpy writes it (`float32`, `int8`, …).
    pub dtype: String,
    /// The values.
    pub values: Arc<Values>,
    /// Names of the columns, when the file has them.
    pub column_names: Option<Vec<String>>,
    /// Text columns that label the rows.
    pub labels: Vec<LabelColumn>,
    /// Of an image.
    pub affine: Option<Affine>,
}

impl Dataset {
    /// A dataset of f64 values without labels.
    #[must_use]
    pub fn from_f64(name: impl Into<String>, values: ArrayD<f64>) -> Self {
        Self {
            name: name.into(),
            dtype: "float64".into(),
            values: Arc::new(Values::F64(values)),
            column_names: None,
            labels: Vec::new(),
            affine: None,
        }
    }

    /// A dataset of f32 values without labels.
    #[must_use]
    pub fn from_f32(name: impl Into<String>, values: ArrayD<f32>) -> Self {
        Self {
            name: name.into(),
            dtype: "float32".into(),
            values: Arc::new(Values::F32(values)),
            column_names: None,
            labels: Vec::new(),
            affine: None,
        }
    }

    /// A two-dimensional f64 dataset from rows in C order.
    ///
    /// # Errors
    /// [`Error::Shape`] when `values.len() != rows * columns`.
    pub fn from_rows(name: impl Into<String>, rows: usize, columns: usize, values: Vec<f64>) -> Result<Self, Error> {
        let name = name.into();
        let got = values.len();
        let array = ArrayD::from_shape_vec(IxDyn(&[rows, columns]), values).map_err(|e| Error::Shape {
            what: name.clone(),
            expected: format!("{rows} x {columns} values"),
            got: format!("{got} values ({e})"),
        })?;
        Ok(Self::from_f64(name, array))
    }

    /// Lengths of the axes.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.values.shape()
    }

    /// The same data with an axis (counted from 0) as the first, the others in their order behind it: its entries are the samples. In two
    /// dimensions axis 1 exchanges rows and columns. Labels of rows are dropped where the axis is not the first already.
    ///
    /// # Errors
    /// [`Error::Input`] when there is no such axis.
    pub fn with_samples(&self, axis: usize) -> Result<Self, Error> {
        fn first<T: Copy>(array: &ArrayD<T>, axis: usize) -> ArrayD<T> {
            let order: Vec<usize> = samples_first((0..array.ndim()).collect(), axis);
            array.view().permuted_axes(order).as_standard_layout().into_owned()
        }
        if axis == 0 {
            return Ok(self.clone());
        }
        let n = self.shape().len();
        if axis >= n {
            let (name, shape) = (&self.name, shape_text(self.shape()));
            return Err(Error::input(
                name,
                format!("axis {axis} cannot have its samples: the axes of {shape} are 0 to {}", n.saturating_sub(1)),
            ));
        }
        let values = match &*self.values {
            Values::F32(a) => Values::F32(first(a, axis)),
            Values::F64(a) => Values::F64(first(a, axis)),
        };
        Ok(Self { values: Arc::new(values), column_names: None, labels: Vec::new(), affine: None, ..self.clone() })
    }

    /// A matrix whose columns are one axis; the others, in their order, are its rows. Labels of rows are dropped.
    ///
    /// # Panics
    /// If there is no such axis: a defect of the caller.
    #[must_use]
    pub fn with_columns(&self, axis: usize) -> Self {
        fn flat<T: Copy>(array: &ArrayD<T>, axis: usize) -> ArrayD<T> {
            let mut order: Vec<usize> = (0..array.ndim()).filter(|a| *a != axis).collect();
            order.push(axis);
            let n = array.shape()[axis];
            let moved = array.view().permuted_axes(order);
            let rows = array.len() / n.max(1);
            ArrayD::from_shape_vec(IxDyn(&[rows, n]), moved.iter().copied().collect()).expect("as many values")
        }
        let values = match &*self.values {
            Values::F32(a) => Values::F32(flat(a, axis)),
            Values::F64(a) => Values::F64(flat(a, axis)),
        };
        Self { values: Arc::new(values), column_names: None, labels: Vec::new(), affine: None, ..self.clone() }
    }

    /// The two-dimensional, finite matrix of this dataset, rows = samples.
    ///
    /// # Errors
    /// [`Error::Shape`] when it is not two-dimensional or has no rows or columns; [`Error::NonFinite`] for NaN and infinities.
    pub fn matrix(&self) -> Result<Matrix, Error> {
        let shape = self.shape();
        if shape.len() != 2 {
            return Err(Error::Shape {
                what: self.name.clone(),
                expected: "a matrix with 2 axes (rows = samples, columns = features)".into(),
                got: format!("{} axes ({})", shape.len(), shape_text(shape)),
            });
        }
        if shape[0] == 0 || shape[1] == 0 {
            return Err(Error::Shape {
                what: self.name.clone(),
                expected: "at least one row and one column".into(),
                got: format!("an empty array ({})", shape_text(shape)),
            });
        }
        self.reject_non_finite()?;
        Ok(Matrix { name: self.name.clone(), values: Arc::clone(&self.values) })
    }

    /// Refuses NaN and infinities, naming the first.
    ///
    /// # Errors
    /// [`Error::NonFinite`] with the count and the first row and column (trailing axes flattened).
    pub fn reject_non_finite(&self) -> Result<(), Error> {
        let count = self.values.count_non_finite();
        if count == 0 {
            return Ok(());
        }
        let position = match &*self.values {
            Values::F32(a) => a.iter().map(|&v| f64::from(v)).enumerate().find(|(_, v)| !v.is_finite()),
            Values::F64(a) => a.iter().copied().enumerate().find(|(_, v)| !v.is_finite()),
        };
        let (at, value) = position.unwrap_or((0, f64::NAN));
        let width = self.shape().iter().skip(1).product::<usize>().max(1);
        Err(Error::NonFinite {
            input: self.name.clone(),
            count: count as u64,
            row: (at / width + 1) as u64,
            column: (at % width + 1) as u64,
            value: value.to_string(),
        })
    }
}

/// `12 x 5`, for messages.
#[must_use]
pub fn shape_text(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
}

/// A two-dimensional, non-empty, finite dataset: rows = samples, columns = features. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Matrix {
    name: String,
    values: Arc<Values>,
}

impl Matrix {
    /// The dataset's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Rows.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.values.shape()[0]
    }

    /// Columns.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.values.shape()[1]
    }

    /// The values as stored.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// A copy in f64, for decompositions.
    #[must_use]
    pub fn to_mat(&self) -> Mat<f64> {
        let (n, p) = (self.n_samples(), self.n_features());
        match &*self.values {
            Values::F32(a) => tiled(a.as_standard_layout().as_slice().unwrap_or_default(), p, n, 0..p),
            Values::F64(a) => tiled(a.as_standard_layout().as_slice().unwrap_or_default(), p, n, 0..p),
        }
    }

    /// Refuses a pair of matrices with different numbers of rows.
    ///
    /// # Errors
    /// [`Error::RowMismatch`] with both names and counts.
    pub fn same_rows(&self, other: &Self) -> Result<(), Error> {
        if self.n_samples() == other.n_samples() {
            return Ok(());
        }
        Err(Error::RowMismatch { a: self.name.clone(), n_a: self.n_samples() as u64, b: other.name.clone(), n_b: other.n_samples() as u64 })
    }
}

/// The datasets of a run by the names that the spec uses.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    datasets: BTreeMap<String, Dataset>,
    stored: BTreeMap<String, StoredInput>,
    networks: BTreeMap<String, Arc<NetworkFile>>,
    images: BTreeMap<String, Arc<dyn ImageFiles>>,
}

/// An array that is loaded when an analysis wants all of it at once.
#[derive(Debug, Clone)]
struct StoredInput {
    array: Arc<dyn Stored>,
    loaded: OnceLock<Dataset>,
}

impl Inputs {
    /// Adds or replaces a dataset under `name`.
    pub fn insert(&mut self, name: impl Into<String>, dataset: Dataset) {
        let name = name.into();
        self.datasets.insert(name.clone(), Dataset { name, ..dataset });
    }

    /// Adds an array that is read in parts where an analysis can do with parts.
    pub fn insert_stored(&mut self, name: impl Into<String>, array: Arc<dyn Stored>) {
        self.stored.insert(name.into(), StoredInput { array, loaded: OnceLock::new() });
    }

    /// Adds whatever a file was read as.
    pub fn insert_input(&mut self, name: impl Into<String>, input: Input) {
        let name = name.into();
        match input {
            Input::Array(dataset) => self.insert(name, dataset),
            Input::Network(network) => {
                self.networks.insert(name, network);
            }
            Input::Images(images) => {
                self.images.insert(name, images);
            }
        }
    }

    /// The network that a spec names in `field`.
    ///
    /// # Errors
    /// [`Error::Input`] when there is none of this name.
    pub fn network(&self, field: &str, name: &str) -> Result<&Arc<NetworkFile>, Error> {
        self.networks.get(name).ok_or_else(|| match self.shape(field, name) {
            Ok(_) => Error::input(field, format!("\"{name}\" is not a network; give an ONNX file or a state dict of PyTorch (.pth)")),
            Err(unknown) => unknown,
        })
    }

    /// The images of this name, unless it is the name of something else.
    #[must_use]
    pub fn images(&self, name: &str) -> Option<&Arc<dyn ImageFiles>> {
        self.images.get(name)
    }

    /// The dataset that a spec names in `field`.
    ///
    /// # Errors
    /// [`Error::Input`] that lists the names there are; what [`Stored::load`] says.
    pub fn get(&self, field: &str, name: &str) -> Result<&Dataset, Error> {
        if let Some(dataset) = self.datasets.get(name) {
            return Ok(dataset);
        }
        let stored = self.stored.get(name).ok_or_else(|| self.unknown(field, name))?;
        if let Some(dataset) = stored.loaded.get() {
            return Ok(dataset);
        }
        let dataset = stored.array.load(name)?;
        Ok(stored.loaded.get_or_init(|| dataset))
    }

    /// Names of the inputs in double precision.
    #[must_use]
    pub fn doubles(&self) -> Vec<&str> {
        let dtypes = self.datasets.iter().map(|(name, dataset)| (name, &*dataset.dtype));
        let stored = self.stored.iter().map(|(name, stored)| (name, stored.array.dtype()));
        dtypes.chain(stored).filter(|(_, dtype)| *dtype == "float64").map(|(name, _)| name.as_str()).collect()
    }

    /// Names of the columns of an input, when its file has them.
    #[must_use]
    pub fn column_names(&self, name: &str) -> Option<Vec<String>> {
        let loaded = self.datasets.get(name).or_else(|| self.stored.get(name).and_then(|s| s.loaded.get()));
        loaded.and_then(|dataset| dataset.column_names.clone())
    }

    /// Lengths of the axes of an input, which is not loaded for that.
    ///
    /// # Errors
    /// [`Error::Input`] that lists the names there are.
    pub fn shape(&self, field: &str, name: &str) -> Result<&[usize], Error> {
        let shape = self.datasets.get(name).map(Dataset::shape).or_else(|| self.stored.get(name).map(|s| s.array.shape()));
        shape.ok_or_else(|| self.unknown(field, name))
    }

    /// Bytes that an input takes in memory; none while it is stored.
    #[must_use]
    pub fn memory_bytes(&self, name: &str) -> u64 {
        let loaded = self.datasets.get(name).or_else(|| self.stored.get(name).and_then(|s| s.loaded.get()));
        loaded.map_or(0, |dataset| match &*dataset.values {
            Values::F32(a) => a.len() as u64 * 4,
            Values::F64(a) => a.len() as u64 * 8,
        })
    }

    /// The matrix that a spec names in `field`, in parts.
    ///
    /// # Errors
    /// Those of [`Inputs::get`] and [`Blocks::of`].
    pub fn blocks(&self, field: &str, name: &str) -> Result<Blocks<'_>, Error> {
        match self.stored.get(name) {
            Some(stored) if stored.loaded.get().is_none() => Blocks::of_stored(name, Arc::clone(&stored.array)),
            _ => Blocks::of(self.get(field, name)?),
        }
    }

    /// The same with axes after the first as one.
    ///
    /// # Errors
    /// Those of [`Inputs::get`] and [`Blocks::flattened`].
    pub fn flat_blocks(&self, field: &str, name: &str) -> Result<Blocks<'_>, Error> {
        match self.stored.get(name) {
            Some(stored) if stored.loaded.get().is_none() => Blocks::flattened_stored(name, Arc::clone(&stored.array)),
            _ => Blocks::flattened(self.get(field, name)?),
        }
    }

    fn unknown(&self, field: &str, name: &str) -> Error {
        if self.networks.contains_key(name) || self.images.contains_key(name) {
            let what = if self.networks.contains_key(name) { "a network" } else { "a set of images" };
            return Error::input(field, format!("\"{name}\" is {what}, not an array; extract activations first"));
        }
        let arrays = self.datasets.keys().chain(self.stored.keys());
        let known = arrays.chain(self.networks.keys()).chain(self.images.keys()).map(String::as_str).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "no inputs were given".into() } else { format!("the inputs are: {known}") };
        Error::input(field, format!("there is no input named \"{name}\"; {known}"))
    }

    /// The matrix that a spec names in `field`.
    ///
    /// # Errors
    /// Those of [`Inputs::get`] and [`Dataset::matrix`].
    pub fn matrix(&self, field: &str, name: &str) -> Result<Matrix, Error> {
        self.get(field, name)?.matrix()
    }

    /// Names and shapes, for estimates.
    #[must_use]
    pub fn shapes(&self) -> Shapes {
        let stored = self.stored.iter().map(|(name, s)| (name.clone(), s.array.shape().to_vec()));
        let images = self.images.iter().map(|(name, images)| (name.clone(), vec![images.names().len()]));
        Shapes(self.datasets.iter().map(|(name, d)| (name.clone(), d.shape().to_vec())).chain(stored).chain(images).collect())
    }
}

/// Shapes of inputs by name: all that an estimate needs, so that it can be made before anything is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shapes(pub BTreeMap<String, Vec<usize>>);

impl Shapes {
    /// Rows and columns of an input (trailing axes flattened; unknown inputs count as empty).
    #[must_use]
    pub fn of(&self, name: &str) -> (f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "sizes for an estimate")]
        self.0.get(name).map_or((0.0, 0.0), |s| (s.first().map_or(0.0, |&n| n as f64), s.iter().skip(1).map(|&n| n as f64).product()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_value_is_named_by_row_and_column() {
        let data = Dataset::from_rows("X", 2, 3, vec![0.0, 1.0, 2.0, 3.0, f64::INFINITY, f64::NAN]).expect("shape fits");
        let error = data.matrix().expect_err("not finite");
        assert_eq!(error, Error::NonFinite { input: "X".into(), count: 2, row: 2, column: 2, value: "inf".into() });
    }

    #[test]
    fn three_axes_are_not_a_matrix() {
        let data = Dataset::from_f64("stack", ArrayD::zeros(IxDyn(&[2, 3, 4])));
        let message = data.matrix().expect_err("three axes").to_string();
        assert!(message.contains("2 x 3 x 4"), "{message}");
    }

    #[test]
    fn rows_stay_rows_in_faer() {
        let data = Dataset::from_rows("X", 2, 3, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).expect("shape fits");
        let mat = data.matrix().expect("finite").to_mat();
        assert_eq!((mat[(0, 2)], mat[(1, 0)]), (2.0, 3.0));
        let turned = data.with_samples(1).expect("two axes").matrix().expect("finite").to_mat();
        assert_eq!((turned[(2, 0)], turned[(0, 1)]), (2.0, 3.0));
    }

    #[test]
    fn any_axis_can_have_the_samples() {
        let stack = Dataset::from_f64("stack", ArrayD::from_shape_fn(IxDyn(&[2, 3, 4]), |i| (100 * i[0] + 10 * i[1] + i[2]) as f64));
        let shapes = [vec![2, 3, 4], vec![3, 2, 4], vec![4, 2, 3]];
        for (axis, shape) in shapes.into_iter().enumerate() {
            let moved = stack.with_samples(axis).expect("there are three axes");
            assert_eq!((moved.shape(), samples_first(vec![2, 3, 4], axis)), (&*shape, shape.clone()));
            let Values::F64(values) = &*moved.values else { panic!("double precision stays") };
            let place = samples_first(vec![1, 2, 3], axis);
            assert_eq!(values[IxDyn(&place)], 123.0, "the value at (1, 2, 3) is at {place:?}");
            assert_eq!(as_in_file(place, axis), [1, 2, 3], "and back");
        }
        assert_eq!(samples_first(vec![2, 3], 2), [2, 3], "there is no such axis");
        let message = stack.with_samples(3).expect_err("no such axis").to_string();
        assert!(message.contains("2 x 3 x 4") && message.contains("0 to 2"), "{message}");
    }
}
