"""Small files of HDF5, MATLAB and safetensors with what is in them: writes ../fixtures/formats.json; reads ../fixtures/written.h5, which is ours.

Needs numpy, h5py, scipy, hdf5storage and safetensors. The bytes are compressed with zlib and written as hexadecimal digits.
"""

import io
import json
import pathlib
import tempfile
import zlib

import h5py
import hdf5storage
import numpy as np
import scipy.io
import scipy.sparse
from safetensors.numpy import save as save_tensors

folder = pathlib.Path(tempfile.mkdtemp())
rng = np.random.default_rng(20261129)
files = []


def found(member, array, dtype=None):
    array = np.asarray(array)
    values = [None if np.isnan(v) else float(v) for v in array.astype(float).ravel()]
    return {"member": member, "dtype": dtype or str(array.dtype), "shape": list(array.shape), "values": values}


def refused(member, word):
    return {"member": member, "refused": word}


def add(name, data, arrays):
    files.append({"name": name, "bytes": zlib.compress(data, 9).hex(), "arrays": arrays})


def hdf5(name, write, **options):
    path = folder / name
    with h5py.File(path, "w", **options) as file:
        arrays = write(file)
    add(name, path.read_bytes(), arrays)


whole = np.arange(96).reshape(12, 8)
steps = np.repeat(np.arange(40.0), 20).reshape(40, 20)


def types(file):
    arrays = []
    for dtype in ["<f2", ">f2", ">f4", "<f8", "<i2", ">i4", "<u8", "i1", "?"]:
        values = (whole % 2 if dtype == "?" else whole - (0 if "u" in dtype else 7)).astype(dtype)
        name = f"a {len(arrays)}"
        file[name] = values
        arrays.append(found(name, values, str(values.dtype.newbyteorder("="))))
    file["complex"] = whole.astype("c16")
    file["text"] = "a text"
    file["records"] = np.zeros(2, dtype=[("a", "f4"), ("b", "i4")])
    file["lists"] = file["a 0"].ref
    return arrays + [refused("complex", "records"), refused("lists", "references"), refused("records", "records"), refused("text", "text")]


def filters(file):
    shuffled = np.round(rng.normal(size=(30, 30)), 2)
    for name, options in {
        "lzf": {"compression": "lzf"},
        "lzf shuffled": {"compression": "lzf", "shuffle": True, "fletcher32": True},
        "gzip": {"compression": 9, "chunks": (7, 3)},
        "szip": {"compression": "szip", "chunks": (8, 16)},
        "never written": {"fillvalue": -1.5, "chunks": (2, 3)},
    }.items():
        if name == "never written":
            file.create_dataset(name, (4, 5), "f4", **options)
        else:
            file.create_dataset(name, data=steps, **options)
    file.create_dataset("whole", data=whole, scaleoffset=True, chunks=(12, 8))
    file.create_dataset("z noise", data=shuffled.astype("f2"), compression="lzf", chunks=(30, 30))
    return [
        found("gzip", steps),
        found("lzf", steps),
        found("lzf shuffled", steps),
        found("szip", steps),
        found("never written", np.full((4, 5), -1.5, "f4")),
        found("whole", whole),
        found("z noise", shuffled.astype("f2")),
    ]


def groups(file):
    values = np.arange(6.0).reshape(2, 3)
    file["layer1/layer1.0/relu"] = values
    file["layer1/layer1.0/conv"] = values + 1
    file["layer1/self"] = file["layer1"]
    file["soft"] = h5py.SoftLink("/layer1/layer1.0/relu")
    file["nowhere"] = h5py.SoftLink("/gone")
    file["elsewhere"] = h5py.ExternalLink("other.h5", "/x")
    return [found("soft", values), found("layer1/layer1.0/conv", values + 1), found("layer1/layer1.0/relu", values)]


def many(file):
    for i in range(60):
        file[f"x{i:02}"] = np.array([float(i)])
    return [found(f"x{i:02}", np.array([float(i)])) for i in range(60)]


def netcdf(file):
    values = np.arange(6.0).reshape(2, 3)
    file["x"] = values
    axis = file.create_dataset("n", (2,), "f4")
    axis.make_scale("This is a netCDF dimension but not a netCDF variable.         2")
    file["packed"] = whole.astype("i2")
    file["packed"].attrs["scale_factor"] = 0.5
    return [refused("packed", "packed"), found("x", values)]


def regions(file):
    file.attrs["roi"] = ["V1", "große"]
    file.create_dataset("data", data=whole[:3, :2].astype("f8"), compression="gzip")
    return [{**found("data", whole[:3, :2].astype("f8")), "columns": ["V1", "große"]}]


def session(file):
    """Arrays of a session as NWB lays them out: responses with their rate, units of different lengths, a table of trials, a reference to a device."""
    text = h5py.string_dtype()
    file.attrs["nwb_version"] = "2.7.0"
    file.create_dataset("session_description", data="gratings", dtype=text)
    file.create_dataset("file_create_date", data=["2026-11-29T12:00:00+00:00"], dtype=text, maxshape=(None,), chunks=(1,))
    responses = file.create_dataset("acquisition/responses/data", data=steps.astype("f4"), compression="gzip", maxshape=(None, 20), chunks=(10, 20))
    responses.attrs.update({"conversion": 1.0, "resolution": -1.0, "unit": "volts"})
    start = file.create_dataset("acquisition/responses/starting_time", data=0.5)
    start.attrs.update({"rate": 30.0, "unit": "seconds"})
    file.create_group("general/devices/array").attrs["description"] = "96 electrodes"
    file["general/electrodes/group"] = np.array([file["general/devices/array"].ref] * 2, dtype=h5py.ref_dtype)
    file["units/spike_times"] = np.arange(7.0) / 8
    file["units/spike_times_index"] = np.array([3, 7], dtype="u1")
    file["units/spike_times_index"].attrs["target"] = file["units/spike_times"].ref
    file["intervals/trials/start_time"] = np.array([0.0, 1.5])
    file["intervals/trials/is_target"] = np.array([True, False])
    file.create_dataset("intervals/trials/stimulus", data=["a", "b"], dtype=text)
    extent = np.array([(0, 2, responses.ref)], dtype=[("idx_start", "i4"), ("count", "i4"), ("timeseries", h5py.ref_dtype)])
    file["intervals/trials/timeseries"] = extent
    return [
        found("acquisition/responses/data", steps.astype("f4")),
        found("acquisition/responses/starting_time", 0.5),
        found("units/spike_times", np.arange(7.0) / 8),
        found("units/spike_times_index", np.array([3, 7], dtype="u1")),
        found("intervals/trials/start_time", [0.0, 1.5]),
        found("intervals/trials/is_target", [True, False]),
        refused("session_description", "text"),
        refused("file_create_date", "text"),
        refused("general/electrodes/group", "references"),
        refused("intervals/trials/stimulus", "text"),
        refused("intervals/trials/timeseries", "records"),
    ]


def activations(file):
    """As DNNBrain saves them: images, channels, rows and columns of each layer, compressed."""
    file.attrs["cmd"] = "dnn_act -net AlexNet -layer conv5 fc3"
    for name, shape in {"conv5": (2, 3, 2, 2), "fc3": (2, 5, 1, 1)}.items():
        file.create_dataset(name, data=np.arange(np.prod(shape), dtype="f4").reshape(shape) / 4, compression="gzip")
    return [found("conv5", np.arange(24, dtype="f4").reshape(2, 3, 2, 2) / 4), found("fc3", np.arange(10, dtype="f4").reshape(2, 5, 1, 1) / 4)]


hdf5("types.h5", types)
hdf5("session.nwb", session)
hdf5("faces.act.h5", activations)
hdf5("voxels.roi.h5", regions)
hdf5("filters.h5", filters)
hdf5("filters_latest.hdf5", filters, libver="latest")
hdf5("groups.h5", groups)
hdf5("groups_latest.h5", groups, libver="latest")
hdf5("many_latest.h5", many, libver="latest")
hdf5("block.h5", many, userblock_size=1024)
hdf5("netcdf.nc", netcdf)

path = folder / "v73.mat"
content = {"x": np.arange(6.0).reshape(2, 3), "flag": np.array([[True, False, True]]), "none": np.zeros((0, 4)), "word": "text"}
content["cube"] = np.arange(24.0).reshape(2, 3, 4).astype("f4")
content["s"] = {"rdm": np.arange(4.0).reshape(2, 2)}
hdf5storage.savemat(str(path), content, format="7.3", oned_as="row", store_python_metadata=False)
order = ["cube", "flag", "none", "x"]
add("v73.mat", path.read_bytes(), [found(n, content[n]) for n in order] + [refused("word", "text"), found("s/rdm", content["s"]["rdm"])])

for compressed in [False, True]:
    out = io.BytesIO()
    structs = np.empty((2, 2), dtype=[("RDM", object), ("name", object)])
    for i in range(4):
        structs.ravel()[i] = (np.full((1, 2), float(i)), f"s{i}")
    cell = np.empty((1, 2), dtype=object)
    cell[0, 0], cell[0, 1] = np.array([[1.5, 2.5]]), "text"
    names = np.empty((1, 2), dtype=object)
    names[0, 0], names[0, 1] = "a", "b"
    scipy.io.savemat(
        out,
        {
            "x": np.round(rng.normal(size=(3, 4)), 3),
            "few": np.arange(6).reshape(3, 2).astype("f8"),
            "single": np.array([[0.5, 2]], dtype="f4"),
            "i": np.array([[-3, 5]], dtype="i8"),
            "flag": np.array([[True, False]]),
            "cube": np.arange(24.0).reshape(2, 3, 4),
            "R": structs,
            "one": {"rdm": np.eye(2), "inner": {"deep": np.array([[7.0]])}},
            "c": cell,
            "names": names,
            "word": "text",
            "z": np.array([[1j]]),
            "sparse": scipy.sparse.eye(3).tocsc(),
        },
        do_compression=compressed,
    )
    read = scipy.io.loadmat(io.BytesIO(out.getvalue()))
    arrays = [found(n, read[n]) for n in ["x", "few", "single", "i"]] + [found("flag", [[1, 0]], "bool"), found("cube", read["cube"])]
    for i, j in [(0, 0), (1, 0), (0, 1), (1, 1)]:
        arrays += [found(f"R({i + 1},{j + 1}).RDM", structs[i, j]["RDM"]), refused(f"R({i + 1},{j + 1}).name", "text")]
    arrays += [found("one.rdm", np.eye(2)), found("one.inner.deep", [[7.0]]), found("c{1}", [[1.5, 2.5]])]
    arrays += [refused("names", "cell"), refused("word", "text"), refused("z", "complex"), refused("sparse", "sparse")]
    add("compressed.mat" if compressed else "plain.mat", out.getvalue(), arrays)

half = np.array([[0.5, -2.0]], dtype="f2")
tensors = {"half": half, "i": np.array([3, -4], dtype="i8"), "x": whole.astype("f8"), "y": np.zeros((0, 2), dtype="f4"), "flag": np.array([True, False])}
data = save_tensors(tensors)
header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
order = sorted(tensors, key=lambda name: (header[name]["data_offsets"][0], name))
add("tensors.safetensors", data, [found(name, tensors[name]) for name in order])

target = pathlib.Path(__file__).parent.parent / "fixtures" / "formats.json"
target.write_text(json.dumps(files) + "\n")

# What Eigenscope wrote (the sample of shared/src/io/hdf5/write.rs), and changes of it.
ours = target.parent / "written.h5"


def value(n):
    return ((np.arange(n) * 7919) % 101 / 8 - 3).astype("f4")


with h5py.File(ours, "r") as file:
    names = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    assert sorted(names) == sorted(["layer1/layer1.0/relu/Relu_output_0", "output", "line", "empty", "layer1/double"] + [f"many/x{i}" for i in range(11)])
    relu = file["/layer1/layer1.0/relu/Relu_output_0"]
    assert relu.compression == "gzip" and relu.chunks == (1, 3, 4) and relu.dtype == "<f4"
    assert np.array_equal(relu[()], value(60).reshape(5, 3, 4)) and np.array_equal(relu[3, 1:], value(60).reshape(5, 3, 4)[3, 1:])
    assert np.array_equal(file["output"][()], value(2408).reshape(301, 8)) and np.array_equal(file["output"][300], value(2408)[2400:])
    assert np.array_equal(file["line"][()], value(70)) and file["empty"].shape == (3, 0)
    assert np.array_equal(file["layer1/double"][()], [[1.5, -2.0], [1e300, 0.1]])
    assert all(np.array_equal(file[f"many/x{i}"][()].ravel(), value(2)) for i in range(11))
    assert json.loads(file.attrs["eigenscope.json"]) == {"what": "Größe"}
changed = folder / "changed.h5"
changed.write_bytes(ours.read_bytes())
with h5py.File(changed, "a") as file:
    file["output"][7] = 5
    file["many/new"] = np.arange(5)
    del file["line"]
with h5py.File(changed, "r") as file:
    assert file["output"][7].min() == 5 and np.array_equal(file["output"][8], value(2408)[64:72])
    assert list(file["many/new"]) == [0, 1, 2, 3, 4] and "line" not in file
