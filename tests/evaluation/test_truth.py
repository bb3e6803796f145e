"""Truth by context: what it is, what it is not, and how a run that exceeds it is noticed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llm_nas import Choice, Space
from llm_nas.domain import ACCURACY, PERPLEXITY, ContextName, Metric
from llm_nas.errors import DataError, RequestError
from llm_nas.evaluation import reference
from llm_nas.evaluation.evolve import Effort
from llm_nas.evaluation.freeze import all_contexts, build_references
from llm_nas.evaluation.reference import EXACT, Reference, front_of
from llm_nas.evaluation.score import above_chance
from llm_nas.evaluation.truth import Truth, open_truth
from llm_nas.ports import SearchSpace
from llm_nas.tools.contexts import parse_context
from llm_nas.tools.data.public.anb import measured_rows
from llm_nas.tools.spaces import open_space
from llm_nas.tools.tasks import open_task

TOY = Space("toy", [Choice("k", (1, 3, 5, 7), ordered=True)])


def _open(context: str, space: SearchSpace | None = None, data_dir: Path | None = None) -> Truth:
    name = parse_context(context)
    found = open_truth(name, space or open_space(name.space), data_dir)
    assert found is not None
    return found


def _drawn(n: int) -> tuple[str, ...]:
    space, rng = open_space("anb"), np.random.default_rng(0)
    return tuple(dict.fromkeys(space.sample(rng) for _ in range(n)))


def test_published_truth_is_the_mean_test_accuracy(tables: Path) -> None:
    found = _open("nb201/cifar100/fpga", data_dir=tables)
    with np.load(tables / "nb201_accuracy.npz") as published:
        expected = 100 - published["test_acc"][:, 1]
    assert found.archs is not None
    np.testing.assert_allclose(found.errors(found.archs), expected)
    assert found.chance_error == 99.0
    assert found.reference.origin == EXACT
    assert set(found.reference.archs) <= set(found.archs)


def test_networks_at_chance_stand_on_no_front(tables: Path) -> None:
    found = _open("nb201/cifar10/pixel3", data_dir=tables)
    assert found.archs is not None
    latencies_ms = found.latencies_ms(found.archs)
    quickest = int(np.nanargmin(latencies_ms))
    assert found.errors([found.archs[quickest]])[0] > 85
    assert found.reference.latency_ms.min() > latencies_ms[quickest]
    assert found.reference.error.max() < 85
    assert found.beyond(found.archs) == ()  # however fast they are


def test_other_tables_have_a_front_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_NAS_DATA", "")
    found = _open("nb201/cifar10/eyeriss")
    assert found.reference.command == ""
    assert len(found.reference.archs) > 3
    errors = found.errors(found.reference.archs)
    np.testing.assert_allclose(errors, found.reference.error)


def test_a_truth_model_is_the_task_without_its_noise() -> None:
    found, task = _open("anb/imagenet/a100"), open_task("imagenet", open_space("anb"))
    archs = _drawn(200)
    trained = [getattr(task.train(arch, 1.0, 0), "value", np.nan) for arch in archs]
    noise = 100 - np.array(trained) - found.errors(archs)
    assert 0.2 < noise.std() < 0.3
    assert found.archs is None
    assert found.chance_error == pytest.approx(99.9)


def test_frozen_fronts_of_truth_models_are_of_these_models() -> None:
    for context in all_contexts():
        found = _open(str(context))
        front = found.reference
        assert len(front.archs) > 50
        some = slice(None, None, max(1, len(front.archs) // 20))
        np.testing.assert_allclose(found.errors(front.archs[some]), front.error[some], rtol=1e-6)
        assert (np.diff(front.latency_ms) > 0).all()
        assert (np.diff(front.error) < 0).all()


def test_no_neighbour_of_a_frozen_front_lies_beyond_it() -> None:
    space, found = open_space("anb"), _open("anb/imagenet/zcu102")
    archs = found.reference.archs[::60]
    around = [near for arch in archs for near in space.neighbours(arch)]
    assert found.beyond(around) == ()


def test_a_front_of_another_model_does_not_count() -> None:
    found = _open("anb/imagenet/a100")
    with pytest.raises(DataError, match="run llm-nas data build-reference --contexts anb/"):
        _ = replace(found, digest="another").reference


def test_what_exceeds_the_reference_is_noticed() -> None:
    front = Reference(("a", "b"), np.array([1.0, 2.0]), np.array([30.0, 20.0]), EXACT, "")
    errors = np.array([30, 29, 20, 19, 99, 25, 1, np.nan])
    latencies_ms = np.array([1, 1, 2, 9, 0.5, 1.9, np.nan, 1])
    expected = [False, True, False, True, True, True, False, False]
    assert front.beyond(errors, latencies_ms).tolist() == expected


@pytest.mark.parametrize("tested", [True, False])
def test_a_users_tables(tmp_path: Path, tested: bool) -> None:
    accuracy, latency = tmp_path / "a.csv", tmp_path / "l.csv"
    column = ",test_accuracy_pct" if tested else ""
    rows = [(1, 50, 40), (3, 60, 70), (5, 70, 60), (7, 80, 90)]
    lines = [f"k={k},{a}" + (f",{t}" if tested else "") for k, a, t in rows]
    accuracy.write_text("\n".join([f"arch,accuracy_pct{column}", *lines]))
    latency.write_text("arch,latency_ms\nk=1,1\nk=3,2\nk=5,3\n")
    context = ContextName(space="toy", task=str(accuracy), device=f"mine={latency}")
    found = open_truth(context, TOY)
    assert found is not None
    assert found.archs == ("k=1", "k=3", "k=5")
    expected = ["k=1", "k=3"] if tested else ["k=1", "k=3", "k=5"]
    assert list(found.reference.archs) == expected
    assert found.errors(["k=3"])[0] == (30 if tested else 40)
    assert np.isnan(found.latencies_ms(["k=7"])[0])


def test_a_users_device_limits_a_truth_model_to_its_rows(tmp_path: Path) -> None:
    path, archs = tmp_path / "l.csv", _drawn(30)
    path.write_text("\n".join(["arch,latency_ms", *(f"{a},{i + 1}" for i, a in enumerate(archs))]))
    found = _open(f"anb/imagenet/mine={path}")
    assert found.archs == archs
    assert set(found.reference.archs) <= set(archs)


def test_real_tasks_and_devices_have_no_known_truth() -> None:
    for context in ("mobile/digits/host", "anb/imagenet/host", "fbnet/digits/edgegpu"):
        name = parse_context(context)
        assert open_truth(name, open_space(name.space)) is None


def test_the_front_of_measured_rows_is_computed_from_them(tables: Path) -> None:
    found, rows = _open("anb-rows/imagenet/zcu102", data_dir=tables), measured_rows(tables)
    assert found.archs is not None
    assert len(found.archs) == len(rows.archs) - 2  # two have no latency there
    assert found.reference.origin == EXACT
    assert found.beyond(rows.archs[:500]) == ()


def test_fronts_are_frozen_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, context = tmp_path / "reference.npz", parse_context("anb/imagenet/a100")
    other = front_of(["a", "b"], np.array([1.0, 2.0]), np.array([2.0, 1.0]), digest="d")
    reference.save({"x/y/z": other}, path)
    effort = Effort(evaluations=300, start=100, batch=100, seeds=1)
    sizes = build_references([(context, open_space("anb"))], path=path, effort=effort)
    monkeypatch.setattr(reference, "REFERENCE_FILE", path)
    found = _open(str(context)).reference
    assert found.command == f"llm-nas data build-reference --contexts {context}"
    assert len(found.archs) == sizes[str(context)]
    assert reference.frozen("x/y/z", "another digest") is None
    kept = reference.frozen("x/y/z", "d")
    assert kept is not None
    assert kept.archs == ("b", "a")


def test_a_front_that_can_be_computed_is_not_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_NAS_DATA", "")
    context = parse_context("nb201/cifar10/fpga")
    with pytest.raises(RequestError, match="never frozen"):
        build_references([(context, open_space("nb201"))])


@pytest.mark.parametrize(
    ("metric", "chance", "values", "expected"),
    [
        (ACCURACY, 10.0, [10, 15, 15.1, 90], [False, False, True, True]),
        (PERPLEXITY, 50_000.0, [60_000, 49_999, 30], [False, True, True]),
        (PERPLEXITY, None, [60_000, 30], [True, True]),
    ],
)
def test_what_counts_as_learned(
    metric: Metric, chance: float | None, values: list[float], expected: list[bool]
) -> None:
    """Accuracies need 1.5 times guessing; 1.5 times the perplexity of guessing means nothing."""
    errors = metric.errors(np.array(values, dtype=np.float64))
    least = None if chance is None else metric.error(chance)
    assert above_chance(metric, least, errors).tolist() == expected
    found = replace(_open("anb/imagenet/a100"), metric=metric, chance_error=least)
    assert np.isfinite(found.learned(errors)).tolist() == expected
