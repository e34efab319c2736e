"""Writes trained_tile.json: 128 × 128 weights of a trained layer, as signed bytes.

They are those of outputs and inputs 0 to 127 of fc2 (256 → 128) of the engine's MLP after twenty epochs on mnist-5k, in
units of 1/127 of their largest magnitude; row by row, two hexadecimal digits each.

    python3 Tests/CrossbarsTests/Fixtures/Circuit/trained_tile.py .build/release/simengine
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile

CONFIG = {
    "name": "trained-tile",
    "seed": 1,
    "data": {"dataset": "mnist-5k"},
    "model": {"architecture": "mlp"},
    "stages": [
        {"train": {"epochs": 20, "batchSize": 64, "optimizer": {"kind": "sgd", "learningRate": 0.1}}},
        {"export": {"output": "mlp.safetensors"}},
    ],
}
SIZE = 128


def main():
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "config.json")
        config.write_text(json.dumps(CONFIG))
        subprocess.run([sys.argv[1], "run", config, "--output", f"{folder}/run", "--quiet"], check=True)
        data = pathlib.Path(folder, "run/mlp.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8 : 8 + length])["fc2.weight"]
    rows, columns = entry["shape"]
    start = 8 + length + entry["data_offsets"][0]
    weights = struct.unpack(f"<{rows * columns}f", data[start : start + 4 * rows * columns])
    tile = [[weights[i * columns + j] for j in range(SIZE)] for i in range(SIZE)]
    largest = max(abs(w) for row in tile for w in row)
    text = "".join(f"{round(127 * w / largest) & 0xFF:02x}" for row in tile for w in row)
    pathlib.Path(__file__).with_name("trained_tile.json").write_text(
        json.dumps({"layer": "fc2", "outputs": SIZE, "inputs": SIZE, "largest": largest, "weights": text}, indent=1) + "\n"
    )


main()
