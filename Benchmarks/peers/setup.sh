#!/bin/sh
# Makes a virtual environment with pinned peers; what is there already is left alone.
#
#   setup.sh            .venv: PyTorch 2.13.0, for training, precision, circuit and the fixture scripts
#   setup.sh crossbar   .venv-crossbar: AIHWKit 1.1.0 on PyTorch 2.10.0, and what CrossSim needs
#
# VENV=… puts the environment elsewhere; PYTHON=… chooses the interpreter (3.10 or newer; AIHWKit 1.1.0 has wheels for
# 3.10 to 3.12). CrossSim itself is not installed: it has no package; its benchmark finds a checkout through CROSSSIM=….
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
case ${1:-training} in
  training)
    venv=${VENV:-$root/.venv}
    torch=2.13.0
    others="numpy==2.4.6 scipy==1.17.1 safetensors==0.8.0"
    ;;
  crossbar)
    # AIHWKit's wheel was built against one PyTorch and its metadata allows any newer, with which every tile fails.
    # torchvision, which it asks for, would bring the newest along.
    venv=${VENV:-$root/.venv-crossbar}
    torch=2.10.0
    others="torchvision==0.25.0 aihwkit==1.1.0 numpy==2.4.6 scipy==1.17.1"
    ;;
  *)
    echo "setup.sh: no environment is called '$1'; there are training and crossbar" >&2
    exit 2
    ;;
esac

if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  echo "setup.sh: $python has no venv module; on Debian: apt-get install python3-venv" >&2
  exit 1
fi
if [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  echo "setup.sh: using $venv"
else
  echo "setup.sh: making $venv"
  "$python" -m venv "$venv"
fi

# Whether the environment already holds exactly the pinned versions.
complete() {
  "$venv/bin/python" - "torch==$torch" $others <<'PYTHON'
import sys
from importlib.metadata import PackageNotFoundError, version
try:
    sys.exit(any(version(p.split("==")[0]).split("+")[0] != p.split("==")[1] for p in sys.argv[1:]))
except PackageNotFoundError:
    sys.exit(1)
PYTHON
}

if complete; then
  echo "setup.sh: torch $torch and $others are installed"
else
  echo "setup.sh: installing torch $torch (CPU) and $others"
  # The CPU build comes from PyTorch's own index (pip's --extra-index-url or PIP_EXTRA_INDEX_URL) or from wheels at hand;
  # where neither is set up, the general build of the same version does, at the price of a large download.
  "$venv/bin/python" -m pip install --quiet "torch==$torch+cpu" $others ||
    "$venv/bin/python" -m pip install --quiet "torch==$torch" $others
fi
"$venv/bin/python" -c 'import torch; print("setup.sh: ready, with torch", torch.__version__)'
