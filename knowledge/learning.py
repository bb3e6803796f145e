"""From events to evidence: what a store does with lessons and with claims from elsewhere."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from pydantic import TypeAdapter

from llm_nas.claims import Claim, Objective
from llm_nas.evaluation import lift
from llm_nas.knowledge import cells, contradictions, parts, projection, trials
from llm_nas.knowledge.cells import RunPlace
from llm_nas.knowledge.eventlog import EventLog
from llm_nas.knowledge.evidence import RunEvidence
from llm_nas.knowledge.lifecycle import Standing, decide
from llm_nas.knowledge.pooling import pool
from llm_nas.knowledge.ranking import worth
from llm_nas.knowledge.world import World
from llm_nas.ports import Lesson

LESSON = TypeAdapter(Lesson)
OBJECTIVES: tuple[Objective, ...] = ("accuracy", "latency", "energy")
"""Objectives that lessons carry measurements of."""
PAST_RUNS = 24
"""Newest runs whose cells test a claim that is new; later ones always do."""
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
        touched = trials.add_trials(self._db, lesson)
        if not self.replaying:
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
        since = cells.newest_number(self._db) - PAST_RUNS
        projection.add_claim(self._db, bare, fingerprint, number or seq, since)
        return key, True

    def reassess(self, taken: Iterable[Taken]) -> list[str]:
        """Recompute evidence and status of every claim that new cells or claims bear on.

        Returns the ids whose status changed; every change is an event with its reason. While the
        log is read back, statuses are the log's and only evidence is computed.
        """
        all_taken = list(taken)
        places = set[RunPlace]().union(*(t.places for t in all_taken))
        new = list(dict.fromkeys(key for t in all_taken for key in t.new))
        keys: dict[str, None] = dict.fromkeys(new)
        for place in sorted(places):
            keys |= dict.fromkeys(self._measure(place))
        if new:
            space = self._world.space.name
            oldest = cells.newest_number(self._db) - PAST_RUNS
            for place in cells.run_places(self._db, space, oldest):
                if place not in places:
                    self._measure(place, set(new))
        states = projection.states_of(self._db, list(keys))
        return self._weigh(states) if self.replaying else self._judge(states)

    def _load(self, keys: Sequence[str]) -> None:
        """Keep claims in memory: they never change."""
        missing = [key for key in keys if key not in self._claims]
        if missing:
            self._claims |= projection.bodies_of(self._db, missing)

    def _measure(self, place: RunPlace, only: Set[str] | None = None) -> list[str]:
        """Record what the cells of one run say of the claims about its context, or of some."""
        space = self._world.space.name
        number = cells.number_of(self._db, space, place)
        about = projection.claims_about(self._db, place.dataset, place.device, number)
        keys = about if only is None else [key for key in about if key in only]
        if not keys:
            return []
        self._load(keys)
        sample = cells.sample(self._db, space, place)
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
            found = evidence.parts([self._claims[key] for key in asked], list(asked.values()))
            if found is not None:
                own = dict(zip(asked, found, strict=True))
                parts.replace_parts(self._db, place, number, self._claims, own)
        return keys

    def _standings(self, states: Mapping[str, projection.Held]) -> list[Standing]:
        """What decides the status of claims, from the sums over their runs."""
        keys = list(states)
        self._load(keys)
        sums = parts.sums_of(self._db, keys)
        against = parts.counter_examples(self._db, keys, _COUNTER_EXAMPLES)
        return [
            Standing(
                held.status,
                pool(self._claims[key], sums[key], [self._world.arch(n) for n in against[key]]),
                held.unwanted,
                contradictions.disagreement(sums[key]),
            )
            for key, held in states.items()
        ]

    def _weigh(self, states: Mapping[str, projection.Held]) -> list[str]:
        """Compute evidence and leave every status as it is."""
        new: list[projection.State] = []
        for key, standing in zip(states, self._standings(states), strict=True):
            score = worth(self._claims[key], standing.status, standing.evidence)
            evidence = standing.evidence.model_dump_json()
            new.append((key, standing.status, evidence, score, None))
        projection.set_state(self._db, new)
        return []

    def _judge(self, states: Mapping[str, projection.Held]) -> list[str]:
        """Compute evidence, decide what it means for the status, log what changed."""
        standings = self._standings(states)
        changed: list[str] = []
        new: list[projection.State] = []
        for key, standing, step in zip(states, standings, decide(standings), strict=True):
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
        return changed + self._split(dict(zip(states, standings, strict=True)))

    def _split(self, standings: Mapping[str, Standing]) -> list[str]:
        """Scope a broad claim that holds in one place and not in another, on both sides."""
        made: list[str] = []
        for key, standing in standings.items():
            if standing.split is None:
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
        for key, tally in trials.tallies(self._db, keys).items():
            bad = lift.harmful(tally)
            if projection.set_bench(self._db, key, bad):
                reason = lift.in_words(lift.lift_of(tally))
                self.note("bench", key, {"benched": bad, "reason": reason})

    def note(self, kind: str, subject: str, body: Mapping[str, object]) -> int | None:
        """Add an event that follows from others, unless they are being read back."""
        if self.replaying:
            return None
        return self._log.append(kind, subject, json.dumps(body))


def _bare(claim: Claim) -> Claim:
    """The claim without the proposer's guess at its size, which evidence alone may state."""
    return claim.model_copy(update={"effect": claim.effect.model_copy(update={"size": None})})


def replay(log: EventLog, learner: Learner) -> None:
    """Fill empty derived tables from the whole log; statuses are those it recorded."""
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
        for event in list(log.events(kinds=("proposed", "status", "bench"))):
            body = json.loads(event.body)
            if event.kind == "proposed":
                projection.set_seq(log.db, event.subject, event.seq)
            elif event.kind == "status":
                projection.set_status(log.db, event.subject, body["to"], event.seq)
            else:
                projection.set_bench(log.db, event.subject, body["benched"])
        learner.reassess(taken)
    finally:
        learner.replaying = False
