"""Runs that start from earlier trainings: believed, checked, dropped."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llm_nas.domain import ACCURACY, ContextName, Measurement, SearchReport
from llm_nas.graph.record.trace import read_trace
from llm_nas.graph.run import Inputs
from llm_nas.graph.search import resume, search
from llm_nas.graph.steps.recalled import Recalled, Sources
from llm_nas.knowledge.memory.builtin import BUILTIN, builtin_claims
from llm_nas.knowledge.memory.reuse import prior_of
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson
from llm_nas.tools.spaces import open_space
from tests.graph.conftest import RequestMaker
from tests.knowledge.world import SPACE, draw, error, measured

QUIET = Inputs(picture=False)


@pytest.fixture
def store(request_of: RequestMaker, tmp_path: Path) -> Path:
    """What a run of another seed left."""
    search(request_of("source", seed=9, store=tmp_path / "store"), QUIET)
    return tmp_path / "store"


def _told(report: SearchReport) -> list[bool]:
    events = [e for e in read_trace(report.out) if (e.role, e.event) == ("store", "source")]
    return [e.data["kept"] for e in events]


def test_a_second_run_starts_from_the_first_ones_trainings(
    request_of: RequestMaker, store: Path
) -> None:
    report = search(request_of("warm", store=store, trainings=8), replace(QUIET, keep=False))
    assert report.reused_trainings == 24
    assert report.trainings == 8
    assert report.hv_at["0"] > 0.5
    assert report.sources[0].kept
    assert _told(report) == [True, True]
    assert resume(report.out, QUIET) == report


def test_a_store_of_permuted_accuracies_is_dropped_and_costs_nothing(
    request_of: RequestMaker, store: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    with HeuristicStore.open(store, readonly=True) as right:
        (run, *_) = right.runs()
        held = right.trainings(run.space, run.task, run.recipe)
    values = np.random.default_rng(0).permutation([m.value for m in held])
    rows = [m.model_copy(update={"value": float(v)}) for m, v in zip(held, values, strict=True)]
    cold = search(request_of("cold", trainings=12), replace(QUIET, keep=False))
    with HeuristicStore.open(wrong) as made:
        made.learn(
            Lesson(
                run="w",
                seed=3,
                generation=0,
                context=_context(cold),
                claims=(),
                measured=tuple(rows),
                recipe=run.recipe,
            )
        )
    warm = search(request_of("warm", store=wrong, trainings=12), replace(QUIET, keep=False))
    assert not warm.sources[0].kept
    assert "not enough" in warm.sources[0].reason
    assert warm.reused_trainings == 0
    assert warm.front == cold.front
    assert not any(_told(warm))
    assert json.loads((warm.out / "result.json").read_text())["hv_at"] == warm.hv_at


def _context(report: SearchReport) -> ContextName:
    return ContextName(space=report.space, task=report.task, device=report.device)


def test_every_source_is_judged_by_itself() -> None:
    def reversed_error(arch: str) -> float:
        return 400.0 / error(arch)

    right = measured(draw(40, 1), 1)
    wrong = measured(draw(40, 2), 2, errors=reversed_error)
    sources = Sources(Recalled(trainings={"a": right, "b": wrong}), ACCURACY, SPACE)
    own = measured(draw(12, 3), 3)
    assert [v.kept for v in sources.verdicts(())] == [True, True]
    assert [v.kept for v in sources.verdicts(own)] == [True, False]
    known: set[Measurement] = set(sources.believed(own))
    assert known == set(m for m in right if m.arch not in {o.arch for o in own})


def test_claims_that_ship_are_a_prior_where_they_speak_of_a_space() -> None:
    nb201 = open_space("nb201")
    claims = builtin_claims(nb201)
    assert claims[0].claim.scope.space == "nb201"
    prior = prior_of(claims, nb201)
    assert prior is not None
    good, poor = (
        f"|{op}~0|+|{op}~0|{op}~1|+|skip_connect~0|{op}~1|{op}~2|"
        for op in ("nor_conv_3x3", "avg_pool_3x3")
    )
    expected = prior([good, poor])
    assert expected[0] < expected[1]
    assert len(builtin_claims(open_space("anb"))) > 20


def test_a_run_may_start_from_what_ships(request_of: RequestMaker) -> None:
    report = search(request_of(store=BUILTIN), replace(QUIET, keep=False))
    assert report.reused_trainings == 0
    assert not report.sources or all("/" not in v.source for v in report.sources)
