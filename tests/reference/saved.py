"""Files that this project wrote, read by numpy, scipy and h5py: prints one line for each array that is what it should be, fails at the first that is not.

Arguments: a folder with a file `expected.json`, a list of {file, member, shape, dtype, values} with values in C order as hexadecimal digits of little-endian
bytes. Needs numpy, scipy and h5py.
"""

import json
import pathlib
import sys

import h5py
import numpy as np
import scipy.io

folder = pathlib.Path(sys.argv[1])


def load(path, member):
    ending = path.suffix
    if ending == ".npy":
        return np.load(path, allow_pickle=False)
    if ending == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return file[member]
    if ending == ".mat":
        return scipy.io.loadmat(path)[member]
    if ending == ".h5":
        with h5py.File(path, "r") as file:
            return file[member][()]
    return np.loadtxt(path, delimiter=",", ndmin=2)


for want in json.loads((folder / "expected.json").read_text()):
    found = np.asarray(load(folder / want["file"], want["member"]))
    values = np.frombuffer(bytes.fromhex(want["values"]), want["dtype"]).reshape(want["shape"])
    label = f"{want['file']} {want['member']}"
    assert found.shape == values.shape, f"{label}: shape {found.shape}, not {values.shape}"
    assert found.dtype == values.dtype, f"{label}: type {found.dtype}, not {values.dtype}"
    assert found.tobytes() == values.tobytes(), f"{label}: other bits"
    print(label)
