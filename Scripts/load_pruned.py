"""Loads a pruned network's safetensors file into the same shrunk architecture in PyTorch and compares logits.

    load_pruned.py ARCHITECTURE WEIGHTS.safetensors IMAGES LOGITS.npy [--mean M …] [--deviation D …] [--tolerance 1e-4]

ARCHITECTURE is vgg16 (with any head), vgg-mini, vgg8, lenet5 or resnet20/32/56/110 (projection shortcuts). IMAGES is
.npy [n, height, width(, channels)], an IDX file or a CIFAR-10 binary; bytes are divided by 255, then mean and deviation
are taken out. LOGITS.npy is what the stage `predict` wrote for them. Widths come from the file's shapes, and where the
channels of a residual branch go in the sum from its metadata `structure`. Ends with status 1 when a logit differs by
more than the tolerance, relative to the largest.
"""
import argparse
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors import safe_open


def conv(weights, name, **options):
    out, inputs, height, width = weights[f"{name}.weight"].shape
    return nn.Conv2d(inputs, out, (height, width), bias=f"{name}.bias" in weights, **options)


def linear(weights, name):
    out, inputs = weights[f"{name}.weight"].shape
    return nn.Linear(inputs, out, bias=f"{name}.bias" in weights)


def norm(weights, name):
    return nn.BatchNorm2d(weights[f"{name}.weight"].shape[0])


class VGG(nn.Module):
    """3×3 convolutions with a pooling behind some, and fully connected layers."""

    def __init__(self, weights, pools, heads):
        super().__init__()
        self.pools, self.heads = pools, heads
        for n in range(1, pools[-1] + 1):
            setattr(self, f"conv{n}", conv(weights, f"conv{n}", padding=1))
            if f"bn{n}.weight" in weights:
                setattr(self, f"bn{n}", norm(weights, f"bn{n}"))
        for name in heads:
            setattr(self, name, linear(weights, name))

    def forward(self, x):
        for n in range(1, self.pools[-1] + 1):
            x = getattr(self, f"conv{n}")(x)
            if hasattr(self, f"bn{n}"):
                x = getattr(self, f"bn{n}")(x)
            x = F.relu(x)
            if n in self.pools:
                x = F.max_pool2d(x, 2)
        x = x.flatten(1)
        for name in self.heads[:-1]:
            x = F.relu(getattr(self, name)(x))
        return getattr(self, self.heads[-1])(x)


class LeNet5(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.conv1, self.conv2 = conv(weights, "conv1", padding=2), conv(weights, "conv2")
        self.fc1, self.fc2, self.fc3 = (linear(weights, f"fc{i}") for i in (1, 2, 3))

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class Block(nn.Module):
    """A basic block whose branch is added into those channels of the sum that it still has."""

    def __init__(self, weights, name, kept, entry, stride):
        super().__init__()
        self.conv1 = conv(weights, f"{name}.conv1", stride=stride, padding=1)
        self.bn1 = norm(weights, f"{name}.bn1")
        self.conv2 = conv(weights, f"{name}.conv2", padding=1)
        self.bn2 = norm(weights, f"{name}.bn2")
        self.downsample = None
        if f"{name}.downsample.0.weight" in weights:
            self.downsample = nn.Sequential(
                conv(weights, f"{name}.downsample.0", stride=stride), norm(weights, f"{name}.downsample.1"))
            entry = kept(f"{name}.downsample.0")
        branch = kept(f"{name}.conv2")
        self.channels = sorted(set(entry) | set(branch))
        self.branch = [self.channels.index(c) for c in branch]
        self.shortcut = [self.channels.index(c) for c in entry]

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        other = x if self.downsample is None else self.downsample(x)
        total = torch.zeros(y.shape[0], len(self.channels), *y.shape[2:])
        total[:, self.shortcut] += other
        total[:, self.branch] += y
        return F.relu(total)


class ResNet(nn.Module):
    def __init__(self, weights, depth, structure):
        super().__init__()

        def kept(name):
            whole = list(range(weights[f"{name}.weight"].shape[0]))
            return structure[name]["kept"] if name in structure else whole

        self.conv1, self.bn1 = conv(weights, "conv1", padding=1), norm(weights, "bn1")
        entry = kept("conv1")
        for stage in (1, 2, 3):
            blocks = []
            for i in range((depth - 2) // 6):
                blocks.append(
                    Block(weights, f"layer{stage}.{i}", kept, entry, 2 if stage > 1 and i == 0 else 1))
                entry = blocks[-1].channels
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.fc = linear(weights, "fc")

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


def build(architecture, weights, structure):
    pools = {"vgg16": [2, 4, 7, 10, 13], "vgg-mini": [2, 4, 6], "vgg8": [2, 4, 6]}
    if architecture in pools:
        heads = [name for name in ("fc1", "fc2", "fc3", "fc") if f"{name}.weight" in weights]
        return VGG(weights, pools[architecture], heads)
    if architecture == "lenet5":
        return LeNet5(weights)
    if architecture.startswith("resnet"):
        return ResNet(weights, int(architecture[6:]), structure)
    sys.exit(f"load_pruned.py: {architecture} is not built here; expected vgg16, vgg-mini, vgg8, lenet5 or resnet<depth>")


def images(path):
    """[n, channels, height, width]"""
    if path.endswith(".npy"):
        x = np.load(path)
        x = x / np.float32(255) if x.dtype == np.uint8 else x.astype(np.float32)
        x = x[..., None] if x.ndim == 3 else x
        return x.transpose(0, 3, 1, 2)
    data = np.fromfile(path, np.uint8)
    if path.endswith(".bin"):
        return data.reshape(-1, 3073)[:, 1:].reshape(-1, 3, 32, 32) / np.float32(255)
    count, height, width = data[4:16].view(">u4")
    return data[16:].reshape(count, 1, height, width) / np.float32(255)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architecture")
    parser.add_argument("weights")
    parser.add_argument("images")
    parser.add_argument("logits")
    parser.add_argument("--mean", type=float, nargs="+", default=[0])
    parser.add_argument("--deviation", type=float, nargs="+", default=[1])
    parser.add_argument("--tolerance", type=float, default=1e-4)
    options = parser.parse_args()
    with safe_open(options.weights, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}
        structure = json.loads((file.metadata() or {}).get("structure", "{}"))
    model = build(options.architecture, weights, structure)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        sys.exit(f"load_pruned.py: the file lacks {missing}, the network {unexpected}")
    model.eval()
    x = torch.tensor(np.ascontiguousarray(images(options.images), np.float32))
    x = (x - torch.tensor(options.mean).view(1, -1, 1, 1)) / torch.tensor(options.deviation).view(1, -1, 1, 1)
    theirs = np.load(options.logits)
    with torch.no_grad():
        ours = torch.cat([model(part) for part in x[: len(theirs)].split(100)]).numpy()
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    parameters = sum(p.numel() for p in model.parameters())
    same = (ours.argmax(1) == theirs.argmax(1)).mean()
    print(
        f"{options.architecture}: {parameters} parameters, {len(structure)} layers shrunk, {len(theirs)} images: largest "
        f"difference of a logit {difference:.2e} of the largest, {100 * same:.2f} % of the answers agree")
    sys.exit(0 if difference <= options.tolerance else 1)


if __name__ == "__main__":
    main()
