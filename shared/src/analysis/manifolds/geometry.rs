//! Radii, dimensionalities and pairwise statistics from centered rows, without a covariance matrix.

use faer::{Mat, MatRef};

use crate::compute::Device;
use crate::labels::Classes;
use crate::linalg::spectral::center_columns;
use crate::progress::Progress;
use crate::stats::count;
use crate::{Error, stats};

/// What the output is made of; matrices are classes x classes.
#[derive(Debug)]
pub(super) struct Geometry {
    pub(super) radius: Vec<f64>,
    pub(super) dimensionality: Vec<f64>,
    pub(super) signal: Mat<f64>,
    pub(super) bias: Mat<f64>,
    pub(super) self_overlap: Mat<f64>,
    pub(super) other_overlap: Mat<f64>,
    pub(super) snr: Mat<f64>,
    pub(super) between: Cloud,
}

/// The size of a cloud of rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cloud {
    pub(super) radius: f64,
    /// NaN without variance.
    pub(super) dimensionality: f64,
}

pub(super) async fn of(
    x: &Mat<f64>,
    classes: &Classes,
    m_shots: Option<u32>,
    device: &Device,
    progress: &dyn Progress,
) -> Result<Geometry, Error> {
    let rows = classes.rows();
    let k = rows.len();
    let mut centered = Vec::with_capacity(k);
    let mut centroids = Mat::zeros(x.ncols(), k);
    for (class, rows) in rows.iter().enumerate() {
        let mut own = Mat::from_fn(rows.len(), x.ncols(), |i, j| x[(rows[i], j)]);
        centroids.col_as_slice_mut(class).copy_from_slice(&center_columns(&mut own));
        centered.push(own);
    }
    let mut clouds = Vec::with_capacity(k);
    let mut signal = Mat::from_fn(k, k, |_, _| f64::NAN);
    // Of class a along c_a - c_b: the standard deviation of its rows times the length.
    let mut spread = signal.clone();
    for (a, own) in centered.iter().enumerate() {
        progress.step(count(a) / count(k), &format!("class {} of {k}", a + 1))?;
        let cloud = cloud(own.as_ref(), device).await?;
        let mut differences = centroids.clone();
        for b in 0..k {
            let center = centroids.col_as_slice(a);
            differences.col_as_slice_mut(b).iter_mut().zip(center).for_each(|(v, c)| *v = c - *v);
        }
        let along = device.matmul(own.as_ref(), differences.as_ref()).await?;
        for b in (0..k).filter(|b| *b != a) {
            let difference = differences.col_as_slice(b);
            signal[(a, b)] = stats::dot(difference, difference).sqrt();
            spread[(a, b)] = (stats::dot(along.col_as_slice(b), along.col_as_slice(b)) / count(own.nrows() - 1)).sqrt();
        }
        clouds.push(cloud);
    }
    let mut turned = centroids.transpose().to_owned();
    center_columns(&mut turned);
    let between = cloud(turned.as_ref(), device).await?;
    let overflow = || Error::Numerical {
        what: "squared distances between rows".into(),
        message: "they overflow; scale the data down (divide by its largest value)".into(),
    };
    let finite = clouds.iter().chain([&between]).all(|c| c.radius.is_finite() && (c.radius == 0.0 || c.dimensionality.is_finite()));
    if !finite || (0..k).any(|b| (0..k).any(|a| a != b && !(signal[(a, b)].is_finite() && spread[(a, b)].is_finite()))) {
        return Err(overflow());
    }
    let shots: Vec<f64> = rows.iter().map(|rows| m_shots.map_or_else(|| count(rows.len()), f64::from)).collect();
    Ok(pairs(&clouds, signal, &spread, &shots, between))
}

/// From lengths to lengths in units of radii.
fn pairs(clouds: &[Cloud], mut signal: Mat<f64>, spread: &Mat<f64>, shots: &[f64], between: Cloud) -> Geometry {
    let k = clouds.len();
    let undefined = || Mat::from_fn(k, k, |_, _| f64::NAN);
    let (mut bias, mut self_overlap, mut other_overlap, mut snr) = (undefined(), undefined(), undefined(), undefined());
    // A radius of zero measures nothing.
    let units: Vec<f64> = clouds.iter().map(|cloud| if cloud.radius > 0.0 { cloud.radius } else { f64::NAN }).collect();
    for a in 0..k {
        for b in (0..k).filter(|b| *b != a) {
            let (r, m) = (units[a], shots[a]);
            signal[(a, b)] /= r;
            let ratio = clouds[b].radius / r;
            let own = spread[(a, b)] / (r * r);
            let other = spread[(b, a)] / (r * units[b]);
            let noise = (1.0 / (clouds[a].dimensionality * m) + other * other / m + own * own).sqrt();
            (bias[(a, b)], self_overlap[(a, b)], other_overlap[(a, b)]) = (ratio - 1.0, own, other);
            snr[(a, b)] = 0.5 * (signal[(a, b)] * signal[(a, b)] + (ratio * ratio - 1.0) / m) / noise;
        }
    }
    Geometry {
        radius: clouds.iter().map(|cloud| cloud.radius).collect(),
        dimensionality: clouds.iter().map(|cloud| cloud.dimensionality).collect(),
        signal,
        bias,
        self_overlap,
        other_overlap,
        snr,
        between,
    }
}

/// Radius and dimensionality of centered rows: trace and norm of the smaller Gram matrix.
async fn cloud(x: MatRef<'_, f64>, device: &Device) -> Result<Cloud, Error> {
    let (m, p) = x.shape();
    let sum: f64 = x.col_iter().map(|column| column.squared_norm_l2()).sum();
    let gram = if p <= m { device.gram_columns(x).await? } else { device.gram_rows(x).await? };
    let squares = gram.squared_norm_l2();
    let radius = (sum / count(m - 1) / count(m.min(p))).sqrt();
    Ok(Cloud { radius, dimensionality: if sum > 0.0 { sum * sum / squares } else { f64::NAN } })
}
