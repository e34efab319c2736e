"""Feature relevance scores by the published algorithm, in NumPy float64, for three small networks.

Written from the equations of arXiv 2002.09958 and its authors' code (github.com/purdue-nrl/Gradual-Channel-Pruning-using-FRS),
sharing nothing with the engine: images are [N, C, H, W], products are loops over kernel offsets. Run by hand with NumPy:
    python3 relevance.py            writes relevance.json and relevance.safetensors beside this file; the same bytes each time
    python3 relevance.py --clamp    instead prints how far the authors' clamp of convolutions' weights at ±1e-9 moves the scores

relevance.json holds, for each network, the formula of every weight (Fixtures/README.md), of the input, and the labels.
relevance.safetensors holds, F64, under <network>.<ignored or folded>.
    sample.<layer>   [samples, channels]  mean over positions of the relevance at a convolution's output
    block.<layer>    the same where its block ends: behind the sum for the last convolution of a residual branch
    score.<layer>    [channels]  class-weighted mean over classes, absolute, of unit L2 norm; from block
    plain.<layer>    the same without class weights
    input            [4, C, H, W]   relevance of the first four inputs
    sums.<layer>     [samples]  sum of the relevance of the layer's output
and under <network>. predictions and logits.
"""
import json
import os
import struct
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ALPHA, BETA, EPS = 2.0, 1.0, 1e-9
CLAMP = "--clamp" in sys.argv
PRECISION = np.float64


# Numbers by formula (Fixtures/README.md).
def splitmix64(c):
    with np.errstate(over="ignore"):
        c = c + np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            c = (c ^ (c >> np.uint64(shift))) * np.uint64(factor)
        return c ^ (c >> np.uint64(31))


class Formulas:
    def __init__(self, stream):
        self.stream, self.entries = stream, []

    def __call__(self, name, shape, scale, offset=0.0):
        entry = {"name": name, "shape": list(shape), "stream": self.stream,
                 "scale": float(np.float32(scale)), "offset": float(np.float32(offset))}
        self.stream += 64
        self.entries.append(entry)
        index = np.arange(np.prod(shape), dtype=np.uint64) + (np.uint64(entry["stream"]) << np.uint64(32))
        unit = (splitmix64(index) >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1
        return (unit * entry["scale"] + entry["offset"]).astype(np.float32).astype(PRECISION).reshape(shape)


def away(z, negative):
    """z + 1e-9 away from zero. (The authors add +1e-9 to both.)"""
    return z + np.where(z < 0 if not negative else z <= 0, -EPS, EPS).astype(z.dtype)


# Layers: forward keeps X; relprop takes the relevance of the output and returns that of the input.
class Conv:
    def __init__(self, make, name, cin, cout, k, stride=1, padding=0, groups=1, bias=True, dilation=1):
        self.name, self.stride, self.padding, self.groups, self.dilation = name, stride, padding, groups, dilation
        self.w = make(f"{name}.weight", (cout, cin // groups, k, k), 1.7 * np.sqrt(3 / (cin // groups * k * k)))
        self.b = make(f"{name}.bias", (cout,), 0.1) if bias else np.zeros(cout, PRECISION)
        self.factor = np.ones(cout, PRECISION)

    def offsets(self):
        k, d, s = self.w.shape[2], self.dilation, self.stride
        for ky in range(k):
            for kx in range(k):
                yield ky, kx, slice(ky * d, ky * d + s * (self.ho - 1) + 1, s), slice(kx * d, kx * d + s * (self.wo - 1) + 1, s)

    def product(self, x, w):
        n, cin, h, wd = x.shape
        p, k, d = self.padding, w.shape[2], self.dilation
        self.ho = (h + 2 * p - d * (k - 1) - 1) // self.stride + 1
        self.wo = (wd + 2 * p - d * (k - 1) - 1) // self.stride + 1
        xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        g, ci, co = self.groups, cin // self.groups, w.shape[0] // self.groups
        y = np.zeros((n, w.shape[0], self.ho, self.wo), x.dtype)
        for ky, kx, ys, xs in self.offsets():
            for i in range(g):
                y[:, i * co:(i + 1) * co] += np.einsum(
                    "nchw,oc->nohw", xp[:, i * ci:(i + 1) * ci, ys, xs], w[i * co:(i + 1) * co, :, ky, kx])
        return y

    def transposed(self, s, w):
        n, cin, h, wd = self.x.shape
        p, g = self.padding, self.groups
        ci, co = cin // g, w.shape[0] // g
        xp = np.zeros((n, cin, h + 2 * p, wd + 2 * p), s.dtype)
        for ky, kx, ys, xs in self.offsets():
            for i in range(g):
                xp[:, i * ci:(i + 1) * ci, ys, xs] += np.einsum(
                    "nohw,oc->nchw", s[:, i * co:(i + 1) * co], w[i * co:(i + 1) * co, :, ky, kx])
        return xp[:, :, p:p + h, p:p + wd]

    def forward(self, x):
        self.x = x
        return self.product(x, self.w) + self.b[:, None, None]

    def relprop(self, r):
        w = self.w * self.factor[:, None, None, None]
        wp, wn = np.maximum(w, EPS if CLAMP else 0), np.minimum(w, -EPS if CLAMP else 0)
        sp = ALPHA * r / away(self.product(self.x, wp), False)
        sn = -BETA * r / away(self.product(self.x, wn), True)
        return self.x * (self.transposed(sp, wp) + self.transposed(sn, wn))


class Linear:
    def __init__(self, make, name, inputs, outputs):
        self.name = name
        self.w = make(f"{name}.weight", (outputs, inputs), 1.7 * np.sqrt(3 / inputs))
        self.b = make(f"{name}.bias", (outputs,), 0.1)

    def forward(self, x):
        self.x = x
        return x @ self.w.T + self.b

    def relprop(self, r):
        wp, wn = np.maximum(self.w, 0), np.minimum(self.w, 0)
        sp = ALPHA * r / away(self.x @ wp.T, False)
        sn = -BETA * r / away(self.x @ wn.T, True)
        return self.x * (sp @ wp + sn @ wn)


class BatchNorm:
    def __init__(self, make, name, channels):
        self.g, self.b = make(f"{name}.weight", (channels,), 1.0, 0.8), make(f"{name}.bias", (channels,), 0.3)
        self.m, self.v = make(f"{name}.running_mean", (channels,), 0.3), make(f"{name}.running_var", (channels,), 0.4, 1)
        self.factor = self.g / np.sqrt(self.v + PRECISION(np.float32(1e-5)))

    def forward(self, x):
        return (x - self.m[:, None, None]) * self.factor[:, None, None] + self.b[:, None, None]

    def relprop(self, r):
        return r


class ReLU:
    def forward(self, x):
        return np.maximum(x, 0)

    def relprop(self, r):
        return r


class MaxPool:
    margin = np.inf  # least relative gap between the two largest of a window that is not all zero

    def __init__(self, k, stride, padding=0):
        self.k, self.stride, self.padding = k, stride, padding

    def forward(self, x):
        self.shape, p, k, s = x.shape, self.padding, self.k, self.stride
        xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=-np.inf)
        self.ho, self.wo = (xp.shape[2] - k) // s + 1, (xp.shape[3] - k) // s + 1
        windows = np.stack([xp[:, :, ky:ky + s * (self.ho - 1) + 1:s, kx:kx + s * (self.wo - 1) + 1:s]
                            for ky in range(k) for kx in range(k)])
        self.winner = windows.argmax(0)
        two = np.sort(windows, 0)[-2:]
        live = two[1] > 0
        MaxPool.margin = min(MaxPool.margin, ((two[1] - two[0])[live] / two[1][live]).min())
        return two[1]

    def relprop(self, r):
        n, c, h, w = self.shape
        p, k, s = self.padding, self.k, self.stride
        out = np.zeros((n, c, h + 2 * p, w + 2 * p), r.dtype)
        for offset in range(k * k):
            ky, kx = divmod(offset, k)
            out[:, :, ky:ky + s * (self.ho - 1) + 1:s, kx:kx + s * (self.wo - 1) + 1:s] += np.where(self.winner == offset, r, 0)
        return out[:, :, p:p + h, p:p + w]


class AveragePool:
    """R_in = x ∘ spread(R / Σ x). The authors divide by the mean, which multiplies all relevance below by the area."""

    def __init__(self, k=None):
        self.k = k

    def forward(self, x):
        self.x = x
        n, c, h, w = x.shape
        k = self.k or h
        self.y = x.reshape(n, c, h // k, k, w // k, k).sum((3, 5))
        return self.y / (k * k)

    def relprop(self, r):
        s = r.reshape(self.y.shape) / away(self.y, False)
        k = self.x.shape[2] // self.y.shape[2]
        return self.x * s.repeat(k, 2).repeat(k, 3)


class Flatten:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def relprop(self, r):
        return r.reshape(self.shape)


class Graph:
    """Nodes (name, layer or "add" or "concatenate", inputs); −1 is the input."""

    def __init__(self, stream):
        self.make, self.nodes = Formulas(stream), []

    def add(self, name, layer, inputs=None):
        self.nodes.append((name, layer, inputs or [len(self.nodes) - 1]))
        return len(self.nodes) - 1

    def forward(self, x):
        self.values = []
        for name, layer, inputs in self.nodes:
            terms = [x if i < 0 else self.values[i] for i in inputs]
            if layer == "add":
                self.values.append(terms[0] + terms[1])
            elif layer == "concatenate":
                self.values.append(np.concatenate(terms, 1))
            else:
                self.values.append(layer.forward(terms[0]))
        return self.values[-1]

    def relprop(self, labels, classes, folded):
        for name, layer, inputs in self.nodes:
            if isinstance(layer, BatchNorm):
                self.nodes[inputs[0]][1].factor = layer.factor if folded else np.ones_like(layer.factor)
        relevance = [0.0] * len(self.nodes)
        relevance[-1] = np.eye(classes, dtype=PRECISION)[labels]
        of_input = 0.0
        for i in reversed(range(len(self.nodes))):
            name, layer, inputs = self.nodes[i]
            r = relevance[i]
            if layer == "add":
                a, b = (self.values[k] for k in inputs)
                parts = [a * (r / away(a + b, False)), b * (r / away(a + b, False))]
            elif layer == "concatenate":
                cut = self.values[inputs[0]].shape[1]
                parts = [r[:, :cut], r[:, cut:]]
            else:
                parts = [layer.relprop(r)]
            for k, part in zip(inputs, parts):
                if k < 0:
                    of_input = of_input + part
                else:
                    relevance[k] = relevance[k] + part
        return relevance, of_input

    def block_end(self, i):
        """The last of the batch-norm, sums and ReLU that follow node i alone."""
        while True:
            readers = [k for k, (_, _, inputs) in enumerate(self.nodes) if i in inputs]
            layer = self.nodes[readers[0]][1] if len(readers) == 1 else None
            if not (isinstance(layer, (BatchNorm, ReLU)) or layer == "add"):
                return i
            i = readers[0]


def conv_block(g, n, cin, cout, k=3, **options):
    g.add(f"conv{n}", Conv(g.make, f"conv{n}", cin, cout, k, padding=k // 2, **options))
    g.add(f"bn{n}", BatchNorm(g.make, f"bn{n}", cout))
    return g.add(f"relu{n}", ReLU())


def vgg(stream):
    g = Graph(stream)
    conv_block(g, 1, 3, 8)
    conv_block(g, 2, 8, 10)
    g.add("pool1", MaxPool(2, 2))
    conv_block(g, 3, 10, 16)
    g.add("pool2", MaxPool(3, 2, 1))
    g.add("fc1.flatten", Flatten())
    g.add("fc1", Linear(g.make, "fc1", 16 * 9, 20))
    g.add("relu4", ReLU())
    g.add("fc2", Linear(g.make, "fc2", 20, 5))
    return g, (3, 12, 12)


def residual_block(g, name, entry, cin, cout, stride):
    g.add(f"{name}.conv1", Conv(g.make, f"{name}.conv1", cin, cout, 3, stride, 1, bias=False), [entry])
    g.add(f"{name}.bn1", BatchNorm(g.make, f"{name}.bn1", cout))
    g.add(f"{name}.relu1", ReLU())
    g.add(f"{name}.conv2", Conv(g.make, f"{name}.conv2", cout, cout, 3, 1, 1, bias=False))
    branch = g.add(f"{name}.bn2", BatchNorm(g.make, f"{name}.bn2", cout))
    other = entry
    if stride != 1 or cin != cout:
        g.add(f"{name}.downsample.0", Conv(g.make, f"{name}.downsample.0", cin, cout, 1, stride, bias=False), [entry])
        other = g.add(f"{name}.downsample.1", BatchNorm(g.make, f"{name}.downsample.1", cout))
    g.add(f"{name}.add", "add", [branch, other])
    return g.add(f"{name}.relu2", ReLU())


def residual(stream):
    g = Graph(stream)
    g.add("conv1", Conv(g.make, "conv1", 3, 8, 3, 1, 1, bias=False))
    g.add("bn1", BatchNorm(g.make, "bn1", 8))
    at = g.add("relu", ReLU())
    at = residual_block(g, "layer1.0", at, 8, 8, 1)
    at = residual_block(g, "layer2.0", at, 8, 16, 2)
    at = residual_block(g, "layer2.1", at, 16, 16, 1)
    g.add("avgpool", AveragePool())
    g.add("fc.flatten", Flatten())
    g.add("fc", Linear(g.make, "fc", 16, 5))
    return g, (3, 12, 12)


def branches(stream):
    g = Graph(stream)
    entry = conv_block(g, 1, 3, 8)
    g.add("left", Conv(g.make, "left", 8, 8, 3, padding=1, groups=4), [entry])
    left = g.add("leftrelu", ReLU())
    g.add("right", Conv(g.make, "right", 8, 6, 3, padding=2, dilation=2), [entry])
    right = g.add("rightrelu", ReLU())
    g.add("joined", "concatenate", [left, right])
    g.add("pool", AveragePool(2))
    g.add("last", Conv(g.make, "last", 14, 12, 1))
    g.add("lastrelu", ReLU())
    g.add("fc.flatten", Flatten())
    g.add("fc", Linear(g.make, "fc", 12 * 36, 5))
    return g, (3, 12, 12)


def scores(per_sample, labels, weights, classes):
    f = np.stack([per_sample[labels == c].sum(0) / (labels == c).sum() * weights[c] for c in range(classes)])
    f = np.abs(f.mean(0))
    return f / (np.linalg.norm(f) + 1e-9)


def write_safetensors(arrays, path):
    header, data = {}, b""
    for name in sorted(arrays):
        a = np.ascontiguousarray(arrays[name], np.float64)
        header[name] = {"dtype": "F64", "shape": list(a.shape), "data_offsets": [len(data), len(data) + a.nbytes]}
        data += a.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main():
    arrays, document, samples, classes = {}, {}, 24, 5
    for number, build in enumerate((vgg, residual, branches)):
        name = build.__name__
        # Of the residual network's streams, one in which no sum nearly cancels: x / (x + y) would magnify rounding, and
        # in others NumPy's own float32 is off by 1e-4.
        g, shape = build((1 << 24) + (number << 16) + (4 << 10 if name == "residual" else 0))
        weights = list(g.make.entries)
        x = g.make("input", (samples, *shape), 0.5, 0.5)
        logits = g.forward(x)
        predictions = logits.argmax(1)
        top = np.sort(logits, 1)
        assert (top[:, -1] - top[:, -2]).min() > 1e-4 * np.abs(logits).max(), "near tie between classes"
        # Classes of unequal size and accuracy; the last is hardly ever recognized.
        labels = np.array([p if i % 2 == 0 and p < 4 else i % classes for i, p in enumerate(predictions)])
        counts = np.bincount(labels, minlength=classes)
        assert (counts > 0).all(), counts
        right = np.bincount(labels[labels == predictions], minlength=classes)
        accuracy = right / counts
        relative = accuracy / accuracy.max()
        with np.errstate(divide="ignore", over="ignore"):
            weight = 1 / (1 + np.exp(-1 / relative))
        document[name] = {"weights": weights, "input": g.make.entries[-1], "labels": labels.tolist(),
                          "counts": counts.tolist(), "accuracy": accuracy.tolist(), "weight": weight.tolist()}
        arrays[f"{name}.logits"] = logits
        for variant in ("ignored", "folded"):
            relevance, of_input = g.relprop(labels, classes, variant == "folded")
            key = f"{name}.{variant}"
            arrays[f"{key}.input"] = of_input[:4]
            for i, (layer_name, layer, _) in enumerate(g.nodes):
                if relevance[i].ndim == 4 and not isinstance(layer, (ReLU, Flatten)):
                    arrays[f"{key}.sums.{layer_name}"] = relevance[i].reshape(samples, -1).sum(1)
                if not isinstance(layer, Conv):
                    continue
                arrays[f"{key}.sample.{layer_name}"] = relevance[i].mean((2, 3))
                block = relevance[g.block_end(i)].mean((2, 3))
                arrays[f"{key}.block.{layer_name}"] = block
                arrays[f"{key}.score.{layer_name}"] = scores(block, labels, weight, classes)
                arrays[f"{key}.plain.{layer_name}"] = scores(block, labels, np.ones(classes), classes)
        print(name, "accuracies", accuracy, "counts", counts)
    assert MaxPool.margin > 1e-6, MaxPool.margin
    return arrays, document


if __name__ == "__main__":
    arrays, document = main()
    if CLAMP:
        CLAMP = False
        plain, _ = main()
        for kind in ("score", "input"):
            worst = max((np.abs(arrays[k] - plain[k]).max() / np.abs(plain[k]).max(), k) for k in arrays if f".{kind}" in k)
            print(f"{kind}: the clamp moves", worst[1], "by", worst[0], "of its largest value")
    else:
        write_safetensors(arrays, os.path.join(HERE, "relevance.safetensors"))
        with open(os.path.join(HERE, "relevance.json"), "w") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
