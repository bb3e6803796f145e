"""From events to evidence: what a store does with a lesson, a snapshot or a playbook."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pydantic import TypeAdapter

from llm_nas.claims import Claim, Objective, Status, canonical
from llm_nas.domain import BoolArray
from llm_nas.errors import RequestError
from llm_nas.knowledge import lift, projection
from llm_nas.knowledge.eventlog import Event, EventLog
from llm_nas.knowledge.evidence import Question, RunEvidence, pool
from llm_nas.knowledge.kernel import CellKernel
from llm_nas.knowledge.lifecycle import Standing, decide
from llm_nas.knowledge.masks import LARGEST_SPACE, SpaceTable
from llm_nas.knowledge.projection import RunPlace
from llm_nas.knowledge.ranking import worth
from llm_nas.ports import Lesson, Partition, SearchSpace

LESSON = TypeAdapter(Lesson)
OBJECTIVES: tuple[Objective, ...] = ("accuracy", "latency")
"""Objectives that lessons carry measurements of."""
_COUNTER_EXAMPLES = 5
_QUESTIONS = 4096
"""Questions kept in memory (94 kB each on NAS-Bench-201)."""


@dataclass(eq=False)
class World:
    """The space claims are tested on, with masks that are worth keeping."""

    space: SearchSpace
    partition: Partition

    def __post_init__(self) -> None:
        """Start with no question worked out."""
        self._names: dict[int, str] = {}
        self._questions: dict[tuple[bool, str, tuple[str, ...]], Question | None] = {}

    @cached_property
    def table(self) -> SpaceTable:
        """Arrays over the whole space."""
        return SpaceTable(self.space)

    @cached_property
    def _kernels(self) -> tuple[CellKernel, CellKernel]:
        """Without and with the part on operation counts."""
        return CellKernel(self.table, counts=False), CellKernel(self.table, counts=True)

    def kernel(self, objective: Objective) -> CellKernel:
        """The kernel that models an objective."""
        return self._kernels[objective == "accuracy"]

    def question(self, claim: Claim) -> Question | None:
        """What a claim asks; None when its niches or its space are unknown here."""
        if claim.scope.space not in ("", self.space.name) or self.space.size > LARGEST_SPACE:
            return None
        kernel = self.kernel(claim.effect.objective)
        condition = canonical(claim.condition)
        name = (kernel.counts, condition.model_dump_json(), claim.scope.niches)
        if name not in self._questions:
            if len(self._questions) >= _QUESTIONS:
                self._questions.clear()
            inside = self._inside(claim.scope.niches)
            self._questions[name] = (
                None
                if inside is None
                else Question.of(self.table, kernel, self.table.mask(condition), inside)
            )
        return self._questions[name]

    def _inside(self, niches: Sequence[str]) -> BoolArray | None:
        """`(size,)`: cells of these niches; None when one is not of this partition."""
        known = [niche.id for niche in self.partition.niches]
        if not set(niches) <= set(known):
            return None
        if not niches:
            return np.ones(self.space.size, dtype=np.bool_)
        return np.isin(self.partition.labels(), [known.index(niche) for niche in niches])

    def number(self, arch: str) -> int | None:
        """Index of an architecture string, None for one this space does not know."""
        try:
            return self.space.index(self.space.parse(arch))
        except RequestError:
            return None

    def arch(self, number: int) -> str:
        """Architecture string of an index."""
        if number not in self._names:
            self._names[number] = self.space.format(self.space.cell(number))
        return self._names[number]


class Learner:
    """Applies events to the derived tables, inside the caller's transaction."""

    def __init__(self, log: EventLog, world: World) -> None:
        """Work on an open log; `world` gives the space of its cells."""
        self._log = log
        self._db: sqlite3.Connection = log.db
        self._world = world
        self._claims: dict[str, Claim] = {}

    def lesson(self, lesson: Lesson, seq: int) -> set[RunPlace]:
        """Take in cells, claims, trials and votes; whose evidence is now old."""
        numbers = {cell.arch: self._world.number(cell.arch) for cell in lesson.measured}
        projection.add_cells(self._db, lesson, numbers)
        for claim in lesson.claims:
            projection.add_claim(self._db, _bare(claim), claim.key, seq)
        touched = projection.add_trials(self._db, lesson.trials)
        self._bench(sorted(touched))
        self._db.executemany(
            "UPDATE claim SET unwanted = 1 WHERE id = ?", [(key,) for key in lesson.retire]
        )
        self._db.executemany(
            "UPDATE claim SET unwanted = 0 WHERE id = ?", [(key,) for key in lesson.keep]
        )
        return {RunPlace(lesson.dataset, lesson.device, lesson.run)}

    def reassess(self, places: Iterable[RunPlace]) -> list[str]:
        """Recompute evidence and status of every claim that these runs bear on.

        Returns the ids whose status changed; every change is an event with its reason.
        """
        keys: dict[str, None] = {}
        for place in sorted(places):
            about = projection.claims_about(self._db, place.dataset, place.device)
            self._load(about)
            self._measure(place, about)
            keys |= dict.fromkeys(about)
        return self._judge(list(keys))

    def refresh(self, keys: Sequence[str]) -> list[str]:
        """Test claims that came from elsewhere on every run in the store."""
        self._load(keys)
        for place in projection.run_places(self._db, self._world.space.name):
            about = projection.claims_about(self._db, place.dataset, place.device)
            self._measure(place, [key for key in about if key in set(keys)])
        return self._judge(keys)

    def _load(self, keys: Sequence[str]) -> None:
        """Keep claims in memory: they never change."""
        missing = [key for key in keys if key not in self._claims]
        self._claims |= projection.bodies_of(self._db, missing)

    def _measure(self, place: RunPlace, keys: Sequence[str]) -> None:
        """Record what the cells of one run say of these claims."""
        sample = projection.sample(self._db, self._world.space.name, place)
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
        states = projection.states_of(self._db, keys)
        parts = projection.parts_of(self._db, keys)
        standings: list[Standing] = []
        for key in keys:
            numbers = dict.fromkeys(n for _, part in parts[key] for n in part.counter_examples)
            names = [self._world.arch(n) for n in list(numbers)[:_COUNTER_EXAMPLES]]
            pooled = pool(self._claims[key], parts[key], names)
            standings.append(Standing(states[key][0], pooled, states[key][2]))
        changed: list[str] = []
        new: list[projection.State] = []
        for key, standing, step in zip(keys, standings, decide(standings), strict=True):
            evidence = standing.evidence.model_dump_json()
            if (step.status, evidence) == states[key][:2]:
                continue
            seq = None
            if step.status != standing.status:
                changed.append(key)
                seq = self._status(key, standing.status, step.status, step.reason)
            score = worth(self._claims[key], step.status, standing.evidence)
            new.append((key, step.status, evidence, score, seq))
        projection.set_state(self._db, new)
        return changed

    def _status(self, key: str, old: Status, new: Status, reason: str) -> int | None:
        body = json.dumps({"from": old, "to": new, "reason": reason})
        return self._log.append("status", key, body)

    def _bench(self, keys: Sequence[str]) -> None:
        """Bench heuristics with a lift below zero, take back those that recovered."""
        for key, tally in projection.tallies(self._db, keys).items():
            bad = lift.harmful(tally)
            row = self._db.execute("SELECT benched FROM claim WHERE id = ?", (key,)).fetchone()
            if row is None or bool(row[0]) == bad:
                continue
            self._db.execute("UPDATE claim SET benched = ? WHERE id = ?", (bad, key))
            found = lift.lift_of(tally)
            numbers = f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]" if found else "?"
            body = json.dumps({"benched": bad, "reason": f"lift {numbers}"})
            self._log.append("bench", key, body)


def _bare(claim: Claim) -> Claim:
    """The claim without the proposer's guess at its size, which evidence alone may state."""
    return claim.model_copy(update={"effect": claim.effect.model_copy(update={"size": None})})


def replay(log: EventLog, learner: Learner) -> None:
    """Fill empty derived tables from the whole log; writes no status that is in it already."""
    places: set[RunPlace] = set()
    for event in list(log.events(kinds=("lesson",))):
        places |= learner.lesson(LESSON.validate_json(event.body), event.seq)
    _restore(log, list(log.events(kinds=("status", "bench"))))
    learner.reassess(places)


def _restore(log: EventLog, events: Sequence[Event]) -> None:
    """Set status and bench of claims to what the log says last."""
    for event in events:
        body = json.loads(event.body)
        column, value = (
            ("status", body["to"]) if event.kind == "status" else ("benched", body["benched"])
        )
        log.db.execute(f"UPDATE claim SET {column} = ? WHERE id = ?", (value, event.subject))
