"""Reference values for searchlights and NIfTI images: writes ../fixtures/searchlight.json and ../fixtures/nifti.json.

Needs numpy, nibabel and rsatoolbox 0.3.2.
"""

import io
import json
import pathlib
import warnings

import nibabel as nib
import numpy as np
from rsatoolbox.model import ModelFixed
from rsatoolbox.inference import eval_fixed
from rsatoolbox.util.searchlight import evaluate_models_searchlight, get_searchlight_RDMs, get_volume_searchlight

warnings.filterwarnings("ignore")
fixtures = pathlib.Path(__file__).parent.parent / "fixtures"
rng = np.random.default_rng(20261125)

# A mask with a hole and a ragged border, so that thresholds matter.
X, Y, Z, N = 6, 5, 4, 7
image = np.round(rng.normal(size=(X, Y, Z, N)), 3)
mask = np.ones((X, Y, Z), dtype=int)
mask[0, :2, :] = 0
mask[4:, 4, 3] = 0
mask[2, 2, 1] = 0
models = np.round(rng.random((2, N * (N - 1) // 2)), 3)
flat = image.reshape(-1, N).T
cases = []
for radius, threshold in [(1.5, 1.0), (2, 0.75), (2.3, 0.9), (3, 0.5)]:
    centers, neighbors = get_volume_searchlight(mask, radius=radius, threshold=threshold)
    order = np.argsort(centers)
    centers, neighbors = np.asarray(centers)[order], [neighbors[i] for i in order]
    case = {"radius": radius, "threshold": threshold, "centers": centers.tolist(), "members": [len(n) for n in neighbors], "scores": {}}
    for measure, name in [("correlation", "correlation"), ("euclidean", "sqeuclidean")]:
        rdms = get_searchlight_RDMs(flat, centers, neighbors, np.arange(N), method=measure, verbose=False)
        for compare in ["corr", "spearman", "cosine", "tau-a", "corr_cov"]:
            evaluated = evaluate_models_searchlight(rdms, [ModelFixed(f"m{i}", m) for i, m in enumerate(models)], eval_fixed, method=compare, n_jobs=1)
            case["scores"][f"{name} {compare}"] = np.array([e.evaluations.squeeze() for e in evaluated]).T.tolist()
    cases.append(case)
out = {"shape": [X, Y, Z, N], "image": image.ravel().tolist(), "mask": mask.ravel().tolist(), "models": models.tolist(), "cases": cases}
(fixtures / "searchlight.json").write_text(json.dumps(out) + "\n")

# Images as other programs write them.
affine = np.array([[-2.0, 0.1, 0, 90], [0.2, 2, -0.3, -126], [0, 0.3, 2.5, -72], [0, 0, 0, 1]])
rotated = np.array([[0, -3.0, 0, 10], [2.0, 0, 0, 20], [0, 0, -4.0, 30], [0, 0, 0, 1]])
files = []


def add(name, values, dtype, affine, change=lambda image: image, compressed=False, order="<"):
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(dtype)
    made = change(nib.Nifti1Image(values, affine, header))
    data = made.to_bytes()
    read = nib.Nifti1Image.from_bytes(data)
    if compressed:
        packed = io.BytesIO()
        import gzip
        with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream:
            stream.write(data)
        data = packed.getvalue()
    sform, qform = read.header["sform_code"] > 0, read.header["qform_code"] > 0
    files.append({
        "name": name,
        "bytes": data.hex(),
        "dtype": np.dtype(read.header.get_data_dtype()).newbyteorder("=").name,
        "shape": list(read.shape),
        "values": np.asarray(read.get_fdata(), dtype=np.float64).ravel().tolist(),
        "affine": read.affine[:3].tolist() if sform or qform else None,
    })


def qform_only(image):
    image.set_qform(rotated, code=1)
    image.set_sform(None, code=0)
    return image


def no_form(image):
    image.set_qform(None, code=0)
    image.set_sform(None, code=0)
    return image


small = rng.normal(size=(3, 4, 2))
add("float32.nii", small.astype(np.float32), np.float32, affine)
add("float64.nii.gz", rng.normal(size=(2, 3, 2, 3)), np.float64, affine, compressed=True)
add("int16.nii", rng.integers(-3000, 3000, size=(3, 2, 2, 2)).astype(np.int16), np.int16, affine)
# Written as integers with a slope and an intercept.
add("scaled.nii", 100 * small + 7, np.int16, affine)
add("uint8_big.nii", rng.integers(0, 255, size=(2, 2, 3)).astype(np.uint8), np.uint8, affine, order=">")
add("float32_big.nii.gz", small.astype(np.float32), np.float32, affine, compressed=True, order=">")
add("qform.nii", small.astype(np.float32), np.float32, rotated, qform_only)
add("nowhere.nii", small.astype(np.float32), np.float32, affine, no_form)
(fixtures / "nifti.json").write_text(json.dumps(files) + "\n")
