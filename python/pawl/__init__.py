"""The trainer's side of Pawl.

    import pawl

    for epoch in pawl.epochs(save=save):
        for batch in epoch.batches(len(data)):
            ...
        epoch.report(loss=loss, examples=len(data))
        epoch.checkpoint()

The first call connects to the agent that started this trainer. ``docs/trainer-protocol.md`` says what is spoken.
"""

import faulthandler
import os
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple, Optional

from ._connection import HELPER, PROTOCOL, Connection
from ._epoch import Epoch, Saving, check_framework, check_save
from ._errors import TrainerError
from ._version import __version__

__all__ = ["Epoch", "Run", "TrainerError", "__version__", "current", "epochs", "restored", "run"]


class Run(NamedTuple):
    """What this trainer is part of."""

    name: str
    attempt: int
    """Which try at training this is, from 1; never used twice in a run."""
    epochs: int
    """How many epochs the job asks for."""
    seed: int
    restored: Optional[Path]
    """The checkpoint to go on from, or to begin from, to be read only; None where training begins with nothing."""
    restored_epoch: Optional[int]
    """The last epoch that is in it as a whole; 0 for what the job's ``checkpoint.from`` names."""
    restored_step: Optional[int]
    """Steps of the epoch after that which are in it too; None where it ends with an epoch."""


def _connect() -> Connection:
    path = os.environ.get("PAWL_SOCKET")
    if not path:
        raise TrainerError(
            "NO_AGENT",
            "This trainer was started without Pawl (PAWL_SOCKET is not set).",
            "Start it with 'pawl train <job file>', with this command as the job's 'command'.",
        )
    return Connection(path)


class _Session:
    def __init__(self, connection: Any) -> None:
        self.connection = connection
        _dump_when_stalled()
        hello = {"type": "hello", "protocol": PROTOCOL, "helper": HELPER}
        welcome = self.connection.ask(hello, "welcome")
        if welcome["protocol"] != PROTOCOL:
            self.connection.close()
            raise TrainerError(
                "PROTOCOL",
                f"Pawl's agent speaks version {welcome['protocol']} of the protocol, this helper {PROTOCOL}.",
                "Use the helper that came with this Pawl.",
            )
        kept = welcome["restored"]
        self.run = Run(
            name=welcome["run"],
            attempt=welcome["attempt"],
            epochs=welcome["epochs"],
            seed=welcome["seed"],
            restored=None if kept is None else Path(kept["folder"]),
            restored_epoch=None if kept is None else kept["epoch"],
            restored_step=None if kept is None else kept.get("step"),
        )
        self.walked = False
        self.epoch: Optional[Epoch] = None


def _dump_when_stalled() -> None:
    """Pawl ends a trainer that hangs with SIGABRT: Python then says where each thread stands."""
    if faulthandler.is_enabled():
        return
    for stream in (sys.stderr, sys.__stderr__):
        try:
            faulthandler.enable(stream)
            return
        except (AttributeError, OSError, RuntimeError, ValueError):
            pass  # It is no file, as in a notebook, or closed.


_opening = threading.Lock()
_current: Optional[_Session] = None


def _session() -> _Session:
    global _current
    with _opening:
        if _current is None:
            _current = _Session(_connect())
        return _current


def _begin_with(connection: Any) -> None:
    """Speaks through ``connection`` from the first word on."""
    global _current
    with _opening:
        if _current is not None:
            raise TrainerError(
                "MISUSE",
                "This process talks to Pawl already.",
                "Call pawl.torch.join() before anything else of Pawl.",
            )
        _current = _Session(connection)


def run() -> Run:
    """The run that this trainer is part of. Raises TrainerError."""
    return _session().run


def restored() -> Optional[Path]:
    """The folder of the checkpoint to go on from, to be read only; None where training begins with nothing.

    Until there is one of this run it is what the job's ``checkpoint.from`` names, if it names anything:
    ``run().restored_epoch`` is 0 then, and ``run().restored_step`` None. Raises TrainerError.
    """
    return _session().run.restored


def current() -> Epoch:
    """The epoch that is being trained: what ``epochs()`` handed out last. Raises TrainerError where there is none."""
    epoch = None if _current is None else _current.epoch
    if epoch is None:
        raise TrainerError(
            "MISUSE", "No epoch is being trained.", "Ask inside the loop: for epoch in pawl.epochs(): …"
        )
    return epoch


def epochs(*, save: Optional[Callable[[Path], Any]] = None, framework: Optional[str] = None) -> Iterator[Epoch]:
    """The epochs to train, one after the other, until Pawl has no more; to be walked once.

    ``save(folder)`` writes the checkpoint into a fresh, empty folder: at the end of an epoch (``epoch.checkpoint()``) and,
    where ``epoch.step`` is called, in the middle of one. ``framework`` says in free words what wrote the files.
    Asking for the next one ends the one before; an epoch that was not reported is reported without metrics. Waits
    where Pawl still commits earlier epochs. Raises TrainerError.
    """
    check_save(save)
    check_framework(framework)
    session = _session()
    if session.walked:
        raise TrainerError("MISUSE", "epochs() can be walked once only.")
    session.walked = True
    saving = Saving(save, framework)
    try:
        while True:
            answer = session.connection.ask({"type": "next"}, "epoch", "end")
            if answer["type"] == "end":
                return
            epoch = session.epoch = Epoch(session.connection, answer["plan"], answer.get("resume"), saving)
            yield epoch
            epoch._finish()
    finally:
        session.connection.close()
