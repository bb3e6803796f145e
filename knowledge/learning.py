"""From events to evidence: what a store does with lessons and with claims from elsewhere."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from llm_nas.claims import Claim, Objective
from llm_nas.knowledge import cells, contradictions, lift, projection
from llm_nas.knowledge.cells import RunPlace
from llm_nas.knowledge.eventlog import EventLog
from llm_nas.knowledge.evidence import RunEvidence, pool
from llm_nas.knowledge.lifecycle import Standing, decide
from llm_nas.knowledge.ranking import worth
from llm_nas.knowledge.world import World
from llm_nas.ports import Lesson

LESSON = TypeAdapter(Lesson)
OBJECTIVES: tuple[Objective, ...] = ("accuracy", "latency", "energy")
"""Objectives that lessons carry measurements of."""
PAST_RUNS = 24
"""Earlier runs, newest first, whose cells test a claim that is new."""
_COUNTER_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Taken:
    """What an event brought: runs with new cells and claims that were not there before."""

    places: frozenset[RunPlace] = frozenset()
    new: tuple[str, ...] = ()


class Learner:
    """Applies events to the derived tables, inside the caller's transaction."""

    def __init__(self, log: EventLog, world: World) -> None:
        """Work on an open log; `world` gives the space of its cells."""
        self._log = log
        self._db: sqlite3.Connection = log.db
        self._world = world
        self._claims: dict[str, Claim] = {}
        self.replaying = False
        """While the log is read back, what follows from it is not written to it again."""

    def lesson(self, lesson: Lesson, seq: int) -> Taken:
        """Take in cells, claims, trials and votes."""
        numbers = {cell.arch: self._world.number_or_none(cell.arch) for cell in lesson.measured}
        cells.add_cells(self._db, lesson, numbers)
        new: list[str] = []
        for claim in lesson.claims:
            reason = f"by {claim.origin.source}, run {lesson.run}, generation {lesson.generation}"
            key, fresh = self.claim(claim, reason, seq)
            if fresh:
                new.append(key)
        touched = projection.add_trials(self._db, lesson)
        self._bench(sorted(touched))
        projection.vote(self._db, lesson.retire, unwanted=True)
        projection.vote(self._db, lesson.keep, unwanted=False)
        place = RunPlace(lesson.dataset, lesson.device, lesson.run)
        return Taken(frozenset([place]), tuple(dict.fromkeys(new)))

    def claim(self, claim: Claim, reason: str, seq: int) -> tuple[str, bool]:
        """Take in one claim: the id it has here, and whether it is new.

        A claim that says the same of the same cells as an earlier one becomes its alias.
        """
        bare = _bare(claim)
        key = bare.key
        known = projection.resolve_alias(self._db, key)
        if known is not None:
            return known, False
        fingerprint = self._world.fingerprint(bare)
        twin = projection.twin_of(self._db, fingerprint) if fingerprint else None
        if twin is not None:
            projection.add_alias(self._db, key, twin)
            self.note("duplicate", twin, {"alias": key, "reason": f"same as {bare.statement}"})
            return twin, False
        number = self.note("proposed", key, {"reason": reason})
        projection.add_claim(self._db, bare, fingerprint, number or seq)
        return key, True

    def reassess(self, taken: Iterable[Taken]) -> list[str]:
        """Recompute evidence and status of every claim that new cells or claims bear on.

        Returns the ids whose status changed; every change is an event with its reason.
        """
        all_taken = list(taken)
        places = set[RunPlace]().union(*(t.places for t in all_taken))
        new = list(dict.fromkeys(key for t in all_taken for key in t.new))
        keys: dict[str, None] = dict.fromkeys(new)
        for place in sorted(places):
            about = projection.claims_about(self._db, place.dataset, place.device)
            self._measure(place, about)
            keys |= dict.fromkeys(about)
        if new:
            past = cells.run_places(self._db, self._world.space.name, PAST_RUNS)
            for place in past:
                if place not in places:
                    about = projection.claims_about(self._db, place.dataset, place.device)
                    self._measure(place, [key for key in new if key in set(about)])
        return self._judge(list(keys))

    def _load(self, keys: Sequence[str]) -> None:
        """Keep claims in memory: they never change."""
        missing = [key for key in keys if key not in self._claims]
        if missing:
            self._claims |= projection.bodies_of(self._db, missing)

    def _measure(self, place: RunPlace, keys: Sequence[str]) -> None:
        """Record what the cells of one run say of these claims."""
        if not keys:
            return
        self._load(keys)
        sample = cells.sample(self._db, self._world.space.name, place)
        for objective in OBJECTIVES:
            asked = {
                key: question
                for key in keys
                if self._claims[key].effect.objective == objective
                and (question := self._world.question(self._claims[key])) is not None
            }
            if not asked:
                continue
            evidence = RunEvidence(self._world.kernel(objective), sample, objective)
            parts = evidence.parts([self._claims[key] for key in asked], list(asked.values()))
            if parts is not None:
                projection.set_parts(self._db, place, dict(zip(asked, parts, strict=True)))

    def _judge(self, keys: Sequence[str]) -> list[str]:
        """Pool the parts of claims, decide their status, log what changed."""
        self._load(keys)
        states = projection.states_of(self._db, keys)
        parts = projection.parts_of(self._db, keys)
        standings: list[Standing] = []
        for key in keys:
            numbers = dict.fromkeys(n for _, part in parts[key] for n in part.counter_examples)
            names = [self._world.arch(n) for n in list(numbers)[:_COUNTER_EXAMPLES]]
            pooled = pool(self._claims[key], parts[key], names)
            split = contradictions.disagreement(self._claims[key], parts[key])
            standings.append(Standing(states[key].status, pooled, states[key].unwanted, split))
        changed: list[str] = []
        new: list[projection.State] = []
        for key, standing, step in zip(keys, standings, decide(standings), strict=True):
            evidence = standing.evidence.model_dump_json()
            if (step.status, evidence) == (standing.status, states[key].evidence):
                continue
            seq = None
            if step.status != standing.status:
                changed.append(key)
                body = {"from": standing.status, "to": step.status, "reason": step.reason}
                seq = self.note("status", key, body)
            score = worth(self._claims[key], step.status, standing.evidence)
            new.append((key, step.status, evidence, score, seq))
        projection.set_state(self._db, new)
        return changed + self._split(standings, keys)

    def _split(self, standings: Sequence[Standing], keys: Sequence[str]) -> list[str]:
        """Scope a broad claim that holds in one place and not in another, on both sides."""
        made: list[str] = []
        for key, standing in zip(keys, standings, strict=True):
            if standing.split is None or self.replaying:
                continue
            for claim in contradictions.scoped(self._claims[key], standing.split):
                reason = f"split from {key}: {standing.split.words}"
                fields = {"claim": claim.model_dump(mode="json"), "reason": reason}
                if projection.resolve_alias(self._db, claim.key) is None:
                    seq = self.note("claim", claim.key, fields)
                    made.append(self.claim(claim, reason, seq or 0)[0])
        if made:
            self.reassess([Taken(new=tuple(made))])
        return made

    def _bench(self, keys: Sequence[str]) -> None:
        """Bench heuristics with a lift below zero, take back those that recovered."""
        for key, tally in projection.tallies(self._db, keys).items():
            bad = lift.harmful(tally)
            if projection.set_bench(self._db, key, bad):
                found = lift.lift_of(tally)
                numbers = (
                    f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]" if found else ""
                )
                self.note("bench", key, {"benched": bad, "reason": f"lift {numbers}"})

    def note(self, kind: str, subject: str, body: Mapping[str, object]) -> int | None:
        """Add an event that follows from others, unless they are being read back."""
        if self.replaying:
            return None
        return self._log.append(kind, subject, json.dumps(body))


def _bare(claim: Claim) -> Claim:
    """The claim without the proposer's guess at its size, which evidence alone may state."""
    return claim.model_copy(update={"effect": claim.effect.model_copy(update={"size": None})})


def replay(log: EventLog, learner: Learner) -> None:
    """Fill empty derived tables from the whole log; writes no status that is in it already."""
    taken: list[Taken] = []
    learner.replaying = True
    try:
        for event in list(log.events(kinds=("lesson", "claim"))):
            if event.kind == "lesson":
                taken.append(learner.lesson(LESSON.validate_json(event.body), event.seq))
            else:
                body = json.loads(event.body)
                claim = Claim.model_validate(body["claim"])
                key, fresh = learner.claim(claim, body["reason"], event.seq)
                taken.append(Taken(new=(key,) if fresh else ()))
        for event in list(log.events(kinds=("status", "bench"))):
            body = json.loads(event.body)
            if event.kind == "status":
                projection.set_status(log.db, event.subject, body["to"], event.seq)
            else:
                projection.set_bench(log.db, event.subject, body["benched"])
    finally:
        learner.replaying = False
    learner.reassess(taken)
