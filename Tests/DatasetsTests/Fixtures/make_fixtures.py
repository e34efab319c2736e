"""Writes the fixtures beside this file with NumPy and plain Python, independent of the Swift code.

    python3 make_fixtures.py

Element i of every array is (37 i mod 101) - 50 for signed types, 37 i mod 101 for unsigned ones, the signed value
divided by 8 for floats, and i mod 2 for booleans; the Swift tests compute the same.
"""
import csv
import gzip
import json
import pathlib
import struct

import numpy as np

here = pathlib.Path(__file__).parent
SHAPE = (2, 3, 4)


def pattern(kind, count):
    i = np.arange(count, dtype=np.int64)
    if kind == "b":
        return i % 2
    if kind == "u":
        return 37 * i % 101
    return (37 * i % 101) - 50 if kind == "i" else ((37 * i % 101) - 50) / 8


def array(dtype, shape=SHAPE):
    return pattern(np.dtype(dtype).kind, int(np.prod(shape))).astype(dtype).reshape(shape)


def write(name, data):
    (here / name).write_bytes(data)


# IDX ---------------------------------------------------------------------------------------------------------------
codes = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(dtype, shape, data):
    return struct.pack(">BBBB", 0, 0, codes[dtype], len(shape)) + struct.pack(f">{len(shape)}I", *shape) + data


for dtype in codes:
    write(f"idx-{dtype}.idx", idx(dtype, SHAPE, array(">" + dtype).tobytes()))
packed = gzip.compress(idx("u1", SHAPE, array("u1").tobytes()), mtime=0)
write("idx-u1.idx.gz", packed)
half = len(idx("u1", SHAPE, array("u1").tobytes())) // 2
plain = idx("u1", SHAPE, array("u1").tobytes())
write("idx-u1-members.idx.gz", gzip.compress(plain[:half], mtime=0) + gzip.compress(plain[half:], mtime=0))
write("idx-bomb.idx.gz", gzip.compress(idx("u1", (10,), bytes(4_000_000)), mtime=0))
write("idx-huge.idx.gz", gzip.compress(idx("u1", (2**32 - 1, 1000), bytes(100)), mtime=0))

# .npy --------------------------------------------------------------------------------------------------------------
for code in ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]:
    for order, mark in [("little", "<"), ("big", ">")]:
        for layout in "CF":
            values = np.array(array(mark + code), order=layout)
            np.save(here / f"npy-{code}-{order}-{layout}.npy", values)
for version in [(1, 0), (2, 0), (3, 0)]:
    with open(here / f"npy-version-{version[0]}.npy", "wb") as file:
        np.lib.format.write_array(file, array("<f4"), version=version)
np.save(here / "npy-scalar.npy", np.float64(2.5))
np.save(here / "npy-vector.npy", array("<f8", (5,)))
np.save(here / "npy-empty.npy", np.zeros((3, 0, 2), "<f4"))
np.save(here / "npy-complex.npy", np.zeros(2, "<c8"))
np.save(here / "npy-text.npy", np.array(["a", "bc"]))
np.save(here / "npy-record.npy", np.zeros(2, [("x", "<f4"), ("y", "<i4")]))
np.save(here / "npy-object.npy", np.array([None, 1], dtype=object), allow_pickle=True)
specials = np.array([0, 1, 2, 0x3FF, 0x400, 0x3C00, 0x3555, 0x7BFF, 0x7C00, 0x7E00, 0x8000, 0x8001, 0xC000, 0xFC00], "<u2")
np.save(here / "npy-half-specials.npy", specials.view("<f2"))
np.save(here / "npy-half-specials-as-f4.npy", specials.view("<f2").astype("<f4"))

# safetensors -------------------------------------------------------------------------------------------------------
names = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
         "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?"}


def safetensors(header, data, pad=0):
    text = json.dumps(header).encode() + b" " * pad
    return struct.pack("<Q", len(text)) + text + data


header, data = {"__metadata__": {"format": "pt", "note": "über"}}, b""
for dtype, code in names.items():
    part = array(code).tobytes()
    header[f"a.{dtype}"] = {"dtype": dtype, "shape": list(SHAPE), "data_offsets": [len(data), len(data) + len(part)]}
    data += part
part = (array("<f4").view("<u4") >> 16).astype("<u2").tobytes()
header["a.BF16"] = {"dtype": "BF16", "shape": list(SHAPE), "data_offsets": [len(data), len(data) + len(part)]}
data += part
header["empty"] = {"dtype": "F32", "shape": [0, 3], "data_offsets": [len(data), len(data)]}
write("types.safetensors", safetensors(header, data, pad=5))

four = np.array([1, 2, 3, 4], "<f4").tobytes()
write("reversed.safetensors", safetensors({
    "b": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
    "a": {"dtype": "F32", "shape": [], "data_offsets": [4, 8]},
    "c": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, four))
write("nan.safetensors", safetensors(
    {"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}, np.array([1, 2, np.nan, 4], "<f4").tobytes()))

# CIFAR -------------------------------------------------------------------------------------------------------------
planes = [bytes((7 * r + 3 * p + p // 11) % 256 for p in range(3072)) for r in range(3)]
write("cifar10.bin", b"".join(bytes([3 * r]) + planes[r] for r in range(3)))
write("cifar100.bin", b"".join(bytes([5 * r, 33 * r]) + planes[r] for r in range(3)))
interleaved = np.frombuffer(b"".join(planes), np.uint8).reshape(3, 3, 32, 32).transpose(0, 2, 3, 1)
write("cifar-nhwc.gz", gzip.compress(np.ascontiguousarray(interleaved).tobytes(), mtime=0))

# CSV ---------------------------------------------------------------------------------------------------------------
rows = [["name", "value"], ["plain", repr(0.1)], ["comma, quote \" and\nline", repr(-1.7976931348623157e308)],
        ["", repr(5e-324)], ["ünï \u6f22\u5b57", repr(1 / 3)], [" spaces ", "-0.0"]]
for ending, name in [("\r\n", "crlf"), ("\n", "lf")]:
    with open(here / f"table-{name}.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator=ending).writerows(rows)
