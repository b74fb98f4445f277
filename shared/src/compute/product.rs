//! Products of matrices that keep the digits of single precision on every device.
//!
//! On CUDA a product of f32 matrices runs on tensor cores, which do two things that other devices do not.
//!
//! They round factors to 11 significant bits (TF32): an error of 5e-4, in the values of a network as in a Gram matrix. There, each factor is cut into a part
//! of 11 bits and a remainder of 12, `a = h + l`, and the three products that matter are added: `a b = h_a h_b + (h_a l_b + l_a h_b)`. What is left out,
//! `l_a l_b`, and the rounding of the remainders are below 2^-22 of `|a| |b|`.
//!
//! And they cut sums of a few terms to single precision instead of rounding them, so that a sum of many terms of one sign comes out too small, by some 2e-8 of
//! its size for every four terms: a bias, which a training near its largest rate enlarges a hundredfold in two hundred steps. So the contracted axis is summed
//! in pieces of [`PIECE`] terms, which are added with rounding.
//!
//! Sources: T. J. Dekker, *A floating-point technique for extending the available precision*, Numer. Math. 18 (1971), for the cut; M. Fasi, N. J. Higham,
//! M. Mikaitis and S. Pranesh, *Numerical behavior of NVIDIA tensor cores*, `PeerJ` Comput. Sci. 7:e330 (2021).

use burn::tensor::Tensor;

/// Terms that tensor cores sum at most.
#[cfg(any(feature = "cuda", all(test, feature = "network")))]
const PIECE: usize = 64;

/// Values of pieces that are in memory at a time: 256 MiB.
#[cfg(feature = "cuda")]
const AT_A_TIME: usize = 1 << 26;

/// `a b` for each matrix of the first axes. Where Burn's autodiff follows it, the gradient itself is rounded to TF32 on CUDA; products whose gradients are
/// taken often have their own.
#[cfg(feature = "network")]
pub(crate) fn product<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "cuda")]
    if has_tensor_cores(&a) {
        let (large, small) = parts(a, b);
        return large + small;
    }
    a.matmul(b)
}

/// `a b` within 1e-6 of `|a| |b|`: two matrices to add where the device rounds factors, which who adds in f64 reads apart; else `a b` itself.
#[cfg(feature = "gpu")]
pub(crate) fn contraction(a: Tensor<2>, b: Tensor<2>) -> (Tensor<2>, Option<Tensor<2>>) {
    #[cfg(feature = "cuda")]
    if has_tensor_cores(&a) {
        let (large, small) = parts(a, b);
        return (large, Some(small));
    }
    (a.matmul(b), None)
}

#[cfg(feature = "cuda")]
fn has_tensor_cores<const D: usize>(x: &Tensor<D>) -> bool {
    x.device().inner() == burn::tensor::Device::cuda(0usize)
}

/// The product of the leading bits, and what is to be added.
#[cfg(feature = "cuda")]
fn parts<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
    let ((a_high, a_low), (b_high, b_low)) = (cut(a), cut(b));
    let small = a_high.clone().matmul(b_low) + a_low.matmul(b_high.clone());
    (in_pieces(a_high, b_high, AT_A_TIME), small)
}

/// The 11 leading bits of each value, and the rest; both exact. Values beyond 4e34 overflow and are not a number in both.
#[cfg(any(feature = "cuda", all(test, feature = "network")))]
fn cut<const D: usize>(x: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
    /// 2^13 + 1: 13 of 24 bits go to the remainder, one of them into its sign.
    const FACTOR: f32 = 8193.0;
    let scaled = x.clone() * FACTOR;
    let high = scaled.clone() - (scaled - x.clone());
    let low = x - high.clone();
    (high, low)
}

/// `a b` for each matrix of the first axes, sums of [`PIECE`] terms by the product and their sum by itself; so many values of pieces at a time, or one piece.
#[cfg(any(feature = "cuda", all(test, feature = "network")))]
fn in_pieces<const D: usize>(a: Tensor<D>, b: Tensor<D>, at_a_time: usize) -> Tensor<D> {
    let (mut shape, n) = (a.dims(), b.dims()[D - 1]);
    let (m, k) = (shape[D - 2], shape[D - 1]);
    if k <= PIECE {
        return a.matmul(b);
    }
    let many = shape[..D - 2].iter().product::<usize>();
    let (a, b) = (a.reshape([many, m, k]), b.reshape([many, k, n]));
    let step = PIECE * (at_a_time / (many * m * n).max(1)).max(1);
    let of = |start: usize| {
        let part = start..k.min(start + step);
        if part.len() == k {
            return sum_of_pieces(a.clone(), b.clone());
        }
        sum_of_pieces(a.clone().slice([0..many, 0..m, part.clone()]), b.clone().slice([0..many, part, 0..n]))
    };
    let sum = (step..k).step_by(step).fold(of(0), |sum, start| sum + of(start));
    shape[D - 1] = n;
    sum.reshape(shape)
}

#[cfg(any(feature = "cuda", all(test, feature = "network")))]
fn sum_of_pieces(a: Tensor<3>, b: Tensor<3>) -> Tensor<3> {
    let ([many, m, k], n) = (a.dims(), b.dims()[2]);
    let pieces = k.div_ceil(PIECE);
    let missing = pieces * PIECE - k;
    let a = if missing > 0 { Tensor::cat(vec![a.clone(), Tensor::zeros([many, m, missing], &a.device())], 2) } else { a };
    let b = if missing > 0 { Tensor::cat(vec![b.clone(), Tensor::zeros([many, missing, n], &b.device())], 1) } else { b };
    let a: Tensor<4> = a.reshape([many, m, pieces, PIECE]).swap_dims(1, 2);
    a.matmul(b.reshape([many, pieces, PIECE, n])).sum_dim(1).reshape([many, m, n])
}

#[cfg(all(test, feature = "network"))]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn vector<const D: usize>(t: Tensor<D>) -> Vec<f32> {
        t.into_data().try_into_vec::<f32>().expect("floats")
    }

    #[test]
    fn the_cut_is_exact() {
        let values = [1.0f32, std::f32::consts::PI, -1e-20, 123_456.79, -0.1, f32::MIN_POSITIVE, 0.0, 3.3e34, 16_777_215.0];
        let (high, low) = cut(Tensor::<1>::from_data(values, &Device::flex()));
        for ((v, h), l) in values.iter().zip(vector(high)).zip(vector(low)) {
            assert_eq!((h + l).to_bits(), v.to_bits(), "{v}");
            assert_eq!(h.to_bits() & 0x1fff, 0, "{h} has 11 bits");
            assert!(l.abs() <= h.abs() * 2f32.powi(-11), "{l} is the rest of {v}");
        }
    }

    /// Integers small enough that every order of adding gives the same.
    #[test]
    fn pieces_are_the_product() {
        for k in [1, PIECE, PIECE + 1, 5 * PIECE, 5 * PIECE + 17] {
            let matrices = |rows: usize, columns: usize, by: usize| {
                let values: Vec<f32> =
                    (0..2 * rows * columns).map(|i| f32::from(u8::try_from(i * by % 13).expect("below 13")) - 6.0).collect();
                Tensor::<3>::from_data(TensorData::new(values, [2, rows, columns]), &Device::flex())
            };
            let (a, b) = (matrices(3, k, 5), matrices(k, 4, 7));
            let whole = vector(a.clone().matmul(b.clone()));
            // All pieces at once, two and two, one by one.
            for at_a_time in [1000, 48, 0] {
                assert_eq!(vector(in_pieces(a.clone(), b.clone(), at_a_time)), whole, "{k} terms, {at_a_time} values at a time");
            }
        }
    }

    /// 2,000 terms of one sign. Rounding sums one after another is wrong by some 1e-6 to either side; tensor cores make all of them too small, by 1e-5 in one
    /// piece and by 3e-7 in pieces of 64, and TF32 without the cut is wrong by up to 5e-4.
    #[cfg(feature = "gpu")]
    #[test]
    #[expect(clippy::cast_possible_truncation, reason = "factors of single precision")]
    fn long_products_on_a_gpu_keep_single_precision() {
        let Some(gpu) = crate::compute::gpu_of_tests() else { return };
        let (many, m, k, n) = (2, 17, 2000, 9);
        let mut rng = crate::rng::Stream::new(5, 0);
        let mut draw = |n: usize| (0..n).map(|_| (0.5 + rng.uniform()) as f32).collect::<Vec<f32>>();
        let (a, b) = (draw(many * m * k), draw(many * k * n));
        let tensor = |values: &[f32], shape: [usize; 3]| Tensor::<3>::from_data(TensorData::new(values.to_vec(), shape), &gpu.burn());
        let made = vector(product(tensor(&a, [many, m, k]), tensor(&b, [many, k, n])));
        let off = |(at, got): (usize, &f32)| {
            let (of, i, j) = (at / (m * n), at / n % m, at % n);
            let want: f64 = (0..k).map(|t| f64::from(a[(of * m + i) * k + t]) * f64::from(b[(of * k + t) * n + j])).sum();
            f64::from(*got) / want - 1.0
        };
        let off: Vec<f64> = made.iter().enumerate().map(off).collect();
        let (largest, bias) = (off.iter().fold(0.0f64, |m, v| m.max(v.abs())), off.iter().sum::<f64>() / crate::stats::count(off.len()));
        assert!(largest < 3e-6 && bias.abs() < 6e-7, "{largest}, {bias} on average");
    }
}
