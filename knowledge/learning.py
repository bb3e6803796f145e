"""From events to evidence: what a store does with a lesson, a snapshot or a playbook."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pydantic import TypeAdapter

from llm_nas.claims import Claim, Status
from llm_nas.domain import BoolArray
from llm_nas.errors import RequestError
from llm_nas.knowledge import lift, projection
from llm_nas.knowledge.eventlog import Event, EventLog
from llm_nas.knowledge.evidence import ContextEvidence, Part, Question, pool
from llm_nas.knowledge.lifecycle import Standing, decide
from llm_nas.knowledge.masks import LARGEST_SPACE, SpaceTable
from llm_nas.knowledge.ranking import worth
from llm_nas.ports import Lesson, Partition, SearchSpace

LESSON = TypeAdapter(Lesson)
_QUESTIONS = 4096
"""Questions kept in memory (32 kB each on NAS-Bench-201)."""


@dataclass(eq=False)
class World:
    """The space claims are tested on, with masks that are worth keeping."""

    space: SearchSpace
    partition: Partition

    def __post_init__(self) -> None:
        """Start with no question worked out."""
        self._questions: dict[tuple[str, tuple[str, ...]], Question | None] = {}

    @cached_property
    def table(self) -> SpaceTable:
        """Arrays over the whole space."""
        return SpaceTable(self.space)

    def question(self, claim: Claim) -> Question | None:
        """What a claim asks; None when its niches or its space are unknown here."""
        name = (claim.condition.model_dump_json(), claim.scope.niches)
        if claim.scope.space not in ("", self.space.name) or self.space.size > LARGEST_SPACE:
            return None
        if name not in self._questions:
            if len(self._questions) >= _QUESTIONS:
                self._questions.clear()
            self._questions[name] = self._work_out(claim)
        return self._questions[name]

    def _work_out(self, claim: Claim) -> Question | None:
        inside = self._inside(claim.scope.niches)
        if inside is None:
            return None
        mask = self.table.mask(claim.condition)
        return Question(mask, inside, self.table.contrast(mask, inside))

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
        return self.space.format(self.space.cell(number))


class Learner:
    """Applies events to the derived tables, inside the caller's transaction."""

    def __init__(self, log: EventLog, world: World) -> None:
        """Work on an open log; `world` gives the space of its cells."""
        self._log = log
        self._db: sqlite3.Connection = log.db
        self._world = world

    def lesson(self, lesson: Lesson, seq: int) -> set[tuple[str, str]]:
        """Take in cells, claims, trials and votes; the contexts whose evidence is now old."""
        numbers = {cell.arch: self._world.number(cell.arch) for cell in lesson.measured}
        projection.add_cells(self._db, lesson, numbers)
        for claim in lesson.claims:
            projection.add_claim(self._db, claim, claim.key, seq)
        touched = projection.add_trials(self._db, lesson.trials)
        self._bench(sorted(touched))
        self._db.executemany(
            "UPDATE claim SET unwanted = 1 WHERE id = ?", [(key,) for key in lesson.retire]
        )
        self._db.executemany(
            "UPDATE claim SET unwanted = 0 WHERE id = ?", [(key,) for key in lesson.keep]
        )
        return {(lesson.dataset, lesson.device)}

    def reassess(self, contexts: Iterable[tuple[str, str]]) -> list[str]:
        """Recompute evidence and status of every claim that these contexts bear on.

        Returns the ids whose status changed; every change is an event with its reason.
        """
        keys: dict[str, None] = {}
        for dataset, device in sorted(contexts):
            about = projection.claims_about(self._db, dataset, device)
            self._context(dataset, device, about)
            keys |= dict.fromkeys(about)
        return self._judge(list(keys))

    def _context(self, dataset: str, device: str, keys: Sequence[str]) -> None:
        """What the cells of one context say of these claims."""
        cells, _ = projection.sample(self._db, self._world.space.name, dataset, device)
        evidence = ContextEvidence(self._world.table, cells)
        parts: dict[str, Part] = {}
        for row in projection.rows_of(self._db, keys):
            question = self._world.question(row.claim)
            part = evidence.part(row.claim, question) if question else None
            if part is not None:
                parts[row.id] = part
        projection.set_parts(self._db, dataset, device, parts)

    def _judge(self, keys: Sequence[str]) -> list[str]:
        """Pool the parts of claims, decide their status, log what changed."""
        rows = projection.rows_of(self._db, keys)
        parts = projection.parts_of(self._db, keys)
        runs = projection.runs_by_context(self._db, self._world.space.name)
        standings: list[Standing] = []
        for row in rows:
            own = parts[row.id]
            names = [self._world.arch(n) for _, part in own for n in part.counter_examples]
            seen = len({run for context, _ in own for run in runs.get(context, ())})
            standings.append(
                Standing(row.status, pool(row.claim, own, seen, names[:5]), row.unwanted)
            )
        changed: list[str] = []
        states: list[projection.State] = []
        for row, standing, step in zip(rows, standings, decide(standings), strict=True):
            if step.status == row.status and standing.evidence == row.evidence:
                continue
            number = None
            if step.status != row.status:
                changed.append(row.id)
                number = self._status(row.id, row.status, step.status, step.reason)
            score = worth(row.claim, step.status, standing.evidence)
            states.append((row.id, step.status, standing.evidence, score, number))
        projection.set_state(self._db, states)
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


def replay(log: EventLog, learner: Learner) -> None:
    """Fill empty derived tables from the whole log; writes no status that is in it already."""
    contexts: set[tuple[str, str]] = set()
    for event in list(log.events(kinds=("lesson",))):
        contexts |= learner.lesson(LESSON.validate_json(event.body), event.seq)
    _restore(log, list(log.events(kinds=("status", "bench"))))
    learner.reassess(contexts)


def _restore(log: EventLog, events: Sequence[Event]) -> None:
    """Set status and bench of claims to what the log says last."""
    for event in events:
        body = json.loads(event.body)
        column, value = (
            ("status", body["to"]) if event.kind == "status" else ("benched", body["benched"])
        )
        log.db.execute(f"UPDATE claim SET {column} = ? WHERE id = ?", (value, event.subject))
