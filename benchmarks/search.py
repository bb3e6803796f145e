"""Quality and speed of the default offline search, and the cost of graph and bookkeeping.

    python benchmarks/search.py                     # 18 contexts, seeds 0..2, 120 evaluations
    python benchmarks/search.py --seeds 10 --budget 600 --generations 10

Prints mean hv per context and over all (protocol 1), wall time of a run without imports and
predictor training, and the milliseconds per niche and generation that graph, agents and
bookkeeping take (everything but the Advisor's model; opening and report are once per run). Needs
the public tables for the published contexts; without them it runs on the embedded surrogate
tables and says so.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from llm_nas.domain import DATASETS, DEVICES, SearchReport, SearchRequest
from llm_nas.graph.context import Inputs
from llm_nas.graph.search import search
from llm_nas.tools import advisor
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.partition import make_partition
from llm_nas.tools.predictor import train_predictor
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()


class Clock:
    """Adds up the seconds spent in the Advisor."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._plan = advisor.GaussianAdvisor.plan

    def start(self) -> None:
        """Forget what was measured."""
        self.seconds = 0.0
        self._marks: list[tuple[float, float]] = []

    def mark(self, generation: int, evaluations: int) -> None:
        """Note the end of a generation."""
        self._marks.append((time.perf_counter(), self.seconds))

    def outside_ms(self) -> float:
        """Milliseconds per generation, from the first one's end on, not spent in the Advisor."""
        (start, advised), (end, advised_at_end) = self._marks[0], self._marks[-1]
        spent = (end - start) - (advised_at_end - advised)
        return 1000.0 * spent / (len(self._marks) - 1)

    def install(self) -> None:
        """Time every call of `GaussianAdvisor.plan` from now on."""
        plan, clock = self._plan, self

        def timed(self: advisor.GaussianAdvisor, *arguments: object) -> object:
            start = time.perf_counter()
            try:
                return plan(self, *arguments)  # type: ignore[arg-type]
            finally:
                clock.seconds += time.perf_counter() - start

        advisor.GaussianAdvisor.plan = timed  # type: ignore[method-assign,assignment]


def run(request: SearchRequest, inputs: Inputs) -> tuple[SearchReport, float]:
    """One search and its wall-clock seconds."""
    start = time.perf_counter()
    report = search(request, inputs)
    return report, time.perf_counter() - start


def main() -> None:
    """Run the sweep and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=int, default=120)
    parser.add_argument("--generations", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    arguments = parser.parse_args()
    benchmark = open_benchmark()
    clock = Clock()
    clock.install()
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for dataset in DATASETS:
            for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
                trained = train_predictor(benchmark, dataset, 1000, seed)
                inputs = Inputs(benchmark=benchmark, predicted_pct=trained.predict_all())
                for device in DEVICES:
                    name = f"{dataset}-{device}-{seed}"
                    request = SearchRequest(
                        dataset=dataset,
                        device=device,
                        seed=seed,
                        budget=arguments.budget,
                        generations=arguments.generations,
                        out=Path(folder) / name,
                        store=Path(folder) / f"{name}-store",
                    )
                    clock.start()
                    report, seconds = run(request, replace(inputs, progress=clock.mark))
                    outside = clock.outside_ms() / len(make_partition(SPACE).niches)
                    rows.append(
                        {
                            "dataset": dataset,
                            "device": device,
                            "seed": seed,
                            "hv": report.hv,
                            "hv_ceiling": report.hv_ceiling,
                            "hv_at_k": report.hv_at_k,
                            "seconds": seconds,
                            "bookkeeping_ms_per_niche_generation": outside,
                        }
                    )
                    print(json.dumps(rows[-1]), flush=True)
    summary = {
        "data_source": benchmark.source,
        "mean_hv": _mean(rows, "hv"),
        "mean_hv_ceiling": _mean(rows, "hv_ceiling"),
        "mean_hv_at_k": _mean(rows, "hv_at_k"),
        "median_seconds": float(np.median([float(str(r["seconds"])) for r in rows])),
        "median_bookkeeping_ms_per_niche_generation": float(
            np.median([float(str(r["bookkeeping_ms_per_niche_generation"])) for r in rows])
        ),
        "hv_by_context": {
            f"{d}/{v}": _mean([r for r in rows if (r["dataset"], r["device"]) == (d, v)], "hv")
            for d in DATASETS
            for v in DEVICES
        },
    }
    print(json.dumps(summary, indent=2))


def _mean(rows: list[dict[str, object]], key: str) -> float:
    return float(np.mean([float(str(r[key])) for r in rows]))


if __name__ == "__main__":
    main()
