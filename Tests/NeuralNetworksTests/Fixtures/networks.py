"""Whole networks: one step, and twenty, in PyTorch float64, from weights and inputs without near ties.

A ReLU whose input is within rounding of 0, or a max-pool window whose two largest values are within rounding of one
another, may be decided either way by any correct float32 program, and its gradients then differ by far more than
rounding. So every fixture is made clear of such ties, in float64, layer by layer from the input:

  nets without batch-norm   samples are independent: each sample of a batch is the best of several candidates
                            ("choice" of the input; best = largest smallest margin over all decisions of the net).
  nets with batch-norm      samples are coupled, channels are not: each channel's shift (batch-norm's bias, or fc1's)
                            moves to the middle of the widest gap between its pre-activations near where it was, and,
                            where a max-pool follows, each filter is the best of several candidates ("choice" of
                            the weight).

What was reached is written to each fixture as "margins" and checked against PyTorch's float32 errors at the same place.
"""
import contextlib
import math
import os

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

from formula import HERE, Fixture, Formula, labels, new_stream, relative_error, start_streams

MODES = ("onednn", "plain")  # PyTorch float32, NCHW, with and without oneDNN
SMALLEST_RATIO = 8  # every margin is at least this many times PyTorch's own float32 error at the same place


@contextlib.contextmanager
def mode(name):
    """`plain` is PyTorch's own convolution (unfold, then BLAS).

    NNPACK must be off with it: PyTorch would take its Winograd form from 16 samples on, whose errors are ten times
    larger and no yardstick.
    """
    with torch.backends.mkldnn.flags(enabled=name == "onednn"), torch.backends.nnpack.flags(enabled=False):
        yield


# The networks, with the names the engine's state dicts must have.


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)
        self.relu1, self.relu2, self.relu3, self.relu4 = (nn.ReLU() for _ in range(4))
        self.pool1, self.pool2 = nn.MaxPool2d(2), nn.MaxPool2d(2)

    def forward(self, x):
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        x = self.relu3(self.fc1(x.flatten(1)))
        return self.fc3(self.relu4(self.fc2(x)))


class VGG8(nn.Module):
    """64-64-M-128-128-M-256-256-M, conv → bn → relu; with batch-norm the convolutions have no bias."""

    def __init__(self):
        super().__init__()
        last = 3
        for i, width in enumerate([64, 64, 128, 128, 256, 256], 1):
            setattr(self, f"conv{i}", nn.Conv2d(last, width, 3, padding=1, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(width))
            setattr(self, f"relu{i}", nn.ReLU())
            last = width
        self.pool1, self.pool2, self.pool3 = (nn.MaxPool2d(2) for _ in range(3))
        self.fc1, self.relu7, self.fc2 = nn.Linear(4096, 1024), nn.ReLU(), nn.Linear(1024, 10)

    def forward(self, x):
        for i in range(1, 7):
            x = getattr(self, f"relu{i}")(getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x)))
            if i % 2 == 0:
                x = getattr(self, f"pool{i // 2}")(x)
        return self.fc2(self.relu7(self.fc1(x.flatten(1))))


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1, self.relu1 = nn.BatchNorm2d(outputs), nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2, self.relu2 = nn.BatchNorm2d(outputs), nn.ReLU()
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(y + (x if self.downsample is None else self.downsample(x)))


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        self.layer1 = nn.Sequential(*[BasicBlock(16, 16, 1) for _ in range(3)])
        self.layer2 = nn.Sequential(BasicBlock(16, 32, 2), BasicBlock(32, 32, 1), BasicBlock(32, 32, 1))
        self.layer3 = nn.Sequential(BasicBlock(32, 64, 2), BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


class Grouped(nn.Module):
    """Groups, stride, dilation, depthwise and pointwise in one small net, on 3×16×16."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=4)
        self.conv3 = nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=16)
        self.conv4 = nn.Conv2d(16, 24, 1)
        self.relu1, self.relu2, self.relu3, self.relu4 = (nn.ReLU() for _ in range(4))
        self.pool, self.fc = nn.AvgPool2d(2), nn.Linear(384, 10)

    def forward(self, x):
        for i in range(1, 5):
            x = getattr(self, f"relu{i}")(getattr(self, f"conv{i}")(x))
        return self.fc(self.pool(x).flatten(1))


class MLP(nn.Module):
    """For Adam: fc1 20→16 · ReLU · fc2 16→5."""

    def __init__(self):
        super().__init__()
        self.fc1, self.relu1, self.fc2 = nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 5)

    def forward(self, x):
        return self.fc2(self.relu1(self.fc1(x)))


# Weights by formula.


def weight_formulas(net):
    """Uniform weights, variance 2 / fan-in (1 / fan-in in the last layer); batch-norm away from its trivial start."""
    state, last = net.state_dict(), list(net.named_modules())[-1][0]
    formulas = {}
    for name, value in state.items():
        kind = name.rsplit(".", 1)[-1]
        if kind == "running_mean":
            formulas[name] = Formula(value.shape, 0.1)
        elif kind == "running_var":
            formulas[name] = Formula(value.shape, 0.25, 1)
        elif kind == "weight" and value.dim() == 1:
            formulas[name] = Formula(value.shape, 0.25, 1)
        elif kind == "bias":
            formulas[name] = Formula(value.shape, 0.1)
        elif kind == "weight":
            gain = 3 if name.startswith(last) else 6
            formulas[name] = Formula(value.shape, math.sqrt(gain / value[0].numel()))
    return formulas


def load(net, weights):
    missing = net.load_state_dict(weights, strict=False).missing_keys
    assert all(name.endswith("num_batches_tracked") for name in missing), missing


# Decisions: where the program branches, and by how much.


@contextlib.contextmanager
def decisions(net):
    """Collects the input of each ReLU and max-pool, in the order of execution, as (name, kind, tensor)."""
    seen, hooks = [], []
    for name, module in net.named_modules():
        kind = {nn.ReLU: "relu", nn.MaxPool2d: "maxPool"}.get(type(module))
        if kind:
            hooks.append(module.register_forward_pre_hook(
                lambda _, inputs, name=name, kind=kind: seen.append((name, kind, inputs[0].detach()))))
    yield seen
    for hook in hooks:
        hook.remove()


def pool_gaps(x):
    """Largest less second largest of each 2×2 window; infinite where ReLU left only zeros, which pass no gradient."""
    windows = x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2).topk(2, dim=-1).values
    gap = windows[..., 0] - windows[..., 1]
    return torch.where(windows[..., 0] > 0, gap, torch.inf)


def distances(kind, x):
    return x.abs() if kind == "relu" else pool_gaps(x)


def rms(x):
    return float(x.square().mean().sqrt())


def choose_samples(net, formula, candidates):
    """Sets `formula.choice`: for each sample, the candidate whose smallest margin (relative to rms) is largest."""
    pool = []
    for c in range(candidates):
        formula.choice = [c] * formula.shape[0]
        pool.append(formula.tensor())
    with torch.no_grad(), decisions(net) as seen:
        net(torch.cat(pool).double())
    margin = torch.stack([distances(kind, x).flatten(1).amin(1) / rms(x) for _, kind, x in seen]).amin(0)
    formula.choice = margin.view(candidates, -1).argmax(0).tolist()


def gap_shift(x, window=0.25):
    """For each channel the shift, at most `window` rms, that puts 0 in the middle of the widest gap in its values."""
    values = x.transpose(0, 1).flatten(1).sort(1).values
    width = window * rms(x)
    shifts = []
    for row in values:
        near = row[row.abs() < width]
        edges = torch.cat([torch.tensor([-width], dtype=row.dtype), near, torch.tensor([width], dtype=row.dtype)])
        widest = int((edges[1:] - edges[:-1]).argmax())
        shifts.append(-(edges[widest] + edges[widest + 1]) / 2)
    return torch.stack(shifts)


def clear_channels(net, formulas, weights, x, shifts, candidates=12):
    """Layer by layer: moves the shift of each channel off its ties, choosing filters where a max-pool follows.

    `shifts` lists for each ReLU (its name, the parameter that shifts it, the filters to choose or None).
    """
    def at_relu(name):
        load(net, weights)
        with torch.no_grad(), decisions(net) as seen:
            net(x)
        return next(value for n, _, value in seen if n == name)

    for relu, shift, filters in shifts:
        best, start = None, weights[shift]
        for c in range(candidates if filters else 1):
            if filters:
                formulas[filters].choice = [c] * formulas[filters].shape[0]
                weights[filters] = formulas[filters].tensor()
            weights[shift] = start
            z = at_relu(relu)
            moved = (start.double() + gap_shift(z)).float()
            z = z + (moved.double() - start.double()).view([1, -1] + [1] * (z.dim() - 2))
            margin = z.abs().transpose(0, 1).flatten(1).amin(1)
            if filters:
                margin = torch.minimum(margin, pool_gaps(z.relu()).transpose(0, 1).flatten(1).amin(1))
            margin = margin / rms(z)
            if best is None:
                best, choice, shifted = margin, torch.zeros(len(margin), dtype=int), moved
            else:
                better = margin > best
                best, choice = torch.where(better, margin, best), torch.where(better, c, choice)
                shifted = torch.where(better, moved, shifted)
        if filters:
            formulas[filters].choice = choice.tolist()
            weights[filters] = formulas[filters].tensor()
        weights[shift] = shifted
    load(net, weights)


# One step.


def step(net, x, y):
    """Forward and backward of one batch: everything that is compared, and the decisions on the way."""
    net.train()
    net.zero_grad()
    x = x.clone().requires_grad_(True)
    with decisions(net) as seen:
        logits = net(x)
    loss = F.cross_entropy(logits, y)
    loss.backward()
    result = {"logits": logits.detach(), "loss": loss.detach().view(1), "gradient.input": x.grad}
    result |= {f"gradient.{name}": p.grad.clone() for name, p in net.named_parameters()}
    result |= {f"after.{name}": b.clone() for name, b in net.named_buffers() if b.is_floating_point()}
    if any("running" in name for name in result):
        net.eval()
        with torch.no_grad():
            result["evalLogits"] = net(x)
    return result, seen


def margins(reference, float32):
    """The smallest distance to a tie at each decision, and how many float32 errors (the larger mode's) that is."""
    report = []
    for i, (name, kind, x) in enumerate(reference):
        margin = float(distances(kind, x).min())
        error = max(float((seen[i][2].double() - x).abs().max()) for seen in float32.values())
        report.append({"at": name, "kind": kind, "margin": margin / rms(x), "overFloat32Error": margin / error})
        for seen in float32.values():  # the float32 programs decide as the reference does
            z = seen[i][2]
            same = (z > 0) == (x > 0) if kind == "relu" else pool_indices(z) == pool_indices(x)
            assert bool(same.all()), f"{name}: a decision differs"
    return report


def pool_indices(x):
    value, index = F.max_pool2d(x, 2, return_indices=True)
    return torch.where(value > 0, index, -1)


def one_step(name, make, shape, streams, prepare, pixels=False, classes=10):
    start_streams(streams)
    fixture, net = Fixture(name), make().double()
    formulas = weight_formulas(net)
    x = Formula(shape, 0.5, 0.5) if pixels else Formula(shape, 1)
    label_stream = new_stream()
    y = labels(shape[0], classes, label_stream)
    weights = {key: f.tensor() for key, f in formulas.items()}
    load(net, weights)
    stored = prepare(net, formulas, weights, x)
    load(net, weights)

    reference, seen = step(net, x.tensor().double(), y)
    results, float32_seen = {}, {}
    for m in MODES:
        net32 = make()
        load(net32, weights)
        with mode(m):
            results[m], float32_seen[m] = step(net32, x.tensor(), y)

    document = fixture.document
    document["input"] = x.json()
    document["labels"] = {"stream": label_stream, "classes": classes, "values": y.tolist()}
    document["weights"] = []
    for key, f in formulas.items():
        entry = {"name": key} | f.json()
        if key in stored:
            fixture.store(f"weights.{key}", weights[key])
            entry = {"name": key, "shape": list(f.shape), "stored": f"weights.{key}"}
        document["weights"].append(entry)
    document["loss"] = float(reference["loss"])
    document["reference"] = [
        fixture.reference(key, value, {m: results[m][key] for m in MODES}) for key, value in reference.items()]
    document["margins"] = margins(seen, float32_seen)
    smallest = min(m["overFloat32Error"] for m in document["margins"])
    errors = {m: max(e["float32Error"][m] for e in document["reference"]) for m in MODES}
    nearest = min(m["margin"] for m in document["margins"])
    print(f"{name}: loss {document['loss']:.4f}, smallest margin {nearest:.1e} rms"
          f" = {smallest:.0f} float32 errors; largest float32 error {errors}", flush=True)
    assert smallest >= SMALLEST_RATIO
    fixture.write()
    return weights


def by_samples(candidates):
    def prepare(net, formulas, weights, x):
        choose_samples(net, x, candidates)
        return set()
    return prepare


def by_channels(shifts):
    def prepare(net, formulas, weights, x):
        clear_channels(net, formulas, weights, x.tensor().double(), shifts)
        return {shift for _, shift, _ in shifts}
    return prepare


def vgg8_shifts():
    shifts = [(f"relu{i}", f"bn{i}.bias", f"conv{i}.weight" if i % 2 == 0 else None) for i in range(1, 7)]
    return shifts + [("relu7", "fc1.bias", None)]


def resnet20_shifts():
    shifts = [("relu", "bn1.bias", None)]
    for block in (f"layer{i}.{j}" for i in (1, 2, 3) for j in range(3)):
        shifts += [(f"{block}.relu{i}", f"{block}.bn{i}.bias", None) for i in (1, 2)]
    return shifts


# Many steps.


def training(name, make, shape, streams, steps, optimizer, options, candidates, classes=10, full=True):
    """The weights after some steps, each on a batch chosen clear of ties for the weights of that step.

    A sample is a pattern of its class and noise, so that there is something to learn and the net stays alive.
    """
    start_streams(streams)
    fixture, nets = Fixture(name), {"float64": make().double()} | {m: make() for m in MODES}
    formulas = weight_formulas(nets["float64"])
    weights = {key: f.tensor() for key, f in formulas.items()}
    for net in nets.values():
        load(net, weights)
    optimizers = {key: optimizer(net.parameters(), **options) for key, net in nets.items()}
    pattern = Formula((classes, *shape[1:]), 0.5)
    batches, losses, reached = [], [], []
    for _ in range(steps):
        x, label_stream = Formula(shape, 0.5), new_stream()
        y = labels(shape[0], classes, label_stream)
        x.pattern = (pattern, y)
        choose_samples(nets["float64"], x, candidates)
        seen = {}
        for key, net in nets.items():
            with mode(key):
                result, seen[key] = step(net, x.tensor().to(next(net.parameters()).dtype), y)
            optimizers[key].step()
            if key == "float64":
                losses.append(float(result["loss"]))
        reached.append(margins(seen.pop("float64"), seen))
        batches.append({"input": x.json(), "labels": {"stream": label_stream, "classes": classes}})
    final = nets["float64"].state_dict()
    document = fixture.document
    document["optimizer"] = {"kind": optimizer.__name__} | options
    document["weights"] = [{"name": key} | f.json() for key, f in formulas.items()]
    document["pattern"] = pattern.json()
    document["batches"] = batches
    document["losses"] = losses
    document["reference"] = [
        fixture.reference(f"after.{key}", value, {m: nets[m].state_dict()[key] for m in MODES}, full)
        for key, value in final.items()]
    document["margins"] = [min(m["margin"] for m in step) for step in reached]
    document["marginsOverFloat32Error"] = [min(m["overFloat32Error"] for m in step) for step in reached]
    moved = {key: relative_error(weights[key], value) for key, value in final.items()}
    print(f"{name}: losses {losses[0]:.3f}…{losses[-1]:.3f}, smallest margin {min(document['margins']):.1e} rms ="
          f" {min(document['marginsOverFloat32Error']):.0f} float32 errors; largest float32 error after the steps"
          f" {max(max(e['float32Error'].values()) for e in document['reference']):.1e}; weights moved by"
          f" {min(moved.values()):.2f}…{max(moved.values()):.2f}", flush=True)
    assert min(document["marginsOverFloat32Error"]) >= SMALLEST_RATIO
    fixture.write()


def make(only=None):
    jobs = {
        "lenet5": lambda n: one_step(n, LeNet5, (20, 1, 28, 28), 1 << 20, by_samples(32), pixels=True),
        "grouped": lambda n: grouped(n),
        "vgg8": lambda n: one_step(n, VGG8, (20, 3, 32, 32), 3 << 20, by_channels(vgg8_shifts())),
        "resnet20": lambda n: one_step(n, ResNet20, (20, 3, 32, 32), 4 << 20, by_channels(resnet20_shifts())),
        "lenet5-sgd": lambda n: training(
            n, LeNet5, (64, 1, 28, 28), 5 << 20, 20, torch.optim.SGD,
            dict(lr=0.05, momentum=0.9, weight_decay=5e-4), 32),
        "lenet5-nesterov": lambda n: training(
            n, LeNet5, (40, 1, 28, 28), 6 << 20, 20, torch.optim.SGD,
            dict(lr=0.02, momentum=0.9, weight_decay=5e-4, nesterov=True), 32),
        "mlp-adam": lambda n: training(
            n, MLP, (8, 20), 7 << 20, 5, torch.optim.Adam, dict(lr=0.01, weight_decay=0.01), 16, classes=5, full=False),
        "mlp-adamw": lambda n: training(
            n, MLP, (8, 20), 8 << 20, 5, torch.optim.AdamW, dict(lr=0.01, weight_decay=0.1), 16, classes=5, full=False),
    }
    for name, job in jobs.items():
        if not only or name in only:
            job(name)


def grouped(name):
    """Also writes its weights as a plain float32 state dict, as PyTorch users save one."""
    weights = one_step(name, Grouped, (20, 3, 16, 16), 2 << 20, by_samples(32))
    path = os.path.join(HERE, "grouped.weights.safetensors")
    save_file(weights, path, metadata={"format": "pt"})
    os.chmod(path, 0o644)
