"""How long a store of many claims takes to open and to answer.

    python benchmarks/knowledge_latency.py --claims 100000

Claims are made up, over all contexts and niches, and written through the store's own tables.
`--text` also builds the semantic index (minutes at 100,000) and asks questions in words.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from llm_nas.claims import AllOf, Claim, Effect, Evidence, OpAt, OpCount, Origin, Scope
from llm_nas.domain import DATASETS, DEVICES
from llm_nas.knowledge import projection
from llm_nas.knowledge.eventlog import EventLog
from llm_nas.knowledge.ranking import worth
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.tools.space import EDGES, OPERATIONS

NICHES = ("S0", "S1", "S2", "S3", "S4", "S5")
QUERIES = 200


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
    log.close()


def timed(store: HeuristicStore, text: str) -> list[float]:
    """Milliseconds of queries from changing places."""
    rng = random.Random(1)
    found: list[float] = []
    for _ in range(QUERIES):
        dataset, device = rng.choice(DATASETS), rng.choice(DEVICES)
        start = time.perf_counter()
        store.retrieve(text, dataset=dataset, device=device, niche=rng.choice(NICHES), k=8)
        found.append(1e3 * (time.perf_counter() - start))
    return found


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    """Median and 95th percentile in ms."""
    return {f"p{q}_ms": round(float(np.percentile(milliseconds, q)), 2) for q in (50, 95)}


def main() -> None:
    """Fill a store, open it, ask it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=100_000)
    parser.add_argument("--text", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), options.claims)
        start = time.perf_counter()
        store = HeuristicStore.open(folder)
        opened_ms = 1e3 * (time.perf_counter() - start)
        result: dict[str, object] = {"claims": options.claims, "open_ms": round(opened_ms, 1)}
        result["retrieve"] = percentiles(timed(store, ""))
        if options.text:
            start = time.perf_counter()
            store.ask("which operation is slow")
            result["index_s"] = round(time.perf_counter() - start, 1)
            result["ask"] = percentiles(timed(store, "lower latency without losing accuracy"))
        store.close()
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
