"""How well short trainings tell the order of long ones: fresh, and with inherited weights.

    python benchmarks/short_trainings.py IMAGES.npz OUT.jsonl --networks 40
    python benchmarks/short_trainings.py IMAGES.npz OUT.jsonl --report

Resumable: every network is a line. Relatives are members trained before, as in a search.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kendalltau

from llm_nas.tools.spaces import open_space
from llm_nas.tools.tasks.inherit import inherit
from llm_nas.tools.tasks.labelled import fit_data
from llm_nas.tools.tasks.real import RealTask
from llm_nas.tools.tasks.sources import open_source
from llm_nas.tools.tasks.training import accuracy_pct, fit

TRAINED_ON, VALIDATED_ON = 1000, 1000
FRESH, INHERITED = (1, 2, 5, 30), (1, 2, 5)
MOST_MACS_M, ROOTS, CHANGES = 2.0, 10, 4


def networks(space, count):
    """Random roots, then children of earlier networks with a few choices changed."""
    rng = np.random.default_rng(0)
    found = []
    while len(found) < count:
        if len(found) < ROOTS:
            arch = space.sample(rng)
        else:
            arch = found[int(rng.integers(len(found)))]
            for _ in range(CHANGES):
                near = list(space.neighbours(arch))
                arch = near[int(rng.integers(len(near)))]
        size = float(space.quantities([arch])["macs_m"][0])
        if arch not in found and size <= MOST_MACS_M * rng.random():
            found.append(arch)
    return found


def subset(task):
    """The task on fewer images."""
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(task.data.train))
    train, held = rows[:TRAINED_ON], rows[TRAINED_ON : TRAINED_ON + VALIDATED_ON]
    images = task.data.train
    task.data = replace(task.data, train=images.rows(train), validation=images.rows(held))


def trained(task, arch, epochs, relative=None, seed=0):
    """Validation accuracy after some epochs, fresh or from a relative's weights."""
    network = task.build(arch, seed)
    share = 0.0 if relative is None else inherit(network, relative)
    started = time.process_time()
    fit(network, task.data, epochs, seed)
    value = accuracy_pct(network, task.data.validation)
    return network, {"value": value, "share": share, "seconds": time.process_time() - started}


def measure(task, space, archs, out):
    """Train every network in every way, going on where an earlier call stopped."""
    done = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    rows = {row["arch"]: row for row in done}
    weights = out.with_suffix(".weights")
    weights.mkdir(exist_ok=True)
    features = space.features(archs)
    spread = np.maximum(features.std(axis=0), 1e-9)
    for number, arch in enumerate(archs):
        row = rows.setdefault(arch, {"arch": arch})
        for epochs in FRESH:
            if f"fresh{epochs}" not in row:
                network, row[f"fresh{epochs}"] = trained(task, arch, epochs)
                if epochs == 5:
                    torch.save(network.state_dict(), weights / f"{number}.pt")
        for epochs in INHERITED if number else ():
            if f"inherited{epochs}" not in row:
                gaps = (np.abs(features[:number] - features[number]) / spread).sum(axis=1)
                nearest = int(gaps.argmin())
                relative = task.build(archs[nearest], 0)
                state = torch.load(weights / f"{nearest}.pt", weights_only=True)
                relative.load_state_dict(state)
                row[f"inherited{epochs}"] = trained(task, arch, epochs, relative)[1]
        out.write_text("".join(json.dumps(row) + "\n" for row in rows.values()))
        print(number, {k: v["value"] for k, v in row.items() if isinstance(v, dict)}, flush=True)


def report(out):
    """Print the rank correlation of every short training with the long one."""
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    print(f"{len(rows)} networks, {TRAINED_ON} images; Kendall's tau with {FRESH[-1]} epochs")
    for kind in [f"fresh{e}" for e in FRESH[:-1]] + [f"inherited{e}" for e in INHERITED]:
        both = [(r[kind]["value"], r[f"fresh{FRESH[-1]}"]["value"]) for r in rows if kind in r]
        x, y = np.array(both).T
        rng = np.random.default_rng(0)
        draws = [rng.integers(len(x), size=len(x)) for _ in range(500)]
        taus = [kendalltau(x[d], y[d]).statistic for d in draws]
        low, high = np.nanquantile(taus, [0.05, 0.95])
        seconds = np.mean([r[kind]["seconds"] for r in rows if kind in r])
        print(f"{kind}: tau {kendalltau(x, y).statistic:.2f} [{low:.2f}, {high:.2f}],"
              f" mean {x.mean():.1f} %, {seconds:.1f} s")  # fmt: skip


def main():
    """Measure, then report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("images")
    parser.add_argument("out", type=Path)
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--report", action="store_true")
    asked = parser.parse_args()
    if asked.report:
        return report(asked.out)
    torch.set_num_threads(1)
    data = fit_data(open_source(asked.images), 0)
    space = open_space("mobile", data.shape)
    with tempfile.TemporaryDirectory() as folder:
        task = RealTask("short", space, data, FRESH[-1], Path(folder))
        subset(task)
        measure(task, space, networks(space, asked.networks), asked.out)
    return None


if __name__ == "__main__":
    main()
