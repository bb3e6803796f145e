"""Stores of other formats, damaged ones and files that are none."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_nas.claims import Claim
from llm_nas.errors import StoreError
from llm_nas.knowledge import eventlog, projection
from llm_nas.knowledge.learning import LESSON
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson

ClaimMaker = Callable[..., Claim]
LessonMaker = Callable[..., Lesson]

VERSION_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE event (seq INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT UNIQUE, ts TEXT NOT NULL,
    kind TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX event_subject ON event (subject, seq) WHERE subject <> '';
CREATE INDEX event_kind ON event (kind, seq);
CREATE TABLE cell (space TEXT, dataset TEXT, device TEXT, run TEXT, arch TEXT, niche TEXT,
    generation INTEGER, number INTEGER, accuracy_pct REAL, latency_ms REAL,
    PRIMARY KEY (space, dataset, device, run, arch)) WITHOUT ROWID;
INSERT INTO meta VALUES ('format', '1'), ('projection', '2');
"""


def _write_version_1(folder: Path, lesson: Lesson, claim: Claim) -> None:
    """A store as the first format had it: lessons without energies, another table of cells."""
    folder.mkdir()
    text = LESSON.dump_json(lesson, exclude={"energy_mj"}).decode()
    ts = "2026-01-01T00:00:00.000+00:00"
    status = '{"from": "proposed", "to": "supported", "reason": "passed the test"}'
    with sqlite3.connect(folder / eventlog.FILE) as db:
        db.executescript(VERSION_1)
        db.executemany(
            "INSERT INTO event (uid, ts, kind, subject, body) VALUES (?,?,?,?,?)",
            [
                (f"lesson:{lesson.run}:0", ts, "lesson", "", text),
                (None, ts, "proposed", claim.key, '{"reason": "by test"}'),
                (None, ts, "status", claim.key, status),
            ],
        )
    db.close()


def _stamp(folder: Path, name: str, value: str) -> None:
    with sqlite3.connect(folder / eventlog.FILE) as db:
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
    db.close()


def test_an_older_format_is_migrated_when_opened_for_writing(
    tmp_path: Path, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    folder = tmp_path / "old"
    _write_version_1(folder, lesson(claim(), cells=80), claim())
    with pytest.raises(StoreError, match="older") as caught:
        HeuristicStore.open(folder, readonly=True)
    assert f"llm-nas heuristics rebuild --store {folder}" in str(caught.value)
    with HeuristicStore.open(folder) as store:
        found = store.show(claim().key)
        assert (found.status, found.evidence.cells) == ("supported", 80)
        assert [e.kind for e in store.history(claim().key)] == ["proposed", "status"]
        assert store.learn(lesson(claim(), cells=80)) == ()
    with HeuristicStore.open(folder, readonly=True) as store:
        assert store.show(claim().key) == found


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    HeuristicStore.open(tmp_path).close()
    _stamp(tmp_path, "format", str(eventlog.FORMAT + 1))
    before = (tmp_path / eventlog.FILE).read_bytes()
    for readonly in (True, False):
        with pytest.raises(StoreError, match=r"newer .* upgrade llm-nas") as caught:
            HeuristicStore.open(tmp_path, readonly=readonly)
        assert "\n" not in str(caught.value)
    assert (tmp_path / eventlog.FILE).read_bytes() == before


def test_tables_of_another_layout_are_made_again(
    tmp_path: Path, claim: ClaimMaker, lesson: LessonMaker
) -> None:
    with HeuristicStore.open(tmp_path) as store:
        store.learn(lesson(claim(), cells=80))
        known = store.list()
    _stamp(tmp_path, "projection", str(projection.VERSION - 1))
    with pytest.raises(StoreError, match="rebuild --store"):
        HeuristicStore.open(tmp_path, readonly=True)
    with HeuristicStore.open(tmp_path) as store:
        assert [(h.id, h.status) for h in store.list()] == [(h.id, h.status) for h in known]


@pytest.mark.parametrize("readonly", [True, False])
def test_another_programs_database_is_refused_and_left_alone(
    tmp_path: Path, readonly: bool
) -> None:
    file = tmp_path / eventlog.FILE
    with sqlite3.connect(file) as db:
        db.executescript("CREATE TABLE meta (name, value); CREATE TABLE invoice (id)")
    db.close()
    before = file.read_bytes()
    with pytest.raises(StoreError, match="no heuristic store") as caught:
        HeuristicStore.open(tmp_path, readonly=readonly)
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == before


@pytest.mark.parametrize("readonly", [True, False])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_log_is_refused_in_one_line(
    tmp_path: Path, claim: ClaimMaker, lesson: LessonMaker, share: float, readonly: bool
) -> None:
    with HeuristicStore.open(tmp_path) as store:
        store.learn(lesson(claim(), cells=80))
    file = tmp_path / eventlog.FILE
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(StoreError, match="damaged") as caught:
        HeuristicStore.open(tmp_path, readonly=readonly)
    assert "\n" not in str(caught.value)
