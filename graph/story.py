"""A trace told for people, one line an event."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llm_nas.domain import TraceEvent
from llm_nas.errors import RequestError
from llm_nas.graph.trace import DONE


def select(
    events: Sequence[TraceEvent], *, niche: str | None = None, cell: str | None = None
) -> list[TraceEvent]:
    """The events of a niche, or all that mention a cell; `RequestError` when there are none."""
    kept = [e for e in events if e.event != DONE]
    if niche is not None:
        kept = [e for e in kept if e.niche == niche]
    if cell is not None:
        kept = [e for e in kept if _mentions(e.data, cell)]
    if not kept:
        what = f"--cell {cell}" if cell is not None else f"--niche {niche}"
        raise RequestError(f"{what}: not in this run's trace")
    return kept


def _mentions(value: Any, cell: str) -> bool:
    return f'"{cell}"' in json.dumps(value)


def tell(events: Sequence[TraceEvent]) -> Iterator[str]:
    """Lines, with a heading for each generation and niche."""
    heading = None
    for event in events:
        place = (event.generation, event.niche)
        if place != heading:
            heading = place
            when = "start" if event.generation < 0 else f"generation {event.generation}"
            yield f"\n{when}, {event.niche}"
        teller = _TELLERS.get(event.event)
        if teller is not None:
            yield f"  {event.role}: {teller(event.data)}"


def _niches(d: dict[str, Any]) -> str:
    rules = "; ".join(f"{n['id']} {n['rule']} ({n['cells']} cells)" for n in d["niches"])
    return f"partition {d['partition']}: {rules}; data: {d['data_source']}"


def _heuristics(d: dict[str, Any]) -> str:
    shown = "; ".join(h["statement"] for h in d["shown"]) or "none"
    return (
        f"{d['slots']} children wanted; heuristics shown: {shown}; withheld: {len(d['withheld'])}"
    )


def _claims(d: dict[str, Any]) -> str:
    claims = "; ".join(c["statement"] for c in d["claims"]) or "no new claim"
    return f"{d['source']}: {claims} ({d['note']})"


def _proposal(d: dict[str, Any]) -> str:
    parents = f" of {' x '.join(d['parents'])}" if d["parents"] else ""
    return f"{d['arch']}: {d['operator']}{parents} by {d['source']}, {d['rationale']}"


def _measurement(d: dict[str, Any]) -> str:
    accuracy = f"{d['predicted_accuracy_pct']:.2f} % predicted"
    return f"{d['arch']}: {accuracy}, {d['latency_ms']:.4f} ms"


def _generation(d: dict[str, Any]) -> str:
    sources = "".join(
        f"; {name}: {c['raw']} proposed, {c['novel']} measured, {c['repaired']} repaired, "
        f"{c['duplicate']} repeated, {c['rejected']} rejected"
        for name, c in d.get("proposals", {}).items()
    )
    return f"{d['measured']} measured, {d['evaluations']} in all{sources}"


_TELLERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "niches": _niches,
    "heuristics": _heuristics,
    "failed": lambda d: f"{d['source']} failed: {d['why']}; offline agents stand in",
    "call": lambda d: (
        f"{d['model']}: {d['outcome']} {d['detail']}, {d['tokens_in']}+{d['tokens_out']} tokens"
    ),
    "claims": _claims,
    "proposal": _proposal,
    "verdict": lambda d: f"{d['arch']}: {d['decision']}, {d['reason']}",
    "measurement": _measurement,
    "change": lambda d: (
        f"{len(d['added'])} in, {len(d['removed'])} out, {d['size']} in the archive"
    ),
    "heuristic": lambda d: f"{d['id']} {d['status']} (n={d['n']}): {d['statement']}",
    "remedy": lambda d: f"measure taken against {d['kind']}: {d['taken']}",
    "signature": lambda d: f"{d['kind']} in {d['where']}: {d['reason']}; {d['measure']}",
    "source": lambda d: (
        f"store of {d['source']} {'believed' if d['kept'] else 'dropped'}: {d['reason']}"
    ),
    "drift": lambda d: (
        f"{d['outside']} of {d['cells']} cells outside the predictor's training range: "
        f"{'alarm' if d['alarm'] else 'no alarm any more'}"
    ),
    "generation": _generation,
}
