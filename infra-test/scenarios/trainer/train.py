"""Learns by gradient descent which of three centres a point belongs to; stands still where a scenario tells it to.

HOLD names epochs of attempts (`1:3,2:5`): attempt 1 stands still at the beginning of epoch 3, until somebody ends it. What
happens to it there happens after the same journal entries each time. With a place in the epoch (`1:3:120`) it stands still
there, and lets itself be saved. SLOW names an epoch and the seconds that it takes (`3:6`), FAIL one that it cannot train.
"""

import json
import os
import time

import pawl
from model import add_gradient, make_points, zeros

EXAMPLES = 240
LEARNING_RATE = 0.05

held = {}
for place in filter(None, os.environ.get("HOLD", "").split(",")):
    attempt, number, *inside = map(int, place.split(":"))
    held[attempt, number] = inside[0] if inside else 0
fails = int(os.environ.get("FAIL", "0"))
slow, seconds = map(float, os.environ.get("SLOW", "0:0").split(":"))

points = make_points(EXAMPLES)
folder = pawl.restored()
if folder is None:
    weights, loss = zeros(), 0.0
else:
    weights, loss = json.loads((folder / "weights.json").read_text(encoding="utf-8"))


def save(into):
    # With the loss that the epoch has summed up so far: it may be in the middle.
    (into / "weights.json").write_text(json.dumps([weights, loss]), encoding="utf-8")


for epoch in pawl.epochs(save=save):
    hold = held.get((pawl.run().attempt, epoch.number))
    while hold == 0:
        time.sleep(0.05)
    if epoch.number == fails:
        raise ValueError(f"the data of epoch {epoch.number} is wrong")
    time.sleep(seconds if epoch.number == slow else 0)
    if epoch.position is None:
        loss = 0.0
    order = epoch.order(EXAMPLES)
    for start in range(epoch.position or 0, EXAMPLES, epoch.batch_size):
        while start == hold:
            epoch.step(position=start)
            time.sleep(0.05)
        gradient = zeros()
        batch = order[start : start + epoch.batch_size]
        # A batch goes through the model in as many parts as the plan says; the step is that of the whole.
        for part in range(0, len(batch), epoch.micro_batch_size):
            for index in batch[part : part + epoch.micro_batch_size]:
                loss += add_gradient(gradient, weights, *points[index])
        for row, slope in zip(weights, gradient):
            for i, g in enumerate(slope):
                row[i] -= LEARNING_RATE * epoch.learning_rate_scale * g / len(batch)
    print(f"epoch {epoch.number}: loss {loss / EXAMPLES:.4f}", flush=True)
    epoch.report(loss=loss / EXAMPLES, microBatch=epoch.micro_batch_size, examples=EXAMPLES)
    epoch.checkpoint()
