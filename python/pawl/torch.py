"""What makes PyTorch easy: the data in the epoch's order, and checkpoints that training goes on from exactly.

    pawl.torch.seed()
    loader = DataLoader(data, batch_sampler=pawl.torch.BatchSampler(len(data)))
    if pawl.restored():
        pawl.torch.load(pawl.restored(), model=model, optimizer=optimizer)
    for epoch in pawl.epochs():
        for batch in loader:
            ...
        epoch.report(loss=loss)
        epoch.checkpoint(lambda folder: pawl.torch.save(folder, model=model, optimizer=optimizer))
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


class Sampler(torch.utils.data.Sampler[int]):
    """The numbers from 0 to ``size - 1`` in the order of the epoch that is being trained: ``epoch.order(size)``."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __iter__(self) -> Iterator[int]:
        return iter(current().order(self.size))

    def __len__(self) -> int:
        return self.size


class BatchSampler(torch.utils.data.Sampler[List[int]]):
    """The epoch's order in batches of the epoch's size, so that one data loader serves for the whole run.

    With accumulation these are its micro-batches. ``default`` is the size where the job leaves it to the trainer.
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
        order, size = current().order(self.size), self.batch_size
        return (order[start : start + size] for start in range(0, len(order), size))

    def __len__(self) -> int:
        return -(-self.size // self.batch_size)


def seed() -> None:
    """Seeds PyTorch, ``random`` and, where it is imported, NumPy with the run's seed. Raises TrainerError."""
    _random.seed(run().seed)


def save(folder: Union[str, Path], **parts: Any) -> None:
    """Writes the ``state_dict()`` of each part to ``<its name>.pt``, and the random generators' states to ``random.pt``.

    Each file is there as a whole or not at all. One file for each part, since what has not changed since an earlier
    checkpoint is not uploaded again. Raises TrainerError for a part that has no ``state_dict``.
    """
    _check(parts, "state_dict")
    states: Dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
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

    Tensors are read to the CPU; ``load_state_dict`` moves them to where the part is. ``weights_only`` (from PyTorch 2
    on) refuses files that hold more than tensors and plain values; turn it off for parts that need it, and files that
    you trust. Raises TrainerError where a file is missing.
    """
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
        part.load_state_dict(states[name])
    # Last, since building and loading the parts may draw numbers.
    _random.restore(states[_RANDOM])


def _check(parts: Dict[str, Any], method: str) -> None:
    if not parts:
        raise TrainerError("MISUSE", "There is nothing to save or load: give parts by name, such as model=model.")
    if _RANDOM in parts:
        raise TrainerError("MISUSE", f"{_RANDOM!r} is the name of the random generators' file; name the part otherwise.")
    for name, part in parts.items():
        if not callable(getattr(part, method, None)):
            raise TrainerError("MISUSE", f"{name} has no {method}(): {type(part).__name__}.")
