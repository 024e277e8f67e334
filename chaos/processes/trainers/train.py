"""Trains a few letters: what it ends with follows from the seed, the order of the examples and the sizes of the steps alone.

It notes each example that it has seen, so that the last checkpoint shows which were trained when.
"""

import hashlib
import json
import os
import sys
import time

import pawl

SIZE = 48
# Slow, so that something can befall it, until there is this file.
STEP_SECONDS, UNTIL = float(os.environ.get("STEP_SECONDS", "0")), os.environ.get("UNTIL", "")
MEMORY = int(os.environ.get("MEMORY", "64"))

weights, seen = "begin", []
if pawl.restored():
    weights, seen = json.loads((pawl.restored() / "model.json").read_text(encoding="utf-8"))


def save(folder):
    (folder / "model.json").write_text(json.dumps([weights, seen], separators=(",", ":")), encoding="utf-8")
    (folder / "data").mkdir()
    (folder / "data" / "constant.bin").write_bytes(bytes(range(256)) * 64)


def gradient(example):
    return int(hashlib.sha1(f"{weights}:{example}".encode()).hexdigest()[:8], 16)


for epoch in pawl.epochs(save=save):
    taken = epoch.position or 0
    if taken == 0:
        seen.append([])
    order = epoch.order(SIZE)
    micro = epoch.micro_batch_size
    if micro > MEMORY:
        print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", file=sys.stderr)
        sys.exit(1)
    while taken < SIZE:
        batch = order[taken : taken + micro * epoch.accumulation]
        total = 0
        for at in range(0, len(batch), micro):
            total += sum(gradient(example) for example in batch[at : at + micro])
        time.sleep(0 if os.path.exists(UNTIL) else STEP_SECONDS)
        weights = hashlib.sha1(f"{weights}:{total}:{epoch.learning_rate_scale}".encode()).hexdigest()
        seen[-1].extend(batch)
        taken += len(batch)
        epoch.step(position=taken)
    epoch.report(loss=int(weights[:8], 16) / 2**32, examples=SIZE)
    epoch.checkpoint()
