//! Voxels of a volume: which belong to a searchlight, and their values.

use ndarray::ArrayD;

use super::Spec;
use crate::dataset::{Affine, Dataset, Values, shape_text};
use crate::stats::count;
use crate::{Error, parallel};

/// A larger searchlight is no local one: it has half a million voxels.
pub(super) const MAX_RADIUS: f64 = 50.0;

/// An image with the rows of a voxel together.
pub(super) struct Image<'a> {
    dataset: &'a Dataset,
    volume: [usize; 3],
    n_rows: usize,
}

impl<'a> Image<'a> {
    /// # Errors
    /// [`Error::Shape`] when it does not have 4 axes or is empty.
    pub(super) fn of(dataset: &'a Dataset) -> Result<Self, Error> {
        let wrong = |got: String| {
            Err(Error::Shape { what: dataset.name.clone(), expected: "an image with 4 axes (x, y, z, conditions)".into(), got })
        };
        match *dataset.shape() {
            [x, y, z, n] if x * y * z * n > 0 => Ok(Self { dataset, volume: [x, y, z], n_rows: n }),
            [_, _, _, _] => wrong(format!("an empty array ({})", shape_text(dataset.shape()))),
            _ => wrong(format!("{} axes ({})", dataset.shape().len(), shape_text(dataset.shape()))),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.dataset.name
    }

    pub(super) fn volume(&self) -> [usize; 3] {
        self.volume
    }

    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub(super) fn affine(&self) -> Option<Affine> {
        self.dataset.affine
    }

    /// # Errors
    /// [`Error::Shape`] when another image is of another volume.
    pub(super) fn same_volume(&self, name: &str, volume: &[usize]) -> Result<(), Error> {
        if *volume == self.volume {
            return Ok(());
        }
        let expected = format!("the voxels of {} ({})", self.name(), shape_text(&self.volume));
        Err(Error::Shape { what: name.into(), expected, got: shape_text(volume) })
    }

    /// The values of a voxel in f64.
    fn voxel(&self, at: usize) -> impl Iterator<Item = f64> + '_ {
        let of = at * self.n_rows..(at + 1) * self.n_rows;
        let (single, double) = match &*self.dataset.values {
            Values::F32(a) => (slice(a, of), &[][..]),
            Values::F64(a) => (&[][..], slice(a, of)),
        };
        single.iter().map(|&v| f64::from(v)).chain(double.iter().copied())
    }

    /// Rows x voxels.
    ///
    /// # Errors
    /// Never: the values fill the shape.
    pub(super) fn of_voxels(&self, voxels: &[usize]) -> Result<Dataset, Error> {
        let p = voxels.len();
        let mut values = vec![0.0; self.n_rows * p];
        for (j, &at) in voxels.iter().enumerate() {
            self.voxel(at).enumerate().for_each(|(i, v)| values[i * p + j] = v);
        }
        Dataset::from_rows(self.name(), self.n_rows, p, values)
    }
}

/// Arrays that were read are in C order.
fn slice<T>(a: &ArrayD<T>, of: std::ops::Range<usize>) -> &[T] {
    a.as_slice().and_then(|all| all.get(of)).unwrap_or_default()
}

/// Which voxels are inside.
pub(super) struct Mask {
    inside: Vec<bool>,
    /// Voxels with finite values in all images.
    finite: Vec<bool>,
    /// Voxels of the mask that are outside because their values are not finite.
    pub(super) n_excluded: usize,
}

impl Mask {
    /// # Errors
    /// [`Error::Shape`] for a mask of another volume, [`Error::Input`] for one without voxels.
    pub(super) fn of(mask: &Dataset, images: &[&Image<'_>]) -> Result<Self, Error> {
        // A fourth axis of length 1 is how some programs save a volume.
        let volume = match mask.shape() {
            [volume @ .., 1] if volume.len() == 3 => volume,
            all => all,
        };
        images[0].same_volume(&mask.name, volume)?;
        let is_set = |v: f64| v != 0.0 && !v.is_nan();
        let set: Vec<bool> = match &*mask.values {
            Values::F32(a) => a.iter().map(|&v| is_set(v.into())).collect(),
            Values::F64(a) => a.iter().map(|&v| is_set(v)).collect(),
        };
        if !set.contains(&true) {
            return Err(Error::input(&mask.name, "has no voxel that is not 0: the mask is empty"));
        }
        let finite = finite(images, set.len());
        let n_excluded = set.iter().zip(&finite).filter(|(set, finite)| **set && !**finite).count();
        Ok(Self { inside: set.iter().zip(&finite).map(|(set, finite)| *set && *finite).collect(), finite, n_excluded })
    }

    /// # Errors
    /// [`Error::Input`] when no voxel varies.
    pub(super) fn of_varying(images: &[&Image<'_>]) -> Result<Self, Error> {
        let image = images[0];
        let finite = finite(images, image.volume.iter().product());
        let varies = |at: usize| {
            let mut values = image.voxel(at);
            let first = values.next();
            values.any(|v| Some(v) != first)
        };
        let inside = parallel::map(finite.len(), |at| finite[at] && varies(at));
        if !inside.contains(&true) {
            return Err(Error::input(image.name(), "has no voxel with finite values that vary; check the image, or name a mask"));
        }
        Ok(Self { inside, finite, n_excluded: 0 })
    }
}

fn finite(images: &[&Image<'_>], n: usize) -> Vec<bool> {
    parallel::map(n, |at| images.iter().all(|image| image.voxel(at).all(f64::is_finite)))
}

/// A center and the voxels around it, as positions in C order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Searchlight {
    pub(super) center: usize,
    pub(super) members: Vec<usize>,
}

/// The searchlights of a volume, in the order of their centers.
pub(super) fn searchlights(volume: [usize; 3], mask: &Mask, spec: &Spec) -> Vec<Searchlight> {
    let ball = ball(spec.radius);
    let around = |center: usize| {
        if !mask.inside[center] {
            return None;
        }
        let at = place(center, volume);
        let mut all = Vec::with_capacity(ball.len());
        for offset in &ball {
            let mut position = 0;
            let mut in_volume = true;
            for axis in 0..3 {
                let along = at[axis].checked_add_signed(offset[axis]).filter(|&i| i < volume[axis]);
                in_volume &= along.is_some();
                position = position * volume[axis] + along.unwrap_or(0);
            }
            if in_volume {
                all.push(position);
            }
        }
        let n_inside = all.iter().filter(|&&v| mask.inside[v]).count();
        if count(n_inside) / count(all.len()) < spec.threshold {
            return None;
        }
        all.retain(|&v| if spec.truncate { mask.inside[v] } else { mask.finite[v] });
        Some(Searchlight { center, members: all })
    };
    parallel::map(mask.inside.len(), around).into_iter().flatten().collect()
}

/// Offsets nearer than the radius, in C order.
#[expect(clippy::cast_possible_truncation, reason = "the radius is at most MAX_RADIUS")]
fn ball(radius: f64) -> Vec<[isize; 3]> {
    let most = radius.ceil() as i32;
    let axis = || -most..=most;
    let near = |o: &[i32; 3]| f64::from(o.iter().map(|v| v * v).sum::<i32>()) < radius * radius;
    let all = axis().flat_map(|x| axis().flat_map(move |y| axis().map(move |z| [x, y, z])));
    all.filter(near).map(|o| o.map(|v| v as isize)).collect()
}

/// The voxel (x, y, z) at a position in C order.
pub(super) fn place(at: usize, [_, ny, nz]: [usize; 3]) -> [usize; 3] {
    [at / (ny * nz), at / nz % ny, at % nz]
}
