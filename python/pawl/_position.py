"""From where in the data an epoch goes on: any JSON that the trainer understands."""

import json
import math
import numbers
import operator
from typing import Any, Tuple

from ._errors import TrainerError

_LONGEST = 65_536
_DEEPEST = 64
_LARGEST = 2**53 - 1
_NEXT = "Give JSON: usually the number of examples taken so far, epoch.step(position=taken)."


def _refuse(what: str) -> TrainerError:
    return TrainerError("MISUSE", f"A position must be JSON: {what}.", _NEXT)


def _plain(value: Any, where: str, outer: Tuple[int, ...]) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    # With NumPy's whole numbers. Not all that can be an index: a tensor on a GPU would be waited for.
    if isinstance(value, numbers.Integral):
        number = operator.index(value)
        if not -_LARGEST <= number <= _LARGEST:
            raise _refuse(f"{where} is {number}, and whole numbers go to {_LARGEST} (2**53 - 1)")
        return number
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _refuse(f"{where} is {value!r}, which JSON does not have")
        return float(value)
    if not isinstance(value, (list, tuple, dict)):
        raise _refuse(f"{where} is of type {type(value).__module__}.{type(value).__qualname__}".replace("builtins.", ""))
    if id(value) in outer:
        raise _refuse(f"{where} holds itself")
    if len(outer) >= _DEEPEST:
        raise _refuse(f"it is nested more than {_DEEPEST} deep")
    inner = (*outer, id(value))
    if not isinstance(value, dict):
        return [_plain(entry, f"{where}[{place}]", inner) for place, entry in enumerate(value)]
    for key in value:
        if not isinstance(key, str):
            raise _refuse(f"{where} has the key {key!r}, and keys are texts")
    return {key: _plain(entry, f"{where}[{key!r}]", inner) for key, entry in value.items()}


def wire_position(position: Any) -> Any:
    """A copy of ``position`` in what JSON has, as it will be given back. Raises TrainerError."""
    plain = _plain(position, "it", ())
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    # The protocol counts UTF-16 code units.
    length = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if length > _LONGEST:
        raise TrainerError(
            "MISUSE",
            f"A position must be at most {_LONGEST} characters of JSON, not {length}.",
            "Keep what is large in the checkpoint, and the place in it as the position.",
        )
    return plain


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def goes_back(before: Any, now: Any) -> bool:
    """Whether ``now`` is before ``before``: of two numbers, or of two lists of as many numbers; others have no order."""
    if _is_number(before) and _is_number(now):
        return bool(now < before)
    if not isinstance(before, list) or not isinstance(now, list) or len(before) != len(now):
        return False
    return all(map(_is_number, before)) and all(map(_is_number, now)) and now < before
