"""One conversation with the agent: newline-delimited JSON over a Unix socket, one request at a time."""

import json
import os
import socket
import threading
from typing import Any, Dict, NoReturn

from ._errors import TrainerError
from ._version import __version__

PROTOCOL = 1
HELPER = f"pawl-python {__version__}"
MAX_LINE_BYTES = 1_048_576

Answer = Dict[str, Any]


def _gone() -> TrainerError:
    return TrainerError(
        "AGENT_GONE",
        "Pawl's agent has closed the conversation: this attempt is over.",
        "End the trainer; what is committed stays, and the next attempt goes on from there.",
    )


class Connection:
    """Asks and is answered. Any error ends the conversation."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._received = bytearray()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise TrainerError(
                "NO_AGENT",
                f"Pawl's agent does not answer at PAWL_SOCKET={path}: {error.strerror or error}.",
                "Start the trainer with 'pawl train <job file>'.",
            ) from error
        # A forked data loader that outlives this process must not hold the conversation open.
        os.register_at_fork(after_in_child=self._socket.close)

    def ask(self, request: Dict[str, Any], expected: str, *also: str) -> Answer:
        """Sends ``request`` and returns its answer, which is of type ``expected`` (or one of ``also``).

        Raises TrainerError: the agent's own code where it answers with an error, else AGENT_GONE or PROTOCOL.
        """
        with self._lock:
            if self._socket.fileno() < 0:
                raise _gone()
            answer = self._exchange(request)
            if answer["type"] == "error":
                self.close()
                raise TrainerError(str(answer.get("code", "ERROR")), str(answer.get("message", "")))
            if answer["type"] not in (expected, *also):
                self._refuse(f"answered {request['type']!r} with {answer['type']!r}")
            return answer

    def close(self) -> None:
        self._socket.close()

    def _refuse(self, what: str) -> NoReturn:
        self.close()
        raise TrainerError("PROTOCOL", f"Pawl's agent {what}.", "Use the helper that came with this Pawl.")

    def _exchange(self, request: Dict[str, Any]) -> Answer:
        if self._received:
            # An answer that nobody asked for; only an error may come so.
            answer = self._parse(self._line())
            if answer["type"] != "error":
                self._refuse("spoke out of turn")
            return answer
        line = json.dumps(request, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"
        try:
            self._socket.sendall(line)
        except OSError:
            pass  # What the agent said before it left is still to be read.
        return self._parse(self._line())

    def _line(self) -> bytes:
        searched = 0
        while True:
            end = self._received.find(b"\n", searched)
            if end > MAX_LINE_BYTES or (end < 0 and len(self._received) > MAX_LINE_BYTES):
                self._refuse(f"sent a line of more than {MAX_LINE_BYTES} bytes")
            if end >= 0:
                line = bytes(self._received[:end])
                del self._received[: end + 1]
                return line
            searched = len(self._received)
            try:
                chunk = self._socket.recv(65_536)
            except OSError:
                chunk = b""
            if not chunk:
                self.close()
                raise _gone()
            self._received += chunk

    def _parse(self, line: bytes) -> Answer:
        try:
            answer = json.loads(line.decode("utf-8"))
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not isinstance(answer.get("type"), str):
            self._refuse(f"sent a line that is no answer: {line[:100]!r}")
        return answer
