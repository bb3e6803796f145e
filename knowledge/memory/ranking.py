"""Which heuristics are most worth showing, and why.

rank = scope match x confidence x gain x novelty. The part that does not depend on who asks
(confidence x gain) is stored with each claim, so a query reads a few dozen candidates from an
index instead of every claim.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llm_nas.claims import Claim, Evidence, Heuristic, Objective, Status
from llm_nas.conditions import Bound, Count, Is, Quantity, leaves
from llm_nas.domain import ContextName, FloatArray

TRUST: Mapping[Status, float] = {
    "trusted": 1.0,
    "supported": 0.9,
    "proposed": 0.3,
    "contested": 0.15,
    "retired": 0.0,
}
"""Confidence a status alone stands for."""
SAME_THEME = 0.5
"""Factor for each claim on the same choices and objective that is already chosen."""
EVERYWHERE = 0.9
"""Scope match of a claim about everything: a little less than one about this very place."""
OTHER_TASK = 0.5
OTHER_SPACE = 0.4
UNSEEN_DEVICE = 0.5
"""Scope match of latency claims about a device of which nothing says how alike it is."""
LEAST_SHARED = 8
"""Networks timed on both devices from which their likeness is computed."""
WORDS_PER_TOKEN = 0.75
"""Rough number of English words a token stands for."""
CANDIDATES = 64
"""Claims looked at per kind of scope."""


def worth(claim: Claim, status: Status, evidence: Evidence) -> float:
    """Confidence times gain of a claim, in [0, 1], wherever it is used."""
    p = 0.5 if evidence.p_value is None else evidence.p_value
    sure = 1.0 - p if status == "proposed" else max(0.0, 1.0 - 2.0 * p)
    share = abs(evidence.mean_effect) / evidence.spread if evidence.spread > 0 else 0.0
    return TRUST[status] * sure * min(1.0, 0.1 + share)


@dataclass(frozen=True, slots=True)
class Asker:
    """Where heuristics are wanted for; empty means anywhere."""

    space: str = ""
    task: str = ""
    device: str = ""
    niche: str = ""

    @classmethod
    def of(cls, context: ContextName, niche: str = "") -> "Asker":
        """The asker of a run."""
        return cls(context.space, context.task, context.device, niche)


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
    objectives: Iterable[Objective] = (),
    limit: int = CANDIDATES,
) -> list[Candidate]:
    """Claims that concern an asker, best first, benched and retired ones left out."""
    wanted = tuple(objectives)
    about = f"AND c.objective IN ({', '.join('?' * len(wanted))})" if wanted else ""
    found: dict[str, Candidate] = {}
    places = db.execute(
        "SELECT DISTINCT space, task, device, niche FROM claim_scope ORDER BY 1, 2, 3, 4"
    )
    for space, task, device, niche in places.fetchall():
        match, words = scope_match(db, asker, (space, task, device, niche))
        if match <= 0.0:
            continue
        rows = db.execute(
            "SELECT s.claim, s.score FROM claim_scope s CROSS JOIN claim c ON c.id = s.claim "
            "WHERE s.space = ? AND s.task = ? AND s.device = ? AND s.niche = ? AND s.score > 0 "
            f"AND NOT c.benched {about} ORDER BY s.score DESC, s.claim LIMIT ?",
            (space, task, device, niche, *wanted, limit),
        )
        for key, score in rows:
            one = Candidate(key, score * match, match, words)
            if key not in found or found[key].score < one.score:
                found[key] = one
    return sorted(found.values(), key=lambda c: (-c.score, c.id))


def scope_match(
    db: sqlite3.Connection, asker: Asker, place: tuple[str, str, str, str]
) -> tuple[float, str]:
    """How well one scope fits an asker, in [0, 1], and what makes it fit."""
    space, task, device, niche = place
    if asker.niche and niche not in ("", asker.niche):
        return 0.0, ""
    words = [word for word in (space, task, device, niche) if word] or ["everywhere"]
    match = _one(asker.space, space, OTHER_SPACE) * _one(asker.task, task, OTHER_TASK)
    if asker.device and device and device != asker.device:
        like, shared = likeness(db, asker.space, device, asker.device)
        match *= like
        told = f"{shared} networks timed on both" if shared else "nothing timed on both"
        words.append(f"{device} is {like:.2f} like {asker.device}: {told}")
    return match * _one(asker.niche, niche, 0.0), ", ".join(words)


def _one(asked: str, given: str, other: float) -> float:
    if not asked or asked == given:
        return 1.0
    return EVERYWHERE if not given else other


def likeness(db: sqlite3.Connection, space: str, one: str, other: str) -> tuple[float, int]:
    """Squared rank correlation of two devices' latencies on networks timed on both, and how many.

    `UNSEEN_DEVICE` and 0 when there are too few; 0 for devices that order networks oppositely.
    """
    query = (
        "SELECT t.arch, avg(t.latency_ms) FROM training t JOIN run r ON r.run = t.run "
        "WHERE r.space = ? AND r.device = ? GROUP BY t.arch"
    )
    first = dict(db.execute(query, (space, one)).fetchall())
    second = dict(db.execute(query, (space, other)).fetchall())
    both = sorted(first.keys() & second.keys())
    if len(both) < LEAST_SHARED:
        return UNSEEN_DEVICE, 0
    rho = rank_correlation([first[a] for a in both], [second[a] for a in both])
    return max(rho, 0.0) ** 2, len(both)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation, ties at their mean rank; 0 where one side is constant."""
    ranks = [_ranks(np.asarray(values, dtype=np.float64)) for values in (first, second)]
    if any(np.ptp(r) == 0 for r in ranks):
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: FloatArray) -> FloatArray:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2.0)[where], dtype=np.float64)


def choose(
    ranked: Sequence[tuple[Candidate, Heuristic]], k: int, token_budget: int | None = None
) -> tuple[Heuristic, ...]:
    """Pick up to `k`, each time the best after novelty, while the token budget lasts."""
    left = [(candidate, heuristic, theme(heuristic.claim)) for candidate, heuristic in ranked]
    chosen: list[Heuristic] = []
    seen: dict[tuple[str, ...], int] = {}
    tokens = 0
    while left and len(chosen) < k:
        values = [c.score * SAME_THEME ** seen.get(about, 0) for c, _, about in left]
        candidate, heuristic, about = left.pop(values.index(max(values)))
        cost = tokens_of(heuristic.claim.statement)
        if token_budget is not None and tokens + cost > token_budget:
            continue
        tokens += cost
        repeats = seen.get(about, 0)
        seen[about] = repeats + 1
        chosen.append(heuristic.model_copy(update={"why": why(candidate, heuristic, repeats)}))
    return tuple(chosen)


def theme(claim: Claim) -> tuple[str, ...]:
    """Objective and choices a claim speaks of."""
    names: set[str] = set()
    for leaf, _ in leaves(claim.condition):
        match leaf:
            case Is() | Bound():
                names.add(leaf.choice)
            case Count():
                names.add(leaf.group)
            case Quantity():
                names.add(leaf.name)
            case _:
                pass
    return (claim.effect.objective, *sorted(names))


def tokens_of(text: str) -> int:
    """Tokens a text takes in a prompt: 4 characters or 3/4 of a word each, whichever is more."""
    return max(len(text) // 4, int(len(text.split()) / WORDS_PER_TOKEN)) + 1


def why(candidate: Candidate, heuristic: Heuristic, repeats: int) -> str:
    """The reasons for a rank, for people and prompts."""
    again = f", {repeats} like it already chosen" if repeats else ""
    place = f"scope {candidate.place} (match {candidate.match:.2f})"
    return f"{heuristic.status}; {place}; {numbers(heuristic)}{again}"


def numbers(heuristic: Heuristic) -> str:
    """The evidence in one phrase; accuracies with the recipe they come from."""
    told, unit = heuristic.evidence, heuristic.claim.effect.unit
    if told.method == "none":
        return "not tested yet"
    span = f"[{told.low:+.3g}, {told.high:+.3g}]"
    labels = f", accuracy as trained by {' and '.join(told.labels)}" if told.labels else ""
    return f"effect {told.mean_effect:+.3g} {unit} {span} from {told.archs} trainings{labels}"
