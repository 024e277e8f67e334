"""What makes PyTorch easy: the data in the epoch's order, and checkpoints that training goes on from exactly.

    pawl.torch.seed()
    loader = DataLoader(data, batch_sampler=pawl.torch.BatchSampler(len(data)))
    parts = {"model": model, "optimizer": optimizer}
    if pawl.restored():
        pawl.torch.load(pawl.restored(), **parts)
    pawl.torch.observe(model, optimizer)
    for epoch in pawl.epochs(save=lambda folder: pawl.torch.save(folder, **parts)):
        for step in pawl.torch.steps(loader):
            for inputs, labels in step:
                (loss_of(model(inputs), labels) * step.share(len(labels))).backward()
            ...
        epoch.report(loss=loss)
        epoch.checkpoint()
"""

import os
from collections import deque
from itertools import chain
from pathlib import Path
from typing import Any, Deque, Dict, Iterator, List, Mapping, Optional, Tuple, Union

from . import _batches, _begin_with, _connect, _measuring, _random, current, run
from ._epoch import Epoch
from ._errors import TrainerError

try:
    import torch
    import torch.distributed
    import torch.utils.data
except ModuleNotFoundError as missing:
    if missing.name != "torch":
        raise
    raise ModuleNotFoundError(
        "pawl.torch needs PyTorch, which this Python does not have: pip install torch, or on Debian and Ubuntu "
        "apt-get install python3-torch and then /usr/bin/python3.",
        name="torch",
    ) from None

from ._torch_join import Following, Leading
from ._torch_observe import observe

__all__ = ["BatchSampler", "Sampler", "Step", "join", "load", "observe", "save", "seed", "steps"]

_RANDOM = "random"
_Ahead = Tuple[_batches.Planned, Mapping[str, Any]]
"""A step that a loader has read, and the plan that it was cut by."""
_resumed: Optional[_random.States] = None
"""Of the random generators, where training goes on in the middle of an epoch."""


def _begin(size: int, most: int) -> int:
    """How many of ``size`` examples the epoch that is being trained has taken already."""
    epoch = current()
    taken = 0 if epoch.position is None else epoch.position
    if isinstance(taken, bool) or not isinstance(taken, int) or not 0 <= taken <= most:
        raise TrainerError(
            "MISUSE",
            f"Epoch {epoch.number} goes on from position {taken!r}, which is no number of examples taken out of {size}.",
            "Give epoch.step the number of examples trained in the epoch so far, and keep the data as it was.",
        )
    return taken


def _restore_random() -> None:
    """Sets the random generators as they were between the last step that is in the checkpoint and its next batch.

    What begins an epoch has drawn from them again, at least the loader, which draws a seed for its workers.
    """
    global _resumed
    states, _resumed = _resumed, None
    if states is not None and current().position is not None:
        _random.restore(states)


class Sampler(torch.utils.data.Sampler[int]):
    """The numbers from 0 to ``size - 1`` in the order of the epoch that is being trained: ``epoch.order(size)``.

    In an epoch that was begun already, the rest of them: its ``position`` is the number of examples taken.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def __iter__(self) -> Iterator[int]:
        begin = _begin(self.size, self.size)
        _check_alone("Sampler")
        _restore_random()
        yield from current().order(self.size)[begin:]

    def __len__(self) -> int:
        return self.size - _begin(self.size, self.size)


class BatchSampler(torch.utils.data.Sampler[List[int]]):
    """The epoch's order in batches of the epoch's size, so that one data loader serves for the whole run.

    With accumulation these are its micro-batches. ``default`` is the size where the job leaves it to the trainer. In an
    epoch that was begun already, the rest of them: its ``position`` is the number of examples taken.
    """

    def __init__(self, size: int, *, default: Optional[int] = None) -> None:
        self.size = size
        self.default = default
        self._ahead: Optional[Deque[_Ahead]] = None

    @property
    def batch_size(self) -> int:
        """Of the epoch that is being trained. Raises TrainerError."""
        size = current().micro_batch_size or self.default
        if size is None:
            raise TrainerError(
                "MISUSE",
                "The job gives no batch size, and BatchSampler no default.",
                "Write batchSize into the job file, or BatchSampler(…, default=32).",
            )
        return size

    def __iter__(self) -> Iterator[List[int]]:
        epoch, size, taken = current(), self.batch_size, self._begin()
        if self._ahead is None:
            _check_alone("BatchSampler")
        _restore_random()
        order = epoch.order(self.size)
        if self._ahead is None:
            epoch._loader_size = size
            while taken < self.size:
                for part in self._parts_at(taken):
                    yield order[taken : taken + part]
                    taken += part
            return
        while taken < self.size:
            ahead = epoch._plan_ahead(self.size - taken, self.default)
            self._ahead.append(ahead)
            for part in ahead[0].sizes:
                yield _batches.share_out(order[taken : taken + part])
                taken += part

    def __len__(self) -> int:
        whole, rest = divmod(max(0, self.size - self._begin()), self._step_size)
        return whole * len(self._parts(self._step_size)) + len(self._parts(rest))

    @property
    def _step_size(self) -> int:
        return current().batch_size or self.batch_size

    def _parts_at(self, taken: int) -> List[int]:
        """The sizes of the micro-batches of the step that begins after so many examples, in a loop of the trainer's own."""
        return self._parts(min(self._step_size, self.size - taken))

    def _parts(self, examples: int) -> List[int]:
        size, epoch = self.batch_size, current()
        if epoch._steps_are_alike and examples > 0:
            count = max(-(-examples // size), min(examples, epoch.accumulation or 1))
            cuts = [examples * place // count for place in range(count + 1)]
            return [end - start for start, end in zip(cuts, cuts[1:])]
        return [min(size, examples - start) for start in range(0, examples, size)]

    def _begin(self) -> int:
        # The last batch, which may be a small one, may have been counted as a whole one.
        return _begin(self.size, self.size + self.batch_size - 1)


class Step:
    """One step of the optimizer: walk it for its micro-batches, as the loader gives them."""

    def __init__(self, planned: _batches.Planned, loaded: Iterator[Any]) -> None:
        self.size = planned.shape.examples
        """Examples in it, of all processes."""
        self._sizes = planned.sizes[::-1]
        self._loaded = loaded
        self._counts = True

    def __iter__(self) -> Iterator[Any]:
        while self._sizes:
            self._counts = len(_batches.owned(self._sizes.pop())) > 0
            yield _next(self._loaded)

    def share(self, examples: int) -> float:
        """How much a micro-batch of so many examples counts: times this, the mean losses add up to that of the step."""
        # Of several processes the gradients' mean is taken, not their sum.
        return examples * _measuring.current.workers / self.size if self._counts else 0.0


def steps(loader: "torch.utils.data.DataLoader[Any]") -> Iterator[Step]:
    """The rest of the epoch that is being trained, step by step, from a loader with ``BatchSampler``.

        for step in pawl.torch.steps(loader):
            optimizer.zero_grad()
            for images, labels in step:
                loss = functional.cross_entropy(model(images), labels)
                (loss * step.share(len(labels))).backward()
            optimizer.step()

    Asking for the next one says ``epoch.step``, with the number of examples taken, so the loop must not. Sizes are those that
    Pawl chooses, and may change in the middle of an epoch; behind what a loader with workers has read ahead. Raises
    TrainerError.
    """
    sampler = getattr(loader, "batch_sampler", None)
    if not isinstance(sampler, BatchSampler):
        raise TrainerError(
            "MISUSE",
            f"steps needs a loader whose batch_sampler is pawl.torch.BatchSampler, not {type(sampler).__name__}.",
            "Write DataLoader(data, batch_sampler=pawl.torch.BatchSampler(len(data))).",
        )
    if getattr(loader, "in_order", True) is False:
        raise TrainerError(
            "MISUSE", "steps needs a loader that keeps the order of its batches.", "Leave out in_order=False."
        )
    return _walk(current(), loader, sampler)


def _next(loaded: Iterator[Any]) -> Any:
    try:
        return next(loaded)
    except StopIteration:
        raise TrainerError(
            "MISUSE", "The loader ended before the epoch's data did.", "Walk it with pawl.torch.steps only."
        ) from None


def _walk(epoch: Epoch, loader: Any, sampler: BatchSampler) -> Iterator[Step]:
    # Workers read ahead of what is trained: the sampler, which runs in this process, tells which steps it has begun.
    ahead: Deque[_Ahead] = deque()
    sampler._ahead = ahead
    epoch._reads_ahead = True
    try:
        taken = sampler._begin()
        loaded = iter(loader)
        while taken < sampler.size:
            if not ahead:
                # A loader without workers asks the sampler when it is asked; it is given what it gave then.
                first = _next(loaded)
                rest = chain((first,), loaded)
            else:
                rest = loaded
            planned, plan = ahead.popleft()
            step = Step(planned, rest)
            epoch._follow(plan)
            if epoch._measuring is not None:
                epoch._measuring.begin(planned.shape, planned.sizes)
            counted = epoch.steps
            yield step
            if step._sizes:
                raise TrainerError(
                    "MISUSE",
                    "A step was left before all of its micro-batches were taken.",
                    "Walk each step to its end: for inputs, labels in step: …",
                )
            if epoch.steps != counted:
                raise TrainerError(
                    "MISUSE", "pawl.torch.steps counts the steps itself.", "Leave epoch.step out of a loop over it."
                )
            taken += planned.shape.examples
            epoch.step(position=taken)
    finally:
        sampler._ahead = None
        epoch._reads_ahead = False
        epoch._follow(epoch._newest)


def _check_alone(name: str) -> None:
    if _measuring.current.workers > 1:
        raise TrainerError(
            "MISUSE",
            f"{name} would give each of {_measuring.current.workers} processes the same examples.",
            "Give BatchSampler to the loader, and walk it with pawl.torch.steps(loader).",
        )


def join() -> None:
    """Has the processes of ``torch.distributed`` train as one: the first talks to Pawl, and the others follow it.

    To be called in all of them, after ``init_process_group`` and before anything else of Pawl; does nothing where there is one
    process. Then ``pawl`` works in each as it does in one: ``epochs`` and ``epoch.step`` have them wait for each other,
    ``epoch.batches`` and ``steps`` give each its part of every batch, and the first saves and reports for all. Raises
    TrainerError.
    """
    distributed = torch.distributed
    if not distributed.is_available() or not distributed.is_initialized() or distributed.get_world_size() == 1:
        return
    # Of its own, since others may need a GPU for what is said.
    group = distributed.new_group(backend="gloo")
    rank = distributed.get_rank()
    _begin_with(Leading(_connect, group) if rank == 0 else Following(group))
    _measuring.current.rank, _measuring.current.workers = rank, distributed.get_world_size()


def seed() -> None:
    """Seeds PyTorch, ``random`` and, where it is imported, NumPy with the run's seed. Raises TrainerError."""
    _random.seed(run().seed)


def save(folder: Union[str, Path], **parts: Any) -> None:
    """Writes the ``state_dict()`` of each part to ``<its name>.pt``, and the random generators' states to ``random.pt``.

    A dictionary of plain values and tensors is a part too, such as what an epoch sums up: a checkpoint may be in its
    middle. Each file is there as a whole or not at all. One file for each part, since what has not changed since an
    earlier checkpoint is not uploaded again. Raises TrainerError for a part that is neither.
    """
    _check(parts, "state_dict")
    states: Dict[str, Any] = {}
    for name, part in parts.items():
        states[name] = part.state_dict() if hasattr(part, "state_dict") else _plain(part, name)
    for name, state in {**states, _RANDOM: _random.capture()}.items():
        path = Path(folder) / f"{name}.pt"
        partial = path.with_suffix(".partial")
        with open(partial, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)


def load(folder: Union[str, Path], *, weights_only: bool = True, **parts: Any) -> None:
    """Gives each part what ``save`` wrote of it, and sets the random generators: training goes on as it would have.

    A dictionary is filled with what it held. Tensors are read to the CPU; ``load_state_dict`` moves them to where the
    part is. ``weights_only`` (from PyTorch 2 on) refuses files that hold more than tensors and plain values; turn it off
    for parts that need it, and files that you trust. Raises TrainerError where a file is missing.
    """
    global _resumed
    _check(parts, "load_state_dict")
    # Older versions do not have it, or (1.13) refuse plain numbers too.
    choice = {"weights_only": weights_only} if int(torch.__version__.split(".")[0]) >= 2 else {}
    states = {}
    for name in (*parts, _RANDOM):
        path = Path(folder) / f"{name}.pt"
        if not path.is_file():
            there = ", ".join(sorted(entry.name for entry in Path(folder).iterdir())) or "nothing"
            raise TrainerError(
                "CHECKPOINT_INVALID",
                f"The checkpoint has no {path.name}; there is {there}.",
                "Load the parts that were saved, by the names that they were saved with.",
            )
        states[name] = torch.load(path, map_location="cpu", **choice)
    for name, part in parts.items():
        if hasattr(part, "load_state_dict"):
            part.load_state_dict(states[name])
        else:
            part.clear()
            part.update(states[name])
    # Last, since building and loading the parts may draw numbers.
    _random.restore(states[_RANDOM])
    here = run()
    if here.restored_step is not None and here.restored is not None and here.restored.resolve() == Path(folder).resolve():
        _resumed = states[_RANDOM]


def _check(parts: Dict[str, Any], method: str) -> None:
    if not parts:
        raise TrainerError("MISUSE", "There is nothing to save or load: give parts by name, such as model=model.")
    if _RANDOM in parts:
        raise TrainerError("MISUSE", f"{_RANDOM!r} is the name of the random generators' file; name the part otherwise.")
    for name, part in parts.items():
        if not isinstance(part, dict) and not callable(getattr(part, method, None)):
            raise TrainerError("MISUSE", f"{name} has no {method}() and is no dictionary: {type(part).__name__}.")


def _plain(value: Any, name: str) -> Any:
    """A copy of what ``load`` reads again; another type would be found out only when training is to go on."""
    if isinstance(value, torch.Tensor) or type(value) in (bool, int, float, str, type(None)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(entry, f"{name}[{place}]") for place, entry in enumerate(value)]
    if isinstance(value, dict):
        return {key: _plain(entry, f"{name}[{key!r}]") for key, entry in value.items()}
    raise TrainerError(
        "MISUSE",
        f"{name} is of type {type(value).__qualname__}, and a dictionary is saved with plain values and tensors only.",
        "Give what has a state_dict() as a part of its own, and turn other numbers into Python's: float(…), x.item().",
    )
