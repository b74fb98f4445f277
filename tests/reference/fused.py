"""Operators that onnxruntime's optimizer makes (domain com.microsoft), run by onnxruntime: tests/fixtures/fused.json.

Needs onnx and onnxruntime (1.20 or newer):  python tests/reference/fused.py
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

rng = np.random.default_rng(5)
B, S, L, N, H = 2, 5, 7, 3, 4
D = N * H


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def ids(high, *shape):
    return rng.integers(0, high, shape).astype(np.int32)


x, skip = normal(B, S, D), normal(B, S, D)
weights, bias = normal(D, 3 * D) / 3, normal(3 * D)
query, key, value = normal(B, S, D), normal(B, L, D), normal(B, L, D)
padding = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]], np.int32)
lengths = np.array([4, 3], np.int32)
each = np.tril(np.ones((S, S), np.int32))[None].repeat(B, 0)
keys = np.array([[1] * 5 + [0] * 2, [1] * 7], np.int32)
gamma, beta, extra = normal(D), normal(D), normal(D)

# Name, operator, attributes, inputs (None: left out), number of outputs, which of them are compared.
CASES = [
    ("attention", "Attention", {"num_heads": N}, [x, weights, bias], 1, [0]),
    ("attention_padding", "Attention", {"num_heads": N}, [x, weights, bias, padding], 1, [0]),
    ("attention_lengths", "Attention", {"num_heads": N}, [x, weights, bias, lengths], 1, [0]),
    ("attention_each", "Attention", {"num_heads": N, "scale": 0.25}, [x, weights, bias, each], 1, [0]),
    ("attention_causal", "Attention", {"num_heads": N, "unidirectional": 1}, [x, weights, bias], 1, [0]),
    ("attention_sizes", "Attention", {"num_heads": N, "qkv_hidden_sizes": [D, D, 2 * D]}, [x, normal(D, 4 * D) / 3, normal(4 * D)], 1, [0]),
    ("attention_added", "Attention", {"num_heads": N}, [x, weights, bias, None, None, normal(B, N, S, S)], 1, [0]),
    ("heads", "MultiHeadAttention", {"num_heads": N}, [query, key, value, bias], 1, [0]),
    ("heads_padding", "MultiHeadAttention", {"num_heads": N}, [query, key, value, bias, keys], 1, [0]),
    ("heads_added", "MultiHeadAttention", {"num_heads": N}, [query, key, value, None, None, normal(1, N, S, L)], 1, [0]),
    ("skip", "SkipLayerNormalization", {"epsilon": 1e-5}, [x, skip, gamma, beta, extra], 4, [0, 3]),
    ("skip_simplified", "SkipSimplifiedLayerNormalization", {"epsilon": 1e-5}, [x, skip, gamma, extra], 4, [0, 3]),
    ("embedding", "EmbedLayerNormalization", {"epsilon": 1e-5},
     [ids(11, B, S), ids(2, B, S), normal(11, D), normal(9, D), normal(2, D), gamma, beta, padding], 2, [0, 1]),
    ("fast_gelu", "FastGelu", {}, [x, extra], 1, [0]),
    ("bias_gelu", "BiasGelu", {}, [x, extra], 1, [0]),
    ("quick_gelu", "QuickGelu", {"alpha": 1.5}, [x], 1, [0]),
    ("matmul", "FusedMatMul", {"transB": 1, "alpha": 0.5}, [query, key], 1, [0]),
]


def run(op, attributes, inputs, n_outputs):
    names = ["" if array is None else f"i{i}" for i, array in enumerate(inputs)]
    given = {name: array for name, array in zip(names, inputs) if array is not None}
    outputs = [f"o{i}" for i in range(n_outputs)]
    if n_outputs == 4:
        outputs[1] = outputs[2] = ""
    kind = lambda array: TensorProto.INT32 if array.dtype == np.int32 else TensorProto.FLOAT
    node = helper.make_node(op, names, outputs, domain="com.microsoft", **attributes)
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info(n, kind(a), a.shape) for n, a in given.items()],
        [helper.make_tensor_value_info(o, TensorProto.INT32 if (op.startswith("Embed") and i == 1) else TensorProto.FLOAT, None)
         for i, o in enumerate(outputs) if o])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])
    model.ir_version = 8
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = iter(session.run(None, given))
    return [next(found) if o else None for o in outputs]


def plain(array):
    if array is None:
        return None
    kind = "int" if array.dtype == np.int32 else "float"
    return {"kind": kind, "shape": list(array.shape), "values": [round(float(v), 7) if kind == "float" else int(v) for v in array.ravel()]}


def rounded(array):
    """What the fixture says is what is run."""
    return array if array is None or array.dtype == np.int32 else np.array([round(float(v), 7) for v in array.ravel()], np.float32).reshape(array.shape)


out = []
for name, op, attributes, inputs, n_outputs, compared in CASES:
    inputs = [rounded(array) for array in inputs]
    made = run(op, attributes, inputs, n_outputs)
    out.append({
        "name": name, "op": f"com.microsoft.{op}", "attributes": attributes, "inputs": [plain(a) for a in inputs], "n_outputs": n_outputs,
        "outputs": {str(i): plain(made[i]) for i in compared},
    })
Path(__file__).parent.joinpath("../fixtures/fused.json").write_text(json.dumps({"onnxruntime": onnxruntime.__version__, "cases": out}) + "\n")
