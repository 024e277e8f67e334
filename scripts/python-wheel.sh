#!/usr/bin/env bash
# Builds the wheel of python/ into the folder given. Needs Python 3.9 or later, and PyPI for setuptools.
set -euo pipefail
if [ $# -ne 1 ]; then
  echo "usage: scripts/python-wheel.sh FOLDER" >&2
  exit 2
fi
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

# Built from a copy, since setuptools leaves its own folders beside the source.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r python/pyproject.toml python/README.md python/pawl LICENSE "$copy"
find "$copy" -name __pycache__ -prune -exec rm -rf {} +

python3 -m venv "$copy/venv"
"$copy/venv/bin/pip" wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder" "$copy"
ls "$folder"/pawl-*.whl
