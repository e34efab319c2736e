#!/bin/sh
# Makes .venv in the project root: Python with what the peer benchmarks and the fixture script need, pinned.
# Run it again at any time: what is there already is left alone.  PYTHON=… chooses the interpreter (3.10 or newer).
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
venv=$root/.venv
python=${PYTHON:-python3}
others="numpy==2.4.6 scipy==1.17.1 safetensors==0.8.0"

if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  echo "setup.sh: $python has no venv module; on Debian: apt-get install python3-venv" >&2
  exit 1
fi
if [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  echo "setup.sh: using .venv"
else
  echo "setup.sh: making .venv"
  "$python" -m venv "$venv"
fi

# Whether the environment already holds exactly the pinned versions.
complete() {
  "$venv/bin/python" - $others <<'PYTHON'
import sys
from importlib.metadata import PackageNotFoundError, version
try:
    wrong = [p for p in sys.argv[1:] if version(p.split("==")[0]) != p.split("==")[1]]
    sys.exit(bool(wrong) or version("torch").split("+")[0] != "2.13.0")
except PackageNotFoundError:
    sys.exit(1)
PYTHON
}

if complete; then
  echo "setup.sh: torch 2.13.0 and $others are installed"
else
  echo "setup.sh: installing torch 2.13.0 (CPU) and $others"
  # The CPU build comes from PyTorch's own index (pip's --extra-index-url or PIP_EXTRA_INDEX_URL) or from wheels at hand;
  # where neither is set up, the general build of the same version does, at the price of a large download.
  "$venv/bin/python" -m pip install --quiet "torch==2.13.0+cpu" $others ||
    "$venv/bin/python" -m pip install --quiet "torch==2.13.0" $others
fi
"$venv/bin/python" -c 'import torch; print("setup.sh: ready: .venv/bin/python with torch", torch.__version__)'
