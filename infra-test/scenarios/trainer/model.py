"""Points around three centres, and what says of a point which one it belongs to."""

import math
import random

DIMENSIONS = 4
CENTRES = 3


def make_points(count, seed=None):
    """The same points each time: they are the data. With a seed, others of the same kind, to test with."""
    draw = random.Random(20)
    centres = [[draw.uniform(-1, 1) for _ in range(DIMENSIONS)] for _ in range(CENTRES)]
    if seed is not None:
        draw = random.Random(seed)
    return [([draw.gauss(middle, 0.5) for middle in centres[i % CENTRES]] + [1.0], i % CENTRES) for i in range(count)]


def zeros():
    return [[0.0] * (DIMENSIONS + 1) for _ in range(CENTRES)]


def add_gradient(gradient, weights, point, label):
    """Adds what one example says to the gradient; returns its loss."""
    scores = [sum(w * x for w, x in zip(row, point)) for row in weights]
    highest = max(scores)
    powers = [math.exp(score - highest) for score in scores]
    guess = [power / sum(powers) for power in powers]
    for centre in range(CENTRES):
        error = guess[centre] - (centre == label)
        for i, x in enumerate(point):
            gradient[centre][i] += error * x
    return -math.log(guess[label])


def squared_norm(gradient, count):
    """Of the mean over so many examples."""
    return sum(g * g for row in gradient for g in row) / count**2


def accuracy(weights, points):
    def scores(point):
        return [sum(w * x for w, x in zip(row, point)) for row in weights]

    return sum(scores(point).index(max(scores(point))) == label for point, label in points) / len(points)
