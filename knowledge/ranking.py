"""Which heuristics are most worth showing, and why.

rank = scope match x confidence x gain x novelty. The part that does not depend on who asks
(confidence x gain) is stored with each claim, so a query reads a few dozen candidates from an
index instead of every claim.
"""

import heapq
import itertools
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from llm_nas.claims import Claim, Evidence, Heuristic, Objective, Status
from llm_nas.domain import DATASETS
from llm_nas.knowledge.devices import Likeness

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
    similarity: Mapping[str, Likeness]
    """How alike another device (or dataset) is to the asker's, in [0, 1], by name."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A claim in the running, with the reasons for its rank."""

    id: str
    score: float
    match: float
    place: str


def candidates(
    db: sqlite3.Connection,
    asker: Asker,
    limit: int = CANDIDATES,
    objectives: Sequence[Objective] = (),
    known: Sequence[tuple[str, str, str]] | None = None,
) -> list[Candidate]:
    """The best claims of every place that matters to the asker, best first.

    Reads each scope's ranked list only as far as it is needed. `objectives` are those that
    claims must be about, any when empty; `known` are the `scopes`, read again when None.
    """
    best: dict[str, Candidate] = {}
    places = _places(asker)
    if known is None:
        known = scopes(db) if any(place.open for place in places) else ()
    for place in places:
        meant = [scope for scope in known if place.takes(scope)] if place.open else [place.scope]
        ranked = [_ranked(db, scope, limit, objectives) for scope in meant]
        merged = heapq.merge(*ranked, key=lambda row: (-row[1], row[0]))
        for key, score in itertools.islice(merged, limit):
            found = Candidate(key, score * place.match, place.match, place.words)
            if key not in best or found.score > best[key].score:
                best[key] = found
    return sorted(best.values(), key=lambda c: (-c.score, c.id))


def scopes(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Every (dataset, device, niche) that some claim names, in order; '' means everywhere.

    Jumps through the index from one to the next, so it costs a look-up per scope.
    """
    query = (
        "SELECT dataset, device, niche FROM claim_scope "
        "WHERE (dataset, device, niche) > (?, ?, ?) ORDER BY dataset, device, niche LIMIT 1"
    )
    everywhere = "SELECT 1 FROM claim_scope WHERE dataset = '' AND device = '' AND niche = ''"
    found = [("", "", "")] if db.execute(everywhere + " LIMIT 1").fetchone() else []
    row = db.execute(query, ("", "", "")).fetchone()
    while row is not None:
        found.append(row)
        row = db.execute(query, row).fetchone()
    return found


def _ranked(
    db: sqlite3.Connection,
    scope: tuple[str, str, str],
    limit: int,
    objectives: Sequence[Objective],
) -> Iterator[tuple[str, float]]:
    """Claims of one scope, best first, with their scores."""
    about = f"AND c.objective IN ({', '.join('?' * len(objectives))}) " if objectives else ""
    join = "CROSS JOIN claim c ON c.id = s.claim " if objectives else ""
    return db.execute(
        f"SELECT s.claim, s.score FROM claim_scope s {join}WHERE s.dataset = ? AND s.device = ? "
        f"AND s.niche = ? AND s.score > 0 {about}ORDER BY s.score DESC, s.claim LIMIT ?",
        (*scope, *objectives, limit),
    )


def in_scope(db: sqlite3.Connection, keys: Sequence[str], asker: Asker) -> list[Candidate]:
    """Those of some claims that concern the asker, retired ones included."""
    best: dict[str, Candidate] = {}
    places = _places(asker)
    rows = db.execute(
        "SELECT claim, score, dataset, device, niche FROM claim_scope WHERE claim IN "
        "(SELECT value FROM json_each(?))",
        (json.dumps(list(keys)),),
    )
    for key, score, *scope in rows:
        for place in places:
            fits = place.takes((scope[0], scope[1], scope[2]))
            if fits and (key not in best or best[key].match < place.match):
                best[key] = Candidate(key, score * place.match, place.match, place.words)
    return list(best.values())


@dataclass(frozen=True, slots=True)
class _Place:
    """Scopes to look in: None takes any value."""

    dataset: str | None
    device: str | None
    niche: str | None
    match: float
    words: str

    @property
    def open(self) -> bool:
        """Whether some value is left open."""
        return None in (self.dataset, self.device, self.niche)

    @property
    def scope(self) -> tuple[str, str, str]:
        """The one scope of a place that leaves nothing open."""
        return self.dataset or "", self.device or "", self.niche or ""

    def takes(self, scope: tuple[str, str, str]) -> bool:
        """Whether claims of this very scope are meant."""
        wanted = (self.dataset, self.device, self.niche)
        return all(w is None or w == s for w, s in zip(wanted, scope, strict=True))


def _places(asker: Asker) -> list[_Place]:
    found: list[_Place] = []
    for dataset, of_dataset, like_dataset in _near(asker.dataset, asker.similarity):
        for device, of_device, like_device in _near(asker.device, asker.similarity):
            for niche, of_niche, _ in _near(asker.niche, {}):
                named = [w or "everywhere" for w in (dataset, device, niche) if w is not None]
                words = ", ".join(named)
                likes = "".join(f", {like}" for like in (like_dataset, like_device) if like)
                match = of_dataset * of_device * of_niche
                found.append(_Place(dataset, device, niche, match, words + likes))
    return found


def _near(
    name: str | None, similarity: Mapping[str, Likeness]
) -> list[tuple[str | None, float, str]]:
    """Values of one scope column that concern an asker, how well they match, and why."""
    if name is None:
        return [(None, 1.0, "")]
    others = [
        (other, like.value, _alike(name, other, like))
        for other, like in similarity.items()
        if other != name and like.value > 0 and (other in DATASETS) == (name in DATASETS)
    ]
    return [(name, 1.0, ""), ("", EVERYWHERE, ""), *others]


def _alike(name: str, other: str, like: Likeness) -> str:
    cells = f" on {like.cells} probe cells" if like.cells else ""
    return f"{other} is {like.value:.2f} like {name}{cells}"


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
    asked = [f"scope {candidate.place} (match {candidate.match:.2f})"] if candidate.place else []
    return "; ".join([heuristic.status, *asked, numbers + again])
