"""What the callbacks share: Pawl's epochs, walked by a framework's own loop."""

import os
from pathlib import Path
from typing import Any, Callable, Mapping, Optional

from . import Epoch, TrainerError, epochs, run


class Walk:
    """Takes one epoch after the other. ``epoch`` is the one to train now; None when Pawl has no more.

    Where Pawl has none to begin with, the process ends, with exit code 0: frameworks cannot train nothing.
    """

    def __init__(self, framework: str) -> None:
        # Each process would come as a trainer of its own, and the agent talks to one.
        if int(os.environ.get("WORLD_SIZE") or 1) > 1:
            raise TrainerError(
                "MISUSE",
                f"Pawl's callback for {framework} works in one process, and WORLD_SIZE is {os.environ['WORLD_SIZE']}.",
                "Train with one process (and one GPU).",
            )
        self._framework = framework
        self._epochs = epochs()
        self.epoch: Optional[Epoch] = next(self._epochs, None)
        if self.epoch is None:
            raise SystemExit(0)

    def check_begin(self, trained: int, how: str) -> None:
        """Refuses a framework that begins after ``trained`` epochs where the restored checkpoint has another number."""
        if run().restored_step is not None:
            raise TrainerError(
                "MISUSE",
                f"The checkpoint is of the middle of an epoch, and {self._framework} goes on at the beginning of one only.",
                "Go on with the trainer that saved it, or begin a new run.",
            )
        kept = run().restored_epoch or 0
        if trained != kept:
            raise TrainerError(
                "MISUSE",
                f"Pawl goes on after epoch {kept}, but {self._framework} begins after epoch {trained}.",
                f"Begin with {how}.",
            )

    def step(self, taken: Optional[int] = None) -> None:
        """A step of the optimizer is done, after so many of the epoch's examples where that is known.

        Nothing is saved here: no framework goes on from the middle of an epoch exactly.
        """
        if self.epoch is not None:
            self.epoch.step(taken)

    def end_epoch(
        self, metrics: Mapping[str, Any], examples: Optional[int], save: Optional[Callable[[Path], Any]], version: str
    ) -> None:
        """Reports the epoch, saves its checkpoint where one is due, and takes the next; no ``save`` where none is due."""
        epoch = self.epoch
        if epoch is None:
            return
        epoch.report(metrics, examples=examples)
        if save is not None:
            epoch.checkpoint(save, framework=f"{self._framework} {version}")
        self.epoch = next(self._epochs, None)

    def check_end(self) -> None:
        """Refuses a framework that ends on its own before Pawl has no more epochs."""
        if self.epoch is not None:
            raise TrainerError(
                "MISUSE",
                f"{self._framework} stopped before epoch {self.epoch.number} was trained, and Pawl has it still to train.",
                "Let the job file say when to stop ('epochs' and 'stop'), and leave out early stopping and limits of "
                "steps or time.",
            )


def sampler_of(loader: Any) -> Any:
    """The ``pawl.torch.BatchSampler`` that a framework's loader takes its batches from; None where it is none."""
    sampler = getattr(loader, "batch_sampler", None)
    return sampler if hasattr(sampler, "_parts_at") else None


def checkpoint_folder() -> Optional[Path]:
    """The restored checkpoint, where training goes on from one of this run."""
    here = run()
    return here.restored if here.restored_epoch else None
