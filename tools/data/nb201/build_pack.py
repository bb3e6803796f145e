"""Trains the embedded pack's models on the tables and measures how well they agree with them.

Validation and test accuracies are fitted by networks of their own: what gives labels to a search
has never seen a test accuracy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import ndtr, ndtri

from llm_nas.domain import BoolArray, FloatArray
from llm_nas.errors import DataError
from llm_nas.tools.data.nb201 import cells, surrogate
from llm_nas.tools.data.nb201.cells import DATASETS, DEVICES, SIZE
from llm_nas.tools.data.nb201.pack import FORMULA_DEVICES, GROUPS, PACK_VERSION, PackTables
from llm_nas.tools.data.nb201.surrogate import Network
from llm_nas.tools.data.nb201.tables import AVERAGED, PublishedTables
from llm_nas.tools.data.npz import write_atomically, write_json
from llm_nas.tools.data.truth import fit
from llm_nas.tools.data.truth.nb201 import published_test_pct
from llm_nas.tools.proxies.names import PROXIES

MAX_BYTES = 8_000_000
HELD_OUT = 0.1
"""Share of cells kept from a second, otherwise equal training that measures generalisation."""

_KNOTS = 257


@dataclass(frozen=True, slots=True)
class Recipe:
    """Size and length of one network's training; all networks share it."""

    width: int = 256
    epochs: int = 200
    seed: int = 0

    @property
    def whole(self) -> fit.Recipe:
        """With what cannot be chosen."""
        chosen = {"width": self.width, "epochs": self.epochs, "seed": self.seed}
        return fit.Recipe(layers=2, batch=512, rate=6e-3, decay=1e-4, **chosen)


@dataclass(frozen=True, slots=True)
class Group:
    """Quantities that one network predicts."""

    name: str
    quantities: tuple[str, ...]
    values: FloatArray
    """`(size, len(quantities))`, NaN where missing."""


def groups(tables: PublishedTables) -> tuple[Group, ...]:
    """Everything the networks are trained on, by group."""
    named: dict[str, dict[str, FloatArray]] = {name: {} for name in GROUPS}
    for dataset in DATASETS:
        labels = tables.validation_pct(dataset, AVERAGED)
        if labels is None:
            raise DataError(f"{tables.source}: no '{AVERAGED}' of {dataset}")
        named["validation"][f"validation {dataset}"] = labels
        named["test"][f"test {dataset}"] = published_test_pct(tables.folder, dataset)
        named["hardware"] |= _hardware(tables, dataset)
        for proxy, column in zip(PROXIES, tables.proxies(dataset).T, strict=True):
            if proxy not in ("flops", "params") and np.isfinite(column).any():
                named["proxies"][f"{proxy} {dataset}"] = column
    return tuple(
        Group(name, tuple(table), np.column_stack(list(table.values())))
        for name, table in named.items()
    )


def _hardware(tables: PublishedTables, dataset: str) -> dict[str, FloatArray]:
    """Latencies of the devices without a formula."""
    return {
        f"{device}_latency {dataset}": tables.latency_ms(dataset, device)
        for device in DEVICES
        if device not in FORMULA_DEVICES
    }


def formulas(tables: PublishedTables) -> dict[str, FloatArray]:
    """Coefficients `(2, 4)` of the devices that count operations, by quantity."""
    design = surrogate.counts(cells.codes())
    costs = {
        f"{device}_latency {dataset}": tables.latency_ms(dataset, device)
        for dataset in DATASETS
        for device in FORMULA_DEVICES
    }
    return {name: surrogate.fit_roofline(design, values) for name, values in costs.items()}


def curves(values: FloatArray, knots: FloatArray) -> FloatArray:
    """`(columns, k)`: the quantile of every column at each normal score."""
    shares = normal_shares(knots)
    rows = [np.asarray(np.quantile(c[np.isfinite(c)], shares), np.float64) for c in values.T]
    return np.stack(rows)


def normal_shares(scores: FloatArray) -> FloatArray:
    """Shares of a normal population below the scores."""
    return np.asarray(ndtr(scores), dtype=np.float64)


def normal_scores(values: FloatArray) -> FloatArray:
    """Each column's values `(n, k)` as normal scores of their ranks; NaN stays NaN."""
    ranks = stats.rankdata(values, axis=0, nan_policy="omit")
    known = np.isfinite(values).sum(axis=0)
    return np.asarray(ndtri((ranks - 0.5) / known), dtype=np.float64)


def train(group: Group, uses: Sequence[BoolArray], recipe: Recipe) -> list[Network]:
    """Networks fitted to normal scores, each to the rows `(size,)` that one of `uses` marks."""
    knots = np.linspace(-4.0, 4.0, _KNOTS)
    scores = normal_scores(group.values)
    found = fit.train(surrogate.inputs(), scores, np.stack(uses), recipe.whole)
    quantiles = curves(group.values, knots)
    return [
        Network(group.quantities, found.part(member, 1), knots, quantiles)
        for member in range(len(uses))
    ]


def kendall(predicted: FloatArray, published: FloatArray) -> float:
    """Kendall's tau-b over cells known on both sides; values equal to 6 digits are ties."""
    known = np.isfinite(predicted) & np.isfinite(published)
    return float(stats.kendalltau(_rounded(predicted[known]), _rounded(published[known]))[0])


def _rounded(values: FloatArray, digits: int = 6) -> FloatArray:
    """Values to `digits` significant digits: the tables differ by less where costs are equal."""
    magnitude = np.floor(np.log10(np.abs(np.where(values == 0, 1.0, values))))
    scale = np.asarray(10.0 ** (digits - 1 - magnitude), dtype=np.float64)
    return np.asarray(np.rint(values * scale) / scale, dtype=np.float64)


def build_pack(tables: PublishedTables, path: Path, recipe: Recipe = Recipe()) -> dict[str, Any]:
    """Train all models, write the pack and its fidelity.

    Args:
        tables: The published tables, with validation accuracies averaged over seeds: those of
            one training share their images with the test accuracies on two of the data sets.
        path: The `.npz` to write; the fidelity goes beside it as `.json`.
        recipe: How the networks are trained.

    Returns:
        The fidelity: Kendall tau against the tables per quantity, over all cells (`fitted`) and,
        from a second training that never saw them, over a tenth of the cells (`held_out`).

    Raises:
        DataError: The tables lack labels, or the pack is too large or cannot be written.
    """
    held_out = np.zeros(SIZE, dtype=np.bool_)
    held_out[np.random.default_rng(recipe.seed).permutation(SIZE)[: int(HELD_OUT * SIZE)]] = True
    uses = (np.ones(SIZE, dtype=np.bool_), ~held_out)
    arrays: dict[str, npt.NDArray[Any]] = {"version": np.array(PACK_VERSION)}
    arrays["edgetpu_missing"] = np.packbits(np.isnan(tables.latency_ms(DATASETS[0], "edgetpu")))
    generalisation: dict[str, float] = {}
    for group in groups(tables):
        whole, partial = train(group, uses, recipe)
        arrays |= whole.arrays(group.name)
        generalisation |= _tau_on(partial, group, held_out)
    arrays |= {f"formula.{name}": value for name, value in formulas(tables).items()}
    write_atomically(path, arrays)
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: {path.stat().st_size} bytes, more than {MAX_BYTES}")
    report = _report(tables, path, recipe, generalisation)
    write_json(path.with_suffix(".json"), report)
    return report


def _tau_on(network: Network, group: Group, rows: BoolArray) -> dict[str, float]:
    predicted = network.predict(surrogate.inputs()[rows])
    return {
        name: kendall(predicted[name], group.values[rows, j])
        for j, name in enumerate(group.quantities)
    }


def _report(
    tables: PublishedTables, path: Path, recipe: Recipe, generalisation: Mapping[str, float]
) -> dict[str, Any]:
    fitted = fidelity(tables, PackTables(path, own=None))
    held_out = {name: round(tau, 4) for name, tau in generalisation.items()}
    return {
        "pack": PACK_VERSION,
        "bytes": path.stat().st_size,
        "model": "perceptrons on one-hot operations (one for validation accuracies, one for test "
        "accuracies, one for measured devices, one for proxies); linear formulas in operation "
        "counts (eyeriss, fpga, flops, params)",
        "labels": f"fitted on validation accuracies alone ({AVERAGED})",
        "recipe": {"width": recipe.width, "epochs": recipe.epochs, "seed": recipe.seed},
        "tables_sha256": tables.digest,
        "kendall_tau": {
            name: {"fitted": round(tau, 4), "held_out": held_out.get(name)}
            for name, tau in fitted.items()
        },
    }


def fidelity(tables: PublishedTables, pack: PackTables) -> dict[str, float]:
    """Kendall tau between a pack and the tables, per quantity."""
    result: dict[str, float] = {}
    for dataset in DATASETS:
        test = published_test_pct(tables.folder, dataset)
        labels = tables.validation_pct(dataset, AVERAGED)
        result[f"test {dataset}"] = kendall(pack.test_pct(dataset), test)
        if labels is not None:
            result[f"validation {dataset}"] = kendall(pack.validation_pct(dataset), labels)
        for device in DEVICES:
            found = pack.latency_ms(dataset, device), tables.latency_ms(dataset, device)
            result[f"{device}_latency {dataset}"] = kendall(*found)
        columns = zip(PROXIES, pack.proxies(dataset).T, tables.proxies(dataset).T, strict=True)
        for proxy, modelled, published in columns:
            if np.isfinite(published).any():
                result[f"{proxy} {dataset}"] = kendall(modelled, published)
    return result
