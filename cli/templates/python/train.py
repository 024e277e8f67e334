"""Learns to tell two half moons apart, with nothing but Python's standard library.

Put your own data and model in their place. What matters to Pawl is the end of this file: take up what was restored,
train the epochs that it gives from where each goes on, say at each step how far it is, report how it went, and save.
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
        self.loss = 0.0  # summed up over the epoch so far

    def forward(self, x, y):
        w = self.weights
        hidden = [math.tanh(w[4 * i] * x + w[4 * i + 1] * y + w[4 * i + 2]) for i in range(HIDDEN)]
        score = w[-1] + sum(w[4 * i + 3] * unit for i, unit in enumerate(hidden))
        return hidden, 1 / (1 + math.exp(-score))

    def step(self, batch, rate):
        """One step of the optimizer."""
        gradient = [0.0] * len(self.weights)
        for x, y, moon in batch:
            hidden, guess = self.forward(x, y)
            self.loss -= math.log(max(guess if moon else 1 - guess, 1e-12))
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

    def accuracy(self, points):
        return sum((self.forward(x, y)[1] > 0.5) == bool(moon) for x, y, moon in points) / len(points)

    def save(self, folder):
        # All that training goes on from, in the middle of an epoch too: with less it would go on otherwise than if it
        # had not stopped.
        (folder / "model.json").write_text(json.dumps(vars(self)))

    def load(self, folder):
        vars(self).update(json.loads((folder / "model.json").read_text()))


points = make_points(1500)
train, test = points[:1000], points[1000:]

model = Model(pawl.run().seed)
restored = pawl.restored()  # the folder of the newest checkpoint; None at the very beginning
if restored is not None:
    model.load(restored)

for epoch in pawl.epochs(save=model.save):
    order = epoch.order(len(train))  # shuffled by the run's seed and the epoch: the same after a restart
    size = epoch.batch_size or 32
    rate = LEARNING_RATE * epoch.learning_rate_scale
    if epoch.position is None:  # else it goes on from there, in the middle
        model.loss = 0.0
    for start in range(epoch.position or 0, len(order), size):
        model.step([train[index] for index in order[start : start + size]], rate)
        epoch.step(position=start + size)
    epoch.report(loss=model.loss / len(train), accuracy=model.accuracy(test), examples=len(train))
    epoch.checkpoint()
