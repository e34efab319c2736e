"""How fast PyTorch trains, for a driver that interleaves it with simengine.

A training step is forward, mean cross-entropy, backward and SGD with momentum 0.9 on a batch of 64; data are random,
16 different batches in turn, in memory before the clock starts.

    torch_train.py --threads N [--compile] [--optimizer fused|foreach|loop]

One process serves one thread count (PyTorch's pools do not change size reliably in mid-run). It speaks lines:

    in   run <net> <layout> <threads> <seconds>        net: lenet5, vgg8, mlp     layout: nchw, nhwc
    out  {"net": …, "samplesPerSecond": median over steps, "best": fastest step, "mean": all steps over all time,
          "cpuSamplesPerSecond": median by process CPU time, "steps": …,
          "othersCores": cores busy with other processes}
    in   quit (or end of input)

and says {"ready": true, …} first; a request it cannot serve is answered {"error": …}. A net is built and warmed up at
its first `run`, outside the clock. Answers alone go to stdout.

What is fastest for PyTorch here, measured: the fused SGD (`--optimizer` has the others, level or up to 10 % slower),
gradients set to None, denormals flushed, NHWC as channels_last for weights and input. `--compile` asks for
torch.compile (needs a C++ compiler and a minute to warm up): slower for all three nets, by 10 to 45 %, so it is off.

Two threads are only comparable on a quiet machine: PyTorch's OpenMP threads spin at every barrier, and with one other
busy process the median falls up to a hundredfold (mlp). Repeat a run whose othersCores is above some 0.05, for either
program.
"""
import argparse
import json
import os
import statistics
import sys
import time

import torch
import torch.nn as nn

BATCH, BATCHES, CLASSES = 64, 16, 10


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)), (1, 28, 28)


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)), (1, 28, 28)


def vgg8():
    layers, last = [], 3
    for width in (64, 128, 256):
        for inputs in (last, width):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
        layers.append(nn.MaxPool2d(2))
        last = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4096, 1024), nn.ReLU(), nn.Linear(1024, 10)), (3, 32, 32)


NETS = {"mlp": mlp, "lenet5": lenet5, "vgg8": vgg8}
LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}
OPTIMIZERS = {"fused": {"fused": True}, "foreach": {"foreach": True}, "loop": {"foreach": False}}


def busy_seconds():
    """CPU time of the whole machine so far, stolen time included; nan where there is no /proc/stat."""
    try:
        with open("/proc/stat") as file:
            user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
        return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return float("nan")


class Trainer:
    def __init__(self, net, layout, options):
        torch.manual_seed(1)
        model, shape = NETS[net]()
        self.model = model.to(memory_format=LAYOUTS[layout])
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=0.01, momentum=0.9, **OPTIMIZERS[options.optimizer])
        self.loss = nn.CrossEntropyLoss()
        self.forward = torch.compile(self.model) if options.compile else self.model
        self.batches = [
            (torch.rand(BATCH, *shape).to(memory_format=LAYOUTS[layout]), torch.randint(0, CLASSES, (BATCH,)))
            for _ in range(BATCHES)]
        self.done = 0
        for _ in range(3):
            self.step()

    def step(self):
        x, y = self.batches[self.done % BATCHES]
        self.done += 1
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(self.forward(x), y).backward()
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
        return {
            "samplesPerSecond": round(BATCH / statistics.median(wall), 1), "best": round(BATCH / min(wall), 1),
            "mean": round(BATCH * len(wall) / (last - start), 1),
            "cpuSamplesPerSecond": round(BATCH / statistics.median(cpu), 1), "steps": len(wall),
            "othersCores": None if others != others else round(max(others, 0.0), 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="fused")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)
    trainers = {}

    def answer(**what):
        print(json.dumps(what), flush=True)

    answer(ready=True, peer=f"PyTorch {torch.__version__}", threads=options.threads,
           capability=torch.backends.cpu.get_cpu_capability(), optimizer=options.optimizer, compiled=options.compile)
    for line in sys.stdin:
        words = line.split()
        if not words:
            continue
        if words == ["quit"]:
            break
        try:
            verb, net, layout, threads, seconds = words
            if verb != "run" or net not in NETS or layout not in LAYOUTS:
                raise ValueError
            threads, seconds = int(threads), float(seconds)
        except ValueError:
            form = f"run <{'|'.join(NETS)}> <{'|'.join(LAYOUTS)}> <threads> <seconds>"
            answer(error=f"expected `{form}`, found `{line.strip()}`")
            continue
        if threads != options.threads:
            answer(error=f"this process was started with --threads {options.threads}, asked for {threads}")
            continue
        try:
            if (net, layout) not in trainers:
                trainers[net, layout] = Trainer(net, layout, options)
            answer(net=net, layout=layout, threads=threads, **trainers[net, layout].run(seconds))
        except RuntimeError as error:
            answer(error=f"{net} {layout}: {error}")


if __name__ == "__main__":
    main()
