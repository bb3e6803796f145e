"""What a poisoned store costs: warm minus cold hypervolume when every accuracy in it is wrong.

    python benchmarks/knowledge_poison.py --devices edgegpu,fpga,pixel3 --seeds 5

For every target device a store is planted with the cells that a search of the next device found,
their accuracies turned upside down ('reversed': the best cell gets the worst accuracy) or dealt at
random ('permuted'). The target's searches have 60 evaluations, the same seeds warm and cold. Also
printed: in how many searches the source was dropped, and after which generation (median).
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from llm_nas.domain import DEVICES, FloatArray, Measurement, SearchReport, SearchRequest
from llm_nas.evaluation.stats import mean_interval
from llm_nas.experiments.setting import benchmark_in, predictions
from llm_nas.experiments.system import drive
from llm_nas.experiments.transfer import SOURCE_SEED
from llm_nas.graph import rundir
from llm_nas.graph.context import Inputs
from llm_nas.graph.trace import read_trace
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson
from llm_nas.tools.space import nas_bench_201

DATASET = "cifar10"
SPACE = nas_bench_201()
KINDS = ("reversed", "permuted")


def run(device: str, seed: int, budget: int, store: Path, folder: Path) -> list[int]:
    """Search a device; the cells it measured."""
    request = SearchRequest(
        dataset=DATASET, device=device, budget=budget, seed=seed, store=store, out=folder
    )
    predicted = predictions(None, DATASET, request.labels, seed)
    return drive(request, Inputs(benchmark=benchmark_in(None), predicted_pct=predicted))


def poisoned(kind: str, accuracy_pct: FloatArray) -> FloatArray:
    """The same accuracies on the wrong cells."""
    if kind == "permuted":
        return np.random.default_rng(0).permutation(accuracy_pct)
    wrong = np.empty_like(accuracy_pct)
    order = np.argsort(accuracy_pct)
    wrong[order] = accuracy_pct[order[::-1]]
    return wrong


def plant(folder: Path, device: str, cells: list[int], accuracy_pct: FloatArray) -> None:
    """A store that says these accuracies of these cells."""
    measured = tuple(
        Measurement(
            arch=SPACE.format(SPACE.cell(cell)),
            niche="S0",
            generation=0,
            predicted_accuracy_pct=float(value),
            latency_ms=1.0,
        )
        for cell, value in zip(cells, accuracy_pct, strict=True)
    )
    with HeuristicStore.open(folder) as store:
        store.learn(Lesson("poison", 0, DATASET, device, SPACE.name, (), measured))


def warm(kind: str, source: str, cells: list[int], target: str, seed: int) -> tuple[float, int]:
    """`hv` of a search with a poisoned store, and the generation that dropped it (-1: none)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        accuracy = predictions(None, DATASET, 1000, SOURCE_SEED)[cells]
        plant(folder / "store", source, cells, poisoned(kind, accuracy))
        run(target, seed, 60, folder / "store", folder / "run")
        events = [e for e in read_trace(folder / "run") if e.event == "source"]
        dropped = [e.generation for e in events if not e.data["kept"]]
        return report(folder).hv, min(dropped, default=-1)


def cold(target: str, seed: int) -> float:
    """`hv` of a search that starts with nothing."""
    with tempfile.TemporaryDirectory() as name:
        run(target, seed, 60, Path(name, "store"), Path(name, "run"))
        return report(Path(name)).hv


def report(folder: Path) -> SearchReport:
    """The report of the run in a folder."""
    return SearchReport.model_validate(rundir.read_json(folder / "run" / rundir.RESULT))


def main() -> None:
    """Print one line a search and one summary a kind of poison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", default=",".join(DEVICES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    targets = options.devices.split(",")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    print(f"data: {benchmark_in(None).source}")
    loss: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    dropped: dict[str, list[int]] = {kind: [] for kind in KINDS}
    learned: dict[str, list[int]] = {}
    for seed in seeds:
        for kind in KINDS:
            loss[kind].append([])
        for target in targets:
            source = DEVICES[(DEVICES.index(target) + 1) % len(DEVICES)]
            if source not in learned:
                with tempfile.TemporaryDirectory() as name:
                    place = Path(name)
                    learned[source] = run(source, SOURCE_SEED, 120, place / "store", place / "run")
            start = cold(target, seed)
            for kind in KINDS:
                hv, generation = warm(kind, source, learned[source], target, seed)
                loss[kind][-1].append(hv - start)
                dropped[kind].append(generation)
                row = {"kind": kind, "target": target, "source": source, "seed": seed}
                print(json.dumps({**row, "cold": start, "warm": hv, "dropped": generation}))
    for kind in KINDS:
        gain = mean_interval(np.array(loss[kind]))
        found = [g for g in dropped[kind] if g >= 0]
        when = f"after generation {np.median(found):.0f} (median)" if found else ""
        print(
            f"{kind}: warm minus cold {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]; "
            f"dropped in {len(found)} of {len(dropped[kind])} searches {when}"
        )


if __name__ == "__main__":
    main()
