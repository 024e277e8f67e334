#!/usr/bin/env bash
# Makes a Python environment with PyTorch Lightning and Hugging Face Transformers beside the PyTorch that is installed
# (scripts/install-torch.sh), for the tests of their callbacks: in the folder given, or where those tests look for it.
# Does nothing where it is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-node_modules/.cache/python-frameworks}

# Those of the time of Debian's PyTorch 1.13.
packages=("pytorch-lightning==2.0.9" "torchmetrics==1.2.1" "transformers==4.36.2" "accelerate==0.25.0" "numpy<2")

if "$folder/bin/python" -c 'import pytorch_lightning, transformers, accelerate' 2>/dev/null; then
  echo "The frameworks are in $folder."
  exit 0
fi

python=
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import torch' 2>/dev/null; then python=$candidate && break; fi
done
if [ -z "$python" ]; then
  echo "There is no PyTorch here: run scripts/install-torch.sh first." >&2
  exit 1
fi

rm -rf "$folder"
if ! "$python" -m venv --system-site-packages "$folder"; then
  echo "On Debian and Ubuntu: apt-get install python3-venv." >&2
  exit 1
fi
# With its version fixed, pip cannot fetch another PyTorch, with gigabytes of CUDA.
"$python" -c 'from importlib.metadata import version; print("torch==" + version("torch"))' >"$folder/constraints.txt"
"$folder/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: \
  --constraint "$folder/constraints.txt" "${packages[@]}"

# Debian's PyTorch 1.13 has a data class that Python 3.11 refuses, in a module that only Lightning imports. Made
# hashable, it is taken.
site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cat >"$site/_data_class_of_torch.py" <<'END'
import dataclasses

taken = dataclasses.dataclass


def dataclass(cls=None, **how):
    if cls is not None and cls.__name__ == "TensorProperties":
        how["unsafe_hash"] = True
    return taken(cls, **how)


dataclasses.dataclass = dataclass
END
echo "import _data_class_of_torch" >"$site/data_class_of_torch.pth"
"$folder/bin/python" -W ignore -c 'import pytorch_lightning, transformers, accelerate'
