"""The trainer's side of Pawl.

    import pawl

    for epoch in pawl.epochs():
        for index in epoch.order(len(data)):
            ...
        epoch.report(loss=loss, examples=len(data))
        epoch.checkpoint(save)

The first call connects to the agent that started this trainer. ``docs/trainer-protocol.md`` says what is spoken.
"""

import os
import threading
from pathlib import Path
from typing import Iterator, NamedTuple, Optional

from ._connection import HELPER, PROTOCOL, Connection
from ._epoch import Epoch
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
    """The last epoch whose training is in it; 0 for what the job's ``checkpoint.from`` names."""


class _Session:
    def __init__(self) -> None:
        path = os.environ.get("PAWL_SOCKET")
        if not path:
            raise TrainerError(
                "NO_AGENT",
                "This trainer was started without Pawl (PAWL_SOCKET is not set).",
                "Start it with 'pawl train <job file>', with this command as the job's 'command'.",
            )
        self.connection = Connection(path)
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
        )
        self.walked = False
        self.epoch: Optional[Epoch] = None


_opening = threading.Lock()
_current: Optional[_Session] = None


def _session() -> _Session:
    global _current
    with _opening:
        if _current is None:
            _current = _Session()
        return _current


def run() -> Run:
    """The run that this trainer is part of. Raises TrainerError."""
    return _session().run


def restored() -> Optional[Path]:
    """The folder of the checkpoint to go on from, to be read only; None where training begins with nothing.

    Until the first epoch is committed it is what the job's ``checkpoint.from`` names, if it names anything:
    ``run().restored_epoch`` is 0 then. Raises TrainerError.
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


def epochs() -> Iterator[Epoch]:
    """The epochs to train, one after the other, until Pawl has no more; to be walked once.

    Asking for the next one ends the one before; an epoch that was not reported is reported without metrics. Waits
    where Pawl still commits earlier epochs. Raises TrainerError.
    """
    session = _session()
    if session.walked:
        raise TrainerError("MISUSE", "epochs() can be walked once only.")
    session.walked = True
    try:
        while True:
            answer = session.connection.ask({"type": "next"}, "epoch", "end")
            if answer["type"] == "end":
                return
            epoch = session.epoch = Epoch(session.connection, answer["plan"])
            yield epoch
            epoch._finish()
    finally:
        session.connection.close()
