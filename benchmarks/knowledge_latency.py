"""How long a store of many claims takes to open and to answer.

    python benchmarks/knowledge_latency.py --claims 100000

Claims and cells are made up, over all contexts and niches, and written through the store's own
tables. Questions in words are asked with the whole index; `first_ask_ms` is the first of them,
which finds no index and waits for a part of it only.
"""

import argparse
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from llm_nas.claims import AllOf, Claim, Effect, Evidence, OpAt, OpCount, Origin, Scope
from llm_nas.domain import DATASETS, DEVICES, Measurement
from llm_nas.knowledge import cells, projection
from llm_nas.knowledge.eventlog import EventLog
from llm_nas.knowledge.ranking import worth
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson
from llm_nas.tools.partition import make_partition
from llm_nas.tools.space import EDGES, OPERATIONS, nas_bench_201

NICHES = ("S0", "S1", "S2", "S3", "S4", "S5")
QUERIES = 200
CELLS = 120
"""Measured cells of each dataset and device."""
QUESTIONS = (
    "lower latency on {device}, lose less than 0.5 % accuracy",
    "does pooling near the output harm accuracy on {device}?",
    "faster cells under 5 ms for {dataset}",
    "which convolution on edge 1>2 is slow on {device}",
    "raise accuracy without getting slower",
    "skip connections into the last node",
)


def made_up(rng: random.Random) -> Claim:
    """A claim on two edges and a count, somewhere."""
    one, two = rng.sample(EDGES, 2)
    return Claim(
        condition=AllOf(
            parts=(
                OpAt(edge=one, op=rng.choice(OPERATIONS)),
                OpAt(edge=two, op=rng.choice(OPERATIONS)),
                OpCount(op=rng.choice(OPERATIONS), relation="ge", count=rng.randint(1, 4)),
            )
        ),
        effect=Effect(
            objective=rng.choice(("accuracy", "latency")),
            direction=rng.choice(("raises", "lowers")),
        ),
        scope=Scope(
            space="nasbench201",
            datasets=(rng.choice(DATASETS),),
            devices=(rng.choice(DEVICES),),
            niches=(rng.choice(NICHES),),
        ),
        origin=Origin(source="benchmark"),
    )


def fill(folder: Path, count: int) -> None:
    """Write made-up claims with made-up evidence into a new store."""
    HeuristicStore.open(folder).close()
    rng = random.Random(0)
    log = EventLog(folder)
    with log.writing() as db:
        states: list[projection.State] = []
        seen: set[str] = set()
        while len(seen) < count:
            claim = made_up(rng)
            key = claim.key
            if key in seen:
                continue
            seen.add(key)
            seq = log.append("proposed", key, "{}")
            projection.add_claim(db, claim, None, seq or 0, 0)
            mean = claim.effect.sign * rng.random()
            evidence = Evidence(
                method="regression",
                mean_effect=mean,
                low=mean - 0.1,
                high=mean + 0.1,
                p_value=rng.random() ** 4,
                cells=120,
                spread=1.0,
            )
            score = worth(claim, "supported", evidence)
            states.append((key, "supported", evidence.model_dump_json(), score, None))
        projection.set_state(db, states)
        for dataset in DATASETS:
            for device in DEVICES:
                add_cells(db, dataset, device)
    log.close()


def add_cells(db: sqlite3.Connection, dataset: str, device: str) -> None:
    """One run's made-up measurements of a context."""
    space = nas_bench_201()
    rng = np.random.default_rng([len(dataset), len(device)])
    labels = make_partition(space, "conv3x3").labels()
    picked = rng.choice(space.size, CELLS, replace=False).tolist()
    measured = tuple(
        Measurement(
            arch=space.format(space.cell(number)),
            niche=f"S{labels[number]}",
            generation=0,
            predicted_accuracy_pct=float(70 + 20 * rng.random()),
            latency_ms=float(1 + 9 * rng.random()),
        )
        for number in picked
    )
    run = f"{dataset}-{device}"
    lesson = Lesson(run, 0, dataset, device, space.name, (), measured)
    archs = [m.arch for m in measured]
    cells.add_cells(db, lesson, dict(zip(archs, picked, strict=True)))


def timed(ask: Callable[[random.Random, str, str], object]) -> dict[str, float]:
    """Median and 95th percentile, in ms, of queries from changing places, by clock and by CPU."""
    rng = random.Random(1)
    found: list[float] = []
    worked: list[float] = []
    for _ in range(QUERIES):
        dataset, device = rng.choice(DATASETS), rng.choice(DEVICES)
        start, cpu = time.perf_counter(), time.process_time()
        ask(rng, dataset, device)
        found.append(1e3 * (time.perf_counter() - start))
        worked.append(1e3 * (time.process_time() - cpu))
    return {
        f"{name}p{q}_ms": round(float(np.percentile(values, q)), 2)
        for name, values in (("", found), ("cpu_", worked))
        for q in (50, 95)
    }


def asked(store: HeuristicStore) -> dict[str, object]:
    """Times of questions in words: the first, the building of the whole index, all others."""
    start = time.perf_counter()
    notes = store.ask(QUESTIONS[1].format(device="pixel3")).notes
    first = time.perf_counter()
    store.rebuild_index()
    built = time.perf_counter()

    def ask(rng: random.Random, dataset: str, device: str) -> None:
        text = rng.choice(QUESTIONS).format(dataset=dataset, device=device)
        store.ask(text, dataset=dataset)

    return {
        "first_ask_ms": round(1e3 * (first - start)),
        "first_ask_notes": notes,
        "index_s": round(built - first, 1),
        "ask": timed(ask),
    }


def main() -> None:
    """Fill a store, open it, ask it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), options.claims)
        start = time.perf_counter()
        store = HeuristicStore.open(folder)
        opened_ms = 1e3 * (time.perf_counter() - start)
        result: dict[str, object] = {"claims": options.claims, "open_ms": round(opened_ms, 1)}

        def retrieve(rng: random.Random, dataset: str, device: str) -> None:
            store.retrieve(dataset=dataset, device=device, niche=rng.choice(NICHES), k=8)

        result["retrieve"] = timed(retrieve)
        result |= asked(store)
        store.close()
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
