"""Do live proxies rank cells like the published ones? Spearman on cells drawn by seed.

    python benchmarks/proxies_parity.py --data FOLDER [--cells 200] [--images fresh]

Every proxy is computed twice, with seeds 0 and 1 (weights and images), at the full setting on
real cifar10 images. `published` is its mean Spearman with NAS-Bench-Suite-Zero, `own` the one
between the two seeds: no live proxy can match a single published draw better than itself.
`--images shared` compares all cells of a seed on one batch; `fresh` gives every cell a batch of
its own, randomly cropped and flipped, as the published run did: its loader starts anew per cell
(NASLib, branch zerocost: `get_some_data`). Work is kept in a journal; the same call continues.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from scipy import stats

from llm_nas.domain import Arch, FloatArray, TaskShape
from llm_nas.tools.data.nb201 import nb201_tables
from llm_nas.tools.proxies.batch import ImageBatch, load_batch
from llm_nas.tools.proxies.compute import compute_proxies
from llm_nas.tools.proxies.names import PROXIES
from llm_nas.tools.proxies.settings import preset
from llm_nas.tools.proxies.tabulate import Recipe, Row, Work, draw_archs, fill_table, read_table
from llm_nas.tools.spaces import open_space

SPACE = "nb201"
SHAPE = TaskShape()
DATASET = "cifar10"
SEEDS = (0, 1)
EXACT = ("flops", "params")
TOLERANCE = 0.05
CROP_PADDING = 4
RESAMPLES = 1000


def augmented(batch: ImageBatch, rng: np.random.Generator) -> ImageBatch:
    """Each image moved by up to four pixels over black and mirrored half of the time."""
    side, pad = batch.images.shape[-1], CROP_PADDING
    black = batch.images.min(axis=(0, 2, 3))[:, None, None]
    images = np.empty_like(batch.images)
    for image, out in zip(batch.images, images, strict=True):
        wide = np.broadcast_to(black, (3, side + 2 * pad, side + 2 * pad)).copy()
        wide[:, pad:-pad, pad:-pad] = image
        top, left = rng.integers(2 * pad + 1, size=2)
        crop = wide[:, top : top + side, left : left + side]
        out[:] = crop[:, :, ::-1] if rng.random() < 0.5 else crop
    return ImageBatch(images, batch.labels, batch.shape, batch.source)


def on_fresh_images(path: Path, work: Work, archs: Sequence[Arch]) -> Iterator[Row]:
    """Rows in order, every network on images of its own, in this process."""
    torch.set_num_threads(work.threads)
    space = open_space(work.space, SHAPE)
    for arch in archs:
        own = [work.seed, *hashlib.sha256(arch.encode()).digest()[:8]]
        drawn, flips = np.random.SeedSequence(own).generate_state(2)
        batch = load_batch(path, SHAPE, work.settings.batch_size, int(drawn))
        images = augmented(batch, np.random.default_rng(flips))
        vector = compute_proxies(space, arch, images, seed=work.seed, settings=work.settings)
        yield Row(arch, vector.values, vector.missing)


def spearman(a: FloatArray, b: FloatArray) -> float:
    """Rank correlation of two columns where both have a value."""
    both = np.isfinite(a) & np.isfinite(b)
    return float(stats.spearmanr(a[both], b[both]).statistic)


def compute(options: argparse.Namespace, archs: Sequence[Arch], seed: int) -> FloatArray:
    """Proxies of the sampled networks with this seed, `(n, 13)`."""
    settings = preset(options.setting)
    path = options.data / "images" / f"{DATASET}_subset5k.npz"
    batch = load_batch(path, SHAPE, settings.batch_size, seed)
    recipe = Recipe(
        space=SPACE,
        dataset=DATASET,
        settings=settings,
        seed=seed,
        batch=batch.source if options.images == "shared" else f"{batch.source}, fresh per network",
        torch=torch.__version__,
    )
    work = Work(SPACE, batch, seed, settings, options.threads)
    out: Path = options.work / f"{settings.name}_{options.images}_seed{seed}.npz"
    with Progress() as bar:
        task = bar.add_task(f"seed {seed}")
        fill_table(
            out,
            recipe,
            archs,
            lambda left: (
                work.rows(left, options.processes)
                if options.images == "shared"
                else on_fresh_images(path, work, left)
            ),
            lambda done, wanted: bar.update(task, completed=done, total=wanted),
        )
    held, values, _ = read_table(out)
    row = {arch: i for i, arch in enumerate(held)}
    return values[[row[arch] for arch in archs]]


def shortfall(ours: Sequence[FloatArray], theirs: FloatArray) -> tuple[float, float]:
    """95 % interval of `own` minus `published`, by bootstrap over cells."""
    rows = np.flatnonzero(np.isfinite(np.stack([*ours, theirs])).all(axis=0))
    rng, found = np.random.default_rng(0), list[float]()
    for _ in range(RESAMPLES):
        drawn = rng.choice(rows, len(rows))
        match = [spearman(one[drawn], theirs[drawn]) for one in ours]
        found.append(spearman(ours[0][drawn], ours[1][drawn]) - float(np.mean(match)))
    low, high = np.quantile(found, [0.025, 0.975]).tolist()
    return low, high


def compare(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Per proxy: Spearman with the published values, and between our own seeds."""
    archs = draw_archs(open_space(SPACE, SHAPE), options.sample, options.cells)
    published = nb201_tables(options.data).proxies(DATASET, archs)
    live = [compute(options, archs, seed) for seed in SEEDS]
    report: dict[str, dict[str, float]] = {}
    for column, name in enumerate(PROXIES):
        ours = [values[:, column] for values in live]
        theirs = published[:, column]
        match = [spearman(one, theirs) for one in ours]
        low, high = shortfall(ours, theirs)
        report[name] = {"published": float(np.mean(match)), "own": spearman(*ours)}
        report[name] |= {"shortfall_low": low, "shortfall_high": high}
        if name in EXACT:
            gap = np.nanmax(np.abs(ours[0] - theirs) / np.abs(theirs))
            report[name]["largest relative difference"] = float(gap)
    return report


def main() -> int:
    """Print the comparison as a table of Markdown, or as JSON; 1 where a proxy falls short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder of benchmark tables")
    parser.add_argument("--work", type=Path, default=Path("/tmp/proxies-parity"))
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--sample", type=int, default=0, help="seed of the cells drawn")
    parser.add_argument("--setting", default="full")
    parser.add_argument("--images", choices=["shared", "fresh"], default="shared")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = compare(options)
    # A shortfall that chance explains is none: its interval has to lie above the tolerance.
    short = [name for name, row in report.items() if row["shortfall_low"] > TOLERANCE]
    if options.json:
        print(json.dumps(report, indent=2))
        return int(bool(short))
    print("| proxy | with published | own seed to seed | own less published, 95 % | verdict |")
    print("|---|---|---|---|---|")
    for name, row in report.items():
        gap = row["own"] - row["published"]
        verdict = "ok" if gap <= TOLERANCE else f"{gap:.3f} below own"
        if name in EXACT:
            verdict = f"equal within {row['largest relative difference']:.0e}"
        interval = f"{row['shortfall_low']:+.2f} to {row['shortfall_high']:+.2f}"
        figures = f"{row['published']:.3f} | {row['own']:.3f} | {interval}"
        print(f"| {name} | {figures} | {verdict} |")
    print(f"verdict: {'falls short: ' + ', '.join(short) if short else 'parity'}")
    return int(bool(short))


if __name__ == "__main__":
    sys.exit(main())
