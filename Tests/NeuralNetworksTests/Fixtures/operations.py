"""Single operations, optimizers and schedules, each in PyTorch float64 from inputs by formula.

Every operation is a case: inputs, options, and for y = f(inputs) the output and the gradients of Σ y ∘ cotangent.
"""
import torch
import torch.nn.functional as F
from torch.optim import lr_scheduler

from formula import Fixture, Formula, labels, new_stream, start_streams


def cases():
    """(name, options that a reader needs, {input: (shape, scale, offset)}, function)"""
    def conv(name, x, w, bias=True, **options):
        inputs = {"input": (x, 1, 0), "weight": (w, 0.5, 0)} | ({"bias": ((w[0],), 1, 0)} if bias else {})
        return (f"conv2d.{name}", options, inputs,
                lambda t: F.conv2d(t["input"], t["weight"], t.get("bias"), **options))

    yield conv("plain", (3, 2, 6, 5), (4, 2, 3, 3))
    yield conv("padded", (2, 3, 7, 7), (5, 3, 5, 5), padding=2)
    yield conv("strided", (2, 3, 8, 7), (4, 3, 3, 3), False, stride=2, padding=1)
    yield conv("unequal", (2, 2, 9, 8), (3, 2, 3, 2), stride=[2, 1], padding=[1, 0], dilation=[1, 2])
    yield conv("dilated", (2, 2, 10, 9), (3, 2, 3, 3), padding=2, dilation=2)
    yield conv("grouped", (2, 6, 6, 6), (4, 3, 3, 3), padding=1, groups=2)
    yield conv("depthwise", (2, 4, 7, 6), (8, 1, 3, 3), padding=1, stride=2, groups=4)
    yield conv("pointwise", (2, 5, 4, 4), (3, 5, 1, 1))
    yield conv("everything", (18, 4, 11, 9), (6, 2, 3, 3), stride=2, padding=3, dilation=2, groups=2)
    yield ("linear", {}, {"input": ((5, 7), 1, 0), "weight": ((4, 7), 1, 0), "bias": ((4,), 1, 0)},
           lambda t: F.linear(t["input"], t["weight"], t["bias"]))

    def pool(kind, name, function, x=(2, 3, 7, 6), **options):
        return f"{kind}.{name}", options, {"input": (x, 1, 0)}, lambda t: function(t["input"], **options)

    yield pool("maxPool2d", "plain", F.max_pool2d, (2, 3, 8, 6), kernel_size=2)
    yield pool("maxPool2d", "remainder", F.max_pool2d, kernel_size=2)
    yield pool("maxPool2d", "overlapping", F.max_pool2d, kernel_size=3, stride=2)
    yield pool("maxPool2d", "padded", F.max_pool2d, kernel_size=3, stride=2, padding=1)
    yield pool("avgPool2d", "plain", F.avg_pool2d, (2, 3, 8, 6), kernel_size=2)
    yield pool("avgPool2d", "padded", F.avg_pool2d, kernel_size=3, stride=2, padding=1)
    yield pool("avgPool2d", "paddedNotCounted", F.avg_pool2d,
               kernel_size=3, stride=2, padding=1, count_include_pad=False)
    yield pool("globalAvgPool2d", "plain", F.adaptive_avg_pool2d, output_size=1)

    wide = {"input": ((6, 40), 6, 0)}
    yield "relu", {}, wide, lambda t: F.relu(t["input"])
    yield "sigmoid", {}, wide, lambda t: torch.sigmoid(t["input"])
    yield "tanh", {}, wide, lambda t: torch.tanh(t["input"])
    yield "gelu.exact", {}, wide, lambda t: F.gelu(t["input"])
    yield "gelu.tanh", {"approximate": "tanh"}, wide, lambda t: F.gelu(t["input"], approximate="tanh")
    yield "softmax", {"dim": -1}, wide, lambda t: F.softmax(t["input"], -1)

    affine = {"weight": ((4,), 0.5, 1), "bias": ((4,), 0.5, 0)}
    statistics = {"runningMean": ((4,), 0.5, 0), "runningVar": ((4,), 0.5, 1)}
    shapes = {"train": (18, 4, 3, 5), "eval": (6, 4, 3, 5), "train1d": (18, 4)}
    for name, shape in shapes.items():
        training = name != "eval"
        yield (f"batchNorm.{name}", {"training": training, "momentum": 0.1, "eps": 1e-5},
               {"input": (shape, 2, 0.5)} | affine | statistics,
               lambda t, training=training: F.batch_norm(
                   t["input"], t["runningMean"], t["runningVar"], t["weight"], t["bias"], training, 0.1, 1e-5))
    yield ("layerNorm", {"eps": 1e-12},
           {"input": ((3, 5, 8), 2, 0.5), "weight": ((8,), 0.5, 1), "bias": ((8,), 0.5, 0)},
           lambda t: F.layer_norm(t["input"], (8,), t["weight"], t["bias"], 1e-12))

    for name, scale, options in (("plain", 3, {}), ("smoothed", 3, {"label_smoothing": 0.1}), ("large", 200, {})):
        stream = new_stream()
        target = labels(18, 7, stream)
        yield (f"crossEntropy.{name}", options | {"labels": target.tolist()}, {"input": ((18, 7), scale, 0)},
               lambda t, target=target, options=options: F.cross_entropy(t["input"], target, **options))
    yield ("meanSquaredError", {}, {"input": ((18, 7), 1, 0), "target": ((18, 7), 1, 0)},
           lambda t: F.mse_loss(t["input"], t["target"]))


def operations(fixture):
    entries = []
    for name, options, inputs, function in cases():
        formulas = {key: Formula(*made) for key, made in inputs.items()}
        tensors = {key: f.tensor().double() for key, f in formulas.items()}
        learned = [key for key in tensors if not key.startswith("running") and key != "target"]
        for key in learned:
            tensors[key].requires_grad_(True)
        output = function(tensors)
        cotangent = Formula(output.shape, 1) if output.dim() else None
        (output if cotangent is None else (output * cotangent.tensor())).sum().backward()
        results = {"output": output.view(1) if output.dim() == 0 else output}
        results |= {f"gradient.{key}": tensors[key].grad for key in learned}
        results |= {f"after.{key}": value for key, value in tensors.items() if key.startswith("running")}
        entries.append({
            "case": name, "options": options, "inputs": {key: f.json() for key, f in formulas.items()},
            "cotangent": cotangent and cotangent.json(), "results": list(results)})
        for key, value in results.items():
            fixture.store(f"{name}.{key}", value)
    fixture.document["operations"] = entries


def optimizers(fixture, steps=5, count=24):
    """A vector and a list of gradients by formula; row t of the result is the vector after step t."""
    kinds = {
        "sgd": (torch.optim.SGD, dict(lr=0.1)),
        "sgd.decay": (torch.optim.SGD, dict(lr=0.1, weight_decay=0.05)),
        "sgd.momentum": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.05)),
        "sgd.nesterov": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.05, nesterov=True)),
        "adam": (torch.optim.Adam, dict(lr=0.01, betas=(0.9, 0.999), eps=1e-8)),
        "adam.decay": (torch.optim.Adam, dict(lr=0.01, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.05)),
        "adamw": (torch.optim.AdamW, dict(lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05)),
    }
    start, gradients, entries = Formula((count,), 1), Formula((steps, count), 1), []
    for name, (kind, options) in kinds.items():
        p = torch.nn.Parameter(start.tensor().double())
        optimizer, rows = kind([p], **options), []
        for g in gradients.tensor().double():
            p.grad = g
            optimizer.step()
            rows.append(p.detach().clone())
        fixture.store(f"optimizer.{name}", torch.stack(rows))
        entries.append({"case": f"optimizer.{name}", "kind": kind.__name__, "options": options})
    fixture.document["optimizers"] = {"start": start.json(), "gradients": gradients.json(), "cases": entries}


def schedules(fixture, steps=20, rate=0.1):
    """The learning rate used in step (or epoch) t = 0, 1, …; formulas in README.md."""
    def warmup_then_cosine(o):
        first = lr_scheduler.LinearLR(o, 0.2, 1.0, 5)
        return lr_scheduler.SequentialLR(o, [first, lr_scheduler.CosineAnnealingLR(o, 15)], [5])

    kinds = {
        "constant": ({}, lambda o: lr_scheduler.LambdaLR(o, lambda t: 1.0)),
        "cosine": ({"steps": 20, "minimum": 0}, lambda o: lr_scheduler.CosineAnnealingLR(o, 20)),
        "cosine.minimum": ({"steps": 20, "minimum": 0.01}, lambda o: lr_scheduler.CosineAnnealingLR(o, 20, 0.01)),
        "step": ({"every": 6, "factor": 0.1}, lambda o: lr_scheduler.StepLR(o, 6, 0.1)),
        "milestones": ({"at": [8, 15], "factor": 0.1}, lambda o: lr_scheduler.MultiStepLR(o, [8, 15], 0.1)),
        "exponential": ({"factor": 0.9}, lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
        "warmup": ({"from": 0.2, "steps": 5}, lambda o: lr_scheduler.LinearLR(o, 0.2, 1.0, 5)),
        "warmup.cosine": ({"from": 0.2, "warmup": 5, "steps": 20}, warmup_then_cosine),
        "warmup.linear": ({"warmup": 5, "steps": 20}, lambda o: lr_scheduler.LambdaLR(
            o, lambda t: t / 5 if t < 5 else (20 - t) / 15)),
    }
    entries = []
    for name, (options, make) in kinds.items():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
        schedule, rates = make(optimizer), []
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        entries.append({"case": name, "options": options, "rates": rates})
    fixture.document["schedules"] = {"rate": rate, "cases": entries}


def make():
    start_streams(9 << 20)
    fixture = Fixture("operations")
    operations(fixture)
    optimizers(fixture)
    schedules(fixture)
    fixture.write()
    document = fixture.document
    print(f"operations: {len(document['operations'])} operations, {len(document['optimizers']['cases'])} optimizers,"
          f" {len(document['schedules']['cases'])} schedules")
