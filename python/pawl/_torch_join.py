"""Several processes that train one model: the first talks to Pawl, and the others follow it."""

import math
import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

import torch
import torch.distributed

from ._connection import Answer, Connection
from ._errors import TrainerError

_ALONE = {"report": "ok", "saved": "ok", "checkpoint": "skip"}
"""What only the first process asks, and how the others take it."""


class Leading:
    """Asks Pawl, and tells the others what it answered."""

    def __init__(self, connect: Callable[[], Connection], group: Any) -> None:
        self._group = group
        self._asked: Optional[Tuple[int, int, float]] = None
        with self._telling():
            self._connection = connect()

    def ask(self, request: Dict[str, Any], expected: str, *also: str) -> Answer:
        if request["type"] in _ALONE:
            return self._connection.ask(request, expected, *also)
        with self._telling():
            answer = self._connection.ask(request, expected, *also)
        if answer["type"] == "go-on":
            answer = {**answer, "ask": {"seconds": math.inf, "step": self._next_step(request, answer["ask"])}}
        # The first one saves for all, and asks again at the next step.
        saves = answer["type"] == "folder"
        self._tell({"type": "go-on", "ask": {"seconds": math.inf, "step": request["step"] + 1}} if saves else answer)
        return answer

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Nobody waits for what does not come."""
        try:
            yield
        except TrainerError as error:
            self._tell({"type": "error", "code": error.code, "message": error.message})
            raise

    def _tell(self, answer: Answer) -> None:
        torch.distributed.broadcast_object_list([answer], 0, group=self._group)

    def _next_step(self, request: Dict[str, Any], ask: Dict[str, Any]) -> int:
        """When all ask again. Their clocks differ, and so it is a step: about as far as Pawl's seconds go."""
        epoch, step, now = request["epoch"], request["step"], time.monotonic()
        before, self._asked = self._asked, (epoch, step, now)
        ahead = 1.0
        if before is not None and before[0] == epoch and now > before[2]:
            steps = step - before[1]
            # By what steps took so far, and not much further than that is known.
            ahead = min(2 * steps, ask["seconds"] * steps / (now - before[2]))
        told = ask.get("step", math.inf)
        return int(max(step + 1, min(step + ahead, told)))


class Following:
    """Is answered what the first process was."""

    def __init__(self, group: Any) -> None:
        self._group = group

    def ask(self, request: Dict[str, Any], expected: str, *also: str) -> Answer:
        if request["type"] in _ALONE:
            return {"type": _ALONE[request["type"]]}
        told = [None]
        torch.distributed.broadcast_object_list(told, 0, group=self._group)
        answer: Any = told[0]
        if answer["type"] == "error":
            raise TrainerError(answer["code"], answer["message"])
        return answer  # type: ignore[no-any-return]

    def close(self) -> None:
        """Nothing: it is the first process's."""
