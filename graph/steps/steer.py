"""Wishes of people while a run goes on: stop, ban or pin a claim, another limit, try this next.

Whoever watches appends wishes to a file in the run's folder; nothing else is written from
outside. The run reads them when it plans a generation, and what it read is stored with that
generation in the ledger: a resumed run repeats it.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from llm_nas.domain import ClaimId, SearchRequest
from llm_nas.errors import RequestError, StoreError, first_problem
from llm_nas.frozen import Frozen
from llm_nas.graph.record.run_dir import STEER
from llm_nas.graph.record.trace import now

PERSON = "person"
"""Origin of networks that somebody asked for."""
LIMITS = ("max_latency_ms", "max_params_m", "max_macs_m", "hours", "trainings")
_MOST_BYTES = 1_000_000


class Wish(Frozen):
    """One wish; which fields it needs depends on its kind."""

    kind: Literal["stop", "ban", "pin", "free", "limit", "next", "approve", "decline"]
    claim: ClaimId | None = None
    """What to ban, to pin, or to free of both."""
    limit: Literal["max_latency_ms", "max_params_m", "max_macs_m", "hours", "trainings"] | None = (
        None
    )
    value: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """The limit's new value; None: no limit."""
    arch: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    ts: str = ""

    @model_validator(mode="after")
    def _complete(self) -> "Wish":
        needed = {
            "ban": "claim",
            "pin": "claim",
            "free": "claim",
            "limit": "limit",
            "next": "arch",
        }
        field = needed.get(self.kind)
        if field and getattr(self, field) is None:
            raise ValueError(f"{self.kind} needs {field}")
        if self.limit == "trainings" and (self.value is None or self.value % 1):
            raise ValueError("trainings must be a whole number")
        return self


def wish(folder: Path, fields: Any) -> Wish:
    """Check a wish and append it to the run's file.

    Raises:
        RequestError: For a wish that is not one, or too many of them.
        StoreError: When it cannot be written.
    """
    try:
        asked = Wish.model_validate(fields).model_copy(update={"ts": now()})
    except ValidationError as error:
        raise RequestError(f"wish: {first_problem(error)}") from None
    path = folder / STEER
    if path.exists() and path.stat().st_size > _MOST_BYTES:
        raise RequestError(f"{path}: holds too many wishes")
    line = (asked.model_dump_json() + "\n").encode()
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line)
        finally:
            os.close(file)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
    return asked


def wishes(folder: Path) -> list[Wish | None]:
    """All wishes in order; None stands for a line that is none."""
    try:
        lines = (folder / STEER).read_bytes().split(b"\n")[:-1]
    except OSError:
        return []
    return [_read(line) for line in lines]


def _read(line: bytes) -> Wish | None:
    try:
        return Wish.model_validate(json.loads(line))
    except ValueError:
        return None


def stop_wished(folder: Path, since: str) -> bool:
    """Whether anybody asked to stop after a moment (UTC, ISO 8601)."""
    if not (folder / STEER).exists():
        return False
    return any(w is not None and w.kind == "stop" and w.ts >= since for w in wishes(folder))


def steered(request: SearchRequest, asked: Sequence[Wish]) -> SearchRequest:
    """The request as wishes leave it: they change limits, bans and pins, nothing else."""
    changes: dict[str, Any] = {"ban": request.ban, "pin": request.pin}
    for one in asked:
        if one.kind in ("ban", "pin", "free"):
            for name in ("ban", "pin"):
                changes[name] = tuple(c for c in changes[name] if c != one.claim)
            if one.kind != "free":
                changes[one.kind] = (*changes[one.kind], one.claim)
        elif one.limit is not None:
            changes[one.limit] = int(one.value or 0) if one.limit == "trainings" else one.value
    try:
        return SearchRequest.model_validate(request.model_dump() | changes)
    except ValidationError as error:
        raise RequestError(f"wish: {first_problem(error)}") from None
