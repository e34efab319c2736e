"""How fast CrossSim infers on crossbars whose wires have resistance, for a driver that interleaves it with simengine.

    CROSSSIM=checkout crossbar_crosssim.py        a checkout of github.com/sandialabs/cross-sim, 3.2.0; one thread

Balanced cores, 8-bit weights, DACs and ADCs, arrays of 128 rows, 100 kΩ to 1 MΩ, no driver or sense resistance (3.2.0
puts the driver's on the first row alone), digital biases; numpy backend. Weights and images are random, drawn once.

It speaks lines:

    in   run <net> <wire> <batch> <seconds>      net: mlp (784-256-128-10), lenet5      wire: ohm a segment; 0: none
    out  {"samplesPerSecond": median over passes, "best": fastest pass, "mean": all passes over all time,
          "cpuSamplesPerSecond", "cpuMean": by this process's processor time, "passes": …,
          "relativeError": ‖outputs − plain PyTorch's‖ / ‖plain PyTorch's‖}
    in   quit (or end of input)

and says {"ready": true, "peer": …} first; a request it cannot serve is answered {"error": …}. A network is mapped and
run once at its first `run`, outside the clock (CrossSim looks for its damping factor then); at least one pass is timed.
"""
import json
import os
import statistics
import sys
import time

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import torch
import torch.nn as nn


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


NETS = {"mlp": mlp, "lenet5": lenet5}
SETTINGS = dict(
    ideal=False, drift_model="none", error_model="none", noise_model="none", core_style="BALANCED", Nslices=1,
    weight_bits=8, Rmin=1e5, Rmax=1e6, infinite_on_off_ratio=False, NrowsMax=128, NcolsMax=None, input_bits=8,
    input_range=(0, 1), adc_bits=8, adc_range_option="MAX", positiveInputsOnly=True, useGPU=False, digital_bias=True)


class Network:
    def __init__(self, net, wire, batch, parameters, from_torch):
        torch.manual_seed(0)
        plain = NETS[net]().eval()
        self.images = torch.rand(batch, 1, 28, 28)
        self.analog = from_torch(plain, parameters(**SETTINGS, Rp_row=wire, Rp_col=wire)).eval()
        with torch.no_grad():
            exact = plain(self.images)
            self.error = float((self.analog(self.images) - exact).norm() / exact.norm())

    def run(self, seconds):
        wall, cpu = [], []
        with torch.no_grad():
            while sum(wall) < seconds:
                start, start_cpu = time.perf_counter(), time.process_time()
                self.analog(self.images)
                wall.append(time.perf_counter() - start)
                cpu.append(time.process_time() - start_cpu)
        n = len(self.images)
        return {
            "samplesPerSecond": round(n / statistics.median(wall), 2), "best": round(n / min(wall), 2),
            "mean": round(n * len(wall) / sum(wall), 2), "cpuSamplesPerSecond": round(n / statistics.median(cpu), 2),
            "cpuMean": round(n * len(wall) / sum(cpu), 2), "passes": len(wall), "relativeError": round(self.error, 4)}


def main():
    def answer(**what):
        print(json.dumps(what), flush=True)

    checkout = os.environ.get("CROSSSIM", "")
    if not os.path.isdir(os.path.join(checkout, "simulator")):
        answer(error=f"CROSSSIM is '{checkout}'; expected a checkout of github.com/sandialabs/cross-sim")
        return
    sys.path[:0] = [checkout, os.path.join(checkout, "applications", "dnn")]
    try:
        from dnn_inference_params import dnn_inference_params
        from simulator.algorithms.dnn.torch.convert import from_torch
        import tomllib
        with open(os.path.join(checkout, "pyproject.toml"), "rb") as file:
            version = tomllib.load(file)["project"]["version"]
    except (ImportError, OSError, KeyError) as error:
        answer(error=f"CrossSim in '{checkout}' does not load: {error}")
        return
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)
    networks = {}
    answer(ready=True, peer=f"CrossSim {version} with PyTorch {torch.__version__}")
    for line in sys.stdin:
        words = line.split()
        if not words:
            continue
        if words == ["quit"]:
            break
        try:
            verb, net, wire, batch, seconds = words
            if verb != "run" or net not in NETS:
                raise ValueError
            key, seconds = (net, float(wire), int(batch)), float(seconds)
        except ValueError:
            answer(error=f"expected `run <{'|'.join(NETS)}> <wire> <batch> <seconds>`, found `{line.strip()}`")
            continue
        if key not in networks:
            networks[key] = Network(*key, dnn_inference_params, from_torch)
        answer(**networks[key].run(seconds))


if __name__ == "__main__":
    main()
