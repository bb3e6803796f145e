"""`llm-nas data build-truth`: fits a space's truth model and writes its card beside it."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from llm_nas.domain import BoolArray, FloatArray
from llm_nas.errors import DataError
from llm_nas.tools.data.locate import first_that_holds
from llm_nas.tools.data.npz import sha256_of, write_atomically, write_json
from llm_nas.tools.data.public import anb, hwgpt
from llm_nas.tools.data.rows import Rows
from llm_nas.tools.data.truth.fit import Recipe, fit
from llm_nas.tools.data.truth.inputs import fitted_inputs
from llm_nas.tools.data.truth.model import FORMAT, TASK_OF, truth_path

RECIPES = {
    ("anb", "task"): Recipe(decay=0.6),
    ("anb", "device"): Recipe(members=2, epochs=40, decay=0.1),
    ("hwgpt-s", "task"): Recipe(epochs=40, decay=0.3),
    ("hwgpt-s", "device"): Recipe(members=2, epochs=20, width=96, decay=0.1),
}
"""By space, for the task's metric and for every device."""
NEAR_FRONT = 0.05
"""Share of the best rows that rank correlation near the front is taken over."""
MAX_BYTES = 5_000_000


def rows_of(space: str, data_dir: Path | None = None) -> Rows:
    """The published rows of a space, from a directory of tables.

    Raises:
        DataError: The rows are not there.
    """
    if space == "anb":
        return anb.measured_rows(data_dir)
    path = first_that_holds((hwgpt.FILE,), data_dir)
    if path is None:
        raise DataError(f"--data-dir: {space} needs a directory that holds {hwgpt.FILE}")
    return hwgpt.read_table(path)


def build_truth(
    rows: Rows, path: Path | None = None, say: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Fit the truth model of a space, write it as `.npz` and its card as `.json`.

    Returns:
        The card: recipe, hashes, and per quantity how held-out predictions agree with the rows.

    Raises:
        DataError: The model is too large or cannot be written.
    """
    target = path if path is not None else truth_path(rows.space)
    task = TASK_OF[rows.space]
    names = [name for name in rows.quantities if name == task or not name.endswith("_m")]
    inputs = fitted_inputs(rows.space, rows.archs)
    x = inputs.matrix(rows.archs)
    arrays: dict[str, npt.NDArray[Any]] = {
        "format": np.array(FORMAT),
        "tokens": np.array(inputs.tokens),
        "center": inputs.center,
        "scale": inputs.scale,
        "quantities": np.array(names),
    }
    quality: dict[str, Any] = {}
    for name in names:
        fitted, quality[name] = _fitted(rows, name, x, say)
        arrays |= fitted
    write_atomically(target, arrays)
    if (size := target.stat().st_size) > MAX_BYTES:
        raise DataError(f"{target}: {size} bytes, more than {MAX_BYTES}")
    card = _card(rows, target, quality)
    write_json(target.with_suffix(".json"), card)
    return card


def _fitted(
    rows: Rows, name: str, x: npt.NDArray[np.float32], say: Callable[[str], None]
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, float]]:
    """The arrays of one quantity, and how well held-out rows are predicted."""
    recipe = RECIPES[rows.space, "task" if name == TASK_OF[rows.space] else "device"]
    logarithmic = name != "imagenet"
    values = np.log(rows.quantities[name]) if logarithmic else rows.quantities[name]
    mean, spread = float(np.nanmean(values)), float(np.nanstd(values))

    def told(line: str) -> None:
        say(f"{name}: {line}")

    found = fit(x, (values - mean) / spread, recipe, told)
    quality = _quality(rows, name, mean + spread * found.held_out, values)
    told(str(quality))
    own = {f"{name}.scale": np.array([mean, spread]), f"{name}.log": np.array(logarithmic)}
    return found.networks.arrays(name) | own, quality


def _card(rows: Rows, path: Path, quality: dict[str, Any]) -> dict[str, Any]:
    return {
        "space": rows.space,
        "command": f"llm-nas data build-truth --space {rows.space}",
        "rows": len(rows.archs),
        "source": rows.source,
        "sha256": sha256_of(path),
        "bytes": path.stat().st_size,
        "model": "mean of perceptrons on one-hot choices and derived numbers (stage costs, "
        "products of choices, totals); logarithms of latencies and perplexity",
        "recipes": {kind: asdict(r) for (s, kind), r in RECIPES.items() if s == rows.space},
        "held_out": quality,
        "explained": {
            "kendall": "5-fold, tau-b of held-out predictions and rows",
            "kendall_best": f"the same among the best {NEAR_FRONT:.0%} of the rows",
            "kendall_within": "mean over embedding widths of the same inside one width",
            "error": "held-out residuals, root mean square: % points, or of logarithms",
        },
    }


def _quality(rows: Rows, name: str, predicted: FloatArray, values: FloatArray) -> dict[str, float]:
    """How held-out predictions agree with the rows, on the scale that was fitted."""
    known = np.isfinite(values)
    goodness = values if name == "imagenet" else -values
    best = known & (goodness >= np.quantile(goodness[known], 1 - NEAR_FRONT))
    found = {
        "kendall": _kendall(predicted, values, known),
        "kendall_best": _kendall(predicted, values, best),
        "error": round(float(np.sqrt(np.mean((predicted - values)[known] ** 2))), 5),
    }
    if rows.space == "hwgpt-s":
        widths = np.array([arch.split(" ", 1)[0] for arch in rows.archs])
        inside = [_kendall(predicted, values, known & (widths == w)) for w in np.unique(widths)]
        found["kendall_within"] = round(float(np.mean(inside)), 4)
    return found


def _kendall(predicted: FloatArray, values: FloatArray, rows: BoolArray) -> float:
    return round(float(stats.kendalltau(predicted[rows], values[rows])[0]), 4)
