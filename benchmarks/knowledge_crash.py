"""Kill writers of a heuristic store at random moments and look at what is left.

    python benchmarks/knowledge_crash.py --kills 100

Writers record lessons, two at once record into one store, merge stores and import playbooks, or
ask questions in words, which builds the index. Each notes, fsynced, what the store has
acknowledged, and is killed by SIGKILL. Then, after every kill: does the store open, is every
acknowledged event there, is anything there twice, are the derived tables those that the log
gives, and does the index answer, also with one of its files cut in half? Exits with 1 on any
failure.
"""

import argparse
import json
import multiprocessing
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from llm_nas.claims import Claim, Condition, Effect, OpAt, OpCount, Origin, Scope
from llm_nas.domain import Frozen, Measurement
from llm_nas.knowledge import playbook
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson
from llm_nas.tools.space import nas_bench_201

KILLS_PER_STORE = 10
LONGEST_S = 0.4
"""Most seconds until a kill."""
WORKING_SHARE = 0.75
"""Share of rounds in which that time starts with the first acknowledgement, not with the fork."""
TOLERANCE = 1e-6
"""Relative difference of floats that adding in another order may leave."""
QUESTION = "lower latency"
SPACE = nas_bench_201()
OPS = SPACE.operations
DERIVED = ("cell", "run_place", "claim", "claim_scope", "alias", "part", "pooled", "lift", "trial")
FORK = multiprocessing.get_context("fork")


class Check(Frozen):
    """What was found after one kill; counts of what is wrong, and words for it."""

    acknowledged: int = 0
    events: int = 0
    lost: int = 0
    twice: int = 0
    differs: int = 0
    index: int = 0
    failed: int = 0
    words: tuple[str, ...] = ()

    @property
    def wrong(self) -> int:
        """Everything that should be 0."""
        return self.lost + self.twice + self.differs + self.index + self.failed


def claims_of(rng: np.random.Generator, count: int) -> tuple[Claim, ...]:
    """Random simple claims."""

    def one() -> Claim:
        op = OPS[int(rng.integers(len(OPS)))]
        edge = SPACE.edges[int(rng.integers(len(SPACE.edges)))]
        conditions: tuple[Condition, ...] = (
            OpAt(edge=edge, op=op),
            OpCount(op=op, relation="ge", count=int(rng.integers(1, 4))),
        )
        effect = {
            "objective": ("accuracy", "latency", "energy")[int(rng.integers(3))],
            "direction": ("raises", "lowers")[int(rng.integers(2))],
        }
        return Claim(
            condition=conditions[int(rng.integers(2))],
            effect=Effect.model_validate(effect),
            scope=Scope(space=SPACE.name),
            origin=Origin(source="crash"),
        )

    return tuple(one() for _ in range(count))


def lesson_of(run: str, generation: int) -> Lesson:
    """A lesson as a search teaches it, the same for the same run and generation."""
    rng = np.random.default_rng([generation, *run.encode()])
    codes = SPACE.codes()
    measured = tuple(
        Measurement(
            arch=SPACE.format(SPACE.cell(int(index))),
            niche="S0",
            generation=generation,
            predicted_accuracy_pct=float(60 + 2 * np.sum(codes[index] == 3) + rng.normal()),
            latency_ms=float(1 + np.sum(codes[index] == 2) + 0.01 * rng.normal()),
        )
        for index in rng.choice(SPACE.size, 8, replace=False)
    )
    return Lesson(
        run=run,
        generation=generation,
        dataset="cifar10",
        device=("edgegpu", "fpga")[len(run) % 2],
        space=SPACE.name,
        claims=claims_of(rng, 3),
        measured=measured,
        energy_mj={m.arch: 2.0 * m.latency_ms for m in measured},
    )


class Acknowledged:
    """Ids a writer was told are kept, one a line, on disk before it goes on."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("a")

    def note(self, *uids: str) -> None:
        """Write ids and wait for the disk."""
        self._stream.write("".join(f"{uid}\n" for uid in uids))
        self._stream.flush()
        os.fsync(self._stream.fileno())


def record(folder: Path, name: str, acknowledged: Acknowledged) -> None:
    """Teach generation after generation."""
    with HeuristicStore.open(folder) as store:
        for generation in range(10_000):
            store.learn(lesson_of(name, generation))
            acknowledged.note(f"lesson:{name}:{generation}")


def take_in(folder: Path, name: str, acknowledged: Acknowledged) -> None:
    """Merge other stores and import playbooks."""
    with HeuristicStore.open(folder) as store, tempfile.TemporaryDirectory() as scratch:
        for number in range(10_000):
            run = f"{name}-{number}"
            other, book = Path(scratch, run), Path(scratch, f"{run}.json")
            with HeuristicStore.open(other) as source:
                for generation in range(2):
                    source.learn(lesson_of(run, generation))
                playbook.write(book, source.list())
            store.merge(other)
            acknowledged.note(f"lesson:{run}:0", f"lesson:{run}:1")
            report = store.import_(book)
            acknowledged.note(*(f"id:{key}" for key in (*report.added, *report.known)))


def ask(folder: Path, name: str, acknowledged: Acknowledged) -> None:
    """Teach and ask in words, so that the index is being written."""
    with HeuristicStore.open(folder) as store:
        for generation in range(10_000):
            store.learn(lesson_of(name, generation))
            acknowledged.note(f"lesson:{name}:{generation}")
            store.retrieve(QUESTION)


Writer = Callable[[Path, str, Acknowledged], None]
ROUNDS: Mapping[str, Sequence[Writer]] = {
    "record": (record,),
    "two at once": (record, record),
    "merge, import": (take_in,),
    "record, merge": (record, take_in),
    "ask": (ask,),
}


def _write(writer: Writer, folder: Path, name: str, acknowledged: Path) -> None:
    writer(folder, name, Acknowledged(acknowledged))


def killed(kind: str, folder: Path, name: str, rng: random.Random) -> list[str]:
    """Start the writers of a round, kill them, return what was acknowledged."""
    files = [folder.with_name(f"{name}-{i}.ack") for i in range(len(ROUNDS[kind]))]
    writers = [
        FORK.Process(target=_write, args=(writer, folder, f"{name}-{i}", file))
        for i, (writer, file) in enumerate(zip(ROUNDS[kind], files, strict=True))
    ]
    for process in writers:
        process.start()
    if rng.random() < WORKING_SHARE:
        while not all(file.exists() and file.stat().st_size for file in files):
            time.sleep(0.002)
    time.sleep(rng.random() * LONGEST_S)
    for process in writers:
        process.kill()
    for process in writers:
        process.join()
        if process.exitcode != -9:
            raise SystemExit(f"a writer of round {name} ended by itself: {process.exitcode}")
    lines = [line for file in files if file.exists() for line in file.read_text().split("\n")[:-1]]
    return [line for line in lines if line]


def tables(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the derived tables, in order."""
    db = sqlite3.connect(folder / "events.sqlite")
    try:
        return {name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr) for name in DERIVED}
    finally:
        db.close()


def same(one: object, other: object) -> bool:
    """Equal up to the rounding of floats, inside JSON too."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= TOLERANCE * max(abs(one), abs(other), 1e-9)
    if isinstance(one, str) and isinstance(other, str):
        if one == other or one[:1] not in "[{":
            return one == other
        return same(json.loads(one), json.loads(other))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        first, second = cast(Sequence[object], one), cast(Sequence[object], other)
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(one, dict) and isinstance(other, dict):
        before, after = cast(dict[object, object], one), cast(dict[object, object], other)
        return before.keys() == after.keys() and all(same(before[k], after[k]) for k in before)
    if isinstance(one, int) and isinstance(other, int) and abs(one) > 2**62:
        return abs(one - other) <= TOLERANCE * abs(one)
    return one == other


def keyed(rows: Sequence[tuple[object, ...]], columns: int) -> dict[tuple[object, ...], object]:
    """Rows by their first columns."""
    return {row[:columns]: row[columns:] for row in rows}


KEYS = {"cell": 5, "part": 4, "claim_scope": 4, "trial": 3, "pooled": 3}


def differing(folder: Path, store: HeuristicStore) -> list[str]:
    """Tables that are not those which the log gives."""
    before = tables(folder)
    store.rebuild()
    after = tables(folder)
    return [
        name
        for name in DERIVED
        if not same(keyed(before[name], KEYS.get(name, 1)), keyed(after[name], KEYS.get(name, 1)))
    ]


def doubled(folder: Path) -> list[str]:
    """Events, claims and cells that are there twice."""
    db = sqlite3.connect(folder / "events.sqlite")
    try:
        events = db.execute("SELECT uid, kind, subject, body FROM event").fetchall()
        cells = db.execute("SELECT run, arch FROM cell").fetchall()
    finally:
        db.close()
    seen = Counter(uid for uid, *_ in events if uid)
    seen += Counter(f"proposed {subject}" for _, kind, subject, _ in events if kind == "proposed")
    seen += Counter(f"cell {run} {arch}" for run, arch in cells)
    taught = {
        (body["run"], cell["arch"])
        for _, kind, _, text in events
        if kind == "lesson"
        for body in (json.loads(text),)
        for cell in body["measured"]
    }
    wrong = [f"cells {len(cells)} of {len(taught)}"] if taught != set(cells) else []
    return [name for name, count in seen.items() if count > 1] + wrong


def cut_index(folder: Path, rng: random.Random) -> None:
    """Leave half of one of the index's files."""
    files = sorted(f for f in folder.glob("chroma-*/**/*") if f.is_file() and f.stat().st_size)
    if files:
        file = rng.choice(files)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def answers(folder: Path) -> list[str]:
    """Ids of the claims that answer a question in words, best first."""
    with HeuristicStore.open(folder) as store:
        return [h.id for h in store.retrieve(QUESTION, k=50)]


def index_faults(folder: Path, seed: int) -> list[str]:
    """The index must answer as it lies there, with half a file, and made again, all the same."""
    left = answers(folder)
    cut_index(folder, random.Random(seed))
    cut = answers(folder)
    with HeuristicStore.open(folder) as store:
        store.rebuild()
    again = answers(folder)
    found = {"as it was left": left, "with half a file": cut}
    return [f"the index {state} answers otherwise" for state, ids in found.items() if ids != again]


def checked(folder: Path, acknowledged: Sequence[str], kind: str, seed: int) -> Check:
    """Everything that is asked of a store after a kill."""
    twice: list[str] = []
    differs: list[str] = []
    index: list[str] = []
    with HeuristicStore.open(folder) as store:
        db = sqlite3.connect(folder / "events.sqlite")
        kept = {row[0] for row in db.execute("SELECT uid FROM event WHERE uid IS NOT NULL")}
        kept |= {f"id:{row[0]}" for row in db.execute("SELECT id FROM claim")}
        kept |= {f"id:{row[0]}" for row in db.execute("SELECT alias FROM alias")}
        events = int(db.execute("SELECT count(*) FROM event").fetchone()[0])
        db.close()
        lost = [uid for uid in acknowledged if uid not in kept]
        twice = doubled(folder)
        if kind != "ask":
            differs = differing(folder, store)
    if kind == "ask":
        index = index_faults(folder, seed)
    return Check(
        acknowledged=len(acknowledged),
        events=events,
        lost=len(lost),
        twice=len(twice),
        differs=len(differs),
        index=len(index),
        words=tuple([*lost, *twice, *differs, *index][:5]),
    )


def _check(folder: Path, acknowledged: Sequence[str], kind: str, seed: int, out: Path) -> None:
    out.write_text(checked(folder, acknowledged, kind, seed).model_dump_json())


def check(folder: Path, acknowledged: Sequence[str], kind: str, seed: int) -> Check:
    """Look in a process of its own, so that writers are forked from one that opened nothing."""
    out = folder.with_name("check.json")
    out.unlink(missing_ok=True)
    process = FORK.Process(target=_check, args=(folder, acknowledged, kind, seed, out))
    process.start()
    process.join()
    if process.exitcode or not out.exists():
        return Check(failed=1, words=(f"the check ended with {process.exitcode}",))
    return Check.model_validate_json(out.read_text())


def run(kills: int, seed: int) -> dict[str, list[Check]]:
    """Kill after kill, rounds in turn, a new store now and then."""
    rng = random.Random(seed)
    found: dict[str, list[Check]] = {kind: [] for kind in ROUNDS}
    with tempfile.TemporaryDirectory() as scratch:
        acknowledged: list[str] = []
        for number in range(kills):
            group = number // KILLS_PER_STORE
            if number % KILLS_PER_STORE == 0:
                acknowledged = []
            folder = Path(scratch, f"store{group}")
            kind = list(ROUNDS)[number % len(ROUNDS)]
            acknowledged += killed(kind, folder, f"r{number}", rng)
            found[kind].append(check(folder, acknowledged, kind, seed + number))
    return found


def table(found: Mapping[str, Sequence[Check]]) -> str:
    """One line a kind of round."""
    fields = ("acknowledged", "lost", "twice", "differs", "index", "failed")
    lines = [f"{'round':14}{'kills':>7}" + "".join(f"{name:>14}" for name in fields)]
    for kind, checks in found.items():
        sums = [sum(getattr(c, name) for c in checks) for name in fields]
        lines.append(f"{kind:14}{len(checks):7}" + "".join(f"{value:14}" for value in sums))
        lines += [f"  {words}" for c in checks if c.wrong for words in c.words]
    return "\n".join(lines)


def main() -> None:
    """Kill, look, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    start = time.monotonic()
    found = run(options.kills, options.seed)
    every = [c for checks in found.values() for c in checks]
    wrong = sum(c.wrong for c in every)
    if options.json:
        body = {
            "kills": len(every),
            "wrong": wrong,
            "seconds": round(time.monotonic() - start, 1),
            "rounds": {k: [c.model_dump(mode="json") for c in v] for k, v in found.items()},
        }
        sys.stdout.write(json.dumps(body, indent=1) + "\n")
    else:
        sys.stdout.write(f"{table(found)}\n{len(every)} kills, {wrong} things wrong\n")
    raise SystemExit(int(wrong > 0))


if __name__ == "__main__":
    main()
