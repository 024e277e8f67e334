"""Learns to tell two half moons apart with PyTorch (pip install torch).

Put your own data and model in their place. What matters to Pawl is the end of this file: take up what was restored,
train the epochs that it gives from where each goes on, say at each step how far it is, report how it went, and save.
"""

import math

import pawl
import torch

LEARNING_RATE = 0.2

device = "cuda" if torch.cuda.is_available() else "cpu"


def make_points(count):
    """Points of two half moons, with the moon's number; the same each time, since they are the data."""
    draw = torch.Generator().manual_seed(1)
    moon = torch.arange(count) % 2
    angle = torch.rand(count, generator=draw) * math.pi
    x = torch.where(moon == 0, torch.cos(angle), 1 - torch.cos(angle))
    y = torch.where(moon == 0, torch.sin(angle), 0.5 - torch.sin(angle))
    points = torch.stack([x, y], dim=1) + 0.1 * torch.randn(count, 2, generator=draw)
    return points.to(device), moon.float().unsqueeze(1).to(device)


points, moons = make_points(1500)
train, train_moons, test, test_moons = points[:1000], moons[:1000], points[1000:], moons[1000:]

torch.manual_seed(pawl.run().seed)  # so that the same seed begins with the same weights
model = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)).to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=0.9)
loss_of = torch.nn.BCEWithLogitsLoss()
loss_sum = 0.0


def save(folder):
    # All that training goes on from, in the middle of an epoch too. Save a learning-rate schedule here as well, and
    # torch.get_rng_state() where the model draws random numbers, as dropout does.
    kept = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "loss_sum": loss_sum}
    torch.save(kept, folder / "model.pt")


restored = pawl.restored()  # the folder of the newest checkpoint; None at the very beginning
if restored is not None:
    kept = torch.load(restored / "model.pt", map_location=device)
    model.load_state_dict(kept["model"])
    optimizer.load_state_dict(kept["optimizer"])
    loss_sum = kept["loss_sum"]

for epoch in pawl.epochs(save=save, framework=f"torch {torch.__version__}"):
    for group in optimizer.param_groups:
        group["lr"] = LEARNING_RATE * epoch.learning_rate_scale
    order = torch.tensor(epoch.order(len(train)))  # shuffled by the run's seed and the epoch: the same after a restart
    model.train()
    if epoch.position is None:  # else it goes on from there, in the middle
        loss_sum = 0.0
    taken = epoch.position or 0
    for indices in order[taken:].split(epoch.batch_size or 32):
        optimizer.zero_grad()
        loss = loss_of(model(train[indices]), train_moons[indices])
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(indices)
        taken += len(indices)
        epoch.step(position=taken)
    model.eval()
    with torch.no_grad():
        accuracy = ((model(test) > 0) == (test_moons > 0.5)).float().mean().item()
    epoch.report(loss=loss_sum / len(train), accuracy=accuracy, examples=len(train))
    epoch.checkpoint()
