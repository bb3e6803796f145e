"""Two writers at once, and writers killed at any moment: nothing acknowledged is lost."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from llm_nas.knowledge.memory.event_log import EventLog
from llm_nas.knowledge.store import HeuristicStore
from tests.knowledge.world import PARTITION, SPACE

WRITER = """
import sys
sys.path.insert(0, {root!r})
from tests.knowledge.world import K1, PARTITION, SPACE, claim, draw, lesson, measured
from llm_nas.knowledge.store import HeuristicStore
name = sys.argv[2]
store = HeuristicStore.open(sys.argv[1], space=SPACE, partition=PARTITION)
for generation in range(400):
    rows = measured(draw(3, 1000 * int(name) + generation), generation)
    store.learn(lesson(rows, [claim(K1)], run=name, seed=int(name), generation=generation))
    print(generation, flush=True)
    if generation % 8 == 7:
        store.assess()
"""


@pytest.mark.slow
def test_two_killed_writers_lose_nothing_they_had_acknowledged(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    seen = {"1": -1, "2": -1}
    for kill_after in (0.05, 0.4):
        writers = {
            name: subprocess.Popen(
                [sys.executable, "-c", WRITER.format(root=root), str(tmp_path / "s"), name],
                stdout=subprocess.PIPE,
                text=True,
            )
            for name in seen
        }
        for writer in writers.values():
            assert writer.stdout is not None
            writer.stdout.readline()
        time.sleep(kill_after)
        for name, writer in writers.items():
            os.kill(writer.pid, signal.SIGKILL)
            rest, _ = writer.communicate()
            seen[name] = max([seen[name], *map(int, rest.split())])
        with HeuristicStore.open(tmp_path / "s", space=SPACE, partition=PARTITION) as store:
            rows = {run.run: run for run in store.runs()}
            assert set(rows) == set(seen)
            kept = {m.arch for m in store.trainings("toy", "photos", "short training")}
            assert kept
            before = {h.id: h.status for h in store.list(limit=1000)}
            store.rebuild()
            assert {h.id: h.status for h in store.list(limit=1000)} == before
    with sqlite3.connect(tmp_path / "s" / "events.sqlite") as db:
        uids = [row[0] for row in db.execute("SELECT uid FROM event WHERE kind = 'lesson'")]
    db.close()
    assert len(uids) == len(set(uids))
    for name, last in seen.items():
        assert {f"lesson:{name}:{g}" for g in range(last + 1)} <= set(uids)


def test_a_log_cut_at_any_byte_opens_with_whole_events(tmp_path: Path) -> None:
    """The write-ahead file as a power cut leaves it: transactions are whole or not there."""
    log = EventLog(tmp_path / "a")
    for n in range(6):
        with log.writing():
            log.append("x", "", f"{n}")
            log.append("y", "", f"{n}")
    files = {p.name: p.read_bytes() for p in (tmp_path / "a").glob("events.sqlite*")}
    log.close()
    wal = files["events.sqlite-wal"]
    for cut in range(0, len(wal), max(1, len(wal) // 37)):
        place = tmp_path / f"cut{cut}"
        place.mkdir()
        (place / "events.sqlite").write_bytes(files["events.sqlite"])
        (place / "events.sqlite-wal").write_bytes(wal[:cut])
        if not files["events.sqlite"] and not cut:
            continue
        opened = EventLog(place)
        told = [(e.kind, e.body) for e in opened.events()]
        with opened.writing():
            opened.append("more", "", "")
        opened.close()
        assert told == [(kind, str(n)) for n in range(len(told) // 2) for kind in "xy"]


def test_a_writer_without_a_break_lets_others_in(tmp_path: Path) -> None:
    done = threading.Event()
    greedy, modest = EventLog(tmp_path), EventLog(tmp_path)

    def write_on() -> None:
        while not done.is_set():
            with greedy.writing():
                greedy.append("greedy", "", "{}")
                time.sleep(0.01)

    thread = threading.Thread(target=write_on)
    thread.start()
    try:
        for _ in range(3):
            with modest.writing():
                modest.append("modest", "", "{}")
    finally:
        done.set()
        thread.join()
    kinds = [event.kind for event in modest.events()]
    greedy.close()
    modest.close()
    assert kinds.count("modest") == 3
    assert kinds.count("greedy") < 30
