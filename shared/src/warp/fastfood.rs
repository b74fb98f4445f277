//! Fastfood: a random linear map from few parameters to many, and its transpose, without a matrix.

use super::hadamard::{Real, transform, transform_first, transform_padded};
use crate::rng::Stream;
use crate::{Error, parallel};

/// The random parts of a map from d values to n.
///
/// # Definition
/// With L the smallest power of two that is at least n and d, random signs B, a random permutation Pi, normal G and the Walsh-Hadamard matrix H:
/// F(theta) = c (H G Pi H B theta)\[0..n), theta padded with zeros to L, c = 1 / (sqrt(L sum G^2) sqrt(n / L)).
/// F is linear. One nonzero entry of theta of size 1 gives a vector of length about 1 (exactly 1 where n = L), whatever n.
///
/// # Algorithm
/// Of padded values H makes a short transform of k ≥ d values, k a power of two, again and again: the permutation is taken modulo k and reads a table that stays in
/// the first cache. Back, values are added up modulo k. One long transform is left in each direction, without what is known to be 0 or is cut off.
///
/// # Shapes
/// d values → n values; the transpose n → d.
///
/// # Accuracy
/// That of [`transform`]; in double precision the transpose is one to 1e-10.
///
/// # Cost
/// L log2 L additions at most, and 6 bytes for each of L (8 where d > 65,536).
///
/// # Source
/// Le, Sarlos & Smola 2013; Li et al. 2018; the order of draws (signs, permutation, normals) is our own.
#[derive(Debug, Clone)]
pub struct Fastfood {
    n: usize,
    d: usize,
    /// Signs of theta.
    negative: Vec<bool>,
    /// Where each value is read, modulo the length of the table.
    places: Places,
    normals: Vec<f32>,
    scale: f64,
}

#[derive(Debug, Clone)]
enum Places {
    Short(Vec<u16>),
    Long(Vec<u32>),
}

/// Values that a thread takes at a time.
const CHUNK: usize = 1 << 14;

impl Fastfood {
    /// The map of the tensor of this number: one stream for each.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no values on either side or more than 2^31.
    pub fn new(seed: u64, number: u64, d: usize, n: usize) -> Result<Self, Error> {
        let length = n.max(d);
        if n == 0 || d == 0 || length > 1 << 31 {
            return Err(Error::parameter("dims", format!("a map from {d} to {n} values; both are from 1 to 2^31")));
        }
        let length = length.next_power_of_two();
        let table = d.next_power_of_two();
        let mut rng = Stream::new(seed, number);
        let mut negative: Vec<bool> = (0..length).map(|_| rng.uniform() < 0.5).collect();
        negative.truncate(d);
        negative.shrink_to_fit();
        let places = rng.permutation(length).into_iter().map(|place| place & (table - 1));
        #[expect(clippy::cast_possible_truncation, reason = "below the length of the table")]
        let places = if table <= 1 << 16 {
            Places::Short(places.map(|place| place as u16).collect())
        } else {
            Places::Long(places.map(|place| place as u32).collect())
        };
        #[expect(clippy::cast_possible_truncation, reason = "single precision is what is kept")]
        let normals: Vec<f32> = (0..length).map(|_| rng.normal() as f32).collect();
        let squares: f64 = normals.iter().map(|g| f64::from(*g).powi(2)).sum();
        let (long, wanted) = (crate::stats::count(length), crate::stats::count(n));
        Ok(Self { n, d, negative, places, normals, scale: 1.0 / ((long * squares).sqrt() * (wanted / long).sqrt()) })
    }

    /// Number of values that it makes.
    #[must_use]
    pub fn n(&self) -> usize {
        self.n
    }

    /// F(theta).
    ///
    /// # Panics
    /// If theta has another length than d: a defect of the caller.
    #[must_use]
    pub fn apply<T: Real>(&self, theta: &[T]) -> Vec<T> {
        assert_eq!(theta.len(), self.d, "one value for each dimension");
        let mut table = vec![T::default(); self.d.next_power_of_two()];
        let scale = T::of(self.scale);
        for ((to, theta), negative) in table.iter_mut().zip(theta).zip(&self.negative) {
            *to = if *negative { -*theta } else { *theta } * scale;
        }
        transform(&mut table);
        let mut y = vec![T::default(); self.normals.len()];
        match &self.places {
            Places::Short(places) => gather(&mut y, &table, places, &self.normals),
            Places::Long(places) => gather(&mut y, &table, places, &self.normals),
        }
        transform_first(&mut y, self.n);
        y.truncate(self.n);
        y
    }

    /// F' g: what a gradient for the n values is for theta.
    ///
    /// # Panics
    /// If g has another length than n: a defect of the caller.
    #[must_use]
    pub fn transpose<T: Real>(&self, g: &[T]) -> Vec<T> {
        assert_eq!(g.len(), self.n, "one value for each that the map makes");
        let mut z = vec![T::default(); self.normals.len()];
        z[..self.n].copy_from_slice(g);
        transform_padded(&mut z, self.n);
        let table = self.d.next_power_of_two();
        let mut out = match &self.places {
            Places::Short(places) => scatter(&z, places, &self.normals, table),
            Places::Long(places) => scatter(&z, places, &self.normals, table),
        };
        transform(&mut out);
        out.truncate(self.d);
        let scale = T::of(self.scale);
        for (v, negative) in out.iter_mut().zip(&self.negative) {
            *v = if *negative { -*v } else { *v } * scale;
        }
        out
    }
}

/// Values of a table, times normals.
fn gather<T: Real, I: Copy + Into<u32> + Sync>(y: &mut [T], table: &[T], places: &[I], normals: &[f32]) {
    parallel::for_chunks(y, CHUNK, |i, y| {
        let at = i * CHUNK..i * CHUNK + y.len();
        for ((y, place), normal) in y.iter_mut().zip(&places[at.clone()]).zip(&normals[at]) {
            let place: u32 = (*place).into();
            *y = table[place as usize] * T::of((*normal).into());
        }
    });
}

/// Sums in a table of values times normals, in double precision; the same for any number of threads.
fn scatter<T: Real, I: Copy + Into<u32> + Sync>(z: &[T], places: &[I], normals: &[f32], table: usize) -> Vec<T> {
    // Few parts: each has a table of its own.
    let part = (z.len() / 8).max(CHUNK);
    let of_part = |k: usize| {
        let at = k * part..((k + 1) * part).min(z.len());
        let mut sums = vec![0.0f64; table];
        for ((z, place), normal) in z[at.clone()].iter().zip(&places[at.clone()]).zip(&normals[at]) {
            let place: u32 = (*place).into();
            sums[place as usize] += z.double() * f64::from(*normal);
        }
        sums
    };
    let mut parts = parallel::map(z.len().div_ceil(part), of_part).into_iter();
    let mut all = parts.next().unwrap_or_default();
    for sums in parts {
        all.iter_mut().zip(sums).for_each(|(a, b)| *a += b);
    }
    all.into_iter().map(T::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(map: &Fastfood, k: usize) -> Vec<f64> {
        let mut theta = vec![0.0; map.d];
        theta[k] = 1.0;
        map.apply(&theta)
    }

    /// The definition with its matrices written out.
    #[test]
    fn it_is_the_product_of_its_matrices() {
        for (d, n) in [(3, 5), (8, 8), (11, 4), (5, 33), (1, 1)] {
            let map = Fastfood::new(9, 2, d, n).expect("sizes");
            let length = map.normals.len();
            assert_eq!(length, n.max(d).next_power_of_two());
            let h = |i: usize, j: usize| if (i & j).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
            let theta: Vec<f64> = (0..d).map(|k| (k as f64 + 1.0).cos()).collect();
            let signed = |j: usize| if j < d { if map.negative[j] { -theta[j] } else { theta[j] } } else { 0.0 };
            let a: Vec<f64> = (0..length).map(|i| (0..length).map(|j| h(i, j) * signed(j)).sum()).collect();
            // The permutation itself, drawn again behind the signs.
            let mut rng = Stream::new(9, 2);
            (0..length).for_each(|_| assert!((0.0..1.0).contains(&rng.uniform()), "a draw for a sign"));
            let places = rng.permutation(length);
            let b: Vec<f64> = (0..length).map(|j| a[places[j]] * f64::from(map.normals[j])).collect();
            let squares: f64 = map.normals.iter().map(|g| f64::from(*g).powi(2)).sum();
            let divisor = (length as f64 * squares).sqrt() * (n as f64 / length as f64).sqrt();
            for (i, got) in map.apply(&theta).iter().enumerate() {
                let want = (0..length).map(|j| h(i, j) * b[j]).sum::<f64>() / divisor;
                assert!((got - want).abs() < 1e-12, "{d} to {n}, {i}: {got}, not {want}");
            }
            #[expect(clippy::cast_possible_truncation, reason = "the same in single precision")]
            let single: Vec<f32> = theta.iter().map(|v| *v as f32).collect();
            assert!(map.apply(&single).iter().zip(map.apply(&theta)).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6), "single precision");
        }
    }

    #[test]
    fn the_transpose_is_one() {
        for (d, n) in [(7, 100), (40, 9), (1000, 50_000), (70_000, 300_000)] {
            let map = Fastfood::new(4, 0, d, n).expect("sizes");
            let mut rng = Stream::new(5, 0);
            let theta: Vec<f64> = (0..d).map(|_| rng.normal()).collect();
            let g: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let (left, right) = (dot(&map.apply(&theta), &g), dot(&theta, &map.transpose(&g)));
            assert!((left - right).abs() < 1e-10 * left.abs().max(1.0), "{d} to {n}: {left} and {right}");
        }
    }

    #[test]
    fn columns_have_the_length_one() {
        let whole = Fastfood::new(1, 0, 20, 1024).expect("sizes");
        for k in 0..20 {
            let length: f64 = column(&whole, k).iter().map(|v| v * v).sum();
            assert!((length - 1.0).abs() < 1e-12, "exactly where n is a power of two: {length}");
        }
        let cut = Fastfood::new(1, 0, 20, 700).expect("sizes");
        let mean = (0..20).map(|k| column(&cut, k).iter().map(|v| v * v).sum::<f64>()).sum::<f64>() / 20.0;
        // Of 1,024 squares 700 are taken: their sum varies by some percent.
        assert!((mean - 1.0).abs() < 0.1, "about 1 elsewhere: {mean}");
    }

    #[test]
    fn zero_stays_zero_and_seeds_are_told_apart() {
        let map = Fastfood::new(1, 0, 5, 12).expect("sizes");
        assert!(map.apply(&[0.0f32; 5]).iter().all(|v| *v == 0.0), "F(0) is 0");
        let same = Fastfood::new(1, 0, 5, 12).expect("sizes");
        assert_eq!(column(&map, 2), column(&same, 2));
        let (other, next) = (Fastfood::new(2, 0, 5, 12).expect("sizes"), Fastfood::new(1, 1, 5, 12).expect("sizes"));
        assert!(column(&map, 2) != column(&other, 2) && column(&map, 2) != column(&next, 2), "seed and number");
        assert!(Fastfood::new(1, 0, 0, 3).is_err() && Fastfood::new(1, 0, 3, 0).is_err(), "nothing on one side");
    }
}
