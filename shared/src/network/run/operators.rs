//! The operators of ONNX that are run, by name.

use std::collections::BTreeMap;

use super::tensor::Problem;
use super::value::{Call, Made};
use super::{conv, elementwise, fused, indexing, linear, making, moving, normalize, pool, reduce, resize};
use crate::Error;
use crate::network::Graph;

/// How a node is run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operator {
    pub(super) run: Run,
    /// Inputs whose values are needed on the host: bounds, scales, what is sorted there.
    pub(super) on_host: &'static [usize],
}

type Run = fn(&mut Call<'_>) -> Result<Vec<Made>, Problem>;

const NONE: &[usize] = &[];

/// The operator of a name.
fn operator(name: &str) -> Option<Operator> {
    let (run, on_host): (Run, &'static [usize]) = match name {
        "Exp" | "Log" | "Sqrt" | "Reciprocal" | "Ceil" | "Floor" | "Round" | "Sin" | "Cos" | "Tan" | "Asin" | "Acos" | "Atan" | "Sinh"
        | "Cosh" | "Tanh" | "Asinh" | "Acosh" | "Atanh" | "Erf" | "Sigmoid" => (elementwise::unary, NONE),
        "Abs" | "Neg" | "Sign" | "Relu" => (elementwise::signed, NONE),
        "LeakyRelu" | "HardSigmoid" | "HardSwish" | "Elu" | "Celu" | "Selu" | "Softplus" | "Softsign" | "Mish" | "ThresholdedRelu"
        | "Shrink" | "Gelu" => (elementwise::activation, NONE),
        "PRelu" => (elementwise::prelu, NONE),
        "Clip" => (elementwise::clip, &[1, 2]),
        "Add" | "Sub" | "Mul" | "Div" => (elementwise::arithmetic, NONE),
        "Pow" => (elementwise::pow, NONE),
        "Mod" => (elementwise::modulo, NONE),
        "Sum" | "Mean" | "Max" | "Min" => (elementwise::variadic, NONE),
        "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" => (elementwise::compare, NONE),
        "And" | "Or" | "Xor" | "Not" => (elementwise::logic, NONE),
        "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" | "BitwiseNot" | "BitShift" => (elementwise::bits, NONE),
        "IsNaN" | "IsInf" => (elementwise::is_special, NONE),
        "Where" => (elementwise::choose, NONE),
        "Cast" | "CastLike" => (elementwise::cast, NONE),
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2" | "ReduceSumSquare"
        | "ReduceLogSum" | "ReduceLogSumExp" => (reduce::reduce, NONE),
        "Softmax" | "LogSoftmax" | "Hardmax" => (reduce::softmax, NONE),
        "ArgMax" | "ArgMin" => (reduce::arg, &[0]),
        "TopK" => (reduce::top_k, &[0]),
        "CumSum" => (reduce::cumulative_sum, &[0]),
        "Identity" | "Dropout" => (moving::identity, NONE),
        "Shape" => (moving::shape, NONE),
        "Size" => (moving::size, NONE),
        "Reshape" => (moving::reshape, NONE),
        "Flatten" => (moving::flatten, NONE),
        "Squeeze" => (moving::squeeze, NONE),
        "Unsqueeze" => (moving::unsqueeze, NONE),
        "Transpose" => (moving::transpose, NONE),
        "Expand" => (moving::expand, NONE),
        "Tile" => (moving::tile, NONE),
        "Concat" => (moving::concat, NONE),
        "Split" => (moving::split, NONE),
        "Slice" => (moving::slice, NONE),
        "Pad" => (moving::pad, &[2]),
        "Gather" => (indexing::gather, NONE),
        "GatherElements" => (indexing::gather_elements, NONE),
        "GatherND" => (indexing::gather_nd, NONE),
        "Scatter" | "ScatterElements" => (indexing::scatter_elements, NONE),
        "ScatterND" => (indexing::scatter_nd, NONE),
        "Trilu" => (moving::trilu, NONE),
        "DepthToSpace" => (moving::depth_to_space, NONE),
        "SpaceToDepth" => (moving::space_to_depth, NONE),
        "ReverseSequence" => (moving::reverse_sequence, NONE),
        "Compress" => (indexing::compress, NONE),
        "Constant" => (making::constant, NONE),
        "ConstantOfShape" => (making::constant_of_shape, NONE),
        "Range" => (making::range, &[0, 1, 2]),
        "OneHot" => (making::one_hot, &[0, 1, 2]),
        "EyeLike" => (making::eye_like, NONE),
        "NonZero" => (making::non_zero, &[0]),
        "com.microsoft.Attention" => (fused::attention, NONE),
        "com.microsoft.MultiHeadAttention" => (fused::multi_head_attention, NONE),
        "com.microsoft.SkipLayerNormalization" | "com.microsoft.SkipSimplifiedLayerNormalization" => (fused::skip_layer_norm, NONE),
        "SimplifiedLayerNormalization" => (fused::simplified_layer_norm, NONE),
        "com.microsoft.EmbedLayerNormalization" => (fused::embed_layer_norm, NONE),
        "com.microsoft.Gelu" | "com.microsoft.BiasGelu" | "com.microsoft.FastGelu" | "com.microsoft.QuickGelu" => {
            (fused::biased_gelu, NONE)
        }
        "com.microsoft.FusedMatMul" => (fused::matmul, NONE),
        "MatMul" => (linear::matmul, NONE),
        "Gemm" => (linear::gemm, NONE),
        "Einsum" => (linear::einsum, NONE),
        "Conv" => (conv::conv, NONE),
        "ConvTranspose" => (conv::conv_transpose, NONE),
        "MaxPool" | "AveragePool" | "LpPool" => (pool::pool, NONE),
        // Of built-in architectures; ONNX has none.
        "eigenscope.AdaptiveAveragePool" => (pool::adaptive_pool, NONE),
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => (pool::global_pool, NONE),
        "BatchNormalization" => (normalize::batch, NONE),
        "LayerNormalization" => (normalize::layer, NONE),
        "InstanceNormalization" => (normalize::instance, NONE),
        "GroupNormalization" => (normalize::group, NONE),
        "MeanVarianceNormalization" => (normalize::mean_variance, NONE),
        "LpNormalization" => (normalize::lp, NONE),
        "LRN" => (normalize::local_response, NONE),
        "Resize" | "Upsample" => (resize::resize, &[1, 2]),
        _ => return None,
    };
    Some(Operator { run, on_host })
}

/// The operators of all nodes.
///
/// # Errors
/// [`Error::Unsupported`] with all names that are not known and the first node of each.
pub(super) fn of(file: &str, graph: &Graph) -> Result<Vec<Operator>, Error> {
    let mut unknown: BTreeMap<&str, (String, usize)> = BTreeMap::new();
    let mut out = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        match operator(&node.op) {
            Some(operator) => out.push(operator),
            None => unknown.entry(&node.op).or_insert_with(|| (super::called(node), 0)).1 += 1,
        }
    }
    if unknown.is_empty() {
        return Ok(out);
    }
    let listed: Vec<String> = unknown.iter().map(|(op, (node, n))| format!("{op} ({n} of them, the first is {node})")).collect();
    Err(Error::Unsupported { file: file.into(), message: format!("these operations are not known: {}", listed.join("; ")) })
}
