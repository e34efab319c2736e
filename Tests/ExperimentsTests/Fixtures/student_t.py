"""Makes student_t.json: values of Student's t distribution and of the paired t-test, by SciPy.

    python3 -m venv .venv && .venv/bin/pip install scipy==1.17.1 && .venv/bin/python student_t.py
"""

import json
import pathlib

import numpy as np
import scipy
from scipy import stats

degrees = [1, 2, 3, 4, 5, 9, 10, 29, 30, 99, 100, 1000, 10000]
ts = [0.0, 1e-8, 1e-3, 0.1, 0.5, 1.0, 1.5, 2.0, 2.776, 3.0, 5.0, 10.0, 50.0, 1e3, 1e6]
tails = [[nu, t, float(2 * stats.t.sf(t, nu))] for nu in degrees for t in ts]
critical = [[nu, p, float(stats.t.isf(p / 2, nu))] for nu in degrees for p in [0.5, 0.1, 0.05, 0.01, 0.001]]

generator = np.random.default_rng(1)
pairs = []
for n in [2, 3, 5, 10, 40]:
    a = generator.normal(0.95, 0.01, n)
    b = a + generator.normal(0.004, 0.006, n)
    test = stats.ttest_rel(b, a)
    interval = test.confidence_interval(0.95)
    pairs.append({
        "a": a.tolist(), "b": b.tolist(), "difference": float(np.mean(b - a)), "p": float(test.pvalue),
        "low": float(interval.low), "high": float(interval.high),
    })

target = pathlib.Path(__file__).with_suffix(".json")
target.write_text(json.dumps(
    {"scipy": scipy.__version__, "twoSided": tails, "critical": critical, "paired": pairs}, indent=1) + "\n")
