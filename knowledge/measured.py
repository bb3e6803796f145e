"""What the newest runs of a place measured, kept in memory while the store stays as it is."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llm_nas.claims import Claim, Evidence, Objective
from llm_nas.domain import BoolArray, FloatArray, IntArray
from llm_nas.knowledge import cells, ranking
from llm_nas.knowledge.cells import RunPlace
from llm_nas.knowledge.evidence import RunEvidence
from llm_nas.knowledge.explain import Seen, seen_in
from llm_nas.knowledge.pooling import Sums, pool
from llm_nas.knowledge.world import World

MOST_RUNS = 6
"""Runs of a place, newest first, that an answer looks at."""
LOOKED_AT = 200
"""Newest runs of a store among which those of a place are found."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Measured cells of a place; arrays `(n,)`."""

    seen: Sequence[Seen]
    numbers: IntArray
    accuracy_pct: FloatArray
    latency_ms: FloatArray

    def pick(self, keep: BoolArray, order: FloatArray, most: int) -> tuple[Seen, ...]:
        """The first few distinct cells of those to keep, smallest `order` `(n,)` first."""
        chosen: dict[str, Seen] = {}
        best_first: list[int] = np.argsort(order, kind="stable").tolist()
        for i in best_first:
            if keep[i]:
                chosen.setdefault(self.seen[i].arch, self.seen[i])
            if len(chosen) == most:
                break
        return tuple(chosen.values())


class Measured:
    """Cells and regressions of runs; forgets them when the log has grown."""

    def __init__(self, db: sqlite3.Connection, world: World) -> None:
        """Read nothing yet."""
        self._db = db
        self._world = world
        self._newest = -1
        self.places: list[RunPlace] = []
        """The newest runs with their contexts, newest first."""
        self.scopes: list[tuple[str, str, str]] = []
        """Every (dataset, device, niche) that some claim names; '' means everywhere."""
        self._cells: dict[tuple[RunPlace, ...], Cells] = {}
        self._fits: dict[tuple[RunPlace, Objective], RunEvidence] = {}

    def at(self, newest: int) -> "Measured":
        """Itself, as of an event of the log."""
        if newest != self._newest:
            self._newest = newest
            first = cells.newest_number(self._db) - LOOKED_AT
            self.places = cells.run_places(self._db, self._world.space.name, first)
            self.scopes = ranking.scopes(self._db)
            self._cells.clear()
            self._fits.clear()
        return self

    def runs(self, datasets: Sequence[str], devices: Sequence[str]) -> tuple[RunPlace, ...]:
        """The newest runs of some datasets and devices; none named means any."""
        fitting = (
            run
            for run in self.places
            if (not datasets or run.dataset in datasets) and (not devices or run.device in devices)
        )
        return tuple(run for run, _ in zip(fitting, range(MOST_RUNS), strict=False))

    def cells(self, runs: tuple[RunPlace, ...]) -> Cells:
        """All cells of some runs."""
        if runs not in self._cells:
            seen = [s for run in runs for s in seen_in(self._db, self._world.space.name, run)]
            numbers = [self._world.number(s.arch) for s in seen]
            self._cells[runs] = Cells(
                seen,
                np.array(numbers, dtype=np.int64),
                np.array([s.predicted_accuracy_pct for s in seen], dtype=np.float64),
                np.array([s.latency_ms for s in seen], dtype=np.float64),
            )
        return self._cells[runs]

    def effects(
        self, asked: Mapping[str, tuple[Claim, tuple[RunPlace, ...]]]
    ) -> dict[str, Evidence]:
        """Evidence for claims of any objective, from the runs named with each."""
        questions = {key: self._world.question(claim) for key, (claim, _) in asked.items()}
        found: dict[str, dict[str, Sums]] = {key: {} for key in asked}
        by_run: dict[tuple[RunPlace, Objective], list[str]] = {}
        for key, (claim, runs) in asked.items():
            for run in runs if questions[key] is not None else ():
                by_run.setdefault((run, claim.effect.objective), []).append(key)
        for (run, objective), keys in by_run.items():
            told = [q for key in keys if (q := questions[key]) is not None]
            parts = self._fit(run, objective).parts([asked[key][0] for key in keys], told)
            for key, part in zip(keys, parts or (), strict=parts is not None):
                sums = found[key].get(f"{run.dataset}/{run.device}", Sums())
                found[key][f"{run.dataset}/{run.device}"] = sums.plus(Sums.of(asked[key][0], part))
        return {key: pool(asked[key][0], contexts, ()) for key, contexts in found.items()}

    def _fit(self, run: RunPlace, objective: Objective) -> RunEvidence:
        """The regression on one run's cells."""
        if (run, objective) not in self._fits:
            sample = cells.sample(self._db, self._world.space.name, run)
            kernel = self._world.kernel(objective)
            self._fits[run, objective] = RunEvidence(kernel, sample, objective)
        return self._fits[run, objective]
