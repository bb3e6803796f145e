"""A small world with known truth: additive accuracies and latencies over NAS-Bench-201."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from llm_nas.claims import Claim, Condition, Effect, Objective, OpAt, Origin, Scope
from llm_nas.domain import FloatArray, Measurement
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson
from llm_nas.tools.partition import make_partition
from llm_nas.tools.space import NasBench201, nas_bench_201

OP_MS = {
    "skip_connect": 0.1,
    "none": 0.0,
    "nor_conv_3x3": 2.0,
    "nor_conv_1x1": 1.0,
    "avg_pool_3x3": 0.5,
}
OP_PCT = {
    "skip_connect": 1.0,
    "none": -2.0,
    "nor_conv_3x3": 2.0,
    "nor_conv_1x1": 1.5,
    "avg_pool_3x3": -1.0,
}

LessonMaker = Callable[..., Lesson]


@pytest.fixture(scope="session")
def space() -> NasBench201:
    return nas_bench_201()


@pytest.fixture(scope="session")
def truths(space: NasBench201) -> tuple[FloatArray, FloatArray]:
    """`(size,)` accuracies in % and latencies in ms, additive over edges."""
    pct = np.array([OP_PCT[op] for op in space.operations])
    ms = np.array([OP_MS[op] for op in space.operations])
    return 70 + pct[space.codes()].sum(axis=1), 1 + ms[space.codes()].sum(axis=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HeuristicStore]:
    with HeuristicStore.open(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def claim() -> Callable[..., Claim]:
    def make(
        condition: Condition | None = None,
        objective: Objective = "latency",
        direction: str = "raises",
        **scope: tuple[str, ...],
    ) -> Claim:
        return Claim(
            condition=condition or OpAt(edge="3>4", op="nor_conv_3x3"),
            effect=Effect.model_validate({"objective": objective, "direction": direction}),
            scope=Scope(space="nasbench201", **scope),
            origin=Origin(source="test"),
        )

    return make


@pytest.fixture
def lesson(space: NasBench201, truths: tuple[FloatArray, FloatArray]) -> LessonMaker:
    """Makes lessons of random cells whose accuracy carries a little noise."""
    labels = make_partition(space, "conv3x3").labels()

    def make(
        *claims: Claim,
        run: str = "run",
        generation: int = 0,
        cells: int = 40,
        dataset: str = "cifar10",
        device: str = "edgegpu",
        **rest: tuple[object, ...],
    ) -> Lesson:
        rng = np.random.default_rng([len(run), generation, sum(map(ord, run + device))])
        picked = rng.choice(space.size, cells, replace=False)
        pct, ms = truths
        measured = tuple(
            Measurement(
                arch=space.format(space.cell(int(i))),
                niche=f"S{labels[i]}",
                generation=generation,
                predicted_accuracy_pct=float(pct[i] + rng.normal(0, 0.2)),
                latency_ms=float(ms[i]),
            )
            for i in picked
        )
        return Lesson(
            run,
            generation,
            dataset,
            device,
            space.name,
            claims,
            measured,
            **rest,  # type: ignore[arg-type]
        )

    return make
