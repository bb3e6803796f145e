"""A trace told for people, one line an event, readable at 80 columns."""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from llm_nas.domain import TraceEvent
from llm_nas.errors import RequestError
from llm_nas.graph.record.trace import DONE

Data = Mapping[str, Any]


def select(
    events: Sequence[TraceEvent],
    *,
    niche: str | None = None,
    generation: int | None = None,
    arch: str | None = None,
    role: str | None = None,
) -> list[TraceEvent]:
    """The events that meet every given filter; `RequestError` when there are none."""
    kept = [
        e
        for e in events
        if e.event != DONE
        and (niche is None or e.niche == niche)
        and (generation is None or e.generation == generation)
        and (role is None or e.role == role)
        and (arch is None or arch in _strings(e.data))
    ]
    if not kept:
        asked = {"niche": niche, "generation": generation, "arch": arch, "role": role}
        what = ", ".join(f"--{name} {value}" for name, value in asked.items() if value is not None)
        raise RequestError(f"{what or 'trace'}: nothing of it is in this run's trace")
    return kept


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in cast("dict[str, Any]", value).values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in cast("Sequence[Any]", value):
            yield from _strings(part)


def tell(events: Sequence[TraceEvent], columns: int | None = None) -> Iterator[str]:
    """Lines for people, with a heading where generation or niche changes.

    Lines are broken at `columns`, but never inside an architecture, so that it can be copied.
    """
    place: tuple[int, str] | None = None
    for event in events:
        told = _TELLERS.get((event.role, event.event), _plain)(event.data)
        if not told:
            continue
        if (event.generation, event.niche) != place:
            place = (event.generation, event.niche)
            yield f"generation {event.generation}, {event.niche}"
        for line in told:
            yield from _broken(f"  {event.role}: {line}", event.data, columns)


def _broken(line: str, data: Data, columns: int | None) -> list[str]:
    """A line in pieces of at most `columns` characters where that is possible."""
    if columns is None or len(line) <= columns:
        return [line]
    for text in sorted(set(_strings(data)), key=len, reverse=True):
        if "=" in text and ": " not in text:
            line = line.replace(text, text.replace(" ", "\0"))
    pieces = textwrap.wrap(
        line, columns, subsequent_indent=" " * 6, break_long_words=False, break_on_hyphens=False
    )
    return [piece.replace("\0", " ") for piece in pieces]


def _steps(data: Data) -> list[str]:
    return ["seconds: " + ", ".join(f"{n} {s:.2f}" for n, s in data["seconds"].items())]


def _call(data: Data) -> list[str]:
    tokens = f"{data['tokens_in']}+{data['tokens_out']} tokens"
    return [f"asked {data['model']}, {tokens}, {data['seconds']:.1f} s: {data['request']}"]


def _plain(data: Data) -> list[str]:
    return ["; ".join(f"{name} {value}" for name, value in data.items() if value not in ("", []))]


def _opened(data: Data) -> list[str]:
    niches = [f"{n['id']}: {n['rule']}" for n in data["niches"]]
    return [f"{data['context']}; data: {data['data_source']}", *niches, *data["notes"]]


def _slots(data: Data) -> list[str]:
    return [f"{w['niche']} gets {w['arch']}: {_because(w)}" for w in data["why"]]


def _because(why: Data) -> str:
    gain = "" if why.get("gain") is None else f" (expected gain {why['gain']:.3g})"
    return f"{why['reason'] or why['origin']}{gain}"


def _generation(data: Data) -> list[str]:
    return [f"{data['trained']} trained, {data['trainings']:g} trainings so far"]


def _recalled(data: Data) -> list[str]:
    return [f"shown: {claim['statement']} ({claim['why']})" for claim in data["shown"]]


def _claims(data: Data) -> list[str]:
    return [f"{data['source']} claims: {claim['statement']}" for claim in data["claims"]]


def _candidate(data: Data) -> list[str]:
    return [f"{data['origin']} proposes {data['arch']} ({data['operator']}): {data['reason']}"]


def _verdict(data: Data) -> list[str]:
    return [f"{data['decision']} {data['arch']}: {data['reason']}"]


def _failure(data: Data) -> list[str]:
    return [f"failed ({data['stage']}) {data['arch']}: {data['reason']}"]


def _timing(data: Data) -> list[str]:
    return [f"{data['median_ms']:.4g} ms: {data['arch']}"]


def _measurement(data: Data) -> list[str]:
    metrics = [n for n in data if n in ("accuracy_pct", "perplexity")]
    name = metrics[0] if metrics else "value"
    return [f"{name} {data.get(name)}, {data['latency_ms']:.4g} ms: {data['arch']}"]


def _change(data: Data) -> list[str]:
    return [f"archive of {data['size']}: {len(data['added'])} in, {len(data['removed'])} out"]


def _known(data: Data) -> list[str]:
    return [f"{data['status']}: {data['statement']}"]


_TELLERS: Mapping[tuple[str, str], Callable[[Data], list[str]]] = {
    ("open", "opened"): _opened,
    ("plan", "slots"): _slots,
    ("learn", "generation"): _generation,
    ("recall", "claims"): _recalled,
    ("record", "steps"): _steps,
    **{(role, "call"): _call for role in ("analyst", "designer", "opener")},
    ("analyst", "claims"): _claims,
    ("designer", "candidate"): _candidate,
    ("validator", "verdict"): _verdict,
    ("time", "failure"): _failure,
    ("time", "timing"): _timing,
    ("train", "failure"): _failure,
    ("train", "measurement"): _measurement,
    ("archive", "change"): _change,
    ("knowledge", "claim"): _known,
}
