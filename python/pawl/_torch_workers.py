"""The norms of gradients that several workers share, one process each: DistributedDataParallel."""

import functools
import math
import types
from typing import Any, Callable, Optional

import torch
import torch.distributed

from . import _measuring
from ._torch_observe import GradientObserver

_FAR = 16
"""At the latest after so many steps the first worker says again when to measure: its plan may have changed."""


class WorkersObserver(GradientObserver):
    """Each worker's own gradients are the smaller batch, and what they are reduced to is the larger.

    Only the first worker talks to Pawl, and all must listen in the same steps. So they count the optimizer's steps, and at the
    end of each step that is measured one small ``all_reduce`` carries the squares, and from the first worker to the others in
    how many steps they measure again. Steps between cost nothing.
    """

    agrees = True

    def __init__(self, model: Any, optimizer: torch.optim.Optimizer, scaler: Any) -> None:
        super().__init__(model, optimizer, scaler)
        self._group = model.process_group
        self.workers = torch.distributed.get_world_size(self._group)
        self._rank = torch.distributed.get_rank(self._group)
        on_gpu = torch.distributed.get_backend(self._group) == "nccl"
        self._meeting_place = self._device if on_gpu else torch.device("cpu")
        self._until = self._last = 1
        self._since = 0
        self._measures = False
        self._found: Optional[_measuring.Norms] = None
        self._unhook = _before_each_step(optimizer, self._before_step)

    def arm(self, sizes: Any) -> None:
        """Nothing: all workers choose together."""

    def take(self, examples: int) -> Optional[_measuring.Norms]:
        found, self._found, self.measured = self._found, None, False
        # As parts of a batch; how large that is only Pawl's own worker knows.
        return None if found is None else (examples * found[0], found[1], examples * found[2], found[3])

    def drop(self) -> None:
        self._found = None
        self.measured = False

    def remove(self) -> None:
        self._unhook()
        super().drop()
        super().remove()

    def _before_step(self) -> None:
        self._until -= 1
        if self._until > 0:
            if self._until == 1 and self._measures:
                self._listen(None)
            return
        step, self._step = self._step, None
        self._silence()
        mean, count = 0.0, 0
        if step is not None and not step.is_odd and step.whole is not None:
            count = len(step.parts)
            mean = count * float(torch.stack([part.to(step.whole) for part in step.parts]).sum())
        measuring = _measuring.current.measuring if self._rank == 0 else None
        self._since = 0 if step is not None else self._since + self._last
        ahead = 0 if measuring is None else measuring.gap()
        if ahead > 0:
            ahead = max(2, ahead - self._since)
        is_right = count > 0 and math.isfinite(mean)
        said = torch.tensor([mean if is_right else 0.0, is_right, count, ahead], dtype=torch.float64)
        said = said.to(self._meeting_place)
        torch.distributed.all_reduce(said, group=self._group)
        total, right, counts, agreed = said.tolist()
        self._measures = 0 < agreed <= _FAR
        self._until = self._last = int(agreed) if self._measures else _FAR
        self.measured = step is not None
        if step is not None and step.whole is not None and right == self.workers and counts == count * self.workers:
            scale = step.scale**2
            part = 1 / (count * self.workers)
            self._found = (part, total / self.workers / scale, 1, float(step.whole) / scale)


def _before_each_step(optimizer: Any, act: Callable[[], None]) -> Callable[[], None]:
    """Has ``act`` called before each of the optimizer's steps; returns what ends that."""
    if hasattr(optimizer, "register_step_pre_hook"):
        return optimizer.register_step_pre_hook(lambda *_: act()).remove  # type: ignore[no-any-return]
    # Before PyTorch 2.0. A bound method, as schedulers of the learning rate expect, which wrap it too.
    step = optimizer.step

    @functools.wraps(step)
    def acting(_: Any, *args: Any, **kwargs: Any) -> Any:
        act()
        return step(*args, **kwargs)

    optimizer.step = types.MethodType(acting, optimizer)
    return lambda: setattr(optimizer, "step", step)
