"""The one error of this package."""

from typing import Optional


class TrainerError(Exception):
    """What went wrong between the trainer and Pawl: a stable ``code``, and what to do ``next``.

    Codes of the helper's own: ``NO_AGENT``, ``AGENT_GONE``, ``PROTOCOL``, ``MISUSE``, ``METRIC_INVALID`` and, in
    ``pawl.torch``, ``CHECKPOINT_INVALID``. Others come from the agent, whose words they carry.
    """

    def __init__(self, code: str, message: str, next: Optional[str] = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.next = next

    def __str__(self) -> str:
        return f"[{self.code}] {self.message}" + (f" {self.next}" if self.next else "")
