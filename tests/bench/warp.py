"""Warping beside PyTorch on the CPU: seconds of a training step of a ResNet18 in a subspace of 1,000 dimensions, its memory, and the random map alone.

Both do the same step: parameters = start + Fastfood(theta), images of 224 x 224 in batches of 16, normalizations in evaluation mode, a linear read-out of the last
layer to 100 targets, mean squared error, Adam. PyTorch's gradient goes through the map by autograd, ours by its transpose. Steps are timed by the difference between
runs of one and three epochs, so that starting, loading and preparing are not counted. With DEVICE=cuda both are on the GPU, PyTorch without TF32; the map alone
stays on the CPU.

Usage: warp.py [NAME]   (EIGENSCOPE = path of the binary, FASTFOOD = path of the example of that name)
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

EIGENSCOPE = os.environ.get("EIGENSCOPE", "")
FASTFOOD = os.environ.get("FASTFOOD", "")
DEVICE = os.environ.get("DEVICE", "cpu")
BATCH, STEPS, TARGETS, D = 16, 4, 100, int(os.environ.get("D", "1000"))


def resnet18():
    import torch
    import torchvision

    torch.manual_seed(0)
    return torchvision.models.resnet18(weights=None).eval()


class Fastfood:
    """As Li et al. have it, by torch."""

    def __init__(self, n, d, generator, device="cpu"):
        import torch

        self.n, self.length = n, 1 << (max(n, d) - 1).bit_length() if max(n, d) > 1 else 1
        self.b = torch.randint(0, 2, (self.length,), generator=generator, dtype=torch.float32) * 2 - 1
        self.pi = torch.randperm(self.length, generator=generator)
        self.g = torch.randn(self.length, generator=generator)
        self.scale = 1 / (self.length * self.g.square().sum() * n / self.length).sqrt()
        self.b, self.pi, self.g, self.scale = (t.to(device) for t in (self.b, self.pi, self.g, self.scale))

    def __call__(self, theta):
        import torch

        v = torch.nn.functional.pad(theta, (0, self.length - len(theta)))
        y = hadamard(self.g * hadamard(self.b * v)[self.pi])
        return self.scale * y[: self.n]


def hadamard(x):
    import torch

    h = 1
    while h < len(x):
        pairs = x.view(-1, 2, h)
        x = torch.stack((pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]), 1).view(-1)
        h *= 2
    return x


def peer_step(images, responses):
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    module = resnet18().to(DEVICE)
    module.fc = torch.nn.Identity()
    generator = torch.Generator().manual_seed(0)
    start = {name: p.detach().clone() for name, p in module.named_parameters()}
    maps = {name: Fastfood(p.numel(), D, generator, DEVICE) for name, p in start.items()}
    theta = torch.zeros(D, requires_grad=True, device=DEVICE)
    head = torch.nn.Linear(512, TARGETS).to(DEVICE)
    adam = torch.optim.Adam([{"params": [theta]}, {"params": head.parameters()}], lr=1e-4)
    x, y = torch.from_numpy(images).to(DEVICE), torch.from_numpy(responses).to(DEVICE)

    def step(k):
        rows = slice(k % STEPS * BATCH, (k % STEPS + 1) * BATCH)
        parameters = {name: p + maps[name](theta).view(p.shape) for name, p in start.items()}
        adam.zero_grad()
        features = torch.func.functional_call(module, parameters, (x[rows],))
        loss = torch.nn.functional.mse_loss(head(features), y[rows])
        loss.backward()
        adam.step()
        return loss.item()

    step(0)
    begin = time.perf_counter()
    for k in range(2 * STEPS):
        step(k)
    print(json.dumps({"seconds": (time.perf_counter() - begin) / (2 * STEPS), "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def ours_step(folder, images, responses, d):
    """Seconds of a step, and the memory of the process."""
    import torch

    weights = folder / "resnet18.pth"
    torch.save(resnet18().state_dict(), weights)
    # One image validates and one tests.
    np.save(folder / "x.npy", np.concatenate([images, images[:2]]))
    np.save(folder / "y.npy", np.concatenate([responses, responses[:2]]))
    np.save(folder / "split.npy", np.array([0.0] * len(images) + [1.0, 2.0]))
    seconds, memory = {}, 0
    for epochs in (1, 3):
        command = [
            EIGENSCOPE, "--json", "--device", DEVICE, "warp", "resnet18", "--weights", weights, "--input", f"input={folder / 'x.npy'}", "--layers", "flatten",
            "--targets", folder / "y.npy", "--dims", d, "--split", folder / "split.npy", "--batch-size", str(BATCH), "--epochs", str(epochs), "--patience", "0",
        ]
        out = subprocess.run(["/usr/bin/time", "-f", "%M", *map(str, command)], capture_output=True, text=True)
        if out.returncode:
            sys.exit(out.stderr)
        seconds[epochs] = json.loads(out.stdout)["points"][0]["seconds"]
        memory = int(out.stderr.strip().splitlines()[-1]) / 1024
    return {"seconds": (seconds[3] - seconds[1]) / (2 * STEPS), "megabytes": memory}


def peer_map(sizes):
    import torch

    generator = torch.Generator().manual_seed(0)
    maps = [Fastfood(n, D, generator) for n in sizes]
    theta = torch.randn(D, generator=generator)

    def run():
        with torch.inference_mode():
            return sum(f(theta)[0] for f in maps)

    run()
    begin = time.perf_counter()
    for _ in range(5):
        run()
    print(json.dumps({"apply": (time.perf_counter() - begin) / 5}))


def of_peer(*arguments):
    out = subprocess.run([sys.executable, __file__, *map(str, arguments)], check=True, capture_output=True, text=True)
    return json.loads(out.stdout)


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "peer-step":
        return peer_step(np.load(sys.argv[2]), np.load(sys.argv[3]))
    sizes = [p.numel() for name, p in resnet18().named_parameters() if not name.startswith("fc.")]
    if len(sys.argv) > 1 and sys.argv[1] == "peer-map":
        return peer_map(sizes)
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        rng = np.random.default_rng(0)
        images = rng.standard_normal((BATCH * STEPS, 3, 224, 224)).astype(np.float32)
        responses = rng.standard_normal((BATCH * STEPS, TARGETS)).astype(np.float32)
        np.save(folder / "images.npy", images)
        np.save(folder / "responses.npy", responses)
        if wanted in "map":
            for _ in range(3):
                ours = json.loads(subprocess.run([FASTFOOD, str(D), *map(str, sizes)], check=True, capture_output=True, text=True).stdout)
                theirs = of_peer("peer-map")
                print(f"map of {sum(sizes):,} parameters: ours {ours['apply'] * 1e3:.0f} ms (transpose {ours['transpose'] * 1e3:.0f} ms), "
                      f"torch {theirs['apply'] * 1e3:.0f} ms: {theirs['apply'] / ours['apply']:.1f}x")
        if wanted in "step":
            for _ in range(3):
                ours = ours_step(folder, images, responses, D)
                theirs = of_peer("peer-step", folder / "images.npy", folder / "responses.npy")
                print(f"step of ResNet18, d = {D}, batch {BATCH}: ours {ours['seconds']:.3g} s, {ours['megabytes']:.0f} MB; "
                      f"torch {theirs['seconds']:.3g} s, {theirs['megabytes']:.0f} MB: {theirs['seconds'] / ours['seconds']:.2f}x")
        if wanted in "memory":
            plain = ours_step(folder, images, responses, "full")
            warped = ours_step(folder, images, responses, "10000")
            print(f"memory: all parameters {plain['megabytes']:.0f} MB, d = 10,000 {warped['megabytes']:.0f} MB: {warped['megabytes'] / plain['megabytes']:.2f}x")


if __name__ == "__main__":
    main()
