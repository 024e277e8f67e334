"""Learns to read handwritten digits. Killed at any moment, it ends with the same weights, bit by bit.

With adaptive.yaml Pawl chooses the batch sizes, by what steps take on this machine: what it learns then is as good, but not the
same to the last bit.
"""

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

import pawl
import pawl.torch
from data import load_digits

LEARNING_RATE = 0.05

# The same sums in the same order each time: with these, and the random generators' states in the checkpoint, a run is
# repeatable to the last bit. Leave the first two out where that does not matter.
torch.use_deterministic_algorithms(True)
torch.set_num_threads(2)
pawl.torch.seed()

device = "cuda" if torch.cuda.is_available() else "cpu"
train, test = load_digits()
# One loader for the whole run: its order and batch size are those of the epoch that is being trained.
loader = DataLoader(train, batch_sampler=pawl.torch.BatchSampler(len(train)))
model = nn.Sequential(
    nn.Conv2d(1, 8, kernel_size=3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(8, 16, kernel_size=3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Dropout(0.25),
    nn.Linear(16 * 7 * 7, 10),
).to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=0.9)
# The noise of the gradient, which tells how large a batch pays; measured only where the job lets Pawl choose.
pawl.torch.observe(model, optimizer)

# All that training goes on from, also in the middle of an epoch: with what the epoch has summed up so far.
sums = {"loss": 0.0}
parts = {"model": model, "optimizer": optimizer, "sums": sums}
if pawl.restored():
    pawl.torch.load(pawl.restored(), **parts)


def save(folder):
    pawl.torch.save(folder, **parts)


def train_epoch(epoch):
    """The mean loss of an epoch."""
    model.train()
    if epoch.position is None:
        sums["loss"] = 0.0
    for step in pawl.torch.steps(loader):
        # The batch size may change from one step to the next, and the learning rate with it.
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * epoch.learning_rate_scale
        optimizer.zero_grad()
        # In micro-batches, where the batch is too large for the memory or its gradient's noise is measured.
        for images, labels in step:
            images, labels = images.to(device), labels.to(device)
            loss = functional.cross_entropy(model(images), labels)
            (loss * step.share(len(labels))).backward()
            sums["loss"] += loss.item() * len(labels)
        optimizer.step()
    return sums["loss"] / len(train)


@torch.no_grad()
def accuracy():
    model.eval()
    images, labels = (tensor.to(device) for tensor in test.tensors)
    return (model(images).argmax(dim=1) == labels).float().mean().item()


for epoch in pawl.epochs(save=save, framework=f"PyTorch {torch.__version__}"):
    loss, score = train_epoch(epoch), accuracy()
    print(f"epoch {epoch.number}: batch size {epoch.batch_size}, loss {loss:.4f}, accuracy {score:.4f}", flush=True)
    epoch.report(loss=loss, accuracy=score, examples=len(train))
    epoch.checkpoint()
