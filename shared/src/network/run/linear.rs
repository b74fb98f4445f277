//! Products of matrices, and sums of products by their letters.

use ndarray::ArrayD;

use super::moving::{moved, reshaped};
use super::tensor::{Problem, Tensor};
use super::value::{Call, Float, Made, Value};
use crate::dataset::shape_text;

type Result<T = Vec<Made>> = std::result::Result<T, Problem>;

pub(super) fn matmul(call: &mut Call<'_>) -> Result {
    Ok(vec![match (call.value(0)?, call.value(1)?) {
        (Value::Float(a), Value::Float(b)) => a.tensor.matmul(b.tensor)?.into(),
        (Value::Int(a), Value::Int(b)) => {
            let two = |a: &ArrayD<i64>| a.view().into_dimensionality::<ndarray::Ix2>().map(|a| a.to_owned()).map_err(|e| e.to_string());
            let (a, b) = (two(&a)?, two(&b)?);
            if a.ncols() != b.nrows() {
                return Err(format!(
                    "a matrix of shape {} times one of shape {}: the inner lengths differ",
                    shape_text(a.shape()),
                    shape_text(b.shape())
                ));
            }
            a.dot(&b).into_dyn().into()
        }
        _ => return Err("the two sides are of different types".into()),
    }])
}

pub(super) fn gemm(call: &mut Call<'_>) -> Result {
    let (product, c) = Product::gemm(call)?;
    Ok(vec![product.run(c)?.into()])
}

/// `alpha A B + beta C` without C, the factors turned already: what its gradients need.
#[derive(Debug)]
pub(super) struct Product {
    a: Tensor,
    b: Tensor,
    /// Whether A and B were turned.
    turned: (bool, bool),
    alpha: f64,
    beta: f64,
    /// Of C.
    shape: Vec<usize>,
}

impl Product {
    fn gemm(call: &mut Call<'_>) -> Result<(Self, Option<Tensor>)> {
        let (a, b, c) = (call.tensor(0)?, call.tensor(1)?, call.optional_tensor(2)?);
        if a.rank() != 2 || b.rank() != 2 {
            return Err(format!("shapes {} and {} are no matrices", a.text(), b.text()));
        }
        let turned = (call.int_or("transA", 0) != 0, call.int_or("transB", 0) != 0);
        let of = |t: Tensor, turns: bool| if turns { transposed(t) } else { t };
        let shape = c.as_ref().map(|c| c.shape().to_vec()).unwrap_or_default();
        let (alpha, beta) = (call.float_or("alpha", 1.0), call.float_or("beta", 1.0));
        Ok((Self { a: of(a, turned.0), b: of(b, turned.1), turned, alpha, beta, shape }, c))
    }

    /// The product of a node whose gradients are taken, and what they need.
    pub(super) fn kept(call: &mut Call<'_>) -> Result<(Tensor, Self)> {
        let (product, c) = if call.node.op == "Gemm" {
            Self::gemm(call)?
        } else {
            (Self { a: call.tensor(0)?, b: call.tensor(1)?, turned: (false, false), alpha: 1.0, beta: 1.0, shape: Vec::new() }, None)
        };
        Ok((product.run(c)?, product))
    }

    fn run(&self, c: Option<Tensor>) -> Result<Tensor> {
        let product = scaled(self.a.clone().matmul(self.b.clone())?, self.alpha);
        match c {
            Some(c) => product.add(scaled(c, self.beta)),
            None => Ok(product),
        }
    }

    /// Gradients of inputs by their numbers: `dA = alpha dY B'`, `dB = alpha A' dY`, `dC = beta dY`, summed over what was repeated.
    pub(super) fn back(self, dy: &Tensor, tracked: &[usize]) -> Result<Vec<(usize, Tensor)>> {
        // Vectors are rows on the left and columns on the right.
        let (a_shape, b_shape) = (self.a.shape().to_vec(), self.b.shape().to_vec());
        let a = if a_shape.len() == 1 { self.a.reshape(vec![1, a_shape[0]]) } else { self.a };
        let b = if b_shape.len() == 1 { self.b.reshape(vec![b_shape[0], 1]) } else { self.b };
        let (m, k, n) = (a.shape()[a.rank() - 2], a.shape()[a.rank() - 1], b.shape()[b.rank() - 1]);
        let vectors = usize::from(a_shape.len() == 1) + usize::from(b_shape.len() == 1);
        let mut shape = dy.shape()[..dy.rank() + vectors - 2].to_vec();
        shape.extend([m, n]);
        let product_gradient = dy.clone().reshape(shape);
        let of = |i: usize| -> Result<Tensor> {
            Ok(match i {
                0 => {
                    let of_a = product_gradient.clone().matmul(transposed(b.clone()))?.sum_to(a.shape()).reshape(a_shape.clone());
                    scaled(if self.turned.0 { transposed(of_a) } else { of_a }, self.alpha)
                }
                1 => {
                    let of_b = if b.rank() == 2 {
                        // One matrix for all rows.
                        let rows = a.len() / k.max(1);
                        transposed(a.clone().reshape(vec![rows, k])).matmul(product_gradient.clone().reshape(vec![rows, n]))?
                    } else {
                        transposed(a.clone()).matmul(product_gradient.clone())?.sum_to(b.shape())
                    };
                    let of_b = of_b.reshape(b_shape.clone());
                    scaled(if self.turned.1 { transposed(of_b) } else { of_b }, self.alpha)
                }
                _ => scaled(dy.clone().sum_to(&self.shape), self.beta),
            })
        };
        tracked.iter().map(|i| Ok((*i, of(*i)?))).collect()
    }
}

/// The last two axes the other way around.
fn transposed(t: Tensor) -> Tensor {
    let mut axes: Vec<usize> = (0..t.rank()).collect();
    let rank = axes.len();
    axes.swap(rank - 2, rank - 1);
    t.permute(&axes)
}

fn scaled(t: Tensor, by: f64) -> Tensor {
    if (by - 1.0).abs() < f64::EPSILON { t } else { t.times(by) }
}

/// One input of a sum of products: a value and the letters of its axes.
struct Term {
    value: Tensor,
    axes: Vec<char>,
}

pub(super) fn einsum(call: &mut Call<'_>) -> Result {
    let equation: String = call.text("equation").ok_or("the equation is missing")?.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = equation.split_once("->").map_or((equation.as_str(), None), |(i, o)| (i, Some(o)));
    let letters: Vec<&str> = inputs.split(',').collect();
    if letters.len() != call.n_inputs() {
        return Err(format!("\"{equation}\" has {} terms for {} inputs", letters.len(), call.n_inputs()));
    }
    let mut terms = Vec::new();
    let mut dots = 0;
    for (i, text) in letters.iter().enumerate() {
        let value = call.tensor(i)?;
        let named = text.chars().filter(|c| *c != '.').count();
        let hidden = value.rank().checked_sub(named).filter(|hidden| *hidden == 0 || text.contains("..."));
        let hidden = hidden.ok_or_else(|| format!("\"{text}\" for a value of shape {}", value.text()))?;
        dots = dots.max(hidden);
        let axes = spelled(text, hidden);
        terms.push(distinct(Term { value, axes }, call)?);
    }
    let output: Vec<char> = match output {
        Some(text) => spelled(text, if text.contains("...") { dots } else { 0 }),
        None => {
            let all: Vec<char> = letters.iter().flat_map(|t| t.chars()).filter(|c| *c != '.').collect();
            let mut once: Vec<char> = all.iter().copied().filter(|c| all.iter().filter(|other| *other == c).count() == 1).collect();
            once.sort_unstable();
            spelled("...", dots).into_iter().chain(once).collect()
        }
    };
    let mut left = terms.into_iter();
    let mut out = left.next().ok_or("there is nothing to multiply")?;
    let rest: Vec<Term> = left.collect();
    for (i, term) in rest.iter().enumerate() {
        let needed = |c: &char| output.contains(c) || rest[i + 1..].iter().any(|t| t.axes.contains(c));
        out = contract(out, Term { value: term.value.clone(), axes: term.axes.clone() }, &needed)?;
    }
    // What is left over is summed away.
    for axis in (0..out.axes.len()).rev() {
        if !output.contains(&out.axes[axis]) {
            let mut shape = out.value.shape().to_vec();
            shape.remove(axis);
            out = Term {
                value: out.value.sum(axis).reshape(shape),
                axes: out.axes.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, c)| *c).collect(),
            };
        }
    }
    let order: Option<Vec<usize>> = output.iter().map(|c| out.axes.iter().position(|own| own == c)).collect();
    let order =
        order.filter(|order| order.len() == out.axes.len()).ok_or_else(|| format!("\"{equation}\" names an axis that no input has"))?;
    Ok(vec![out.value.permute(&order).into()])
}

/// Letters of a term; hidden axes get digits, the last one '0'.
fn spelled(text: &str, hidden: usize) -> Vec<char> {
    let digits = (0..hidden).rev().filter_map(|i| char::from_digit(u32::try_from(i).unwrap_or(0), 36).map(|c| c.to_ascii_uppercase()));
    // Digits and upper case letters beyond 9 never both occur: values have at most ten hidden axes.
    let marked = text.replacen("...", ".", 1);
    let mut out = Vec::new();
    for c in marked.chars() {
        if c == '.' {
            out.extend(digits.clone());
        } else {
            out.push(c);
        }
    }
    out
}

/// A letter that is there twice is the diagonal.
fn distinct(term: Term, call: &Call<'_>) -> Result<Term> {
    let Term { mut value, mut axes } = term;
    while let Some((i, j)) = (0..axes.len()).flat_map(|i| (i + 1..axes.len()).map(move |j| (i, j))).find(|(i, j)| axes[*i] == axes[*j]) {
        if value.shape()[i] != value.shape()[j] {
            return Err(format!("the letter {} has two lengths", axes[i]));
        }
        let host = |p: ArrayD<usize>| {
            let mut order: Vec<usize> = (0..p.ndim()).filter(|axis| *axis != i && *axis != j).collect();
            order.extend([i, j]);
            let turned = p.permuted_axes(ndarray::IxDyn(&order));
            let mut shape = turned.shape().to_vec();
            shape.pop();
            let last = shape.len() - 1;
            Ok(ArrayD::from_shape_fn(ndarray::IxDyn(&shape), |at| {
                let mut own: Vec<usize> = (0..shape.len()).map(|i| at[i]).collect();
                own.push(at[last]);
                turned[ndarray::IxDyn(&own)]
            }))
        };
        let taken = moved(Value::Float(Float { tensor: value, host: None }), call, None, host)?;
        let letter = axes[i];
        axes = axes.iter().enumerate().filter(|(k, _)| *k != i && *k != j).map(|(_, c)| *c).chain([letter]).collect();
        let shape = taken.shape().to_vec();
        let Value::Float(Float { tensor, .. }) = reshaped(taken, shape, call)? else { return Err("no floats".into()) };
        value = tensor;
    }
    Ok(Term { value, axes })
}

/// The product of two terms: batches are what both have and is needed, sums what both have and is not.
fn contract(a: Term, b: Term, needed: &dyn Fn(&char) -> bool) -> Result<Term> {
    let length = |t: &Term, c: &char| t.axes.iter().position(|own| own == c).map(|i| t.value.shape()[i]);
    let shared = |c: &&char| b.axes.contains(c);
    let batch: Vec<char> = a.axes.iter().filter(shared).filter(|c| needed(c)).copied().collect();
    let summed: Vec<char> = a.axes.iter().filter(shared).filter(|c| !needed(c)).copied().collect();
    let rows: Vec<char> = a.axes.iter().filter(|c| !b.axes.contains(c)).copied().collect();
    let columns: Vec<char> = b.axes.iter().filter(|c| !a.axes.contains(c)).copied().collect();
    for c in batch.iter().chain(&summed) {
        let (m, n) = (length(&a, c).unwrap_or(1), length(&b, c).unwrap_or(1));
        if m != n && m != 1 && n != 1 {
            return Err(format!("the letter {c} has the lengths {m} and {n}"));
        }
    }
    let common = |c: &char| length(&a, c).unwrap_or(1).max(length(&b, c).unwrap_or(1));
    let lengths_of = |letters: &[char], t: &Term, both: bool| -> Vec<usize> {
        letters.iter().map(|c| if both { common(c) } else { length(t, c).unwrap_or(1) }).collect()
    };
    let (batch_shape, sum_shape) = (lengths_of(&batch, &a, true), lengths_of(&summed, &a, true));
    let (row_shape, column_shape) = (lengths_of(&rows, &a, false), lengths_of(&columns, &b, false));
    let product = |shape: &[usize]| shape.iter().product::<usize>();
    let arranged = |t: &Term, groups: [(&[char], &[usize]); 3]| {
        let letters: Vec<char> = groups.iter().flat_map(|(letters, _)| letters.iter().copied()).collect();
        let order: Vec<usize> = letters.iter().filter_map(|c| t.axes.iter().position(|own| own == c)).collect();
        let whole: Vec<usize> = groups.iter().flat_map(|(_, shape)| shape.iter().copied()).collect();
        let shape = groups.iter().map(|(_, shape)| product(shape)).collect();
        Ok::<_, Problem>(t.value.clone().permute(&order).expand(&whole)?.reshape(shape))
    };
    let left = arranged(&a, [(&batch, &batch_shape), (&rows, &row_shape), (&summed, &sum_shape)])?;
    let right = arranged(&b, [(&batch, &batch_shape), (&summed, &sum_shape), (&columns, &column_shape)])?;
    let shape = batch_shape.iter().chain(&row_shape).chain(&column_shape).copied().collect();
    Ok(Term { value: left.matmul(right)?.reshape(shape), axes: batch.into_iter().chain(rows).chain(columns).collect() })
}
