"""Writes conductance.npy and voltages.npy for circuit.json: devices from 1 to 10 microsiemens, four input vectors."""

import numpy as np

random = np.random.default_rng(1)
np.save("conductance.npy", random.uniform(1e-6, 1e-5, (8, 8)))
np.save("voltages.npy", random.uniform(0, 0.2, (4, 8)))
