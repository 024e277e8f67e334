"""What makes PyTorch easy: the data in the epoch's order, and checkpoints that training goes on from exactly.

    pawl.torch.seed()
    loader = DataLoader(data, batch_sampler=pawl.torch.BatchSampler(len(data)))
    parts = {"model": model, "optimizer": optimizer}
    if pawl.restored():
        pawl.torch.load(pawl.restored(), **parts)
    for epoch in pawl.epochs(save=lambda folder: pawl.torch.save(folder, **parts)):
        taken = epoch.position or 0
        for inputs, labels in loader:
            ...
            taken += len(labels)
            epoch.step(position=taken)
        epoch.report(loss=loss)
        epoch.checkpoint()
"""

import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Union

from . import _random, current, run
from ._errors import TrainerError

try:
    import torch
    import torch.utils.data
except ModuleNotFoundError as missing:
    if missing.name != "torch":
        raise
    raise ModuleNotFoundError(
        "pawl.torch needs PyTorch, which this Python does not have: pip install torch, or on Debian and Ubuntu "
        "apt-get install python3-torch and then /usr/bin/python3.",
        name="torch",
    ) from None

__all__ = ["BatchSampler", "Sampler", "load", "save", "seed"]

_RANDOM = "random"
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
        size, begin = self.batch_size, self._begin()
        _restore_random()
        order = current().order(self.size)
        for start in range(begin, self.size, size):
            yield order[start : start + size]

    def __len__(self) -> int:
        return max(0, -(-(self.size - self._begin()) // self.batch_size))

    def _begin(self) -> int:
        # The last batch, which may be a small one, may have been counted as a whole one.
        return _begin(self.size, self.size + self.batch_size - 1)


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
