"""The peer of the circuit benchmark: effective matrix of one crossbar by scipy's SuperLU, on one thread.

The job: assemble the nodal matrix, factor it (minimum degree on A + Aᵀ, no pivoting: the best settings for this matrix),
solve one adjoint right-hand side per bit line, read off the word-line ends. With --one-vector the currents of a single
vector instead: factor and solve one right-hand side. The topology is that of
Sources/Crossbars/Circuit/CircuitParameters.swift, the conductances are uniform in [1, 10] uS.

    python3 Benchmarks/peers/circuit_superlu.py [--sizes 32,64,128] [--repeats 9] [--one-vector]

Prints one JSON object per size; times are medians in seconds of wall clock (and of this thread's processor time).
`assemble` is not counted in `total`: Python spends it on lists.
"""

import argparse
import json
import os
import statistics
import time

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import scipy
import scipy.sparse as sparse
from scipy.sparse.linalg import splu


def nodal_matrix(conductance, wire, driver, sense):
    """Symmetric nodal matrix, word nodes before bit nodes, in siemens."""
    rows, columns = conductance.shape
    word = np.arange(rows * columns).reshape(rows, columns)
    bit = word + rows * columns
    links = [
        (word[:, :-1], word[:, 1:], 1 / wire),
        (bit[:-1], bit[1:], 1 / wire),
        (word, bit, conductance),
    ]
    diagonal = np.zeros(2 * rows * columns)
    i, j, values = [], [], []
    for p, q, g in links:
        g = np.broadcast_to(g, p.shape).ravel()
        p, q = p.ravel(), q.ravel()
        np.add.at(diagonal, p, g)
        np.add.at(diagonal, q, g)
        i += [p, q]
        j += [q, p]
        values += [-g, -g]
    diagonal[word[:, 0]] += 1 / (driver + wire)
    diagonal[bit[-1]] += 1 / (sense + wire)
    everything = np.arange(diagonal.size)
    matrix = sparse.csc_matrix(
        (
            np.concatenate(values + [diagonal]),
            (np.concatenate(i + [everything]), np.concatenate(j + [everything])),
        )
    )
    return matrix, word[:, 0], bit[-1]


def clocked(work):
    wall, own = time.perf_counter(), time.thread_time()
    result = work()
    return result, time.perf_counter() - wall, time.thread_time() - own


def measure(size, repeats, wire, driver, sense, one_vector):
    draw = np.random.default_rng(size)
    conductance = draw.uniform(1e-6, 1e-5, (size, size))
    voltages = draw.uniform(0, 0.25, size)
    laps = {"assemble": [], "factor": [], "solve": []}
    own = []
    for _ in range(repeats):
        (matrix, drivers, senses), lap, _ = clocked(lambda: nodal_matrix(conductance, wire, driver, sense))
        laps["assemble"].append(lap)
        factors, lap, factor_time = clocked(
            lambda: splu(
                matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=dict(SymmetricMode=True)
            )
        )
        laps["factor"].append(lap)

        def solve_vector():
            right_hand_side = np.zeros(matrix.shape[0])
            right_hand_side[drivers] = voltages / (driver + wire)
            return factors.solve(right_hand_side)[senses] / (sense + wire)

        def solve():
            right_hand_sides = np.zeros((matrix.shape[0], size), order="F")
            right_hand_sides[senses, np.arange(size)] = 1 / (sense + wire)
            return factors.solve(right_hand_sides)[drivers] / (driver + wire)

        effective, lap, solve_time = clocked(solve_vector if one_vector else solve)
        laps["solve"].append(lap)
        own.append(factor_time + solve_time)
    medians = {name: statistics.median(values) for name, values in laps.items()}
    return {
        "size": size,
        "wireResistance": wire,
        "driverResistance": driver,
        "senseResistance": sense,
        "repeats": repeats,
        **medians,
        "total": statistics.median(f + s for f, s in zip(laps["factor"], laps["solve"])),
        "totalProcessorTime": statistics.median(own),
        "meanLoss": float(1 - effective.sum() / (voltages @ conductance if one_vector else conductance).sum()),
        "scipy": scipy.__version__,
    }


def main():
    parser = argparse.ArgumentParser(description="effective matrix of a crossbar by SuperLU")
    parser.add_argument("--sizes", default="32,64,128")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--wire", type=float, default=2.0)
    parser.add_argument("--driver", type=float, default=100.0)
    parser.add_argument("--sense", type=float, default=100.0)
    parser.add_argument("--one-vector", action="store_true")
    options = parser.parse_args()
    for size in map(int, options.sizes.split(",")):
        found = measure(
            size, options.repeats, options.wire, options.driver, options.sense, options.one_vector
        )
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
