#!/usr/bin/env bash
# Installs PyTorch for the CPU from Debian's or Ubuntu's packages (152 MB), for /usr/bin/python3. Does nothing where it is
# there already. The tests that need it (npm run test:torch) find it by themselves.
set -euo pipefail

has_torch() { "$1" -c 'import torch' 2>/dev/null; }

for python in python3 /usr/bin/python3; do
  if has_torch "$python"; then
    echo "PyTorch $("$python" -c 'import torch; print(torch.__version__)') is here, for $(command -v "$python")."
    exit 0
  fi
done

if ! command -v apt-get >/dev/null; then
  echo "There is no apt-get here. Install PyTorch for the python3 on PATH, see https://pytorch.org/get-started." >&2
  exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
export DEBIAN_FRONTEND=noninteractive
# The lists may be old or not be there at all, so they are read anew.
# On a machine that has just begun, its own updates may hold the lock.
patient=(-o DPkg::Lock::Timeout=300 -o Acquire::Retries=5)
"${as_root[@]}" apt-get "${patient[@]}" update -q
"${as_root[@]}" apt-get "${patient[@]}" install -q -y --no-install-recommends python3-torch
has_torch /usr/bin/python3
