"""Writes nonlinear_circuits.json: output currents of crossbars of non-linear cells, by ngspice, forward and backward.

Independent of the engine's own netlist writer: the topology is that of CircuitParameters.swift, a cell's law is a B-source
(for transistors and selectors in series with a resistor), one operating point per case with reltol 1e-11.

    apt-get install ngspice
    python3 Tests/CrossbarsTests/Fixtures/Circuit/nonlinear_circuits.py
"""

import json
import os
import pathlib
import random
import re
import subprocess
import tempfile

LAWS = [
    dict(kind="sinh", voltage=0.25),
    dict(kind="sinh", voltage=0.05),
    # Read at 0.5 V: linear cells behind a wide transistor, and a narrow one that saturates.
    dict(kind="transistor", transconductance=1.67e-4, gateVoltage=3.3, thresholdVoltage=0.7),
    dict(kind="transistor", transconductance=2e-5, gateVoltage=0.9, thresholdVoltage=0.7),
    dict(kind="selector", current=1e-9, voltage=0.05),
]


def law(cell, name, word, bit, conductance):
    """Lines of the netlist for one cell, from node `word` to node `bit`."""
    if cell["kind"] == "sinh":
        scale = cell["voltage"]
        if conductance == float("inf"):
            return [f"V{name} {word} {bit} 0"]
        return [f"B{name} {word} {bit} I={conductance!r}*{scale!r}*sinh(V({word},{bit})/{scale!r})"]
    inner = bit if conductance == float("inf") else f"x{name}"
    across = f"V({word},{inner})"
    if cell["kind"] == "transistor":
        beta, over = cell["transconductance"], cell["gateVoltage"] - cell["thresholdVoltage"]
        drain = f"min(abs({across}),{over!r})"
        current = f"sgn({across})*{beta!r}*({over!r}*{drain}-0.5*{drain}*{drain})"
    else:
        current = f"{cell['current']!r}*sinh({across}/{cell['voltage']!r})"
    lines = [f"B{name} {word} {inner} I={current}"]
    if inner != bit:
        lines.append(f"R{name} {inner} {bit} {1 / conductance!r}")
    return lines


def netlist(conductance, voltages, wire, driver, sense, cell, backward):
    rows, columns = len(conductance), len(conductance[0])
    left, bottom = (sense, driver) if backward else (driver, sense)
    lines = ["crossbar"]
    for i in range(rows):
        value = 0 if backward else voltages[i]
        lines.append(f"VW{i} tw{i} 0 {value!r}")
        lines.append(f"RWE{i} tw{i} w{i}_0 {left + wire!r}")
        lines += [f"RW{i}_{j} w{i}_{j - 1} w{i}_{j} {wire!r}" for j in range(1, columns)]
    for j in range(columns):
        value = voltages[j] if backward else 0
        lines.append(f"VB{j} tb{j} 0 {value!r}")
        lines.append(f"RBE{j} b{rows - 1}_{j} tb{j} {bottom + wire!r}")
        lines += [f"RB{i}_{j} b{i - 1}_{j} b{i}_{j} {wire!r}" for i in range(1, rows)]
    for i in range(rows):
        for j in range(columns):
            if conductance[i][j] > 0:
                lines += law(cell, f"c{i}_{j}", f"w{i}_{j}", f"b{i}_{j}", conductance[i][j])
    outputs = [f"vw{i}" for i in range(rows)] if backward else [f"vb{j}" for j in range(columns)]
    lines += [".options reltol=1e-11 abstol=1e-16 vntol=1e-14 gmin=1e-30 itl1=2000", ".control", "set numdgt=16", "op"]
    lines += [f"print i({name})" for name in outputs] + ["quit", ".endc", ".end"]
    return "\n".join(lines) + "\n", outputs


def solve(*arguments):
    text, outputs = netlist(*arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "crossbar.cir")
        pathlib.Path(path).write_text(text)
        result = subprocess.run(["ngspice", "-b", path], capture_output=True, text=True)
    found = dict(re.findall(r"^i\((\w+)\) = (\S+)", result.stdout, re.MULTILINE))
    if "aborted" in result.stderr + result.stdout or len(found) != len(outputs):
        raise SystemExit(f"ngspice did not solve it:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return [float(found[name]) for name in outputs]


def main():
    version = subprocess.run(["ngspice", "--version"], capture_output=True, text=True).stdout
    circuits = []
    for rows, columns, wire, driver, sense in [
        (4, 3, 5.0, 100.0, 30.0), (8, 8, 2.0, 500.0, 50.0), (16, 16, 20.0, 0.0, 0.0), (32, 32, 1.0, 100.0, 100.0)
    ]:
        draw = random.Random(rows)
        conductance = [[float(f"{draw.uniform(1e-6, 1e-5):.4g}") for _ in range(columns)] for _ in range(rows)]
        if rows == 8:
            # Open, shorted and stuck cells.
            for k, value in enumerate([0.0, 0.0, float("inf"), 1e-3, 0.0, float("inf"), 1e-9]):
                conductance[(3 * k + 1) % rows][(5 * k + 2) % columns] = value
        forward = [float(f"{draw.uniform(0, 0.5):.4g}") for _ in range(rows)]
        backward = [float(f"{draw.uniform(-0.5, 0.5):.4g}") for _ in range(columns)]
        cases = []
        for cell in LAWS if rows < 32 else LAWS[:1] + LAWS[3:]:
            cases.append(
                dict(
                    cell=cell,
                    forward=solve(conductance, forward, wire, driver, sense, cell, False),
                    backward=solve(conductance, backward, wire, driver, sense, cell, True),
                )
            )
            print(rows, columns, cell["kind"], cases[-1]["forward"][:2], flush=True)
        circuits.append(
            dict(
                # JSON has no infinity: −1 is a short.
                G=[[-1 if g == float("inf") else g for g in row] for row in conductance],
                r_wire=wire, r_driver=driver, r_sense=sense, forward_voltages=forward, backward_voltages=backward,
                cases=cases,
            )
        )
    path = pathlib.Path(__file__).with_name("nonlinear_circuits.json")
    source = next((w for w in version.split() if w.startswith("ngspice-")), "ngspice")
    path.write_text(json.dumps(dict(source=source, circuits=circuits), indent=0).replace(",\n", ", ") + "\n")


main()
