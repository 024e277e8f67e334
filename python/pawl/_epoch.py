"""One epoch, as it is handed to the trainer."""

import time
from collections.abc import Mapping as MappingType
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from . import _order
from ._connection import Connection
from ._errors import TrainerError
from ._metrics import wire_count, wire_metrics
from ._position import goes_back, wire_position

_LONGEST_FRAMEWORK = 100
_NEVER = float("inf")

_now = time.monotonic


class Saving(NamedTuple):
    """How ``epochs()`` was told to save."""

    save: Optional[Callable[[Path], Any]] = None
    framework: Optional[str] = None


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
    """Whether a checkpoint is due at the end of this epoch."""

    def __init__(
        self,
        connection: Connection,
        plan: Mapping[str, Any],
        resume: Optional[Mapping[str, Any]] = None,
        saving: Saving = Saving(),
    ) -> None:
        self.number = plan["epoch"]
        self.seed = plan["seed"]
        self.batch_size = plan.get("batchSize")
        self.micro_batch_size = plan.get("microBatchSize", self.batch_size)
        self.accumulation = plan.get("accumulation", None if self.batch_size is None else 1)
        self.learning_rate_scale = plan["learningRateScale"]
        self.checkpoint_due = plan["checkpoint"]
        self._position = None if resume is None else resume["position"]
        # An epoch that goes on in the middle, in a trainer that does not look, would be trained twice up to there.
        self._is_placed = resume is None
        self._steps: int = 0 if resume is None else resume["step"]
        self._latest = self._position
        # The agent says when it is asked again; an epoch's first step asks, since steps are counted in each anew.
        self._ask_step: float = 0
        self._ask_moment = 0.0
        self._saving = saving
        self._connection = connection
        self._reported = False
        self._checkpointed = False
        self._over = False
        self._began = _now() - (0.0 if resume is None else resume["seconds"])

    def __repr__(self) -> str:
        return f"<pawl epoch {self.number}, batch size {self.batch_size}>"

    @property
    def position(self) -> Any:
        """From where in the data this epoch is to be trained, as it was given to ``step``; None from the beginning."""
        self._is_placed = True
        return self._position

    @property
    def steps(self) -> int:
        """Steps of this epoch that are trained, those before a restored checkpoint among them."""
        return self._steps

    def order(self, size: int) -> List[int]:
        """The indices from 0 to ``size - 1``, shuffled: a function of seed and epoch, the same in every attempt."""
        return _order.order(self.seed, self.number, size)

    def report(
        self, metrics: Optional[Mapping[str, Any]] = None, *, examples: Optional[int] = None, **more: Any
    ) -> None:
        """Says how the epoch went, once: ``report(loss=0.3, accuracy=0.9, examples=60000)``.

        ``metrics`` can be a mapping too. Values are numbers, or what ``float()`` takes (NumPy and PyTorch scalars).
        ``examples`` are those of the whole epoch, also where it was begun in an earlier attempt, and so must metrics be.
        The epoch's seconds are counted from when it was handed out to here, and those before a restored checkpoint are
        added. Raises TrainerError.
        """
        self._check_current("report")
        if self._reported:
            raise TrainerError("MISUSE", f"Epoch {self.number} has been reported already; report it once.")
        self._check_placed()
        if metrics is not None and not isinstance(metrics, MappingType):
            raise TrainerError("MISUSE", f"report takes a mapping of metrics, or report(loss=…), not {metrics!r}.")
        both = set(metrics or ()) & set(more)
        if both:
            raise TrainerError("MISUSE", f"Metric {min(both)!r} is given twice.")
        request: Dict[str, Any] = {
            "type": "report",
            "epoch": self.number,
            "metrics": wire_metrics({**(metrics or {}), **more}),
            "seconds": _now() - self._began,
        }
        if examples is not None:
            request["examples"] = wire_count(examples)
        self._reported = True
        self._ask_step = 0
        self._connection.ask(request, "ok")

    def step(self, position: Any = None) -> bool:
        """Says that a step of the optimizer is done; takes a checkpoint where Pawl wants one now, and says whether it did.

        ``position`` is from where in the data training would go on: any JSON, such as the number of examples taken from
        ``epoch.order(n)`` so far, and never before an earlier one. A trainer that goes on from here finds it in
        ``epoch.position``. Without it, and without a ``save`` given to ``epochs()``, Pawl only sees that training goes
        on. Costs next to nothing where Pawl has not asked. An exception of ``save`` goes through, and nothing is handed
        over. Raises TrainerError.
        """
        step = self._steps + 1
        if step < self._ask_step and _now() < self._ask_moment:
            self._steps = step
            return False
        save = self._saving.save
        folder = self._ask(position, save is not None)
        if folder is None or save is None:
            return False
        save(folder)
        self._hand_over(self._saving.framework, step)
        return True

    def checkpoint(self, save: Optional[Callable[[Path], Any]] = None, *, framework: Optional[str] = None) -> bool:
        """Calls ``save(folder)`` with a fresh, empty folder to fill, where a checkpoint is due; says whether it was.

        Without ``save``, that of ``epochs(save=…)``. Once it has returned, the folder is Pawl's and must not change.
        ``framework`` says in free words what wrote the files. An exception of ``save`` goes through, and nothing is
        handed over. Raises TrainerError.
        """
        self._check_current("checkpoint")
        self._check_placed()
        if save is None:
            save = self._saving.save
        if framework is None:
            framework = self._saving.framework
        check_save(save)
        check_framework(framework)
        if save is None:
            raise TrainerError(
                "MISUSE", "checkpoint() was not told how to save.", "Write checkpoint(save), or epochs(save=save)."
            )
        if self._checkpointed:
            raise TrainerError("MISUSE", f"Epoch {self.number} has its checkpoint already; call checkpoint once.")
        self._checkpointed = True
        self._ask_step = 0
        if not self.checkpoint_due:
            return False
        answer = self._connection.ask({"type": "checkpoint", "epoch": self.number}, "folder", "skip")
        if answer["type"] == "skip":
            return False
        save(Path(answer["folder"]))
        self._hand_over(framework)
        return True

    def _ask(self, position: Any, can_save: bool) -> Optional[Path]:
        """One more step; the folder to save into now, where Pawl wants that."""
        self._check_current("step")
        if self._reported or self._checkpointed:
            done = "has been reported" if self._reported else "has its checkpoint"
            raise TrainerError("MISUSE", f"Epoch {self.number} {done} already; its steps belong before that.")
        self._check_placed()
        if can_save and position is None:
            raise TrainerError(
                "MISUSE",
                "step() was not told from where in the data training would go on.",
                "Give it, such as the number of examples taken so far: epoch.step(position=taken).",
            )
        position = wire_position(position)
        if goes_back(self._latest, position):
            raise TrainerError(
                "MISUSE",
                f"Epoch {self.number} goes back in the data: it was at {self._latest!r} and is now at {position!r}.",
                "Count from the beginning of the epoch, also after a restart: begin with epoch.position.",
            )
        self._latest = position
        self._steps += 1
        request = {"type": "step", "epoch": self.number, "step": self._steps, "position": position, "canSave": can_save}
        # Until there is an answer that says otherwise, the next step asks.
        self._ask_step = 0
        answer = self._connection.ask(request, "go-on", *(["folder"] if can_save else []))
        if answer["type"] == "folder":
            return Path(answer["folder"])
        ask = answer["ask"]
        self._ask_step = ask.get("step", _NEVER)
        self._ask_moment = _now() + ask["seconds"]
        return None

    def _hand_over(self, framework: Optional[str], step: Optional[int] = None) -> None:
        saved: Dict[str, Any] = {"type": "saved", "epoch": self.number}
        if step is not None:
            saved["step"] = step
        if framework is not None:
            saved["framework"] = framework
        self._connection.ask(saved, "ok")

    def _finish(self) -> None:
        if not self._reported:
            self.report()
        self._over = True
        self._ask_step = 0

    def _check_placed(self) -> None:
        if not self._is_placed:
            raise TrainerError(
                "MISUSE",
                f"Epoch {self.number} goes on from position {self._position!r}, and the trainer has not asked where.",
                "Begin its data at epoch.position, which is None at an epoch's beginning.",
            )

    def _check_current(self, what: str) -> None:
        if self._over:
            raise TrainerError("MISUSE", f"Epoch {self.number} is over: {what} belongs before the next epoch.")


def check_save(save: Any) -> None:
    if save is not None and not callable(save):
        raise TrainerError(
            "MISUSE",
            f"save must be a function, not {type(save).__name__}.",
            "Give one that takes the folder to save into: def save(folder): …",
        )


def check_framework(framework: Optional[str]) -> None:
    if framework is not None and not len(framework) <= _LONGEST_FRAMEWORK:
        raise TrainerError("MISUSE", f"framework must be at most {_LONGEST_FRAMEWORK} characters.")
