//! Products of matrices that keep the digits of single precision on every device.
//!
//! On CUDA a product of f32 matrices runs on tensor cores, which do two things that other devices do not.
//!
//! They round factors to 11 significant bits (TF32): an error of 5e-4, in the values of a network as in a Gram matrix. There, each factor is cut into a part
//! of 11 bits and a remainder of 12, `a = h + l`, and the three products that matter are added: `a b = h_a h_b + (h_a l_b + l_a h_b)`. What is left out,
//! `l_a l_b`, and the rounding of the remainders are below 2^-22 of `|a| |b|`.
//!
//! And they cut sums of a few terms to single precision instead of rounding them, so that a sum of many terms of one sign comes out too small, by some 2e-8 of
//! its size for every four terms. So the contracted axis is summed in pieces: of [`PIECE`] terms where 1e-6 is promised, of eight times as many in networks.
//!
//! Sources: T. J. Dekker, *A floating-point technique for extending the available precision*, Numer. Math. 18 (1971), for the cut; M. Fasi, N. J. Higham,
//! M. Mikaitis and S. Pranesh, *Numerical behavior of NVIDIA tensor cores*, `PeerJ` Comput. Sci. 7:e330 (2021).

use burn::tensor::Tensor;

/// Terms that tensor cores sum at most for a [`contraction`].
#[cfg(any(feature = "cuda", all(test, feature = "network")))]
const PIECE: usize = 64;

/// `a b` for each matrix of the first axis.
#[cfg(feature = "network")]
pub(crate) fn products(a: Tensor<3>, b: Tensor<3>) -> Tensor<3> {
    #[cfg(feature = "cuda")]
    if has_tensor_cores(&a) {
        let (large, small) = parts(a, b, Tensor::matmul);
        return large + small;
    }
    a.matmul(b)
}

/// `a b`. Where Burn's autodiff follows it, the gradient itself is rounded to TF32 on CUDA; products whose gradients are taken often have their own.
#[cfg(feature = "network")]
pub(crate) fn product(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "cuda")]
    if has_tensor_cores(&a) {
        let (large, small) = parts(a, b, |a, b| in_pieces(a, b, 8 * PIECE));
        return large + small;
    }
    a.matmul(b)
}

/// `a b` within 1e-6 of `|a| |b|`: two matrices to add where the device rounds factors, which who adds in f64 reads apart; else `a b` itself.
#[cfg(feature = "gpu")]
pub(crate) fn contraction(a: Tensor<2>, b: Tensor<2>) -> (Tensor<2>, Option<Tensor<2>>) {
    #[cfg(feature = "cuda")]
    if has_tensor_cores(&a) {
        let (large, small) = parts(a, b, |a, b| in_pieces(a, b, PIECE));
        return (large, Some(small));
    }
    (a.matmul(b), None)
}

#[cfg(feature = "cuda")]
fn has_tensor_cores<const D: usize>(x: &Tensor<D>) -> bool {
    x.device().inner() == burn::tensor::Device::cuda(0usize)
}

/// The product of the leading bits, by the given way of multiplying, and what is to be added.
#[cfg(feature = "cuda")]
fn parts<const D: usize>(a: Tensor<D>, b: Tensor<D>, multiply: fn(Tensor<D>, Tensor<D>) -> Tensor<D>) -> (Tensor<D>, Tensor<D>) {
    let ((a_high, a_low), (b_high, b_low)) = (cut(a), cut(b));
    let small = a_high.clone().matmul(b_low) + a_low.matmul(b_high.clone());
    (multiply(a_high, b_high), small)
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

/// `a b`, sums of as many terms as are given by the product and their sum by itself.
#[cfg(any(feature = "cuda", all(test, feature = "network")))]
fn in_pieces(a: Tensor<2>, b: Tensor<2>, length: usize) -> Tensor<2> {
    let ([m, k], n) = (a.dims(), b.dims()[1]);
    if k <= length {
        return a.matmul(b);
    }
    let pieces = k.div_ceil(length);
    let missing = pieces * length - k;
    let a = if missing > 0 { Tensor::cat(vec![a.clone(), Tensor::zeros([m, missing], &a.device())], 1) } else { a };
    let b = if missing > 0 { Tensor::cat(vec![b.clone(), Tensor::zeros([missing, n], &b.device())], 0) } else { b };
    let a: Tensor<3> = a.reshape([m, pieces, length]).swap_dims(0, 1);
    a.matmul(b.reshape([pieces, length, n])).sum_dim(0).reshape([m, n])
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
            let matrix = |rows: usize, columns: usize, by: usize| {
                let values: Vec<f32> = (0..rows * columns).map(|i| f32::from(u8::try_from(i * by % 13).expect("below 13")) - 6.0).collect();
                Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), &Device::flex())
            };
            let (a, b) = (matrix(3, k, 5), matrix(k, 4, 7));
            assert_eq!(vector(in_pieces(a.clone(), b.clone(), PIECE)), vector(a.matmul(b)), "{k} terms");
        }
    }
}
