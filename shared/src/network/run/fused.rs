//! Operators of the domain `com.microsoft`, into which onnxruntime's optimizer joins parts of transformers.
//!
//! Definitions: `ContribOperators.md` of onnxruntime 1.20. What is kept between calls (`past`, `present`) is refused: a network here sees everything at once.

#[cfg(test)]
mod tests;

use burn::backend::Dispatch;
use burn::backend::ops::{ActivationOps as _, FloatTensorOps as _};
use ndarray::ArrayD;

use super::elementwise::gelu;
use super::tensor::{Problem, Tensor};
use super::value::{Call, Made, Value};
use crate::dataset::shape_text;

type Result<T = Vec<Made>> = std::result::Result<T, Problem>;

/// What is added to the score of a position that must not be seen.
const NEVER: f32 = f32::MIN / 4.0;

/// Projection to queries, keys and values, then attention: x (B, S, D), weights (D, 3 D'), bias, mask, past, added scores.
pub(super) fn attention(call: &mut Call<'_>) -> Result {
    let heads = heads(call)?;
    refuse(call, &[4, 6])?;
    let (x, weights) = (call.tensor(0)?, call.tensor(1)?);
    let &[b, s, _] = x.shape() else { return Err(format!("the input has the shape {}, not batch x positions x channels", x.text())) };
    let &[_, width] = weights.shape() else { return Err(format!("the weights have the shape {}", weights.text())) };
    let sizes = call.size_list("qkv_hidden_sizes")?.unwrap_or_else(|| vec![width / 3; 3]);
    if sizes.len() != 3 || sizes.iter().sum::<usize>() != width || sizes.iter().any(|size| size % heads != 0) || sizes[0] != sizes[1] {
        return Err(format!("{width} columns of weights for queries, keys and values of {sizes:?} channels in {heads} heads"));
    }
    let mut all = x.matmul(weights)?;
    if let Some(bias) = call.optional_tensor(2)? {
        all = all.add(bias)?;
    }
    let mut start = 0;
    let mut parts = sizes.iter().map(|size| {
        let part = all.clone().slice(2, start, start + size, 1);
        start += size;
        in_heads(part, heads)
    });
    let (Some(q), Some(k), Some(v)) = (parts.next(), parts.next(), parts.next()) else { return Err("no queries".into()) };
    let mask = mask(call, 3, [b, s, s])?;
    attend(call, [q, k, v], mask, 5)
}

/// Attention of queries (B, S, D) to keys (B, L, D) with values (B, L, D'), or of queries, keys and values packed as (B, S, heads, 3, H).
pub(super) fn multi_head_attention(call: &mut Call<'_>) -> Result {
    let heads = heads(call)?;
    refuse(call, &[6, 7])?;
    let q = call.tensor(0)?;
    let bias = call.optional_tensor(3)?;
    let mut start = 0;
    let mut biased = |x: Tensor, bias: &Option<Tensor>| -> Result<Tensor> {
        let width = x.shape()[2];
        start += width;
        match bias {
            Some(bias) if bias.len() >= start => x.add(bias.clone().slice(0, start - width, start, 1)),
            Some(bias) => Err(format!("the bias has {} entries, too few", bias.len())),
            None => Ok(x),
        }
    };
    let (q, k, v) = if let &[b, s, n, 3, h] = q.shape() {
        let part = |i: usize| q.clone().slice(3, i, i + 1, 1).reshape(vec![b, s, n * h]);
        (biased(part(0), &bias)?, biased(part(1), &bias)?, biased(part(2), &bias)?)
    } else {
        let (k, v) = (call.tensor(1)?, call.tensor(2)?);
        if [&q, &k, &v].iter().any(|t| t.rank() != 3) {
            return Err(format!("queries, keys and values of the shapes {}, {} and {}", q.text(), k.text(), v.text()));
        }
        (biased(q, &bias)?, biased(k, &bias)?, biased(v, &bias)?)
    };
    let (b, s, l) = (q.shape()[0], q.shape()[1], k.shape()[1]);
    if [&q, &k, &v].iter().any(|t| t.shape()[2] % heads != 0) || q.shape()[2] != k.shape()[2] || v.shape()[1] != l {
        return Err(format!("queries, keys and values of the shapes {}, {} and {} in {heads} heads", q.text(), k.text(), v.text()));
    }
    let mask = mask(call, 4, [b, s, l])?;
    attend(call, [in_heads(q, heads), in_heads(k, heads), in_heads(v, heads)], mask, 5)
}

fn heads(call: &Call<'_>) -> Result<usize> {
    call.int("num_heads").and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).ok_or_else(|| "the number of heads is missing".into())
}

fn refuse(call: &Call<'_>, inputs: &[usize]) -> Result<()> {
    if inputs.iter().any(|i| call.has(*i)) || call.makes(1) {
        return Err("keys and values of earlier calls are not kept: export the network without a cache".into());
    }
    Ok(())
}

/// (B, S, heads H) → (B, heads, S, H).
fn in_heads(x: Tensor, heads: usize) -> Tensor {
    let (b, s, h) = (x.shape()[0], x.shape()[1], x.shape()[2] / heads);
    x.reshape(vec![b, s, heads, h]).permute(&[0, 2, 1, 3])
}

/// softmax(scale Q K' + what is added) V, heads side by side: (B, S, heads H').
fn attend(call: &mut Call<'_>, [q, k, v]: [Tensor; 3], mask: Option<Tensor>, added: usize) -> Result {
    let (b, heads, s, h) = (q.shape()[0], q.shape()[1], q.shape()[2], q.shape()[3]);
    let width = v.shape()[3];
    #[expect(clippy::cast_precision_loss, reason = "channels of a head")]
    let otherwise = 1.0 / (h as f64).sqrt();
    // 0 stands for the default.
    let scale = call.float("scale").filter(|scale| *scale != 0.0).unwrap_or(otherwise);
    let mut scores = q.matmul(k.permute(&[0, 1, 3, 2]))?.times(scale);
    if let Some(added) = call.optional_tensor(added)? {
        scores = scores.add(added)?;
    }
    if let Some(mask) = mask {
        scores = scores.add(mask)?;
    }
    let weights = scores.map(|t| Dispatch::softmax(t, 3));
    Ok(vec![weights.matmul(v)?.permute(&[0, 2, 1, 3]).reshape(vec![b, s, heads * width]).into()])
}

/// What is added to scores (B, 1, S, L) for positions that are not to be seen.
fn mask(call: &mut Call<'_>, i: usize, [b, s, l]: [usize; 3]) -> Result<Option<Tensor>> {
    let given = if call.has(i) { Some(call.int_array(i)?) } else { None };
    let causal = call.int_or("unidirectional", 0) != 0;
    if given.is_none() && !causal {
        return Ok(None);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a score")]
    let hidden = call.float_or("mask_filter_value", -10_000.0) as f32;
    let seen = |batch: usize, row: usize, column: usize| -> Option<bool> {
        let Some(mask) = &given else { return Some(true) };
        let mask: &ArrayD<i64> = mask;
        match mask.shape() {
            // How many positions there are.
            [n] if *n == b => Some(usize::try_from(mask[[batch]]).is_ok_and(|length| column < length)),
            // One behind the last, then the first.
            [n] if *n == 2 * b => {
                let at = |k: usize| usize::try_from(mask[[k]]).unwrap_or(0);
                Some((at(b + batch)..at(batch)).contains(&column))
            }
            [n, m] if (*n, *m) == (b, l) => Some(mask[[batch, column]] > 0),
            [n, m, k] if (*n, *m, *k) == (b, s, l) => Some(mask[[batch, row, column]] > 0),
            _ => None,
        }
    };
    let mut values = Vec::with_capacity(b * s * l);
    for batch in 0..b {
        for row in 0..s {
            for column in 0..l {
                let known = seen(batch, row, column);
                let is_seen = known.ok_or_else(|| {
                    let shape = given.as_ref().map_or_else(String::new, |mask| shape_text(mask.shape()));
                    format!("a mask of the shape {shape} for {b} x {s} x {l} scores")
                })?;
                let later = causal && column + s > row + l;
                values.push(if later {
                    NEVER
                } else if is_seen {
                    0.0
                } else {
                    hidden
                });
            }
        }
    }
    Ok(Some(Tensor::new(values, vec![b, 1, s, l], call.device)))
}

/// The norm of a sum: x, what skipped, gamma, beta, bias; without beta and mean in the simplified form.
pub(super) fn skip_layer_norm(call: &mut Call<'_>) -> Result {
    let simplified = call.node.op.contains("Simplified");
    let mut sum = call.tensor(0)?.add(call.tensor(1)?)?;
    let gamma = call.tensor(2)?;
    let (beta, bias) = if simplified { (None, call.optional_tensor(3)?) } else { (call.optional_tensor(3)?, call.optional_tensor(4)?) };
    if let Some(bias) = bias {
        sum = sum.add(bias)?;
    }
    if call.makes(1) || call.makes(2) {
        return Err("means and deviations of a joined norm are not made".into());
    }
    let epsilon = call.float_or("epsilon", 1e-12);
    let normed = if simplified { root_mean_square(sum.clone(), gamma, epsilon)? } else { normed(sum.clone(), gamma, beta, epsilon)? };
    let unused = || Value::ints(Vec::new()).into();
    Ok(vec![normed.into(), unused(), unused(), sum.into()])
}

/// x / sqrt(mean x^2 + epsilon), times gamma.
pub(super) fn simplified_layer_norm(call: &mut Call<'_>) -> Result {
    let (x, gamma) = (call.tensor(0)?, call.tensor(1)?);
    Ok(vec![root_mean_square(x, gamma, call.float_or("epsilon", 1e-5))?.into()])
}

fn root_mean_square(x: Tensor, gamma: Tensor, epsilon: f64) -> Result<Tensor> {
    let last = x.rank().checked_sub(1).ok_or("a single number has no norm")?;
    let power = x.clone().mul(x.clone())?.mean(last).plus(epsilon).map(Dispatch::float_sqrt);
    x.div(power)?.mul(gamma)
}

fn normed(x: Tensor, gamma: Tensor, beta: Option<Tensor>, epsilon: f64) -> Result<Tensor> {
    let shape = x.shape().to_vec();
    let columns = shape.last().copied().ok_or("a single number has no norm")?;
    if gamma.len() != columns || beta.as_ref().is_some_and(|beta| beta.len() != columns) {
        return Err(format!("{} parameters for a value of shape {}", gamma.len(), x.text()));
    }
    let rows = x.len() / columns.max(1);
    Ok(x.reshape(vec![rows, columns]).layer_norm(gamma, beta, epsilon).reshape(shape))
}

/// Sums of embeddings of words, positions and segments, and their norm.
pub(super) fn embed_layer_norm(call: &mut Call<'_>) -> Result {
    let ids = call.int_array(0)?;
    let &[b, s] = ids.shape() else { return Err(format!("ids of the shape {}", shape_text(ids.shape()))) };
    let segments = if call.has(1) { Some(call.ints(1)?) } else { None };
    let (words, positions, of_segments) = (call.tensor(2)?, call.tensor(3)?, call.optional_tensor(4)?);
    let (gamma, beta) = (call.tensor(5)?, call.tensor(6)?);
    let places = if call.has(8) { call.ints(8)? } else { (0..b).flat_map(|_| (0..s).map(|i| i64::try_from(i).unwrap_or(0))).collect() };
    let places: Vec<i64> = if places.len() == s { places.iter().copied().cycle().take(b * s).collect() } else { places };
    let rows = |table: Tensor, ids: &[i64], what: &str| -> Result<Tensor> {
        let n = table.shape()[0];
        let found: Option<Vec<usize>> = ids.iter().map(|id| usize::try_from(*id).ok().filter(|id| *id < n)).collect();
        let found =
            found.filter(|found| found.len() == b * s).ok_or_else(|| format!("a number of a {what} is not among the {n} in the table"))?;
        Ok(table.select(0, &found, call.device))
    };
    let ids: Vec<i64> = ids.iter().copied().collect();
    let mut sum = rows(words, &ids, "word")?.add(rows(positions, &places, "position")?)?;
    if let (Some(table), Some(segments)) = (of_segments, segments) {
        sum = sum.add(rows(table, &segments, "segment")?)?;
    }
    let width = sum.shape()[1];
    let sum = sum.reshape(vec![b, s, width]);
    let normed = normed(sum.clone(), gamma, Some(beta), call.float_or("epsilon", 1e-12))?;
    // How many positions each text has.
    let lengths = if call.has(7) {
        let mask = call.ints(7)?;
        mask.chunks_exact(s.max(1)).map(|row| row.iter().sum()).collect()
    } else {
        vec![0; b]
    };
    Ok(vec![normed.into(), Value::ints(lengths).into(), sum.into()])
}

/// Gelu of x plus a bias: exact, by the hyperbolic tangent (`FastGelu`), or x sigmoid(alpha x) (`QuickGelu`).
pub(super) fn biased_gelu(call: &mut Call<'_>) -> Result {
    let mut x = call.tensor(0)?;
    if let Some(bias) = call.optional_tensor(1)? {
        x = x.add(bias)?;
    }
    Ok(vec![
        if call.node.op.ends_with("QuickGelu") {
            let gate = x.clone().times(call.float_or("alpha", 1.702)).map(Dispatch::sigmoid);
            x.mul(gate)?
        } else {
            gelu(x, call.node.op.ends_with("FastGelu"))?
        }
        .into(),
    ])
}

/// `alpha A B`, the last two axes of A and B exchanged if wanted.
pub(super) fn matmul(call: &mut Call<'_>) -> Result {
    if call.int_or("transBatchA", 0) != 0 || call.int_or("transBatchB", 0) != 0 {
        return Err("products with exchanged batches are not known".into());
    }
    let turned = |t: Tensor, turns: bool| {
        let mut order: Vec<usize> = (0..t.rank()).collect();
        let n = order.len();
        if turns && n >= 2 {
            order.swap(n - 2, n - 1);
        }
        t.permute(&order)
    };
    let a = turned(call.tensor(0)?, call.int_or("transA", 0) != 0);
    let b = turned(call.tensor(1)?, call.int_or("transB", 0) != 0);
    Ok(vec![a.matmul(b)?.times(call.float_or("alpha", 1.0)).into()])
}
