"""Small valid files for each fuzz target: writes fuzz/seeds/<target>/. Files that the fuzzer found stay beside them.

Needs numpy and Pillow. HDF5, MATLAB and safetensors come from tests/fixtures/formats.json, which their own libraries wrote.
"""

import gzip
import io
import json
import pathlib
import pickle
import struct
import sys
import types
import zipfile
import zlib

import numpy as np
from PIL import Image

here = pathlib.Path(__file__).parent
fixtures = here.parent / "tests" / "fixtures"


def put(target, name, data):
    folder = here / "seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def zipped(files, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            # Without the time: the same bytes whenever this runs.
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return out.getvalue()


def saved(write, *args, **options):
    out = io.BytesIO()
    write(out, *args, **options)
    return out.getvalue()


matrix = np.arange(6.0).reshape(2, 3) / 4

for name, array in {
    "f8": matrix,
    "f4": matrix.astype("f4"),
    "f2": matrix.astype("f2"),
    "big": matrix.astype(">f8"),
    "fortran": np.asfortranarray(matrix),
    "i1": matrix.astype("i1"),
    "u8": matrix.astype("u8"),
    "bool": matrix > 0.5,
    "scalar": np.array(1.5),
    "empty": np.zeros((0, 5)),
    "cube": np.zeros((2, 1, 3), "i4"),
    "complex": matrix.astype("c16"),
    "records": np.zeros(1, dtype=[("a", "f4"), ("b", "i4", (2,))]),
    "text": np.array(["a", "bc"]),
}.items():
    put("npy", name, saved(np.save, array))
put("npy", "pickle", saved(np.save, np.array([{}], dtype=object), allow_pickle=True))
put("npy", "version2", saved(np.lib.format.write_array, matrix, version=(2, 0)))

put("npz", "stored", saved(np.savez, X=matrix, y=np.arange(3)))
put("npz", "deflated", saved(np.savez_compressed, X=matrix, **{"a/b": np.zeros(9, "f4")}))
put("npz", "project", zipped({"project.json": "{}", "data/x.npy": saved(np.save, matrix)}))

# The first byte chooses the extension.
for name, text in {
    "plain": "1,2\n3,4\n",
    "header": "a,b\n3,4.5e-3\n",
    "labels": "item,a,b\nx,1,2\ny,,nan\n",
    "pandas": ",0,1\n0,3.5,4.5\n1,5.5,6.5\n",
    "quoted": '\ufeffname,v\r\n"a, ""b""\nc",1\r\n',
    "semicolons": "a;b\n1,5;2\n",
    "words": "task,v,w\nNone,1,None\nNone,N/A,2\n",
    "mixed": "item,a\nx,1\ny,oops\n",
    "ragged": "1,2\n3\n",
}.items():
    put("csv", name, b"\0" + text.encode())
put("csv", "tabs", b"\1a\tb,c\n3\t4\n")

for fixture in json.loads((fixtures / "formats.json").read_text()):
    data = zlib.decompress(bytes.fromhex(fixture["bytes"]))
    name = fixture["name"]
    target = {"safetensors": "safetensors", "h5": "hdf5", "hdf5": "hdf5", "nc": "hdf5"}.get(name.rsplit(".")[-1], "mat")
    if name == "v73.mat":
        target = "hdf5"
    if len(data) < 20_000:
        put(target, name, data)

for name, header, size in [
    ("bf16", {"x": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}, "__metadata__": {"origin": "seed"}}, 8),
    ("f8 e4m3", {"x": {"dtype": "F8_E4M3", "shape": [3], "data_offsets": [0, 3]}, "n": {"dtype": "I64", "shape": [], "data_offsets": [3, 11]}}, 11),
]:
    head = json.dumps(header).encode()
    put("safetensors", name, struct.pack("<Q", len(head)) + head + bytes(range(size)))


def nifti(dims, kind, bits, data, slope=0.0, magic=b"n+1\0", little=True):
    order = "<" if little else ">"
    head = bytearray(352)
    struct.pack_into(order + "i", head, 0, 348)
    struct.pack_into(order + "8h", head, 40, len(dims), *dims, *[1] * (7 - len(dims)))
    struct.pack_into(order + "2h", head, 70, kind, bits)
    struct.pack_into(order + "8f", head, 76, 1, 2, 2, 2, 1, 1, 1, 1)
    struct.pack_into(order + "3f", head, 108, 352, slope, 1.0)
    struct.pack_into(order + "2h", head, 252, 1, 0)
    head[344:348] = magic
    return bytes(head) + data


voxels = np.arange(12, dtype="<i2")
put("nifti", "i2", nifti([3, 2, 2], 4, 16, voxels.tobytes()))
put("nifti", "scaled", nifti([3, 2, 2], 4, 16, voxels.tobytes(), slope=0.5))
put("nifti", "f8 big", nifti([2, 2, 1, 2], 64, 64, np.arange(8, dtype=">f8").tobytes(), little=False))
put("nifti", "u1", gzip.compress(nifti([2, 2, 2], 2, 8, bytes(range(8))), mtime=0))
put("nifti", "pair", nifti([2, 2, 2], 2, 8, b"", magic=b"ni1\0"))


# What torch.save writes, without torch: names of its functions, and storages by their keys.
def state_pickle(entries, legacy):
    rebuild = types.ModuleType("torch._utils")
    storages = types.ModuleType("torch")
    sys.modules.update({"torch": storages, "torch._utils": rebuild})

    def _rebuild_tensor_v2(*args):
        return args

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    rebuild._rebuild_tensor_v2 = _rebuild_tensor_v2

    class Stored:
        def __init__(self, kind, key, n):
            self.kind, self.key, self.n = kind, key, n

    class Tensor:
        def __init__(self, storage, offset, shape, stride):
            self.args = (storage, offset, shape, stride, False, {})

        def __reduce__(self):
            return _rebuild_tensor_v2, self.args

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            if isinstance(obj, Stored):
                tail = (None,) if legacy else ()
                return ("storage", getattr(storages, obj.kind), obj.key, "cpu", obj.n, *tail)
            return None

    for kind in ["FloatStorage", "HalfStorage", "LongStorage"]:
        setattr(storages, kind, type(kind, (), {"__module__": "torch"}))
    out = io.BytesIO()
    tensors = {name: Tensor(Stored(kind, key, n), offset, shape, stride) for name, (kind, key, n, offset, shape, stride) in entries.items()}
    Pickler(out, protocol=2).dump(tensors)
    for name in ["torch", "torch._utils"]:
        del sys.modules[name]
    return out.getvalue()


entries = {
    "fc.weight": ("FloatStorage", "0", 6, 0, (2, 3), (3, 1)),
    "fc.turned": ("FloatStorage", "0", 6, 0, (3, 2), (1, 3)),
    "fc.bias": ("HalfStorage", "1", 3, 1, (2,), (1,)),
    "bn.num_batches_tracked": ("LongStorage", "2", 1, 0, (), ()),
}
values = {"0": np.arange(6, dtype="<f4").tobytes(), "1": np.arange(3, dtype="<f2").tobytes(), "2": np.array([7], "<i8").tobytes()}
parts = {"net/data.pkl": state_pickle(entries, False), "net/byteorder": "little", "net/version": "3\n"}
parts |= {f"net/data/{key}": data for key, data in values.items()}
put("torch", "stored", zipped(parts))
put("torch", "deflated", zipped(parts, zipfile.ZIP_DEFLATED))
heads = [pickle.dumps(v, protocol=2) for v in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})]
counts = {"0": 6, "1": 3, "2": 1}
tail = pickle.dumps(list(values), protocol=2) + b"".join(struct.pack("<q", counts[key]) + data for key, data in values.items())
put("torch", "legacy", b"".join(heads) + state_pickle(entries, True) + tail)
# What once used up the stack: tuples in tuples, and a dict in itself.
for name, pickled in {
    "nested": b"\x80\x02)" + b"\x85" * (1 << 17) + b".",
    "circle": b"\x80\x02}q\x00X\x05\x00\x00\x00modelh\x00s.",
}.items():
    put("torch", name, zipped({"net/data.pkl": pickled}, zipfile.ZIP_DEFLATED))
put("torch", "tensors.safetensors", (here / "seeds/safetensors/tensors.safetensors").read_bytes())


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes([*out, n])


def number(field, value):
    return varint(field << 3) + varint(value)


def part(field, value):
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def node(op, inputs, output, attributes=()):
    names = b"".join(part(1, name) for name in inputs) + part(2, output) + part(3, output) + part(4, op)
    return names + b"".join(part(5, attribute) for attribute in attributes)


def tensor(name, shape, kind, data):
    return b"".join(number(1, n) for n in shape) + number(2, kind) + part(8, name) + data


def value(name, shape):
    dims = b"".join(part(1, part(2, n) if isinstance(n, str) else number(1, n)) for n in shape)
    return part(1, name) + part(2, part(1, number(1, 1) + part(2, dims)))


weight = tensor("weight", (1, 3, 1, 1), 1, part(9, np.arange(3, dtype="<f4").tobytes()))
whole = tensor("", (2,), 7, number(7, 1) + number(7, 5))
nodes = [
    node("Conv", ["input", "weight"], "conv", [part(1, "kernel_shape") + number(8, 1) + number(8, 1) + number(20, 7)]),
    node("Constant", [], "shape", [part(1, "value") + part(5, whole) + number(20, 4)]),
    node("Relu", ["conv"], "relu"),
    node("Softmax", ["relu"], "out", [part(1, "axis") + number(3, 1) + number(20, 2)]),
]
graph = b"".join(part(1, n) for n in nodes) + part(2, "tiny") + part(5, weight)
graph += part(11, value("input", ["n", 3, 4, 4])) + part(12, value("out", ["n", 1, 4, 4]))
put("onnx", "network", number(1, 8) + part(7, graph) + part(8, part(1, "") + number(2, 13)))
for name, kind, data in [
    ("f4", 1, part(4, np.arange(2, dtype="<f4").tobytes())),
    ("f2", 10, number(5, 15360) + number(5, 0)),
    ("bool", 9, part(9, b"\0\1")),
    ("i1", 3, part(9, b"\xff\1")),
    ("u8", 13, number(11, 1) + number(11, 2)),
    ("f8", 11, part(10, np.arange(2, dtype="<f8").tobytes())),
]:
    put("onnx", name, tensor("x", (2,), kind, data))

put("dnnbrain", "stimuli", b"type=image\npath=pictures\ntitle=faces\ndata=stimID,RT\na.png,0.5\nb.png,0.6\n")
put("dnnbrain", "mask", b"conv1=chn,row,col\n1,2,3\n1\n2, 4\nfc=\n")

gray = Image.fromarray(np.arange(100, dtype="u1").reshape(10, 10))
color = Image.fromarray(np.arange(300, dtype="u1").reshape(10, 10, 3))
for kind in ["png", "bmp", "gif", "jpeg", "tiff", "webp"]:
    put("images", kind, saved(color.save, format=kind))
put("images", "gray.png", saved(gray.save, format="png"))
put("images", "palette.png", saved(color.quantize(4).save, format="png"))
put("images", "deflate.tiff", saved(color.save, format="tiff", compression="tiff_adobe_deflate"))
put("images", "lossless.webp", saved(color.save, format="webp", lossless=True))
faces = {"face 10.png": saved(gray.save, format="png"), "face 2.bmp": saved(color.resize((8, 8)).save, format="bmp")}
put("images", "archive", zipped(faces, zipfile.ZIP_DEFLATED))
put("images", "stack", saved(np.save, np.zeros((1, 4, 5, 3), "u1")))
put("images", "unit stack", saved(np.save, np.full((2, 3, 2, 2), 0.5, "f4")))


def envelope(header, numbers):
    head = json.dumps(header).encode()
    data = b"EIGSCOPE" + struct.pack("<I", len(head)) + head
    return data + bytes(-len(data) % 8) + struct.pack(f"<{len(numbers)}d", *numbers)


result = {"warnings": [{"code": "w", "message": "m"}], "device": {"kind": "cpu", "name": "CPU", "memory_bytes": None}, "version": "0.1.0"}
rdm = {"kind": "rdm", "input": "X", "measure": "correlation", "n": 2, "rdm": {"shape": [2, 2], "at": 0}}
rdm |= {"conditions": ["a", "b"], "times": [[0, 2]], "condition_covariance": {"shape": [1, 1], "at": 4}}
put("wire", "rdm", envelope(rdm | result, [0, 0.5, 0.5, 0, float("nan")]))
put("wire", "nested", envelope(rdm | {"rdm": [[0, None], [None, 0]], "condition_covariance": None} | result, []))
labels = {"input": "labels", "column": None}
specs = {
    "dimensionality": {"inputs": ["X"]},
    "rdm": {"input": "X", "measure": "euclidean"},
    "rdm_comparison": {"data": ["data"], "models": ["model"]},
    "encoding": {"features": "X", "targets": "Y", "model": {"name": "ridge", "alphas": [0.1, 10]}, "cv": {"scheme": "kfold", "k": 4}},
    "probe": {"layers": ["layer"], "labels": labels},
    "searchlight": {"rdm": {"input": "image"}, "models": ["model"]},
    "similarity": {"x": "X", "y": "Y"},
    "relation": {"tables": ["table"]},
    "clustering": {"input": "distances"},
    "shape_distance": {"inputs": ["a", "b"]},
    "layer_profile": {"extraction": {"network": "n", "images": "i", "layers": ["all"], "reading": "avg"}},
    "warp": {"models": [{"extraction": {"network": "n", "images": "i"}}], "objectives": [{"encoding": "targets"}]},
    "orientation": {},
}
for kind, fields in specs.items():
    put("wire", f"{kind}.json", json.dumps({"kind": kind, **fields}).encode())
