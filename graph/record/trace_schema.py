"""The published form of `trace.jsonl`: what every event holds, as models and as a JSON schema.

Readers may rely on the fields of one version; a later one may add events and fields. The schema
in docs/reference/trace.schema.json is made by `json_schema`.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, create_model

from llm_nas.claims import Evidence
from llm_nas.domain import Failure, Metric, SourceVerdict, Timing, TraceEvent

VERSION = 1
_create: Any = create_model
Told: TypeAlias = type[BaseModel]
_STRICT = ConfigDict(extra="forbid")
_METRICS = ConfigDict(extra="allow")


def _data(name: str, doc: str, /, **fields: Any) -> Told:
    """A model of one event's data; fields are types, or (type, default) where they may lack."""
    config = fields.pop("config", _STRICT)
    given: dict[str, Any] = {
        name: field if isinstance(field, tuple) else (field, ...) for name, field in fields.items()
    }
    made: Told = _create(name, __config__=config, __doc__=doc, **given)
    return made


_NICHE = _data("NicheTold", "A niche and its rule in words.", id=str, rule=str)
_WHY = _data(
    "Why",
    "One candidate of the plan: why it gets a slot and what it is expected to gain.",
    arch=str,
    niche=str,
    origin=str,
    reason=str,
    gain=float | None,
)
_SHOWN = _data("Shown", "A claim that was shown.", id=str, statement=str, why=str)
_SAID = _data("Said", "A claim that was proposed.", id=str, statement=str)

EVENTS: Mapping[tuple[str, str], Told] = {
    ("open", "opened"): _data(
        "Opened",
        "The run began: what was asked, where, with which niches.",
        request=dict[str, Any],
        context=str,
        partition=str,
        niches=list[_NICHE],  # type: ignore[valid-type]
        data_source=str,
        recalled_claims=list[str],
        recalled_trainings=int,
        notes=list[str],
        metric=Metric,
        trace_version=Literal[1],
    ),
    ("steer", "wish"): _data(
        "Wished",
        "A person's wish was heard.",
        kind=Literal["stop", "ban", "pin", "free", "limit", "next", "approve", "decline"],
        claim=(str, ""),
        limit=(str, ""),
        value=(float | None, None),
        arch=(str, ""),
        ts=str,
        refused=(str, ""),
    ),
    ("steer", "refused"): _data("Unwanted", "A network asked for is none.", arch=str, why=str),
    ("opener", "failed"): _data("OpenerFailed", "The model gave nothing.", source=str, why=str),
    ("opener", "opening"): _data("Opening", "The model's networks.", asked=int, kept=int),
    ("plan", "slots"): _data(
        "Slots",
        "Why slots went where they went, and what was expected.",
        why=list[_WHY],  # type: ignore[valid-type]
    ),
    ("recall", "claims"): _data(
        "Recalled",
        "Claims shown and withheld, and the niche as it stood.",
        shown=list[_SHOWN],  # type: ignore[valid-type]
        withheld=list[str],
        slots=int,
        archive=list[str],
    ),
    ("analyst", "claims"): _data(
        "Proposed",
        "Claims of the Analyst, and its votes on those shown.",
        source=str,
        claims=list[_SAID],  # type: ignore[valid-type]
        keep=list[str],
        retire=list[str],
        note=str,
    ),
    **{
        (role, "failed"): _data("Failed", "A model failed; offline stood in.", source=str, why=str)
        for role in ("analyst", "designer")
    },
    **{
        (role, "call"): _data(
            "Call",
            "One call of a model: its cost; `request` finds its words in talk.jsonl.",
            model=str,
            prompt=str,
            request=str,
            outcome=Literal["answer", "failure"],
            detail=str,
            tokens_in=int,
            tokens_out=int,
            seconds=float,
        )
        for role in ("analyst", "designer", "opener")
    },
    ("designer", "candidate"): _data(
        "Proposal",
        "A network somebody would train, and why.",
        arch=str,
        niche=str,
        origin=str,
        operator=str,
        reason=str,
        gain=float | None,
        parents=list[str],
        claims=list[str],
    ),
    ("validator", "verdict"): _data(
        "Judged",
        "What the Validator decided.",
        arch=str,
        decision=Literal["accepted", "repaired", "rejected"],
        kind=str,
        reason=str,
        origin=str,
    ),
    ("time", "timing"): Timing,
    ("time", "failure"): Failure,
    ("time", "refused"): _data(
        "OverLimit",
        "Timed, and not trained: over a limit, or too slow beside all baselines.",
        arch=str,
        kind=Literal["limit", "too_slow"],
        why=str,
    ),
    ("open", "span"): _data(
        "Span", "Slower networks than this lie beyond all baselines.", latency_ms=float
    ),
    ("open", "unmet_limits"): _data(
        "UnmetLimits",
        "No sampled network meets the limits; the nearest.",
        nearest=str,
        latency_ms=(float | None, None),
        params_m=(float | None, None),
        macs_m=(float | None, None),
    ),
    ("train", "failure"): Failure,
    ("train", "measurement"): _data(
        "Measured",
        "A trained network; the task's metric stands under its own name.",
        arch=str,
        latency_ms=float,
        latency_low_ms=float,
        latency_high_ms=float,
        trainings=float,
        seconds=float,
        origin=str,
        gain=float | None,
        config=_METRICS,
    ),
    ("archive", "change"): _data(
        "Changed",
        "What became of the niche's archive, and what each network added to the run's front.",
        added=list[str],
        removed=list[str],
        gains=list[float],
        size=int,
    ),
    ("record", "steps"): _data(
        "Steps", "Seconds of each step of the niche.", seconds=dict[str, float]
    ),
    ("knowledge", "claim"): _data(
        "Claimed",
        "A claim as it now stands.",
        id=str,
        status=str,
        statement=str,
        evidence=Evidence,
    ),
    ("store", "source"): SourceVerdict,
    ("learn", "generation"): _data(
        "Learnt",
        "A generation is over.",
        generation=int,
        trained=int,
        trainings=float,
        slots=dict[str, int],
    ),
    ("trace", "done"): _data("Done", "The end of a block."),
}
"""What the data of each kind of event holds, by role and event."""


def problems(events: list[TraceEvent]) -> Iterator[str]:
    """What in a trace is not as published, a line an event."""
    for event in events:
        kind = EVENTS.get((event.role, event.event))
        if kind is None:
            yield f"{event.role} {event.event}: no such event"
            continue
        try:
            kind.model_validate(event.data, strict=False)
        except ValueError as error:
            yield f"{event.role} {event.event}: {' '.join(str(error).split())}"


def json_schema() -> dict[str, Any]:
    """The JSON schema of one line of the trace."""
    lines = [
        _create(
            f"{role.title()}{event.title()}Event",
            __config__=_STRICT,
            __doc__=kind.__doc__,
            ts=(str, Field(description="UTC, ISO 8601 with milliseconds.")),
            run=(str, Field(description="Id of the run.")),
            generation=(int, Field(description="-1: before the first.")),
            niche=(str, Field(description="Of the partition, or run.")),
            role=(Literal[role], ...),
            event=(Literal[event], ...),
            seq=(int, Field(description="Place in the block of this niche and generation.")),
            data=(kind, ...),
        )
        for (role, event), kind in EVENTS.items()
    ]
    union: Any = Annotated[lines[0], Field()]
    for line in lines[1:]:
        union = union | line
    from pydantic import TypeAdapter

    schema = TypeAdapter(union).json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"One line of trace.jsonl, version {VERSION}",
        **schema,
    }


if __name__ == "__main__":
    import json
    import sys

    sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")
