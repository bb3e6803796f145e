"""Which heuristics are most worth showing, and why.

rank = scope match x confidence x gain x novelty. The part that does not depend on who asks
(confidence x gain) is stored with each claim, so a query reads a few dozen candidates from an
index instead of every claim.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llm_nas.claims import Claim, Evidence, Heuristic, Status
from llm_nas.domain import DATASETS

TRUST: Mapping[Status, float] = {
    "trusted": 1.0,
    "supported": 0.9,
    "proposed": 0.3,
    "contested": 0.15,
    "retired": 0.0,
}
"""Confidence a status alone stands for."""
SAME_TOPIC = 0.5
"""Factor for each claim on the same operation and objective that is already chosen."""
EVERYWHERE = 0.9
"""Scope match of a claim about everything: a little less than one about this very place."""
WORDS_PER_TOKEN = 0.75
"""Rough number of English words a token stands for."""
CANDIDATES = 24
"""Claims looked at per place, more when more are asked for."""


def worth(claim: Claim, status: Status, evidence: Evidence) -> float:
    """Confidence times gain of a claim, in [0, 1], wherever it is used."""
    p = 0.5 if evidence.p_value is None else evidence.p_value
    sure = max(0.0, 1.0 - 2.0 * p) if status not in ("proposed",) else 1.0 - p
    return TRUST[status] * sure * _gain(claim, evidence)


def _gain(claim: Claim, evidence: Evidence) -> float:
    """Size of the effect as a share of what would be large for its objective, in (0, 1]."""
    size = abs(evidence.mean_effect) / max(evidence.spread, 1e-12) if evidence.spread else 0.0
    return min(1.0, 0.1 + size)


@dataclass(frozen=True, slots=True)
class Asker:
    """Where heuristics are wanted for; None means anywhere."""

    dataset: str | None
    device: str | None
    niche: str | None
    similarity: Mapping[str, float]
    """How alike another device (or dataset) is to the asker's, in [0, 1], by name."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A claim in the running, with the reasons for its rank."""

    id: str
    score: float
    match: float
    place: str


def candidates(db: sqlite3.Connection, asker: Asker, limit: int = CANDIDATES) -> list[Candidate]:
    """The best claims of every place that matters to the asker, best first, unbenched."""
    best: dict[str, Candidate] = {}
    for dataset, device, niche, match, words in _places(asker):
        where, values = _where(dataset, device, niche)
        rows = db.execute(
            f"SELECT claim, score FROM claim_scope WHERE {where} AND score > 0 "
            "ORDER BY score DESC, claim LIMIT ?",
            (*values, limit),
        )
        for key, score in rows:
            found = Candidate(key, score * match, match, words)
            if key not in best or found.score > best[key].score:
                best[key] = found
    return sorted(best.values(), key=lambda c: (-c.score, c.id))


def in_scope(db: sqlite3.Connection, keys: Sequence[str], asker: Asker) -> list[Candidate]:
    """Those of some claims that concern the asker, retired ones included."""
    best: dict[str, Candidate] = {}
    chosen = json.dumps(list(keys))
    for dataset, device, niche, match, words in _places(asker):
        where, values = _where(dataset, device, niche)
        rows = db.execute(
            "SELECT claim, score FROM claim_scope WHERE claim IN "
            f"(SELECT value FROM json_each(?)) AND {where}",
            (chosen, *values),
        )
        for key, score in rows:
            if key not in best or best[key].match < match:
                best[key] = Candidate(key, score * match, match, words)
    return list(best.values())


def _where(
    dataset: str | None, device: str | None, niche: str | None
) -> tuple[str, tuple[str, ...]]:
    named = [
        (n, v)
        for n, v in zip(("dataset", "device", "niche"), (dataset, device, niche), strict=True)
        if v is not None
    ]
    return " AND ".join(f"{n} = ?" for n, _ in named) or "1", tuple(v for _, v in named)


def _places(
    asker: Asker,
) -> list[tuple[str | None, str | None, str | None, float, str]]:
    """Scopes to look in: (dataset, device, niche, match, words); None matches any value."""
    found: list[tuple[str | None, str | None, str | None, float, str]] = []
    for dataset, dataset_match in _near(asker.dataset, asker.similarity):
        for device, device_match in _near(asker.device, asker.similarity):
            for niche, niche_match in _near(asker.niche, {}):
                words = ", ".join(
                    w or "everywhere" for w in (dataset, device, niche) if w is not None
                )
                match = dataset_match * device_match * niche_match
                found.append((dataset, device, niche, match, words or "anywhere"))
    return found


def _near(name: str | None, similarity: Mapping[str, float]) -> list[tuple[str | None, float]]:
    """Values of one scope column that concern an asker, with how well they match."""
    if name is None:
        return [(None, 1.0)]
    others = [
        (other, value)
        for other, value in similarity.items()
        if other != name and value > 0 and (other in DATASETS) == (name in DATASETS)
    ]
    return [(name, 1.0), ("", EVERYWHERE), *others]


def choose(
    ranked: Sequence[tuple[Candidate, Heuristic]], k: int, token_budget: int | None
) -> tuple[Heuristic, ...]:
    """Pick up to `k`, each time the best after novelty, while the token budget lasts."""
    left = [(candidate, heuristic, _theme(heuristic.claim)) for candidate, heuristic in ranked]
    chosen: list[Heuristic] = []
    seen: dict[tuple[str, str], int] = {}
    tokens = 0
    while left and len(chosen) < k:
        values = [c.score * SAME_TOPIC ** seen.get(theme, 0) for c, _, theme in left]
        candidate, heuristic, theme = left.pop(values.index(max(values)))
        cost = tokens_of(heuristic.claim.statement)
        if token_budget is not None and tokens + cost > token_budget:
            continue
        tokens += cost
        repeats = seen.get(theme, 0)
        seen[theme] = repeats + 1
        chosen.append(heuristic.model_copy(update={"why": _why(candidate, heuristic, repeats)}))
    return tuple(chosen)


def tokens_of(text: str) -> int:
    """Tokens a text takes in a prompt: 4 characters or 3/4 of a word each, whichever is more."""
    return max(len(text) // 4, int(len(text.split()) / WORDS_PER_TOKEN)) + 1


def _theme(claim: Claim) -> tuple[str, str]:
    return claim.condition.model_dump_json(), claim.effect.objective


def _why(candidate: Candidate, heuristic: Heuristic, repeats: int) -> str:
    evidence = heuristic.evidence
    numbers = (
        f"effect {evidence.mean_effect:+.3g} {heuristic.claim.effect.unit} "
        f"[{evidence.low:+.3g}, {evidence.high:+.3g}] from {evidence.cells} cells"
        if evidence.method != "none"
        else "not tested yet"
    )
    again = f", {repeats} like it already chosen" if repeats else ""
    scope = f"scope {candidate.place} (match {candidate.match:.2f})"
    return f"{heuristic.status}; {scope}; {numbers}{again}"
