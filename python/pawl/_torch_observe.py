"""The norms of PyTorch's gradients, on the steps that are chosen for it."""

import math
import threading
from functools import partial
from typing import Any, Callable, List, Optional, Set, Tuple

import torch
import torch.distributed

from . import _measuring
from ._errors import TrainerError


def _square(gradient: torch.Tensor) -> torch.Tensor:
    """A gradient's squared norm, where the gradient is; nothing is waited for."""
    gradient = gradient.detach()
    if gradient.is_sparse:
        gradient = gradient.coalesce().values()
    if gradient.is_complex():
        gradient = torch.view_as_real(gradient)
    # In halves it would overflow.
    kind = torch.float64 if gradient.dtype == torch.float64 else torch.float32
    return torch.linalg.vector_norm(gradient, dtype=kind).square()


def _sum(squares: List[torch.Tensor]) -> torch.Tensor:
    first = squares[0]
    return torch.stack([square.to(first.device, first.dtype) for square in squares]).sum()


class _Step:
    """What is seen of one step."""

    def __init__(self, sizes: Optional[List[int]]) -> None:
        self.sizes = sizes
        """Of its micro-batches; None where the trainer has a loop of its own."""
        self.fired: Set[int] = set()
        """Parameters whose gradient came in the backward that runs."""
        self.squares: List[torch.Tensor] = []
        self.parts: List[torch.Tensor] = []
        self.members: List[int] = []
        """How many parameters had a gradient in each part."""
        self.whole: Optional[torch.Tensor] = None
        self.scale = 1.0
        self.is_odd = False


class _Pair:
    """Two consecutive steps of one backward each."""

    def __init__(self) -> None:
        self.first: Optional[List[torch.Tensor]] = None
        self.first_square = 0.0
        self.mean: Optional[torch.Tensor] = None


class GradientObserver(_measuring.Observer):
    """Listens to gradients in steps that are measured, and to nothing in others.

    A hook at each parameter is given what each backward adds, whatever was accumulated before. The whole is what stands in
    ``.grad`` at the end of the backward that completes the step: the autograd engine calls back there, after
    DistributedDataParallel has reduced and before anything clips, unscales or zeroes. A wrapped ``optimizer.step`` would come
    too late for that.
    """

    def __init__(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, scaler: Any) -> None:
        self.optimizer = type(optimizer).__name__
        self._of = optimizer
        self._scaler = scaler
        self._device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
        self._hooks: List[Any] = []
        self._step: Optional[_Step] = None
        self._pair = _Pair()
        # Held from a backward's first gradient to its end; gradients come from several threads where there are several GPUs.
        self._running = threading.Lock()

    # What the epoch asks.

    def arm(self, sizes: Optional[List[int]]) -> None:
        self.drop()
        self._listen(sizes)

    def _listen(self, sizes: Optional[List[int]]) -> None:
        self._step = _Step(sizes)
        self._hooks = [part.register_hook(partial(self._seen, place)) for place, part in enumerate(self._parameters())]

    def take(self, examples: int) -> Optional[_measuring.Norms]:
        step, self._step = self._step, None
        if step is None or step.is_odd or step.whole is None:
            return self.drop()
        count = len(step.parts)
        if step.sizes is None:
            self.accumulated = count
            if count == 1 and self.workers == 1:
                return self._take_pair(step, examples)
        self.drop()
        sizes = step.sizes or [examples // count] * count
        if count != len(sizes) or (step.sizes is None and (examples % count != 0 or len(set(step.members)) > 1)):
            return None
        # A part is the mean over its own examples times its share of the step.
        *parts, whole = torch.stack([part.to(step.whole) for part in (*step.parts, step.whole)]).tolist()
        small = sum(part * (sum(sizes) / size) ** 2 for part, size in zip(parts, sizes)) / count
        return self._unscaled(count / sum(1 / size for size in sizes), small, examples, whole, step.scale)

    def drop(self) -> None:
        self._silence()
        self._step = None
        self._pair = _Pair()
        self.pending = False

    def remove(self) -> None:
        """Stops observing."""
        self.drop()
        if _measuring.current.observer is self:
            _measuring.current.observer = None

    def reset_memory(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)

    def memory(self) -> Optional[Tuple[int, int]]:
        if self._device.type != "cuda":
            return None
        free, total = torch.cuda.mem_get_info(self._device)
        # With what others, and CUDA itself, have of the device.
        others = max(0, total - free - torch.cuda.memory_reserved(self._device))
        return min(total, torch.cuda.max_memory_allocated(self._device) + others), total

    # What happens in a backward.

    def _parameters(self) -> List[torch.Tensor]:
        return [part for group in self._of.param_groups for part in group["params"] if part.requires_grad]

    def _silence(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        # Held still where a backward failed.
        if self._running.locked():
            self._running.release()

    def _seen(self, place: int, gradient: torch.Tensor) -> None:
        """One parameter's gradient of the backward that runs, before it is accumulated."""
        step = self._step
        if step is None:
            return
        if self._running.acquire(blocking=False):
            # In a callback of a callback: DistributedDataParallel reduces in one that comes between.
            _call_back(partial(_call_back, self._backward_ended))
        # Twice in one backward: parts of the model are computed again in it, and the sum of both is not known.
        step.is_odd = step.is_odd or place in step.fired
        step.fired.add(place)
        with torch.no_grad():
            step.squares.append(_square(gradient))

    def _backward_ended(self) -> None:
        self._running.release()
        step = self._step
        if step is None or not step.squares:
            return
        step.parts.append(_sum(step.squares))
        step.members.append(len(step.fired))
        step.squares = []
        step.fired = set()
        if step.sizes is not None and len(step.parts) < len(step.sizes):
            return
        gradients = [part.grad for part in self._parameters() if part.grad is not None]
        if not gradients:
            step.is_odd = True
            return
        step.scale = 1.0 if self._scaler is None else float(self._scaler.get_scale())
        with torch.no_grad():
            step.whole = _sum([_square(gradient) for gradient in gradients])
            if step.sizes is None and self.workers == 1:
                self._compare(step, gradients)

    # Where a step is one backward, and nothing splits it, two consecutive ones are compared.

    def _compare(self, step: _Step, gradients: List[torch.Tensor]) -> None:
        pair = self._pair
        if len(step.parts) > 1:
            self._pair = _Pair()  # It accumulates, so that its parts tell more.
        elif self.pending and pair.first is not None:
            step.is_odd = len(pair.first) != len(gradients)
            if not step.is_odd:
                both = zip(pair.first, gradients)
                pair.mean = _sum([_square((one + other.detach() / step.scale) / 2) for one, other in both])
        else:
            pair.first = [gradient.detach() / step.scale for gradient in gradients]

    def _take_pair(self, step: _Step, examples: int) -> Optional[_measuring.Norms]:
        square = float(step.whole) / step.scale**2  # type: ignore[arg-type]
        pair = self._pair
        if not self.pending:
            pair.first_square = square
            self._step = _Step(None)
            self.pending = True
            return None
        mean = pair.mean
        self.drop()
        if mean is None:
            return None
        return self._unscaled(examples, (pair.first_square + square) / 2, 2 * examples, float(mean), 1.0)

    def _unscaled(self, few: float, small: float, many: int, large: float, scale: float) -> Optional[_measuring.Norms]:
        # Where a scaler's gradients have overflowed, it leaves out the step too.
        if self._scaler is not None and not math.isfinite(small + large):
            return None
        return few, small / scale**2, many, large / scale**2


def _call_back(call: Callable[[], None]) -> None:
    torch.autograd.Variable._execution_engine.queue_callback(call)  # type: ignore[attr-defined]


def observe(model: torch.nn.Module, optimizer: torch.optim.Optimizer, scaler: Any = None) -> GradientObserver:
    """Measures the noise of ``model``'s gradients from now on, in the epochs whose plan asks for it.

    ``optimizer`` has the parameters; its class's name tells how the learning rate may follow the batch size. ``scaler`` is the
    ``GradScaler`` where there is one. Call it once, before the first epoch; a second call takes the place of the first.
    """
    if not isinstance(model, torch.nn.Module) or not isinstance(getattr(optimizer, "param_groups", None), list):
        raise TrainerError(
            "MISUSE",
            f"observe takes a model and its optimizer, not {type(model).__name__} and {type(optimizer).__name__}.",
            "Write pawl.torch.observe(model, optimizer).",
        )
    earlier = _measuring.current.observer
    if isinstance(earlier, GradientObserver):
        earlier.remove()
    observer = _observer(model, optimizer, scaler)
    _measuring.current.observer = observer
    return observer


def _observer(model: torch.nn.Module, optimizer: torch.optim.Optimizer, scaler: Any) -> GradientObserver:
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return GradientObserver(model, optimizer, scaler)
    if torch.distributed.get_world_size() == 1:
        return GradientObserver(model, optimizer, scaler)
    if not isinstance(model, torch.nn.parallel.DistributedDataParallel):
        raise TrainerError(
            "MISUSE",
            f"observe cannot tell how {type(model).__name__} shares a batch among {torch.distributed.get_world_size()} "
            "processes.",
            "Give it the model as DistributedDataParallel wraps it, or leave observe out.",
        )
    from ._torch_workers import WorkersObserver

    return WorkersObserver(model, optimizer, scaler)
