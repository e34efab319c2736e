"""Makes the fixtures beside this file: what PyTorch in float64 says, and how far its own float32 is from that.

Run by hand with PyTorch (Benchmarks/peers/setup.sh makes .venv):   .venv/bin/python make_fixtures.py [name …]
The formats are specified in README.md. Takes about a minute; a second run writes the same bytes.
"""
import os
import sys

sys.dont_write_bytecode = True  # the tests copy this folder

import torch  # noqa: E402

import networks  # noqa: E402
import operations  # noqa: E402

if __name__ == "__main__":
    torch.set_num_threads(1)  # so that float32 sums have one order
    torch.use_deterministic_algorithms(True)
    names = sys.argv[1:]
    if not names or "operations" in names:
        operations.make()
    networks.make(names)
