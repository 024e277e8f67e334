"""An epoch's data in the batches that Pawl chooses, each one step of the optimizer."""

from typing import TYPE_CHECKING, Iterator, List, NamedTuple, Optional

from ._errors import TrainerError
from ._measuring import Shape, current

if TYPE_CHECKING:
    from ._epoch import Epoch


class Batch:
    """What one step of the optimizer is made of; of several processes that train it, this one's part."""

    def __init__(self, parts: List[List[int]]) -> None:
        self._examples = sum(map(len, parts))
        self._missing = [not owned(len(part)) for part in parts]
        self.micro = [share_out(part) for part in parts]
        """Its examples in parts, each to go through the model at once."""
        self.indices = [index for part in self.micro for index in part]
        """Of its examples."""

    def share(self, indices: List[int]) -> float:
        """How much a part counts: the sum of the parts' mean losses, each times this, is the mean loss of the batch."""
        if any(missing and part is indices for missing, part in zip(self._missing, self.micro)):
            return 0.0
        return len(indices) * current.workers / self._examples


def owned(size: int) -> range:
    """Which of so many examples are this process's."""
    rank, workers = current.rank, current.workers
    return range(size * rank // workers, size * (rank + 1) // workers)


def share_out(part: List[int]) -> List[int]:
    """What this process trains of a micro-batch: one example that does not count where there are fewer than processes."""
    mine = owned(len(part))
    return part[mine.start : mine.stop] or part[:1]


class Planned(NamedTuple):
    """One step, by the number of its examples."""

    shape: Shape
    sizes: List[int]
    """Of its micro-batches."""


def _begin(epoch: "Epoch") -> int:
    taken = epoch.position
    if taken is None:
        return 0
    if isinstance(taken, bool) or not isinstance(taken, int) or taken < 0:
        raise TrainerError(
            "MISUSE",
            f"Epoch {epoch.number} goes on from position {taken!r}, which is no number of examples.",
            "batches() can go on only from what batches() has trained: begin again with --new.",
        )
    return taken


def _size(epoch: "Epoch", default: Optional[int]) -> int:
    size = epoch.batch_size or default
    if size is None:
        raise TrainerError(
            "MISUSE",
            f"The job gives no batch size for epoch {epoch.number}.",
            "Give a default, such as default=32, or give the job a batchSize.",
        )
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise TrainerError("MISUSE", f"A batch must have a whole number of examples, 1 or more, not {size!r}.")
    return size


def plan_step(epoch: "Epoch", left: int, default: Optional[int]) -> Planned:
    """The next step, where so many examples are left, by the plan that holds now."""
    batch_size = _size(epoch, default)
    micro = min(epoch.micro_batch_size or batch_size, batch_size)
    examples = min(batch_size, left)
    measuring = epoch._measuring
    measured = examples == batch_size and measuring is not None and measuring.due(batch_size, micro)
    # As even as can be. Two halves are two samples of the gradient at the same weights, and their mean is the batch's.
    parts = -(-examples // micro)
    if measured and parts == 1 and examples > 1:
        parts = 2
    cuts = [(2 * examples * place + parts) // (2 * parts) for place in range(parts + 1)]
    sizes = [end - start for start, end in zip(cuts, cuts[1:])]
    return Planned(Shape(batch_size, -(-micro // current.workers), examples, measured and parts > 1), sizes)


def batches(epoch: "Epoch", size: int, default: Optional[int]) -> Iterator[Batch]:
    order = epoch.order(size)
    taken = _begin(epoch)
    while taken < size:
        shape, sizes = plan_step(epoch, size - taken, default)
        parts, start = [], taken
        for part in sizes:
            parts.append(order[start : start + part])
            start += part
        if epoch._measuring is not None:
            epoch._measuring.begin(shape, sizes)
        steps = epoch.steps
        yield Batch(parts)
        if epoch.steps != steps:
            raise TrainerError(
                "MISUSE", "epoch.batches counts the steps itself.", "Leave epoch.step out of a loop over epoch.batches."
            )
        taken += shape.examples
        epoch.step(position=taken)
