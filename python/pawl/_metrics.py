"""Metrics as the protocol carries them."""

import math
import operator
from typing import Any, Dict, Mapping, Tuple, Union

from ._errors import TrainerError

_MOST = 50
_LONGEST = 100
_LARGEST_COUNT = 2**53 - 1

WireMetrics = Dict[str, Union[float, str]]


def _number(name: str, value: Any) -> float:
    # A missing or logical value would turn into a number by float() or by accident; neither is a measurement.
    if value is None or isinstance(value, (str, bytes, bool)) or type(value).__name__ in ("bool", "bool_"):
        raise TrainerError("METRIC_INVALID", f"Metric {name!r} must be a number, not {value!r}.")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise TrainerError(
            "METRIC_INVALID", f"Metric {name!r} must be one number, not {type(value).__name__}: {error}."
        ) from error


def wire_metrics(metrics: Mapping[str, Any]) -> WireMetrics:
    """Numbers as they are, and what is not finite as the words ``NaN``, ``Infinity`` and ``-Infinity``."""
    if len(metrics) > _MOST:
        raise TrainerError("METRIC_INVALID", f"A report holds at most {_MOST} metrics, not {len(metrics)}.")
    wire: WireMetrics = {}
    for name, value in metrics.items():
        # The protocol counts UTF-16 code units.
        if not isinstance(name, str) or not 1 <= len(name.encode("utf-16-le", "surrogatepass")) // 2 <= _LONGEST:
            raise TrainerError(
                "METRIC_INVALID", f"A metric's name must be 1 to {_LONGEST} characters, not {name!r}."
            )
        if name == "examples":
            raise TrainerError(
                "METRIC_INVALID",
                "'examples' is not a metric: it is the number of examples seen.",
                "Give it beside the metrics: report(metrics, examples=n).",
            )
        number = _number(name, value)
        if math.isnan(number):
            wire[name] = "NaN"
        elif math.isinf(number):
            wire[name] = "Infinity" if number > 0 else "-Infinity"
        else:
            wire[name] = number
    return wire


def wire_count(examples: Any) -> int:
    """The number of examples seen, from any whole number."""
    try:
        if isinstance(examples, bool):
            raise TypeError
        count = operator.index(examples)
    except TypeError:
        count = -1
    if not 0 <= count <= _LARGEST_COUNT:
        raise TrainerError(
            "METRIC_INVALID", f"examples must be a whole number from 0 to {_LARGEST_COUNT}, not {examples!r}."
        )
    return count


def read_norms(name: str, given: Any) -> Tuple[int, float]:
    """A number of examples and the squared norm of their mean gradient. Any norm goes: it is for Pawl to judge."""
    try:
        examples, squared = given
        if isinstance(examples, bool) or isinstance(squared, (bool, str, bytes)):
            raise TypeError
        count, number = operator.index(examples), float(squared)
    except (TypeError, ValueError):
        count, number = 0, 0.0
    if not 1 <= count <= _LARGEST_COUNT:
        raise TrainerError(
            "METRIC_INVALID",
            f"norms takes {name} as a number of examples from 1 on and a squared norm, not {given!r}.",
            f"Write {name}=(examples, squared), such as {name}=(16, 0.25).",
        )
    return count, number
