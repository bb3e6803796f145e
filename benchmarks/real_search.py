"""A real search beside its baselines and as many random networks, trained the same way.

    python benchmarks/real_search.py [--task digits] [--trainings 36] [--epochs 5] [--seed 0]

Both arms train the same number of networks of `mobile` and time them on this computer; the
hypervolume of the exported files on test images is divided by that of the baselines. Fails
unless the search reaches 1.10 and is ahead of random. Runs can be cut off: what an arm has
trained is kept in `--out`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from llm_nas import SearchRequest
from llm_nas.domain import Failure, Measurement
from llm_nas.graph.ending.real import Closer, Closing
from llm_nas.graph.search import search
from llm_nas.tools.devices.real import open_real_device
from llm_nas.tools.spaces import open_space
from llm_nas.tools.tasks import shape_of
from llm_nas.tools.tasks.real import open_real_task

WANTED = 1.10
_ROWS = TypeAdapter(list[Measurement])


def random_arm(args: argparse.Namespace, folder: Path, baselines: Path) -> Closing:
    """Random members of `mobile`; baselines are those of the search."""
    shape = shape_of(args.task)
    space = open_space("mobile", shape)
    folder.mkdir(parents=True, exist_ok=True)
    task = open_real_task(args.task, space, seed=args.seed, epochs=args.epochs, folder=folder)
    device = open_real_device("host", space, shape)
    rng = np.random.default_rng(args.seed)
    kept = folder / "rows.json"
    rows = _ROWS.validate_json(kept.read_text()) if kept.is_file() else []
    for number in range(args.trainings):
        arch = space.sample(rng)
        if number < len(rows):
            continue
        timing, label = device.measure([arch])[0], task.train(arch, 1.0, args.seed)
        if isinstance(timing, Failure) or isinstance(label, Failure):
            continue
        row = Measurement(
            arch=arch,
            niche="",
            generation=0,
            value=label.value,
            latency_ms=timing.median_ms,
            latency_low_ms=timing.low_ms,
            latency_high_ms=timing.high_ms,
        )
        rows.append(row)
        kept.write_bytes(_ROWS.dump_json(rows))
        print(f"random {number + 1}: {row.value:.1f} %, {row.latency_ms:.3g} ms", flush=True)
    (folder / "baselines.json").write_bytes((baselines / "baselines.json").read_bytes())
    closing = Closer(task, device, folder, args.seed, print).close(rows, None)
    task.close()
    device.close()
    return closing


def main() -> int:
    """Print both arms and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="digits")
    parser.add_argument("--trainings", type=int, default=36)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/real_search"))
    args = parser.parse_args()
    found = search(
        SearchRequest(
            space="mobile",
            task=args.task,
            device="host",
            trainings=args.trainings,
            epochs=args.epochs,
            seed=args.seed,
            out=args.out / "search",
        )
    )
    drawn = random_arm(args, args.out / "random", found.out).beside
    print(f"search: hv {found.hv}, {found.speedup_at_equal_accuracy} x faster at equal accuracy,")
    print(f"        {found.gain_at_equal_latency_pct} points at equal latency; {found.seconds}")
    print(f"random: hv {drawn.hv}, {drawn.speedup_at_equal_accuracy} x faster, "
          f"{drawn.gain_at_equal_latency_pct} points")  # fmt: skip
    good = (found.hv or 0) >= WANTED and (found.hv or 0) > (drawn.hv or 0)
    print("PASS" if good else f"FAIL: wanted {WANTED} and ahead of random")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
