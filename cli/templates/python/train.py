"""Learns to tell two half moons apart, with nothing but Python's standard library.

Put your own data and model in their place. What matters to Pawl is the end of this file: take up what was restored,
train the epochs that it gives, report how each went, and save a checkpoint.
"""

import json
import math
import random

import pawl

HIDDEN = 16
LEARNING_RATE = 0.2
MOMENTUM = 0.9


def make_points(count):
    """Points of two half moons, with the moon's number; the same each time, since they are the data."""
    draw = random.Random(1)
    points = []
    for index in range(count):
        moon = index % 2
        angle = draw.uniform(0, math.pi)
        x, y = (math.cos(angle), math.sin(angle)) if moon == 0 else (1 - math.cos(angle), 0.5 - math.sin(angle))
        points.append((x + draw.gauss(0, 0.1), y + draw.gauss(0, 0.1), moon))
    return points


class Model:
    """A network of 2 inputs, some hidden units and 1 output, trained by gradient descent with momentum."""

    def __init__(self, seed):
        draw = random.Random(seed)
        # Four for each hidden unit (from x, from y, bias, to the output), then the output's bias.
        self.weights = [draw.uniform(-1, 1) for _ in range(4 * HIDDEN + 1)]
        self.velocities = [0.0] * len(self.weights)

    def forward(self, x, y):
        w = self.weights
        hidden = [math.tanh(w[4 * i] * x + w[4 * i + 1] * y + w[4 * i + 2]) for i in range(HIDDEN)]
        score = w[-1] + sum(w[4 * i + 3] * unit for i, unit in enumerate(hidden))
        return hidden, 1 / (1 + math.exp(-score))

    def step(self, batch, rate):
        """One step of the optimizer; gives the summed loss of the batch."""
        gradient = [0.0] * len(self.weights)
        loss = 0.0
        for x, y, moon in batch:
            hidden, guess = self.forward(x, y)
            loss -= math.log(max(guess if moon else 1 - guess, 1e-12))
            error = guess - moon
            gradient[-1] += error
            for i, unit in enumerate(hidden):
                back = error * self.weights[4 * i + 3] * (1 - unit * unit)
                gradient[4 * i] += back * x
                gradient[4 * i + 1] += back * y
                gradient[4 * i + 2] += back
                gradient[4 * i + 3] += error * unit
        for i, slope in enumerate(gradient):
            self.velocities[i] = MOMENTUM * self.velocities[i] - rate * slope / len(batch)
            self.weights[i] += self.velocities[i]
        return loss

    def accuracy(self, points):
        return sum((self.forward(x, y)[1] > 0.5) == bool(moon) for x, y, moon in points) / len(points)

    def save(self, folder):
        # All that training goes on from: with the weights alone it would go on otherwise than if it had not stopped.
        (folder / "model.json").write_text(json.dumps({"weights": self.weights, "velocities": self.velocities}))

    def load(self, folder):
        kept = json.loads((folder / "model.json").read_text())
        self.weights, self.velocities = kept["weights"], kept["velocities"]


points = make_points(1500)
train, test = points[:1000], points[1000:]

model = Model(pawl.run().seed)
restored = pawl.restored()  # the folder of the newest checkpoint; None at the very beginning
if restored is not None:
    model.load(restored)

for epoch in pawl.epochs():
    order = epoch.order(len(train))  # shuffled by the run's seed and the epoch: the same after a restart
    size = epoch.batch_size or 32
    rate = LEARNING_RATE * epoch.learning_rate_scale
    loss = 0.0
    for start in range(0, len(order), size):
        loss += model.step([train[index] for index in order[start : start + size]], rate)
    epoch.report(loss=loss / len(train), accuracy=model.accuracy(test), examples=len(train))
    epoch.checkpoint(model.save)
