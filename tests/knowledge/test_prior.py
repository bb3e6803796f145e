"""What a store's cells say of all cells."""

from collections.abc import Callable

import numpy as np
import pytest

from llm_nas.domain import FloatArray
from llm_nas.knowledge.evidence import LEAST_CELLS
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
LessonMaker = Callable[..., Lesson]


def _score(store: HeuristicStore, dataset: str = "cifar10") -> FloatArray:
    (source,) = store.accuracy_sources(dataset).values()
    return source.score


def _likeness(score: FloatArray, accuracy_pct: FloatArray) -> float:
    return float(np.corrcoef(score, accuracy_pct)[0, 1])


def test_few_cells_say_nothing(store: HeuristicStore, lesson: LessonMaker) -> None:
    assert store.accuracy_sources("cifar10") == {}
    store.learn(lesson(cells=LEAST_CELLS - 1))
    assert store.accuracy_sources("cifar10") == {}


def test_cells_of_any_dataset_foretell_accuracy_while_there_are_few(
    store: HeuristicStore, lesson: LessonMaker, truths: tuple[FloatArray, FloatArray]
) -> None:
    store.learn(lesson(cells=40, run="a", device="fpga"))
    few = _score(store)
    assert _likeness(few, truths[0]) > 0.6
    assert np.array_equal(few, _score(store, "cifar100"))
    store.learn(lesson(cells=200, run="b", device="fpga"))
    assert _likeness(_score(store), truths[0]) > _likeness(few, truths[0])


def test_every_place_is_a_source_of_unit_deviation(
    store: HeuristicStore, lesson: LessonMaker
) -> None:
    store.learn(lesson(cells=40, run="a", device="fpga"))
    store.learn(lesson(cells=40, run="b", device="pixel3"))
    found = store.accuracy_sources("cifar10")
    assert list(found) == ["cifar10/fpga", "cifar10/pixel3"]
    assert [float(s.score.std()) for s in found.values()] == pytest.approx([1.0, 1.0])


def test_a_source_brings_its_measured_cells(store: HeuristicStore, lesson: LessonMaker) -> None:
    taught = lesson(cells=40, run="a", device="fpga")
    store.learn(taught)
    (source,) = store.accuracy_sources("cifar10").values()
    assert len(source.cells) == len(set(source.cells.tolist())) == 40
    told = {SPACE.index(SPACE.parse(m.arch)): m.predicted_accuracy_pct for m in taught.measured}
    np.testing.assert_allclose(source.accuracy_pct, [told[c] for c in source.cells.tolist()])


def test_enough_cells_of_the_dataset_itself_silence_the_others(
    store: HeuristicStore, lesson: LessonMaker
) -> None:
    store.learn(lesson(cells=100, run="a"))
    alone = _score(store)
    store.learn(lesson(cells=100, run="other", dataset="cifar100"))
    assert np.array_equal(alone, _score(store))
