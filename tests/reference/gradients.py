"""Gradients of a small convolutional network by PyTorch in double precision: tests/fixtures/gradients.json.

Needs torch and numpy:  python tests/reference/gradients.py
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

rng = np.random.default_rng(11)
SHAPES = {
    "conv1.w": (6, 3, 3, 3), "conv2.w": (6, 6, 3, 3), "conv3.w": (8, 6, 3, 3), "conv4.w": (8, 6, 1, 1), "conv5.w": (8, 1, 3, 3), "conv5.b": (8,),
    "head.w": (5, 8), "head.b": (5,),
}
for i, n in ((1, 6), (2, 6), (3, 8), (4, 8)):
    SHAPES |= {f"bn{i}.{part}": (n,) for part in ("scale", "bias", "mean", "var")}
# Single precision is what the network has; everything after that is computed in double.
single = {name: (rng.standard_normal(shape) * (0.4 if name.endswith(".w") else 1)).astype(np.float32) for name, shape in SHAPES.items()}
for name in single:
    if name.endswith(".var"):
        single[name] = (0.5 + np.abs(single[name])).astype(np.float32)
x = rng.standard_normal((3, 3, 13, 13)).astype(np.float32)
p = {name: torch.tensor(value, dtype=torch.float64, requires_grad=not name.endswith((".mean", ".var"))) for name, value in single.items()}


def norm(y, i):
    return F.batch_norm(y, p[f"bn{i}.mean"], p[f"bn{i}.var"], p[f"bn{i}.scale"], p[f"bn{i}.bias"], training=False)


y = F.relu(norm(F.conv2d(torch.tensor(x, dtype=torch.float64), p["conv1.w"], stride=2, padding=1), 1))
y = F.max_pool2d(y, 3, 2, 1)
z = F.relu(norm(F.conv2d(y, p["conv2.w"], padding=1), 2))
z = norm(F.conv2d(z, p["conv3.w"], stride=2, padding=1), 3)
block = F.relu(z + norm(F.conv2d(y, p["conv4.w"], stride=2), 4))
y = torch.clamp(F.conv2d(block, p["conv5.w"], p["conv5.b"], padding=1, groups=8), 0, 6)
out = torch.sigmoid(F.linear(y.mean((2, 3)), p["head.w"], p["head.b"]))
seeds = {"block": rng.standard_normal(block.shape).astype(np.float32), "out": rng.standard_normal(out.shape).astype(np.float32)}
loss = (block * torch.tensor(seeds["block"])).sum() + (out * torch.tensor(seeds["out"])).sum()
loss.backward()


def array(value):
    return {"shape": list(value.shape), "values": [float(f"{v:.9g}") for v in np.asarray(value).ravel()]}


result = {
    "input": array(x),
    "constants": {name: array(value) for name, value in single.items()},
    "seeds": {name: array(value) for name, value in seeds.items()},
    "values": {"block": array(block.detach().numpy()), "out": array(out.detach().numpy())},
    "gradients": {name: array(value.grad.numpy()) for name, value in p.items() if value.grad is not None},
}
path = Path(__file__).parent.parent / "fixtures" / "gradients.json"
path.write_text(json.dumps(result, separators=(",", ":")) + "\n")
