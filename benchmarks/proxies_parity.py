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
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from scipy import stats

from llm_nas.domain import PROXIES, FloatArray
from llm_nas.tools.proxies.batch import ImageBatch, load_batch
from llm_nas.tools.proxies.engines import Row, Work, compute_row, engine
from llm_nas.tools.proxies.settings import preset
from llm_nas.tools.proxies.tabulate import Recipe, canonical_order, fill_table, read_table
from llm_nas.tools.space import nas_bench_201

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
    return ImageBatch(images, batch.labels, batch.source)


@dataclass(frozen=True, slots=True)
class FreshImages:
    """Computes every cell on images of its own, in this process."""

    path: Path

    def run(self, work: Work, indices: Sequence[int]) -> Iterator[Row]:
        """Rows in the order of the indices."""
        torch.set_num_threads(work.threads)
        for index in indices:
            own, flips = np.random.SeedSequence([work.seed, index]).generate_state(2)
            batch = load_batch(self.path, DATASET, work.settings.batch_size, int(own))
            images = augmented(batch, np.random.default_rng(flips))
            yield compute_row(replace(work, batch=images), index)


def spearman(a: FloatArray, b: FloatArray) -> float:
    """Rank correlation of two columns where both have a value."""
    both = np.isfinite(a) & np.isfinite(b)
    return float(stats.spearmanr(a[both], b[both]).statistic)


def compute(options: argparse.Namespace, seed: int) -> FloatArray:
    """Proxies of the sampled cells with this seed, `(size, 13)`."""
    space = nas_bench_201()
    settings = preset(options.setting)
    images = options.data / "images" / f"{DATASET}_subset5k.npz"
    batch = load_batch(images, DATASET, settings.batch_size, seed)
    recipe = Recipe(
        space=space.name,
        dataset=DATASET,
        settings=settings,
        seed=seed,
        batch=batch.source if options.images == "shared" else f"{batch.source}, fresh per cell",
        torch=torch.__version__,
    )
    work = Work(DATASET, batch, seed, settings, options.threads)
    cells = canonical_order(space, options.sample)[: options.cells].tolist()
    out: Path = options.work / f"{settings.name}_{options.images}_seed{seed}.npz"
    shared = engine("process", options.processes)
    chosen = shared if options.images == "shared" else FreshImages(images)
    with Progress() as bar:
        task = bar.add_task(f"seed {seed}")
        fill_table(
            out,
            recipe,
            work,
            cells,
            chosen,
            space=space,
            on_row=lambda done, wanted: bar.update(task, completed=done, total=wanted),
        )
    return read_table(out)[0]


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
    with np.load(options.data / "nb201_zerocost.npz") as file:
        row = list(file["datasets"]).index(DATASET)
        order = [list(file["proxies"]).index(name) for name in PROXIES]
        values = np.where(file["exact"][row], file["values"][row], np.nan)
        published = values[:, order].astype(np.float64)
    live = [compute(options, seed) for seed in SEEDS]
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


def main() -> None:
    """Print the comparison as a table of Markdown, or as JSON."""
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
    if options.json:
        print(json.dumps(report, indent=2))
        return
    print("| proxy | with published | own seed to seed | own less published, 95 % | verdict |")
    print("|---|---|---|---|---|")
    for name, row in report.items():
        short = row["own"] - row["published"]
        verdict = "ok" if short <= TOLERANCE else f"{short:.3f} below own"
        if name in EXACT:
            verdict = f"equal within {row['largest relative difference']:.0e}"
        interval = f"{row['shortfall_low']:+.2f} to {row['shortfall_high']:+.2f}"
        figures = f"{row['published']:.3f} | {row['own']:.3f} | {interval}"
        print(f"| {name} | {figures} | {verdict} |")


if __name__ == "__main__":
    main()
