"""Which member of a front a person means."""

import re
from collections.abc import Sequence

from llm_nas.domain import FrontPoint
from llm_nas.errors import RequestError

_UNDER = re.compile(r"\s*(?:under|below|<)\s*(\d+(?:\.\d+)?|\.\d+)\s*(?:ms)?\s*", re.IGNORECASE)
_SAME_ERROR = 1e-9


def pick(front: Sequence[FrontPoint], wish: str) -> FrontPoint:
    """The member that `knee`, a number from 1 (the fastest) or `under 5 ms` names.

    Raises:
        RequestError: when nothing fits, saying what there is.
    """
    if not front:
        raise RequestError("the run has no front to pick from: no network was trained")
    ordered = sorted(front, key=lambda point: point.latency_ms)
    under = _UNDER.fullmatch(wish)
    if under is not None:
        return _under(ordered, float(under[1]))
    if wish.strip().isdigit():
        return _numbered(ordered, int(wish))
    if wish.strip().lower() == "knee":
        return knee(ordered)
    raise RequestError(f"--pick {wish!r}: expected knee, a number from 1, or 'under 5 ms'")


def knee(front: Sequence[FrontPoint]) -> FrontPoint:
    """The member farthest below the line between the ends of the front, both axes scaled."""
    ordered = sorted(front, key=lambda point: point.latency_ms)
    first, last = ordered[0], ordered[-1]
    width = last.latency_ms - first.latency_ms
    height = last.value - first.value
    if width <= 0 or abs(height) <= _SAME_ERROR:
        return first

    def above_line(point: FrontPoint) -> float:
        return (point.value - first.value) / height - (point.latency_ms - first.latency_ms) / width

    return max(ordered, key=above_line)


def _under(ordered: Sequence[FrontPoint], limit_ms: float) -> FrontPoint:
    fitting = [point for point in ordered if point.latency_ms < limit_ms]
    if not fitting:
        raise RequestError(
            f"no member of the front is under {limit_ms:g} ms; the fastest has "
            f"{ordered[0].latency_ms:.3g} ms"
        )
    return fitting[-1]


def _numbered(ordered: Sequence[FrontPoint], number: int) -> FrontPoint:
    if not 1 <= number <= len(ordered):
        raise RequestError(f"--pick {number}: the front has {len(ordered)} members, from 1")
    return ordered[number - 1]
