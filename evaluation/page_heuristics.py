"""Heuristics on a report page: as they last stood, and what showing them changed in this run.

Lift is the store's (`llm_nas.evaluation.lift`), worked out from the run's own designer calls.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from llm_nas.domain import TraceEvent
from llm_nas.evaluation.lift import Call, Side, Tally, lift_of
from llm_nas.evaluation.page_events import Block, PageEvent

Asked = tuple[tuple[str, ...], tuple[str, ...]]
"""Heuristics shown in a designer call, and those withheld from it."""


class PageHeuristic(PageEvent):
    """A heuristic as it last stood, and what showing it changed."""

    id: str
    statement: str
    status: str = "inherited"
    n: int = 0
    shown: int = 0
    """Designer calls that saw it."""
    withheld: int = 0
    """Calls from which chance withheld it."""
    lift: float | None = None
    """Mean hypervolume gain of a call's children with it minus without; None after few calls."""
    lift_low: float | None = None
    lift_high: float | None = None
    """90 % interval of `lift`."""


def page_heuristics(
    events: Iterable[TraceEvent], blocks: Mapping[tuple[int, str], Block]
) -> tuple[PageHeuristic, ...]:
    """Every heuristic learned or shown, those with most evidence first.

    Args:
        events: the run's trace.
        blocks: its events by generation and niche.
    """
    found: dict[str, PageHeuristic] = {}
    for block in blocks.values():
        for shown in block.recalled.shown:
            found.setdefault(shown.id, PageHeuristic(id=shown.id, statement=shown.statement))
    for event in events:
        if event.event == "heuristic":
            latest = PageHeuristic.model_validate(event.data)
            found[latest.id] = latest
    tallies = _tallies(blocks)
    counted = [_with_lift(entry, tallies.get(entry.id)) for entry in found.values()]
    return tuple(sorted(counted, key=lambda entry: -entry.n))


def _tallies(blocks: Mapping[tuple[int, str], Block]) -> dict[str, Tally]:
    """Calls with and without every heuristic.

    As in the store, niches of a generation that were told the same count as one call.
    """
    asked: dict[tuple[int, Asked], list[Block]] = defaultdict(list)
    for (generation, _), block in blocks.items():
        recalled = block.recalled
        asked[generation, (tuple(s.id for s in recalled.shown), recalled.withheld)].append(block)
    calls: dict[str, tuple[list[Call], list[Call]]] = defaultdict(lambda: ([], []))
    for (_, sides), told in asked.items():
        children = [child for block in told for child in block.children]
        if not children:
            continue
        call = Call.of(children)
        for side, keys in enumerate(sides):
            for key in keys:
                calls[key][side].append(call)
    return {key: Tally(Side.of(shown), Side.of(held)) for key, (shown, held) in calls.items()}


def _with_lift(entry: PageHeuristic, tally: Tally | None) -> PageHeuristic:
    if tally is None:
        return entry
    lift = lift_of(tally)
    gain = lift.gain if lift else None
    return entry.model_copy(
        update={
            "shown": int(tally.shown.calls),
            "withheld": int(tally.held.calls),
            "lift": gain.mean if gain else None,
            "lift_low": gain.low if gain else None,
            "lift_high": gain.high if gain else None,
        }
    )
