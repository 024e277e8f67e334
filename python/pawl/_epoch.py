"""One epoch, as it is handed to the trainer."""

import time
from collections.abc import Mapping as MappingType
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from . import _batches, _measuring, _order
from ._connection import Connection
from ._errors import TrainerError
from ._measuring import Measuring, Norms
from ._metrics import read_norms, wire_count, wire_metrics
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
        self.checkpoint_due = plan["checkpoint"]
        self._position = None if resume is None else resume["position"]
        # An epoch that goes on in the middle, in a trainer that does not look, would be trained twice up to there.
        self._is_placed = resume is None
        self._steps: int = 0 if resume is None else resume["step"]
        # What is trained now follows the one, and what is taken from the data now the other: a loader with workers reads ahead.
        self._plan = self._newest = plan
        self._planned_at = self._steps
        self._reads_ahead = False
        self._latest = self._position
        self._measuring: Optional[Measuring] = None
        # What a loader of pawl.torch takes at once where the job says no size.
        self._loader_size: Optional[int] = None
        # For a framework that counts micro-batches, and no examples: a last step that is smaller has as many as the others.
        self._steps_are_alike = False
        self._measured_to: Any = 0 if resume is None else resume["position"]
        if _measuring.current.observer is not None:
            # It may still listen to a step of the epoch before, that never came.
            _measuring.current.observer.drop()
        self._take_plan(plan)
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
    def batch_size(self) -> Optional[int]:
        """Examples in a step of the optimizer; None where the job leaves it to the trainer.

        It, and what follows from it, may be another one after ``step`` in a trainer that takes its batches from Pawl.
        """
        return self._plan.get("batchSize")

    @property
    def micro_batch_size(self) -> Optional[int]:
        """Examples that go through the model at once; a step is ``accumulation`` of these."""
        return self._plan.get("microBatchSize", self._plan.get("batchSize"))

    @property
    def accumulation(self) -> Optional[int]:
        """Micro-batches whose gradients make one step."""
        return self._plan.get("accumulation", None if self.batch_size is None else 1)

    @property
    def learning_rate_scale(self) -> float:
        """What to multiply the learning rate with in the next step; after a change it may go there step by step."""
        scale: float = self._plan["learningRateScale"]
        warm_up = self._plan.get("warmUp")
        coming = None if self._newest is self._plan else self._newest.get("warmUp")
        if coming is not None:
            # It goes up from where it is now, once the first step of the new size is trained.
            return float(coming["from"])
        done = self._steps - self._planned_at
        if warm_up is None or done >= warm_up["steps"]:
            return scale
        return warm_up["from"] + (scale - warm_up["from"]) * done / warm_up["steps"]

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

    def batches(self, size: int, *, default: Optional[int] = None) -> Iterator[_batches.Batch]:
        """The epoch's order of ``size`` examples in batches, each one step of the optimizer: its ``indices``, also in
        ``micro``-batches.

        Asking for the next one says ``step``, so the loop must not. Sizes are those that Pawl chooses at that moment, and may
        change from one to the next; ``default`` is the size where the job leaves it to the trainer. In an epoch that was
        begun already, the rest of them. Raises TrainerError.
        """
        return _batches.batches(self, size, default)

    def norms(self, *, small: Tuple[int, Any], large: Tuple[int, Any]) -> None:
        """Squared norms of this step's gradient at two batch sizes, each with its number of examples.

        ``small`` is of the mean gradient of fewer examples (itself a mean over several such parts), ``large`` that of more, as the
        whole batch: with both Pawl tells noise from signal. Before ``step``, and as often as they are known. What is not
        finite is left out, and passed on where all are so: Pawl then keeps the batch size and says why. Raises TrainerError.
        """
        self._check_current("norms")
        norms: Norms = (*read_norms("small", small), *read_norms("large", large))
        if self._measuring is not None:
            self._measuring.norms(norms)

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
        self._add_measured(request)
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
        if step < self._ask_step:
            moment = _now()
            if moment < self._ask_moment:
                self._steps = step
                if self._measuring is not None:
                    self._measure(moment, position)
                return False
        save = self._saving.save
        folder = self._ask(position, save is not None)
        saved = folder is not None and save is not None
        if folder is not None and save is not None:
            save(folder)
            self._hand_over(self._saving.framework, step)
        if self._measuring is not None:
            self._measuring.went_on(saved)
        return saved

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
        request: Dict[str, Any] = {"type": "step", "epoch": self.number, "step": self._steps, "position": position}
        request["canSave"] = can_save
        if self._measuring is not None:
            self._measure(_now(), position)
        self._add_measured(request)
        # Until there is an answer that says otherwise, the next step asks.
        self._ask_step = 0
        answer = self._connection.ask(request, "go-on", *(["folder"] if can_save else []))
        if answer["type"] == "folder":
            return Path(answer["folder"])
        ask = answer["ask"]
        self._ask_step = ask.get("step", _NEVER)
        self._ask_moment = _now() + ask["seconds"]
        if "plan" in answer:
            self._take_plan(answer["plan"])
        return None

    def _take_plan(self, plan: Mapping[str, Any]) -> None:
        """What Pawl says holds from here on."""
        self._newest = plan
        if not self._reads_ahead:
            self._follow(plan)
        measure = plan.get("measure")
        if measure is not None and self._measuring is None:
            self._measuring = Measuring()
        if self._measuring is not None:
            self._measuring.wants_norms = measure == "norms"
        _measuring.current.measuring = self._measuring

    def _follow(self, plan: Mapping[str, Any]) -> None:
        """The next step was cut by this plan, and is trained by it."""
        if plan is not self._plan:
            self._plan = plan
            self._planned_at = self._steps

    def _keep_parts(self, micro_batch_size: Optional[int], accumulation: Optional[int]) -> None:
        """Steps in these micro-batches, for a framework that cannot change them while it trains."""
        self._steps_are_alike = True
        if micro_batch_size is not None and (micro_batch_size, accumulation) != (self.micro_batch_size, self.accumulation):
            self._take_plan({**self._plan, "microBatchSize": micro_batch_size, "accumulation": accumulation})

    def _plan_ahead(self, left: int, default: Optional[int]) -> Tuple[_batches.Planned, Mapping[str, Any]]:
        """The next step that a loader reads, where so many examples are left, and the plan by which: the newest."""
        plan, self._plan = self._plan, self._newest
        try:
            return _batches.plan_step(self, left, default), self._newest
        finally:
            self._plan = plan

    def _measure(self, moment: float, position: Any) -> None:
        before, self._measured_to = self._measured_to, position
        taken = position - before if type(before) is int and type(position) is int else None
        batch_size, micro = self.batch_size, self.micro_batch_size
        if batch_size is None and self._loader_size is not None:
            observer = _measuring.current.observer
            micro = self._loader_size
            batch_size = micro * (1 if observer is None else observer.accumulated)
        if self._measuring is not None:
            self._measuring.end(moment, taken, batch_size, micro)

    def _add_measured(self, request: Dict[str, Any]) -> None:
        measured = None if self._measuring is None else self._measuring.wire(self.batch_size is not None)
        if measured is not None:
            request["measured"] = measured

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
