"""When a claim is believed, and the faults that once made that too easy."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from llm_nas.claims import Evidence, Heuristic
from llm_nas.conditions import Bound
from llm_nas.domain import Arch
from llm_nas.knowledge.claims.evidence import Part
from llm_nas.knowledge.claims.lifecycle import (
    SourcePart,
    Standing,
    decide,
    discovery_bar,
    pool,
    random_effects,
)
from llm_nas.knowledge.memory.learning import sources_of
from llm_nas.knowledge.memory.tables import Run
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson
from tests.knowledge.world import (
    HERE,
    K1,
    PARTITION,
    SPACE,
    claim,
    draw,
    error,
    lesson,
    measured,
    run_lesson,
)

Open = Callable[..., HeuristicStore]


@pytest.fixture
def store(tmp_path: Path) -> HeuristicStore:
    return HeuristicStore.open(tmp_path / "store", space=SPACE, partition=PARTITION)


def statuses(store: HeuristicStore) -> dict[str, str]:
    return {h.id: h.status for h in store.list(limit=1000)}


def taught(store: HeuristicStore, lessons: Sequence[Lesson]) -> dict[str, Heuristic]:
    for one in lessons:
        store.learn(one)
    return {h.claim.statement: h for h in store.list(limit=1000)}


def test_trainings_support_what_is_true_and_its_opposite_is_dropped(
    store: HeuristicStore,
) -> None:
    found = taught(store, [run_lesson(1, 40, claims=[claim(K1), claim(K1, raises=False)])])
    assert found["k1 at least 7 raises accuracy (photos)"].status == "supported"
    opposite = found["k1 at least 7 lowers accuracy (photos)"]
    assert opposite.status == "retired"
    assert opposite.conflicts == (found["k1 at least 7 raises accuracy (photos)"].id,)
    steps = [body.body for body in store.history(opposite.id) if body.kind == "status"]
    assert "say the opposite" in steps[-1]


def test_the_same_command_twice_changes_nothing(store: HeuristicStore) -> None:
    """Fault: runs were counted by their ids, so repeating one made claims trusted."""
    once = run_lesson(1, 40)
    store.learn(once)
    before = {h.id: (h.status, h.evidence) for h in store.list(limit=1000)}
    assert "supported" in {status for status, _ in before.values()}
    store.learn(lesson(once.measured, run="again", seed=1))
    assert {h.id: (h.status, h.evidence) for h in store.list(limit=1000)} == before
    # Nor does the same table read under another seed: these are the same trainings.
    store.learn(lesson(once.measured, run="other seed", seed=2))
    assert {h.id: (h.status, h.evidence) for h in store.list(limit=1000)} == before
    # Other trainings of the same seed are more data, and no second run.
    store.learn(lesson(measured(draw(40, 8), 8), run="more", seed=1))
    assert "trusted" not in statuses(store).values()


def test_independent_runs_make_a_claim_trusted(store: HeuristicStore) -> None:
    found = taught(store, [run_lesson(1), run_lesson(2)])
    best = found["k1 at least 7 raises accuracy (photos)"]
    assert (best.status, best.evidence.runs, best.evidence.archs) == ("trusted", 2, 80)


def test_sources_share_neither_seed_nor_trainings() -> None:
    def run(name: str, seed: int, device: str = "board") -> Run:
        metric = '{"name": "accuracy_pct", "unit": "%", "higher_is_better": true}'
        return Run(name, "toy", "photos", device, "short", seed, metric, 1)

    def rows(first: int, last: int, shift: float = 0.0) -> list[tuple[Arch, float, float]]:
        return [(f"a{n}", n + shift, n + 1.0) for n in range(first, last)]

    runs = [run("a", 1), run("b", 1, "phone"), run("c", 2), run("d", 3), run("e", 4)]
    told = {
        "a": rows(0, 20),
        "b": rows(20, 40),  # the seed of a: the same source
        "c": rows(0, 40) + rows(50, 70),  # only its own 20 count
        "d": rows(0, 20, 0.5),  # the same networks with other labels: trainings of its own
        "e": rows(90, 95),  # too few: joins the source before it
    }
    found = sources_of("accuracy", runs, told)
    assert [(s.number, len(s.archs)) for s in found] == [(1, 40), (2, 20), (3, 25)]
    assert found[0].contexts == ("toy/photos/board", "toy/photos/phone")
    keys = [{(a, v) for a, v in zip(s.archs, s.values, strict=True)} for s in found]
    assert not keys[0] & keys[1]
    assert not keys[0] & keys[2]


def test_a_place_that_disagrees_splits_a_claim(store: HeuristicStore) -> None:
    def turned(arch: Arch) -> float:
        return 400.0 / error(arch)

    there = HERE.model_copy(update={"task": "drawings"})
    other = measured(draw(60, 12), 12, errors=turned)
    broad = claim(Bound(choice="k1", relation="ge", value=5), tasks=())
    first = lesson(measured(draw(60, 11), 11), [broad], run="a", seed=1)
    found = taught(store, [first, lesson(other, run="b", seed=2, context=there)])
    assert found["k1 at least 5 raises accuracy"].status == "contested"
    here, away = (
        found[f"k1 at least 5 {what} accuracy ({task})"]
        for what, task in (("raises", "photos"), ("lowers", "drawings"))
    )
    assert here.status == away.status == "supported"
    assert away.id in here.conflicts
    assert here.id in away.conflicts


def test_evidence_that_turns_contests_a_claim(store: HeuristicStore) -> None:
    store.learn(run_lesson(1, 30))
    name = "k1 at least 7 raises accuracy (photos)"
    assert {h.claim.statement: h for h in store.list()}[name].status == "supported"

    def turned(arch: Arch) -> float:
        return 400.0 / error(arch)

    for seed in (2, 3, 4):
        rows = measured(draw(60, seed), seed, errors=turned)
        store.learn(lesson(rows, run=f"b{seed}", seed=seed))
    assert {h.claim.statement: h for h in store.list(limit=1000)}[name].status == "contested"


def test_benjamini_hochberg_counts_every_claim_that_was_proposed() -> None:
    def standing(p: float | None) -> Standing:
        evidence = Evidence() if p is None else Evidence(method="process", p_value=p)
        return Standing("proposed", evidence, ("accuracy:toy/photos",))

    alone = [step.status for step in decide([standing(0.02)])]
    among = [step.status for step in decide([standing(0.02), *[standing(None)] * 9])]
    assert (alone[0], among[0]) == ("supported", "proposed")
    ps = np.sort(np.random.default_rng(0).uniform(size=50) ** 3)
    slow = max([p for k, p in enumerate(ps, 1) if p <= 0.1 * k / 50], default=0.0)
    assert discovery_bar(ps.tolist()) == slow


def test_a_direction_read_off_the_data_is_tested_on_both_sides() -> None:
    part = Part(
        mean=0.2,
        variance=0.01,
        n_for=0,
        n_against=0,
        against=(),
        archs=40,
        spread=1.0,
        typical=10.0,
    )
    parts = [SourcePart("toy/photos", ("toy/photos/board",), "short", part)]
    given = claim(K1)
    grid = given.model_copy(update={"origin": given.origin.model_copy(update={"source": "grid"})})
    one, both = pool(given, parts), pool(grid, parts)
    assert one.p_value == pytest.approx(0.02275, abs=1e-4)
    assert both.p_value == pytest.approx(2 * 0.02275, abs=1e-4)
    assert one.mean_effect == pytest.approx(2.0)
    assert (one.at, one.labels) == (10.0, ("short",))


def test_pooling_adds_the_spread_between_runs() -> None:
    mean, variance = random_effects(np.array([1.0, 1.0]), np.array([0.2, 0.2]))
    assert [mean, variance] == pytest.approx([1.0, 0.1])
    mean, variance = random_effects(np.array([0.0, 2.0]), np.array([0.1, 0.1]))
    # Q - 1 = 19, C = 10: the variance between is 1.9.
    assert [mean, variance] == pytest.approx([1.0, 1.0])


def test_votes_retire_only_what_nothing_supports(store: HeuristicStore) -> None:
    good, vague = claim(K1), claim(Bound(choice="k6", relation="ge", value=5))
    store.learn(run_lesson(1, 40, claims=[good, vague]))
    store.assess()
    ids = (good.key, vague.key)
    store.learn(Lesson("run1", 1, 1, HERE, (), (), retire=ids))
    found = statuses(store)
    assert (found[good.key], found[vague.key]) == ("supported", "retired")
