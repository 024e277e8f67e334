"""What the steps of an epoch took, and the norms of their gradients: ``measured`` of the protocol.

Steps that are trained alike, one after the other, are a stretch. ``core/measured.ts`` says what each number is.
"""

import math
import time
from collections import deque
from statistics import median
from typing import Any, Deque, Dict, List, NamedTuple, Optional, Tuple

_MOST_STRETCHES = 32
_MOST_TIMES = 256
# The first steps of a layout allocate, compile and fill caches.
_UNTIMED = 2
# Of these every other one is measured; after them as many as cost this part of the time.
_FIRST = 8
_COST = 0.02
_OFTEN, _SELDOM = 4, 64
# What a measured step still counts in the mean norms after the next one: core/measured.ts says why.
_KEPT = 1 - 1 / 128

now = time.monotonic

Norms = Tuple[float, float, float, float]
"""Examples and squared norm at the smaller and at the larger batch size."""


class Shape(NamedTuple):
    """How one step is trained."""

    batch_size: int
    micro_batch_size: int
    examples: int
    """Fewer than ``batch_size`` where the data end."""
    measured: bool
    """Whether it was chosen for its gradients to be measured, and so takes longer."""


class Observer:
    """What measures gradients on steps that are chosen for it; ``pawl.torch.observe`` is one."""

    optimizer: str = ""
    workers: int = 1
    pending = False
    """Whether what is measured goes on in the next step."""
    agrees = False
    """Whether it chooses with other workers which steps it measures."""
    measured = False
    """Whether it has measured the step that is over, where it chooses."""
    accumulated = 1
    """Micro-batches of the last step that was measured in a loop of the trainer's own."""

    def arm(self, sizes: Optional[List[int]]) -> None:
        """The next step is measured: of micro-batches of ``sizes``, or of as many as the trainer takes."""

    def take(self, examples: int) -> Optional[Norms]:
        """What was measured of a step of so many examples, where it can be used."""
        return None

    def drop(self) -> None:
        """Forgets what was armed."""

    def reset_memory(self) -> None:
        """Begins to look for the peak anew."""

    def memory(self) -> Optional[Tuple[int, int]]:
        """Peak and total of the device, in bytes."""
        return None


class _Current:
    observer: Optional[Observer] = None
    """Whom the trainer told to observe: one in a process, whatever epoch is trained."""
    measuring: Optional["Measuring"] = None
    """Of the epoch that is trained."""
    rank: int = 0
    """Which of the processes that take their batches together this is."""
    workers: int = 1
    ran: Dict[Tuple[int, int, int], int] = {}
    """Whole steps of each layout that this process has trained and measured: after the first nothing is to be set up."""


current = _Current()


def wire_number(value: float) -> Any:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _whole_sizes(few: float, many: float) -> Tuple[int, int]:
    """Of parts that are not all of one size the mean has a size between whole ones."""
    nearest = math.floor(few + 0.5)
    return nearest if nearest == few else min(int(many) - 1, max(1, nearest)), int(many)


class _Stretch:
    def __init__(self, key: Tuple[int, int, int]) -> None:
        self.key = key
        self.untimed = max(0, _UNTIMED - current.ran.get(key, 0))
        """Steps at its beginning that are not timed."""
        self.steps = 0
        self.examples = 0
        self.gap = _OFTEN
        """One step in so many is measured."""
        self.times: Deque[float] = deque(maxlen=_MOST_TIMES)
        self.measured_times: Deque[float] = deque(maxlen=_MOST_TIMES)
        self.sizes: Optional[Tuple[int, int]] = None
        self.small = self.large = 0.0
        """Means, in which older steps count less."""
        self.weight = 0.0
        self.norms = 0
        self.unusable: Optional[Norms] = None
        """The newest norms that are no numbers to calculate with."""
        self.unusable_steps = 0
        self.memory: Optional[Tuple[int, int]] = None

    def add_norms(self, norms: Norms) -> None:
        """Where they are of other sizes than the first ones they are brought to those, which keeps them unbiased.

        The expectation of a squared norm is linear in 1 / examples (McCandlish et al., arXiv 1812.06162, appendix A.1).
        What is not finite says nothing of the others: a loss scale that was too large once ends in one such step.
        """
        few, small, many, large = norms
        sizes = self.sizes or _whole_sizes(few, many)
        first, last = sizes
        if (few, many) != sizes:
            spread = 1 / few - 1 / many
            trace = (small - large) / spread if spread else math.nan
            truth = large - trace / many
            small, large = truth + trace / first, truth + trace / last
        if not (math.isfinite(small) and math.isfinite(large)):
            self.unusable = norms
            self.unusable_steps += 1
            return
        self.sizes = sizes
        self.weight = self.weight * _KEPT + 1
        self.small += (small - self.small) / self.weight
        self.large += (large - self.large) / self.weight
        self.norms += 1

    def add_time(self, seconds: float, measured: bool) -> None:
        if not measured:
            self.times.append(seconds)
            return
        times = self.measured_times
        times.append(seconds)
        # What measuring costs is looked at each time that twice as many are timed.
        if self.times and len(times) & (len(times) - 1) == 0:
            usual = median(self.times)
            extra = median(times) - usual
            self.gap = min(_SELDOM, max(_OFTEN, math.ceil(extra / (_COST * usual)))) if usual > 0 else _SELDOM

    def wire(self) -> Dict[str, Any]:
        wire: Dict[str, Any] = {
            "batchSize": self.key[0],
            "microBatchSize": self.key[1],
            "workers": self.key[2],
            "steps": self.steps,
            "examples": self.examples,
        }
        if self.times:
            wire["timed"] = {"stepSeconds": median(self.times), "steps": len(self.times)}
        if self.sizes is not None:
            wire["norms"] = {
                "small": {"examples": self.sizes[0], "squaredNorm": wire_number(self.small)},
                "large": {"examples": self.sizes[1], "squaredNorm": wire_number(self.large)},
                "steps": self.norms,
                "weight": self.weight,
            }
        elif self.unusable is not None:
            # So that somebody says what is wrong.
            few, small, many, large = self.unusable
            first, last = _whole_sizes(few, many)
            wire["norms"] = {
                "small": {"examples": first, "squaredNorm": wire_number(small)},
                "large": {"examples": last, "squaredNorm": wire_number(large)},
                "steps": self.unusable_steps,
            }
        if self.memory is not None:
            wire["memory"] = {"peakBytes": self.memory[0], "totalBytes": self.memory[1]}
        return wire


class Measuring:
    """Of one epoch, in this attempt."""

    def __init__(self) -> None:
        self.wants_norms = False
        self.resizes = False
        self._stretches: Deque[_Stretch] = deque(maxlen=_MOST_STRETCHES)
        self._own: List[Norms] = []
        self._has_norms = False
        # When the step that runs began; None where what it takes says nothing.
        self._began: Optional[float] = None
        # Of the steps that were given out, which a loader may have read ahead of those that are trained.
        self._planned: Optional[Tuple[int, int]] = None
        self._index = 0
        self._since = 0
        self._given: Optional[Shape] = None
        self._armed = False
        # Whether positions are numbers of examples: known by the first step.
        self._counts_examples: Optional[bool] = None

    def due(self, batch_size: int, micro_batch_size: int) -> bool:
        """Whether the next step that is given out is to be measured."""
        if self._planned != (batch_size, micro_batch_size):
            self._planned = (batch_size, micro_batch_size)
            self._index = self._since = 0
        index, self._index = self._index, self._index + 1
        self._since += 1
        if current.observer is None or current.observer.agrees or not self.wants_norms:
            return False
        gap = self._stretches[-1].gap if self._stretches else _OFTEN
        due = index % 2 == 0 if index < _FIRST else self._since >= gap
        if due:
            self._since = 0
        return due

    def gap(self) -> int:
        """In how many steps the next one is to be measured, for those who choose together; 0 for none."""
        if not self.wants_norms:
            return 0
        stretch = self._stretches[-1] if self._stretches else None
        return 2 if stretch is None or stretch.steps < _FIRST else stretch.gap

    def begin(self, shape: Shape, sizes: List[int]) -> None:
        """The trainer is handed a step of micro-batches of these sizes."""
        self.resizes = True
        self._given = shape
        observer = current.observer
        if observer is not None:
            observer.drop()
            self._armed = shape.measured
            if shape.measured:
                observer.arm(sizes)

    def norms(self, norms: Norms) -> None:
        """The trainer's own, of the step that runs."""
        self._has_norms = True
        if self.wants_norms:
            self._own.append(norms)

    def end(
        self, moment: float, taken: Optional[int], batch_size: Optional[int], micro_batch_size: Optional[int]
    ) -> None:
        """A step is over. What is ``taken`` of the data, and the plan's sizes, are for a trainer with a loop of its own."""
        observer = current.observer
        armed, self._armed = self._armed, False
        own, self._own = self._own, []
        began, self._began = self._began, moment
        given, self._given = self._given, None
        shape = self._guess(taken, batch_size, micro_batch_size) if given is None else given
        if shape is None:
            if observer is not None:
                observer.drop()
            return
        if observer is not None and observer.agrees:
            armed = observer.measured
        stretch = self._stretch(shape, observer)
        stretch.steps += 1
        stretch.examples += shape.examples
        is_whole = shape.examples == shape.batch_size
        if observer is not None and armed:
            measured = observer.take(shape.batch_size) if is_whole else observer.drop()
            if measured is not None:
                own.append(measured)
        if is_whole:
            current.ran[stretch.key] = current.ran.get(stretch.key, 0) + 1
            for norms in own:
                stretch.add_norms(norms)
            if began is not None and stretch.steps > stretch.untimed:
                stretch.add_time(moment - began, armed)
        if observer is None:
            return
        # Not at the epoch's end, when the trainer may have tested what it learnt.
        if stretch.steps > 1 and stretch.steps & (stretch.steps - 1) == 0:
            stretch.memory = observer.memory() or stretch.memory
        if given is None and not observer.agrees:
            # In a loop of the trainer's own the next step begins here.
            due = self.due(shape.batch_size, shape.micro_batch_size)
            self._armed = observer.pending or due
            if due and not observer.pending:
                observer.arm(None)

    def went_on(self, saved: bool) -> None:
        """What Pawl was asked is answered: the next step begins. After a save something goes on beside it."""
        self._began = None if saved else now()

    def wire(self, has_batch_size: bool) -> Optional[Dict[str, Any]]:
        """None where nothing was measured, or only what a trainer with a batch size of its own takes."""
        observer = current.observer
        if not self._stretches or not (has_batch_size or observer is not None or self._has_norms):
            return None
        wire: Dict[str, Any] = {"stretches": [stretch.wire() for stretch in self._stretches]}
        if observer is not None and observer.optimizer:
            wire["optimizer"] = observer.optimizer[:100]
        wire["resizes"] = self.resizes
        return wire

    def _stretch(self, shape: Shape, observer: Optional[Observer]) -> _Stretch:
        """The one that the step belongs to, which may be a new one."""
        workers = current.workers if observer is None else observer.workers
        key = (shape.batch_size, shape.micro_batch_size, workers)
        if not self._stretches or self._stretches[-1].key != key:
            self._stretches.append(_Stretch(key))
            if observer is not None:
                observer.reset_memory()
        return self._stretches[-1]

    def _guess(
        self, taken: Optional[int], batch_size: Optional[int], micro_batch_size: Optional[int]
    ) -> Optional[Shape]:
        """How a step was trained that Pawl did not give out; None where nothing tells how large it was."""
        if batch_size is None:
            return None
        if self._counts_examples is None:
            self._counts_examples = taken == batch_size
        is_ragged = self._counts_examples and taken is not None and 0 <= taken < batch_size
        examples = taken if is_ragged and taken is not None else batch_size
        # Workers share each micro-batch of the plan.
        workers = current.workers if current.observer is None else current.observer.workers
        return Shape(batch_size, -(-min(micro_batch_size or batch_size, batch_size) // workers), examples, False)
