"""Searches on latency tables unlike those that ship, each beside its own ceiling.

Published tables of NAS-Bench-201 are bent: stretched, compressed, with a heavy tail, with one
operation dear, with one operation's cost inverted, with all operations' costs reordered. The
ceiling is what training every cell once would give: the front of those noisy accuracies, scored
by truth.

    python benchmarks/foreign_tables.py --seeds 2 --trainings 120
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from advisor_quality import Place, opened, searched

from llm_nas.domain import Arch, Failure, FloatArray, IntArray, Label, Measurement
from llm_nas.evaluation.score import hv_at
from llm_nas.tools.data.nb201.cells import texts
from llm_nas.tools.devices.table import TableDevice
from llm_nas.tools.spaces.nb201 import cells

CONTEXTS = ("nb201/cifar10/edgegpu", "nb201/cifar10/fpga", "nb201/ImageNet16-120/fpga")
ENOUGH = 0.95


def _renamed(codes: IntArray, operations: Sequence[int], latency_ms: FloatArray) -> FloatArray:
    """The latencies that cells would have if each operation cost what another one costs."""
    radix = len(cells.OPERATIONS) ** np.arange(len(cells.EDGES))[::-1]
    row = np.empty(cells.SIZE, dtype=np.int64)
    row[codes @ radix] = np.arange(cells.SIZE)
    return np.asarray(latency_ms[row[np.array(operations)[codes] @ radix]], dtype=np.float64)


def _dear(codes: IntArray, latency_ms: FloatArray) -> FloatArray:
    counts = np.sum(codes == cells.CONV1, axis=1)
    return np.asarray(latency_ms + 1.5 * np.nanmedian(latency_ms) * counts, dtype=np.float64)


def _heavy(codes: IntArray, latency_ms: FloatArray) -> FloatArray:
    del codes
    return np.asarray(latency_ms * np.exp(3.5 * latency_ms / np.nanmax(latency_ms)))


BENT: dict[str, Callable[[IntArray, FloatArray], FloatArray]] = {
    "as published": lambda _, ms: ms,
    "stretched": lambda _, ms: ms**2 / np.nanmedian(ms),
    "compressed": lambda _, ms: ms**0.4,
    "heavy-tailed": _heavy,
    "one dear": _dear,
    # Costs of skip, none, 3x3, 1x1, pool: 3x3 and pool exchanged, then all of them.
    "one inverted": lambda codes, ms: _renamed(codes, (0, 1, 4, 3, 2), ms),
    "reordered": lambda codes, ms: _renamed(codes, (2, 4, 0, 3, 1), ms),
}


def bent(place: Place, name: str) -> Place:
    """A context whose device has another table."""
    archs = texts()
    table = place.truth.latencies_ms(archs)
    latency = dict(zip(archs, BENT[name](cells.benchmark_codes(), table).tolist(), strict=True))

    def lookup(asked: Sequence[Arch]) -> FloatArray:
        return np.array([latency[arch] for arch in asked], dtype=np.float64)

    device = TableDevice("bent", name, lookup)
    return replace(place, device=device, truth=replace(place.truth, device=device))


def trained_once(place: Place) -> dict[Arch, float]:
    """What one training of every cell gives, seed 0."""
    labels = [(arch, place.task.train(arch, 1.0, 0)) for arch in texts()]
    return {arch: label.value for arch, label in labels if isinstance(label, Label)}


def last(rows: Sequence[Measurement | Failure], place: Place) -> float:
    """Share of the front after all trainings."""
    return list(hv_at(rows, place.truth).values())[-1]


def ceiling(place: Place, values: Mapping[Arch, float]) -> float:
    """The share that the front of all cells' single trainings has."""
    latencies = place.truth.latencies_ms(list(values)).tolist()
    return last(
        [
            Measurement(
                arch=arch,
                niche="all",
                generation=0,
                value=value,
                latency_ms=ms,
                latency_low_ms=ms,
                latency_high_ms=ms,
            )
            for (arch, value), ms in zip(values.items(), latencies, strict=True)
            if ms == ms
        ],
        place,
    )


def main() -> int:
    """Exit code 0 when every table reaches what is enough, or as much as its ceiling."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--trainings", type=int, default=120)
    parser.add_argument("--contexts", nargs="*", default=list(CONTEXTS))
    arguments = parser.parse_args()
    held = True
    for context in arguments.contexts:
        published = opened(context)
        values = trained_once(published)
        for name in BENT:
            place = bent(published, name)
            runs = [
                last(searched(place, seed, arguments.trainings, "zero-cost", True), place)
                for seed in range(arguments.seeds)
            ]
            top, found = ceiling(place, values), float(np.mean(runs))
            held &= found >= min(ENOUGH, top)
            print(
                f"{context:26s} {name:14s} hv {found:.3f} (least {min(runs):.3f}), "
                f"every cell once {top:.3f}",
                flush=True,
            )
    print("PASS" if held else "FAIL")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
