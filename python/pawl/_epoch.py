"""One epoch, as it is handed to the trainer."""

import time
from collections.abc import Mapping as MappingType
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional

from . import _order
from ._connection import Connection
from ._errors import TrainerError
from ._metrics import wire_count, wire_metrics

_LONGEST_FRAMEWORK = 100


class Epoch:
    """What to train now. Valid until the next epoch is asked for."""

    number: int
    """Counted from 1."""
    seed: int
    """The run's seed."""
    batch_size: Optional[int]
    """Examples in a step of the optimizer; None where the job leaves it to the trainer."""
    micro_batch_size: Optional[int]
    """Examples that go through the model at once; a step is ``accumulation`` of these."""
    accumulation: Optional[int]
    """Micro-batches whose gradients make one step."""
    learning_rate_scale: float
    """What to multiply the learning rate with."""
    checkpoint_due: bool
    """Whether ``checkpoint`` will save at the end of this epoch."""

    def __init__(self, connection: Connection, plan: Mapping[str, Any]) -> None:
        self.number = plan["epoch"]
        self.seed = plan["seed"]
        self.batch_size = plan.get("batchSize")
        self.micro_batch_size = plan.get("microBatchSize", self.batch_size)
        self.accumulation = plan.get("accumulation", None if self.batch_size is None else 1)
        self.learning_rate_scale = plan["learningRateScale"]
        self.checkpoint_due = plan["checkpoint"]
        self._connection = connection
        self._reported = False
        self._checkpointed = False
        self._over = False
        self._began = time.monotonic()

    def __repr__(self) -> str:
        return f"<pawl epoch {self.number}, batch size {self.batch_size}>"

    def order(self, size: int) -> List[int]:
        """The indices from 0 to ``size - 1``, shuffled: a function of seed and epoch, the same in every attempt."""
        return _order.order(self.seed, self.number, size)

    def report(
        self, metrics: Optional[Mapping[str, Any]] = None, *, examples: Optional[int] = None, **more: Any
    ) -> None:
        """Says how the epoch went, once: ``report(loss=0.3, accuracy=0.9, examples=60000)``.

        ``metrics`` can be a mapping too. Values are numbers, or what ``float()`` takes (NumPy and PyTorch scalars).
        The epoch's seconds are counted from when it was handed out to here. Raises TrainerError.
        """
        self._check_current("report")
        if self._reported:
            raise TrainerError("MISUSE", f"Epoch {self.number} has been reported already; report it once.")
        if metrics is not None and not isinstance(metrics, MappingType):
            raise TrainerError("MISUSE", f"report takes a mapping of metrics, or report(loss=…), not {metrics!r}.")
        both = set(metrics or ()) & set(more)
        if both:
            raise TrainerError("MISUSE", f"Metric {min(both)!r} is given twice.")
        request: Dict[str, Any] = {
            "type": "report",
            "epoch": self.number,
            "metrics": wire_metrics({**(metrics or {}), **more}),
            "seconds": time.monotonic() - self._began,
        }
        if examples is not None:
            request["examples"] = wire_count(examples)
        self._reported = True
        self._connection.ask(request, "ok")

    def checkpoint(self, save: Callable[[Path], Any], *, framework: Optional[str] = None) -> bool:
        """Calls ``save(folder)`` with a fresh, empty folder to fill, where a checkpoint is due; says whether it was.

        Once ``save`` has returned, the folder is Pawl's and must not change. ``framework`` says in free words what
        wrote the files. An exception of ``save`` goes through, and nothing is handed over. Raises TrainerError.
        """
        self._check_current("checkpoint")
        if framework is not None and not len(framework) <= _LONGEST_FRAMEWORK:
            raise TrainerError("MISUSE", f"framework must be at most {_LONGEST_FRAMEWORK} characters.")
        if self._checkpointed:
            raise TrainerError("MISUSE", f"Epoch {self.number} has its checkpoint already; call checkpoint once.")
        self._checkpointed = True
        if not self.checkpoint_due:
            return False
        answer = self._connection.ask({"type": "checkpoint", "epoch": self.number}, "folder")
        save(Path(answer["folder"]))
        saved: Dict[str, Any] = {"type": "saved", "epoch": self.number}
        if framework is not None:
            saved["framework"] = framework
        self._connection.ask(saved, "ok")
        return True

    def _finish(self) -> None:
        if not self._reported:
            self.report()
        self._over = True

    def _check_current(self, what: str) -> None:
        if self._over:
            raise TrainerError("MISUSE", f"Epoch {self.number} is over: {what} belongs before the next epoch.")
