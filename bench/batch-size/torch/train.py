"""Trains a perceptron 784-64-10 on MNIST digits with PyTorch through Pawl's own helper, each run in a child of its own.

A line on stdin asks for a run, a line on stdout says how it went. The children find PyTorch loaded and warm.
"""

import json
import os
import sys
import time

import torch
from torch import nn
from torch.nn import functional

SIDE = 28
LEARNING_RATE = 0.03
MOMENTUM = 0.9


def perceptron(seed):
    torch.manual_seed(seed)
    # Layers of convolutions that see the whole image: where PyTorch is built without a BLAS of its own, as Debian's is, these
    # are many times faster than the same sums in nn.Linear.
    model = nn.Sequential(nn.Conv2d(1, 64, SIDE), nn.ReLU(), nn.Conv2d(64, 10, 1), nn.Flatten())
    for layer in (model[0], model[2]):
        nn.init.normal_(layer.weight, 0, (2 / layer.weight[0].numel()) ** 0.5)
        nn.init.zeros_(layer.bias)
    return model, torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)


class Clock:
    """Processor and wall time of training, without evaluations."""

    def __init__(self):
        self.spent = [0.0, 0.0]
        self.started = None

    def start(self):
        self.started = (time.process_time(), time.perf_counter())

    def stop(self):
        now = (time.process_time(), time.perf_counter())
        for i in range(2):
            self.spent[i] += now[i] - self.started[i]


def train(run, data):
    os.environ["PAWL_SOCKET"] = run["socket"]
    import pawl
    import pawl.torch

    images, labels, test_images, test_labels = data
    model, optimizer = perceptron(run["seed"])
    pawl.torch.observe(model, optimizer)
    clock = Clock()
    evaluations, sizes = [], []
    steps = before = evaluated = 0

    @torch.no_grad()
    def evaluate(examples):
        right = (model(test_images).argmax(dim=1) == test_labels).float().mean().item()
        cpu, wall = clock.spent
        evaluations.append({"examples": examples, "cpuSeconds": cpu, "wallSeconds": wall, "accuracy": right})
        return right >= run.get("until", 2)

    def told():
        cpu, wall = clock.spent
        spent = {"cpuSeconds": cpu, "wallSeconds": wall}
        return {"evaluations": evaluations, "spent": spent, "steps": steps, "sizes": sizes}

    evaluate(0)
    clock.start()
    for epoch in pawl.epochs():
        loss_sum = 0.0
        taken = 0
        for batch in epoch.batches(len(images)):
            if not sizes or sizes[-1]["size"] != epoch.batch_size:
                sizes.append({"examples": before + taken, "size": epoch.batch_size})
            optimizer.zero_grad()
            for part in batch.micro:
                loss = functional.cross_entropy(model(images[part]), labels[part]) * batch.share(part)
                loss.backward()
                loss_sum += loss.item() * len(batch.indices)
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * epoch.learning_rate_scale
            optimizer.step()
            taken += len(batch.indices)
            steps += 1
            if (before + taken) // run["evaluateEvery"] > evaluated // run["evaluateEvery"]:
                clock.stop()
                evaluated = before + taken
                if evaluate(evaluated):
                    return told()
                clock.start()
        before += taken
        epoch.report(loss=loss_sum / taken, examples=taken)
    clock.stop()
    return told()


def load(folder):
    """The split of examples/digits: one of each five images is for testing."""
    images, labels = [], []
    for digit in range(10):
        with open(os.path.join(folder, f"{digit}.json")) as file:
            values = torch.tensor(json.load(file)["data"]).view(-1, 1, SIDE, SIDE)
        images.append(values)
        labels.append(torch.full((len(values),), digit))
    images, labels = torch.cat(images), torch.cat(labels)
    tested = torch.arange(len(labels)) % 5 == 0
    return images[~tested].clone(), labels[~tested].clone(), images[tested].clone(), labels[tested].clone()


def warm_up(data):
    """Whatever is set up once for each size is set up before anything is timed."""
    model, optimizer = perceptron(0)
    for size in (8, 16, 32, 64, 128, 256, 512, 1024, 2048) * 2:
        optimizer.zero_grad()
        functional.cross_entropy(model(data[0][:size]), data[1][:size]).backward()
        optimizer.step()


def main():
    # One thread: the same sums on any machine, and a processor time that is the time it takes.
    torch.set_num_threads(1)
    data = load(sys.argv[1])
    warm_up(data)
    print(json.dumps({"version": torch.__version__}), flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            print(json.dumps(train(json.loads(line), data)), flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status != 0:
            print(json.dumps({"error": f"a run ended with status {status}"}), flush=True)


main()
