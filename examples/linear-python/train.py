"""Learns which of three centres a point belongs to."""

import json
import math
import random

import pawl

DIMENSIONS = 6
CENTRES = 3
EXAMPLES = 1500
TESTED = 300
LEARNING_RATE = 0.05


def make_points():
    """The same points each time, whatever the run's seed: they are the data."""
    draw = random.Random(20)
    centres = [[draw.uniform(-1, 1) for _ in range(DIMENSIONS)] for _ in range(CENTRES)]
    points = []
    for i in range(EXAMPLES + TESTED):
        label = i % CENTRES
        points.append(([draw.gauss(middle, 0.7) for middle in centres[label]] + [1.0], label))
    return points[:EXAMPLES], points[EXAMPLES:]


def probabilities(weights, point):
    scores = [sum(w * x for w, x in zip(row, point)) for row in weights]
    highest = max(scores)
    powers = [math.exp(score - highest) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def train_batch(weights, batch, learning_rate):
    """One step of gradient descent; returns the batch's summed loss."""
    loss = 0.0
    gradient = [[0.0] * (DIMENSIONS + 1) for _ in range(CENTRES)]
    for point, label in batch:
        guess = probabilities(weights, point)
        loss -= math.log(guess[label])
        for centre in range(CENTRES):
            error = guess[centre] - (centre == label)
            for i, x in enumerate(point):
                gradient[centre][i] += error * x
    for row, slope in zip(weights, gradient):
        for i, g in enumerate(slope):
            row[i] -= learning_rate * g / len(batch)
    return loss


def accuracy(weights, points):
    right = 0
    for point, label in points:
        guess = probabilities(weights, point)
        right += guess.index(max(guess)) == label
    return right / len(points)


train, test = make_points()
folder = pawl.restored()
if folder is None:
    weights, loss = [[0.0] * (DIMENSIONS + 1) for _ in range(CENTRES)], 0.0
else:
    weights, loss = json.loads((folder / "weights.json").read_text())


def save(into):
    # With the loss that the epoch has summed up so far: it may be in the middle.
    (into / "weights.json").write_text(json.dumps([weights, loss]))


for epoch in pawl.epochs(save=save, framework="plain Python"):
    order = epoch.order(len(train))
    size = epoch.batch_size or 16
    if epoch.position is None:
        loss = 0.0
    for start in range(epoch.position or 0, len(order), size):
        batch = [train[index] for index in order[start : start + size]]
        loss += train_batch(weights, batch, LEARNING_RATE * epoch.learning_rate_scale)
        epoch.step(position=start + size)
    score = accuracy(weights, test)
    print(f"epoch {epoch.number}: loss {loss / len(train):.4f}, accuracy {score:.4f}", flush=True)
    epoch.report(loss=loss / len(train), accuracy=score, examples=len(train))
    epoch.checkpoint()
