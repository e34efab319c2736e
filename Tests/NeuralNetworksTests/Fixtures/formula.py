"""Numbers that any program can make again, and the two files each fixture is written to.

README.md beside this file is the specification; this file is its only implementation here.
"""
import json
import os

import numpy as np
import torch
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLES = 512  # entries kept of a tensor that has more than 2 * SAMPLES
SAMPLE_PRIME = 1000003
STREAM_SPACING = 64  # a row's choice is below this, so streams never overlap


def splitmix64(counter):
    """Sebastiano Vigna's SplitMix64: the output for the state `counter` (one step, then the mix)."""
    with np.errstate(over="ignore"):
        z = counter + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


assert int(splitmix64(np.zeros(1, np.uint64))[0]) == 0xE220A8397B1DCDAF

_next_stream = 0


def start_streams(at):
    global _next_stream
    _next_stream = at


def new_stream():
    global _next_stream
    _next_stream += STREAM_SPACING
    return _next_stream - STREAM_SPACING


class Formula:
    """A float32 tensor by formula: element i is hash(stream + choice[row of i], i), uniform in offset ± scale."""

    def __init__(self, shape, scale, offset=0.0, stream=None):
        self.shape = tuple(shape)
        self.scale = float(np.float32(scale))
        self.offset = float(np.float32(offset))
        self.stream = new_stream() if stream is None else stream
        self.choice = None  # one small integer for each index of the first axis, or none at all
        self.pattern = None  # (another formula, one of its rows for each of ours): added in float32

    def tensor(self):
        count = int(np.prod(self.shape))
        index = np.arange(count, dtype=np.uint64)
        stream = np.full(count, self.stream, np.uint64)
        if self.choice is not None:
            assert max(self.choice) < STREAM_SPACING
            stream += np.repeat(np.array(self.choice, np.uint64), count // self.shape[0])
        bits = splitmix64((stream << np.uint64(32)) + index) >> np.uint64(40)  # 24 bits
        unit = bits.astype(np.float64) * 2.0**-23 - 1.0  # exact, in [-1, 1)
        value = torch.from_numpy((unit * self.scale + self.offset).astype(np.float32).reshape(self.shape))
        if self.pattern is not None:
            formula, rows = self.pattern
            value = value + formula.tensor()[rows]
        return value

    def json(self):
        entry = {"shape": list(self.shape), "stream": self.stream, "scale": self.scale, "offset": self.offset}
        if self.choice is not None:
            entry["choice"] = [int(c) for c in self.choice]
        return entry


def labels(count, classes, stream):
    index = np.arange(count, dtype=np.uint64) + (np.uint64(stream) << np.uint64(32))
    return torch.from_numpy(((splitmix64(index) >> np.uint64(40)) % np.uint64(classes)).astype(np.int64))


def relative_error(a, b):
    """The one error measure of these fixtures: max |a − b| / max |b| over a whole tensor, b the float64 reference."""
    return float((a.double() - b).abs().max() / b.abs().max())


class Fixture:
    """`name`.json says what is there and how it was made; `name`.safetensors holds the float64 results."""

    def __init__(self, name):
        self.name, self.arrays = name, {}
        self.document = {"fixture": name, "madeWith": f"PyTorch {torch.__version__}", "metric": "max|a-b| / max|b|"}

    def store(self, key, tensor):
        """Keeps a whole tensor, in its own precision."""
        self.arrays[key] = tensor.detach().contiguous().numpy().copy()

    def reference(self, key, value, float32=None, full=False):
        """Keeps a float64 result, sampled if it is large; says how far PyTorch's float32 results are from it."""
        value = value.detach().double().contiguous()
        flat, count = value.reshape(-1), value.numel()
        entry = {"name": key, "shape": list(value.shape), "sampled": count > 2 * SAMPLES and not full}
        largest = int(flat.abs().argmax())
        if full:
            self.arrays[key] = value.float().numpy().copy()
        elif entry["sampled"]:
            index = np.append(np.arange(SAMPLES, dtype=np.int64) * SAMPLE_PRIME % count, largest)
            self.arrays[key] = flat.numpy()[index].copy()
            entry["largestIndex"] = largest
        else:
            self.arrays[key] = value.numpy().copy()
        entry |= {"maxAbs": float(flat[largest].abs()), "l2": float(flat.norm()), "sum": float(flat.sum())}
        if float32:
            entry["float32Error"] = {mode: relative_error(result, value) for mode, result in float32.items()}
        return entry

    def write(self):
        path = os.path.join(HERE, f"{self.name}.safetensors")
        save_file(self.arrays, path)
        os.chmod(path, 0o644)
        with open(os.path.join(HERE, f"{self.name}.json"), "w") as file:
            file.write(lined(self.document) + "\n")


def lined(value, depth=0):
    """JSON with one line for each entry of the outer two levels."""
    if depth < 2 and isinstance(value, (dict, list)) and value:
        pad, end = " " * (depth + 1), " " * depth
        if isinstance(value, dict):
            entries = (f"{pad}{json.dumps(k)}: {lined(v, depth + 1)}" for k, v in value.items())
            return "{\n" + ",\n".join(entries) + f"\n{end}}}"
        if any(isinstance(v, (dict, list)) for v in value):
            return "[\n" + ",\n".join(pad + json.dumps(v) for v in value) + f"\n{end}]"
    return json.dumps(value)
