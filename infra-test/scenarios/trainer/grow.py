"""The same with batches that Pawl chooses: it reports the squared norms of its gradients, which it knows of each example.

HOLD is as in train.py, at the beginning of an epoch.
"""

import json
import os
import time

import pawl
from model import accuracy, add_gradient, make_points, squared_norm, zeros

EXAMPLES = 600
LEARNING_RATE = 0.05

held = {tuple(map(int, place.split(":"))) for place in filter(None, os.environ.get("HOLD", "").split(","))}
points = make_points(EXAMPLES)
tested = make_points(600, seed=21)
folder = pawl.restored()
weights, loss, seen = json.loads((folder / "weights.json").read_text(encoding="utf-8")) if folder else (zeros(), 0.0, [])


def save(into):
    # With what the epoch has summed up and seen so far: it may be in the middle.
    (into / "weights.json").write_text(json.dumps([weights, loss, seen]), encoding="utf-8")


def add(total, part):
    for row, slope in zip(total, part):
        for i, g in enumerate(slope):
            row[i] += g


for epoch in pawl.epochs(save=save):
    while (pawl.run().attempt, epoch.number) in held:
        time.sleep(0.05)
    if epoch.position is None:
        loss, seen = 0.0, []
    for batch in epoch.batches(EXAMPLES):
        gradient, squares = zeros(), 0.0
        for part in batch.micro:
            for index in part:
                one = zeros()
                loss += add_gradient(one, weights, *points[index])
                squares += squared_norm(one, 1)
                add(gradient, one)
        # What a step of an accelerator costs whatever its size: without it a larger batch would not pay.
        time.sleep(0.05)
        size = len(batch.indices)
        if size > 1:
            epoch.norms(small=(1, squares / size), large=(size, squared_norm(gradient, size)))
        for row, slope in zip(weights, gradient):
            for i, g in enumerate(slope):
                row[i] -= LEARNING_RATE * epoch.learning_rate_scale * g / size
        seen.extend(batch.indices)
    if sorted(seen) != list(range(EXAMPLES)):
        raise ValueError(f"epoch {epoch.number} did not see each example once")
    print(f"epoch {epoch.number}: batch {epoch.batch_size}, loss {loss / EXAMPLES:.4f}", flush=True)
    epoch.report(
        loss=loss / EXAMPLES,
        accuracy=accuracy(weights, tested),
        batch=epoch.batch_size,
        microBatch=epoch.micro_batch_size,
        examples=EXAMPLES,
    )
    epoch.checkpoint()
