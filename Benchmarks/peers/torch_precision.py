"""Compares logits, loss and every gradient of a network with PyTorch in float64, beside PyTorch's own float32.

    torch_precision.py FILE.safetensors...        written by `SimengineBenchmarks precision`

A file holds model.* (state dict), input [n, height, width, channels], labels, loss, logits, gradient.*. The error of a
tensor is ||ours - exact|| / ||exact||. A gradient that is zero but for rounding (a bias before a batch-norm) is left out.
The bar: at most 3 times float32's own error, or 1e-6 where that is more.
"""
import os
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file


def network(name, p):
    def convolution(x, n, **options):
        return F.conv2d(x, p[f"{n}.weight"], p.get(f"{n}.bias"), **options)

    def norm(x, n):
        return F.batch_norm(x, None, None, p[f"{n}.weight"], p[f"{n}.bias"], training=True, eps=1e-5)

    def linear(x, n):
        return F.linear(x, p[f"{n}.weight"], p[f"{n}.bias"])

    def lenet5(x):
        x = F.max_pool2d(F.relu(convolution(x, "conv1", padding=2)), 2)
        x = F.max_pool2d(F.relu(convolution(x, "conv2")), 2)
        return linear(F.relu(linear(F.relu(linear(x.flatten(1), "fc1")), "fc2")), "fc3")

    def vgg8(x):
        for n in range(1, 7):
            x = convolution(x, f"conv{n}", padding=1)
            if f"bn{n}.weight" in p:
                x = norm(x, f"bn{n}")
            x = F.relu(x)
            if n % 2 == 0:
                x = F.max_pool2d(x, 2)
        return linear(F.relu(linear(x.flatten(1), "fc1")), "fc2")

    def resnet20(x):
        x = F.relu(norm(convolution(x, "conv1", padding=1), "bn1"))
        for stage in (1, 2, 3):
            for block in (0, 1, 2):
                n, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
                y = F.relu(norm(convolution(x, f"{n}.conv1", stride=stride, padding=1), f"{n}.bn1"))
                y = norm(convolution(y, f"{n}.conv2", padding=1), f"{n}.bn2")
                if f"{n}.downsample.0.weight" in p:
                    x = norm(convolution(x, f"{n}.downsample.0", stride=stride), f"{n}.downsample.1")
                x = F.relu(x + y)
        return linear(x.mean((2, 3)), "fc")

    return {"lenet5": lenet5, "vgg8": vgg8, "vgg8-bn": vgg8, "resnet20": resnet20}[name]


def run(name, values, kind):
    p = {k[6:]: v.to(kind).requires_grad_(v.is_floating_point()) for k, v in values.items() if k.startswith("model.")}
    logits = network(name, p)(values["input"].permute(0, 3, 1, 2).contiguous().to(kind))
    loss = F.cross_entropy(logits, values["labels"].long())
    loss.backward()
    result = {"logits": logits, "loss": loss}
    result.update({f"gradient.{k}": v.grad for k, v in p.items() if v.grad is not None})
    return {k: v.detach().double().flatten() for k, v in result.items()}


failed = False
for file in sys.argv[1:]:
    name = os.path.basename(file).split(".")[0]
    values = load_file(file)
    exact, single = run(name, values, torch.float64), run(name, values, torch.float32)
    rows = []
    for key, truth in exact.items():
        if key.startswith("gradient.") and truth.abs().max() < 1e-10:
            continue
        ours = values[key].double().flatten()
        error, own = ((ours - truth).norm() / truth.norm()).item(), ((single[key] - truth).norm() / truth.norm()).item()
        rows.append((error / max(3 * own, 1e-6), key, error, own))
    rows.sort(reverse=True)
    print(f"{name}: {len(rows)} tensors, worst first (error, PyTorch float32's own, share of the bar)")
    for share, key, error, own in rows[:6] + [r for r in rows[6:] if r[1] in ("loss", "logits")]:
        print(f"  {key:32} {error:.2e}  {own:.2e}  {share:.2f}")
    failed |= rows[0][0] > 1
sys.exit(failed)
