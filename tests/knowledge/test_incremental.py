"""Cells added a few at a time give the evidence that all of them at once give, at equal cost."""

import sqlite3
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_nas.claims import Claim, Evidence, OpCount
from llm_nas.evaluation.student import quantile
from llm_nas.knowledge.evidence import Part, RunEvidence, Sample
from llm_nas.knowledge.learning import PAST_RUNS
from llm_nas.knowledge.store import HeuristicStore, default_world
from llm_nas.knowledge.world import World
from llm_nas.ports import Lesson

ClaimMaker = Callable[..., Claim]
LessonMaker = Callable[..., Lesson]
RUNS = ("a/edgegpu", "b/edgegpu", "c/fpga")


@pytest.fixture(scope="module")
def world() -> World:
    return default_world()


def _alone(world: World, claim: Claim, lessons: Sequence[Lesson]) -> Part | None:
    """What one run says, from its cells alone."""
    cells = {world.number(m.arch): m for lesson in lessons for m in lesson.measured}
    order = sorted(cells)
    sample = Sample(
        np.array(order, dtype=np.int64),
        np.array([cells[n].predicted_accuracy_pct for n in order]),
        np.array([cells[n].latency_ms for n in order]),
        np.full(len(order), np.nan),
    )
    objective, question = claim.effect.objective, world.question(claim)
    assert question is not None
    found = RunEvidence(world.kernel(objective), sample, objective).parts([claim], [question])
    return None if found is None else found[0]


def _at_once(contexts: Mapping[str, Sequence[Part]]) -> tuple[float, float]:
    """Mean and half width of the interval, from the definitions."""
    means: list[float] = []
    variances: list[float] = []
    freedoms: list[float] = []
    for parts in contexts.values():
        error = np.array([part.error for part in parts])
        weight = error**-2 / np.sum(error**-2)
        alike = np.where(np.eye(len(parts)), 1.0, 0.5)
        means.append(float(weight @ np.array([part.mean for part in parts])))
        variances.append(float((weight * error) @ alike @ (weight * error)))
        freedoms.append(sum(part.freedom for part in parts) / len(parts))
    within = sum(variances) / len(means) ** 2
    between = float(np.var(means, ddof=1)) / len(means) if len(means) > 1 else 0.0
    freedom = len(means) - 1 if between > within else min(freedoms)
    return sum(means) / len(means), quantile(0.95, freedom) * max(between, within) ** 0.5


def _check(
    store: HeuristicStore, world: World, claim: Claim, taught: Mapping[str, Sequence[Lesson]]
) -> Evidence:
    contexts: dict[str, list[Part]] = {}
    for run in sorted(taught):
        part = _alone(world, claim, taught[run]) if taught[run] else None
        if part is not None:
            contexts.setdefault(run.partition("/")[2], []).append(part)
    evidence = store.show(claim.key).evidence
    every = [part for parts in contexts.values() for part in parts]
    assert evidence.runs == len(every)
    if every:
        mean, reach = _at_once(contexts)
        assert evidence.mean_effect == pytest.approx(mean, rel=1e-6)
        assert evidence.high - mean == pytest.approx(reach, rel=1e-6)
        assert evidence.n_for == sum(part.n_for for part in every)
        assert evidence.n_against == sum(part.n_against for part in every)
        assert evidence.cells == sum(part.cells for part in every)
    return evidence


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.lists(st.sampled_from(RUNS), min_size=1, max_size=7))
def test_one_run_at_a_time_equals_all_at_once(
    order: list[str], world: World, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    claims = claim(), claim(OpCount(op="none", relation="ge", count=1), "accuracy", "lowers")
    taught: dict[str, list[Lesson]] = {run: [] for run in RUNS}
    with tempfile.TemporaryDirectory() as folder, HeuristicStore.open(folder) as store:
        for step, run in enumerate(order):
            device = run.partition("/")[2]
            new = lesson(*claims, run=run, generation=step, cells=9, device=device)
            taught[run].append(new)
            store.learn(new)
        for one in claims:
            _check(store, world, one, taught)
        before = [(h.id, h.status) for h in store.list()]
        store.rebuild()
        assert [(h.id, h.status) for h in store.list()] == before
        for one in claims:
            _check(store, world, one, taught)


class _Operations:
    """Counts calls of Python and C functions and instructions of SQLite's machine."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.count = 0
        self._db = db

    def _call(self, frame: FrameType, event: str, argument: object) -> None:
        self.count += event in ("call", "c_call")

    def _instructions(self) -> int:
        self.count += 10
        return 0

    def __enter__(self) -> "_Operations":
        self._db.set_progress_handler(self._instructions, 10)
        sys.setprofile(self._call)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)
        self._db.set_progress_handler(None, 10)


def test_a_lesson_costs_the_same_after_many_runs(
    store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    taught = lesson(claim(), claim(objective="accuracy"), cells=20)
    costs: list[int] = []
    db = vars(store)["_log"].db
    for number in range(32):
        with _Operations(db) as operations:
            store.learn(replace(taught, run=f"run{number:03}"))
        costs.append(operations.count)
    assert store.show(claim().key).evidence.runs == 32
    assert costs[-1] <= 1.05 * costs[3]


def test_a_new_claim_is_tested_on_the_newest_runs_whoever_counts(
    store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    for number in range(PAST_RUNS + 3):
        store.learn(lesson(run=f"run{number:03}", cells=12))
    late = claim()
    store.learn(lesson(late, run="late", cells=12))
    assert store.show(late.key).evidence.runs == PAST_RUNS
    store.learn(lesson(run="later", cells=12))
    known = store.show(late.key)
    assert known.evidence.runs == PAST_RUNS + 1
    store.rebuild()
    again = store.show(late.key)
    assert again.evidence.runs == known.evidence.runs
    assert again.evidence.mean_effect == pytest.approx(known.evidence.mean_effect)


def test_statuses_of_several_contexts_survive_a_rebuild(
    tmp_path: Path, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    objectives = ("latency", "accuracy")
    claims = [
        claim(OpCount(op=op, relation="ge", count=n), objective, "raises")
        for op in ("none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1")
        for n in (1, 2, 3)
        for objective in objectives
    ]
    with HeuristicStore.open(tmp_path) as store:
        for run, device in (("a", "edgegpu"), ("b", "fpga"), ("c", "edgegpu")):
            store.learn(lesson(*claims, run=run, device=device, cells=30))
        rows = [(h.id, h.status, h.evidence.runs) for h in store.list()]
        db = vars(store)["_log"].db
        events = db.execute("SELECT id, seq FROM claim ORDER BY id").fetchall()
        store.rebuild()
        assert [(h.id, h.status, h.evidence.runs) for h in store.list()] == rows
        assert db.execute("SELECT id, seq FROM claim ORDER BY id").fetchall() == events
