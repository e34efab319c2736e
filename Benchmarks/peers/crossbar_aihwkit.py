"""How fast AIHWKit trains on simulated resistive arrays, for a driver that interleaves it with simengine.

A training step is forward, mean cross-entropy, backward and analog SGD (rate 0.01, no momentum), all three in the tiles
of a preset; data are random, 16 different batches and labels in turn, so that gradients do not vanish: AIHWKit's pulsed
update gets cheaper with them. Biases are digital. No preset models wires. The update is per sample, one after another.

    crossbar_aihwkit.py                      on one thread, always

It speaks lines:

    in   run <net> <preset> <batch> <seconds>     net: mlp (784-256-128-10), lenet5, vgg8 (width 2)
                                                  preset: reram-es, reram-es-tiled256, tiki-taka, mixed-precision,
                                                  floating-point, ideal, hardware-aware, torch (none: plain PyTorch)
    out  {"samplesPerSecond": median over steps, "best": fastest step, "mean": all steps over all time,
          "cpuSamplesPerSecond", "cpuMean": by this process's processor time, "steps": …, "othersCores": …}
    in   quit (or end of input)

and says {"ready": true, "peer": …} first; a request it cannot serve is answered {"error": …}. A net is built and warmed
up at its first `run`, outside the clock; at least three steps are timed. Answers alone go to stdout.

AIHWKit 1.1.0's wheel works with PyTorch 2.10.0 and with none of 2.9.1, 2.13 and 2.15 (peers/setup.sh crossbar).
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

import aihwkit
from aihwkit.nn.conversion import convert_to_analog
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import (
    FloatingPointDevice, FloatingPointRPUConfig, IdealDevice, IOParameters, MappingParameter, SingleRPUConfig,
    TorchInferenceRPUConfig, WeightModifierType)
from aihwkit.simulator.presets import MixedPrecisionReRamESPreset, ReRamESPreset, TikiTakaReRamESPreset

BATCHES, CLASSES, RATE = 16, 10, 0.01


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)), (1, 28, 28)


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)), (1, 28, 28)


def vgg8():
    layers, last = [], 3
    for width in (128, 256, 512):
        for inputs in (last, width):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
        last = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8192, 1024), nn.ReLU(), nn.Linear(1024, 10)), (3, 32, 32)


def tiled():
    config = ReRamESPreset()
    config.mapping = MappingParameter(max_input_size=256, max_output_size=256)
    return config


def ideal():
    return SingleRPUConfig(
        device=IdealDevice(), forward=IOParameters(is_perfect=True), backward=IOParameters(is_perfect=True))


def hardware_aware():
    config = TorchInferenceRPUConfig()
    config.modifier.type = WeightModifierType.ADD_NORMAL
    config.modifier.std_dev = 0.05
    return config


NETS = {"mlp": mlp, "lenet5": lenet5, "vgg8": vgg8}
PRESETS = {
    "reram-es": ReRamESPreset, "reram-es-tiled256": tiled, "tiki-taka": TikiTakaReRamESPreset,
    "mixed-precision": MixedPrecisionReRamESPreset, "ideal": ideal, "hardware-aware": hardware_aware,
    "floating-point": lambda: FloatingPointRPUConfig(device=FloatingPointDevice()), "torch": None}


def busy_seconds():
    """CPU time of the whole machine so far, stolen time included; nan where there is no /proc/stat."""
    try:
        with open("/proc/stat") as file:
            user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
        return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return float("nan")


class Trainer:
    def __init__(self, net, preset, batch):
        torch.manual_seed(1)
        self.model, shape = NETS[net]()
        if PRESETS[preset] is None:
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=RATE, fused=True)
        else:
            self.model = convert_to_analog(self.model, PRESETS[preset]())
            self.optimizer = AnalogSGD(self.model.parameters(), lr=RATE)
            self.optimizer.regroup_param_groups(self.model)
        self.loss = nn.CrossEntropyLoss()
        self.batches = [(torch.rand(batch, *shape), torch.randint(0, CLASSES, (batch,))) for _ in range(BATCHES)]
        self.batch = batch
        self.done = 0
        self.step()

    def step(self):
        x, y = self.batches[self.done % BATCHES]
        self.done += 1
        self.optimizer.zero_grad()
        self.loss(self.model(x), y).backward()
        self.optimizer.step()

    def run(self, seconds):
        wall, cpu = [], []
        start = last = time.perf_counter()
        start_cpu = last_cpu = time.process_time()
        start_busy = busy_seconds()
        while len(wall) < 3 or last - start < seconds:
            self.step()
            now, now_cpu = time.perf_counter(), time.process_time()
            wall.append(now - last)
            cpu.append(now_cpu - last_cpu)
            last, last_cpu = now, now_cpu
        others = (busy_seconds() - start_busy - (last_cpu - start_cpu)) / (last - start)
        n = self.batch
        return {
            "samplesPerSecond": round(n / statistics.median(wall), 2), "best": round(n / min(wall), 2),
            "mean": round(n * len(wall) / (last - start), 2),
            "cpuSamplesPerSecond": round(n / statistics.median(cpu), 2),
            "cpuMean": round(n * len(wall) / (last_cpu - start_cpu), 2), "steps": len(wall),
            "othersCores": None if others != others else round(max(others, 0.0), 3)}


def main():
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)
    # One network at a time: a VGG-8 in AIHWKit's tiles takes gigabytes.
    current, trainer = None, None

    def answer(**what):
        print(json.dumps(what), flush=True)

    answer(ready=True, peer=f"AIHWKit {aihwkit.__version__} with PyTorch {torch.__version__}")
    for line in sys.stdin:
        words = line.split()
        if not words:
            continue
        if words == ["quit"]:
            break
        try:
            verb, net, preset, batch, seconds = words
            if verb != "run" or net not in NETS or preset not in PRESETS:
                raise ValueError
            batch, seconds = int(batch), float(seconds)
        except ValueError:
            form = f"run <{'|'.join(NETS)}> <{'|'.join(PRESETS)}> <batch> <seconds>"
            answer(error=f"expected `{form}`, found `{line.strip()}`")
            continue
        try:
            if current != (net, preset, batch):
                trainer = None
                current, trainer = (net, preset, batch), Trainer(net, preset, batch)
            answer(**trainer.run(seconds))
        except (RuntimeError, ValueError) as error:
            answer(error=f"{net} {preset}: {error}")


if __name__ == "__main__":
    main()
