"""The store as its users see it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from llm_nas.claims import Claim, OpAt, OpCount
from llm_nas.domain import FloatArray
from llm_nas.errors import RequestError, StoreError
from llm_nas.knowledge.devices import Likeness
from llm_nas.knowledge.masks import SpaceTable
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson
from llm_nas.tools.space import NasBench201

ClaimMaker = Callable[..., Claim]
LessonMaker = Callable[..., Lesson]


def test_a_true_claim_is_supported_and_its_opposite_retired(
    store: HeuristicStore,
    claim: ClaimMaker,
    lesson: LessonMaker,
    space: NasBench201,
    truths: tuple[FloatArray, FloatArray],
) -> None:
    true, false = claim(), claim(direction="lowers")
    store.learn(lesson(true, false, cells=80))
    assert store.show(true.key).status == "supported"
    assert store.show(false.key).status == "retired"
    evidence = store.show(true.key).evidence
    table = SpaceTable(space)
    effect = table.true_effect(true.condition, table.connected, truths[1])
    assert effect is not None
    assert 0 < evidence.low <= effect <= evidence.high
    assert store.show(true.key).conflicts == (false.key,)


def test_a_lesson_counts_once(
    store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    assert store.learn(lesson(claim()))
    before = store.list()
    assert store.learn(lesson(claim())) == ()
    assert store.list() == before


def test_what_was_learned_survives_reopening_and_rebuilding(
    tmp_path: Path, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    with HeuristicStore.open(tmp_path) as store:
        for generation in range(3):
            store.learn(lesson(claim(), claim(objective="accuracy"), generation=generation))
        known = store.list()
    with HeuristicStore.open(tmp_path) as store:
        assert store.list() == known
        assert store.rebuild() == len(known)
        assert store.list() == known


def test_retrieval_keeps_to_scope_and_says_why(
    store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    here, elsewhere, anywhere = (
        claim(devices=("edgegpu",)),
        claim(devices=("fpga",)),
        claim(OpCount(op="nor_conv_3x3", relation="ge", count=2)),
    )
    store.learn(lesson(here, elsewhere, anywhere, cells=80))
    found = store.retrieve(dataset="cifar10", device="edgegpu", niche="S2")
    assert {h.id for h in found} == {here.key, anywhere.key}
    assert all("scope" in h.why and "effect" in h.why for h in found)
    near = store.retrieve(device="edgegpu", similarity={"fpga": Likeness(0.5)})
    assert {h.id for h in near} == {here.key, anywhere.key, elsewhere.key}


def test_retrieval_respects_count_and_token_budget(
    store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    claims = [claim(OpAt(edge=e, op="nor_conv_3x3")) for e in ("1>2", "1>3", "1>4", "2>3")]
    store.learn(lesson(*claims, cells=80))
    assert len(store.retrieve(k=2)) == 2
    assert len(store.retrieve(k=200)) == 4
    assert len(store.retrieve(token_budget=15)) == 1
    assert store.retrieve(token_budget=1) == ()


def test_ask_finds_by_meaning(
    store: HeuristicStore, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    pool = claim(OpAt(edge="1>4", op="avg_pool_3x3"), "accuracy", "lowers")
    store.learn(lesson(claim(), pool, claim(OpAt(edge="1>2", op="none"), direction="lowers")))
    assert store.ask("does pooling harm accuracy?").findings[0].heuristic.id == pool.key


def test_a_damaged_index_is_rebuilt(
    tmp_path: Path, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    with HeuristicStore.open(tmp_path) as store:
        store.learn(lesson(claim()))
        store.ask("which operation matters")
    for file in tmp_path.glob("chroma-*/*.sqlite3"):
        file.write_bytes(b"not a database" * 400)
    with HeuristicStore.open(tmp_path) as store:
        found = store.ask("which operation matters").findings
        assert [finding.heuristic.id for finding in found] == [claim().key]


def test_merging_adds_cells_once(tmp_path: Path, claim: ClaimMaker, lesson: LessonMaker) -> None:
    key = claim().key
    with HeuristicStore.open(tmp_path / "two") as two:
        two.learn(lesson(claim(), run="b"))
        alone = two.show(key).evidence
    with HeuristicStore.open(tmp_path / "one") as one:
        one.learn(lesson(claim(), run="a"))
        assert one.merge(tmp_path / "two") == 1
        assert one.merge(tmp_path / "two") == 0
        both = one.show(key).evidence
    assert both.runs == 2
    assert both.cells > alone.cells


def test_unusable_folders_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "events.sqlite").write_bytes(b"no database at all" * 100)
    for path, readonly in ((tmp_path / "file", False), (damaged, False), (tmp_path / "no", True)):
        with pytest.raises(StoreError) as caught:
            HeuristicStore.open(path, readonly=readonly)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "../../etc", "zzzz", "a" * 17, "'; DROP TABLE claim; --"])
def test_hostile_ids_are_refused(store: HeuristicStore, key: str) -> None:
    with pytest.raises(RequestError):
        store.show(key)
