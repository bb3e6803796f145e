"""Playbooks: claims as a file to share. What comes in is data, and nobody's word is taken.

An imported claim starts as 'proposed' whatever its file says of it: evidence comes from this
store's own trainings. Conditions are parsed into the typed form or refused; nothing is evaluated.
Sizes, depths, names and characters are checked before anything is written.
"""

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from llm_nas.claims import Claim, Heuristic
from llm_nas.conditions import Condition, leaves
from llm_nas.errors import RequestError, StoreError
from llm_nas.frozen import Frozen
from llm_nas.knowledge.claims.edits import unknown_in
from llm_nas.ports import SearchSpace

FORMAT = "llm-nas playbook"
VERSION = 2
MOST_BYTES = 20_000_000
MOST_CLAIMS = 20_000
MOST_DEPTH = 4
"""Nesting of and/or/not in an imported condition."""
MOST_LEAVES = 16
MOST_PLACES = 32
"""Tasks, devices or niches in an imported scope."""


class _Envelope(Frozen):
    """What every playbook file has."""

    format: Literal["llm-nas playbook"]
    version: Literal[2]
    claims: Annotated[tuple[Any, ...], Field(max_length=MOST_CLAIMS)]


class Refusal(Frozen):
    """A claim that was not taken in, by its position in the file, and why."""

    position: int
    reason: str


class ImportReport(Frozen):
    """What an import did."""

    added: tuple[str, ...]
    known: tuple[str, ...]
    refused: tuple[Refusal, ...]
    conflicts: tuple[tuple[str, str], ...]
    """Imported claim and the claim here that says the opposite."""


def document(heuristics: Sequence[Heuristic]) -> dict[str, Any]:
    """A playbook of heuristics; their evidence goes along for people to read."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "claims": [
            h.model_dump(mode="json", exclude={"why"}) | {"statement": h.claim.statement}
            for h in heuristics
        ],
    }


def write(path: Path, heuristics: Sequence[Heuristic]) -> None:
    """Write a playbook whole or not at all."""
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_text(json.dumps(document(heuristics), indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"playbook {path}: cannot be written ({error.strerror})") from error


def read(path: Path) -> list[Any]:
    """The raw claims of a playbook file, unchecked.

    Raises:
        RequestError: It is no playbook, too large, or of a newer version.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise RequestError(f"playbook {path}: larger than {MOST_BYTES:,} bytes")
        body = json.loads(content.decode("utf-8"))
    except OSError as error:
        raise RequestError(f"playbook {path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise RequestError(f"playbook {path}: not valid JSON") from error
    try:
        envelope = _Envelope.model_validate(body)
    except ValidationError as error:
        raise RequestError(
            f"playbook {path}: no playbook of version {VERSION} with at most {MOST_CLAIMS} claims"
        ) from error
    return list(envelope.claims)


def checked_all(path: Path, space: SearchSpace | None) -> tuple[list[Claim], tuple[Refusal, ...]]:
    """The claims of a playbook file that are sound, and why the others are not."""
    claims: list[Claim] = []
    refused: list[Refusal] = []
    for position, raw in enumerate(read(path)):
        try:
            claims.append(checked(raw, space))
        except RequestError as error:
            refused.append(Refusal(position=position, reason=str(error)))
    return claims, tuple(refused)


def checked(raw: Any, space: SearchSpace | None) -> Claim:
    """A claim from outside, made safe; about `space`, where one is known, in its own terms.

    Raises:
        RequestError: It does not fit the typed form, the space or the limits; says why.
    """
    try:
        text = json.dumps(raw["claim"] if isinstance(raw, dict) and "claim" in raw else raw)
        claim = Claim.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part)[:40] for part in first["loc"][:6])
        raise RequestError(f"{place or 'claim'}: {first['msg'][:120]}") from error
    except (RecursionError, ValueError, TypeError) as error:
        raise RequestError("nested too deeply or not JSON") from error
    _check_condition(claim.condition)
    scope = claim.scope
    if max(len(scope.tasks), len(scope.devices), len(scope.niches)) > MOST_PLACES:
        raise RequestError(f"its scope names more than {MOST_PLACES} places")
    if space is not None and scope.space in ("", space.name):
        name = unknown_in(space, claim.condition)
        if name is not None:
            raise RequestError(f"the space {space.name} has no {plain(name)!r}")
    origin = claim.origin.model_copy(
        update={"source": "import", "run": "", "generation": 0, "archs": ()}
    )
    safe = scope.model_copy(update={"space": plain(scope.space)[:64]})
    return claim.model_copy(
        update={"origin": origin, "scope": safe, "wording": plain(claim.wording)}
    )


def plain(text: str) -> str:
    """One line of printable characters: no control, format or private-use characters."""
    kept = (c if unicodedata.category(c)[0] not in "CZ" else " " for c in text)
    return " ".join("".join(kept).split())[:400]


def _check_condition(condition: Condition) -> None:
    for number, (_, depth) in enumerate(leaves(condition), start=1):
        if depth > MOST_DEPTH:
            raise RequestError(f"condition is nested more than {MOST_DEPTH} deep")
        if number > MOST_LEAVES:
            raise RequestError(f"condition has more than {MOST_LEAVES} parts")
