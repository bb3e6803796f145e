"""Trains the embedded pack's models on the tables and measures how well they agree with them."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_nas.domain import DATASETS, DEVICES, PROXIES, BoolArray, FloatArray
from llm_nas.errors import DataError
from llm_nas.ports import Benchmark
from llm_nas.tools.data import surrogate
from llm_nas.tools.data.convert import write_atomically
from llm_nas.tools.data.pack import FORMULA_DEVICES, PACK_VERSION, PackBenchmark
from llm_nas.tools.data.surrogate import Network
from llm_nas.tools.data.tables import ENERGY_DEVICES
from llm_nas.tools.estimator import kendall_tau, normal_scores, normal_shares
from llm_nas.tools.space import nas_bench_201

MAX_BYTES = 8_000_000
HELD_OUT = 0.1
"""Share of cells kept from a second, otherwise equal training that measures generalisation."""

_KNOTS = 257
_BATCH = 512
_PEAK_RATE = 6e-3
_DECAY = 1e-4


@dataclass(frozen=True, slots=True)
class Recipe:
    """Size and length of one network's training; all networks share it."""

    width: int = 256
    epochs: int = 200
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Quantities that one network predicts."""

    name: str
    quantities: tuple[str, ...]
    values: FloatArray
    """`(size, len(quantities))`, NaN where missing."""


def groups(benchmark: Benchmark) -> tuple[Group, ...]:
    """Everything the networks are trained on, by group."""
    accuracy: dict[str, FloatArray] = {}
    hardware: dict[str, FloatArray] = {}
    proxies: dict[str, FloatArray] = {}
    for dataset in DATASETS:
        accuracy[f"test {dataset}"] = benchmark.truth(dataset).test_accuracy_pct()
        accuracy[f"validation {dataset}"] = benchmark.validation_accuracy_pct(dataset)
        for device in (d for d in DEVICES if d not in FORMULA_DEVICES):
            hardware[f"{device}_latency {dataset}"] = benchmark.latency_ms(dataset, device)
            if device in ENERGY_DEVICES:
                hardware[f"{device}_energy {dataset}"] = benchmark.energy_mj(dataset, device)
        for proxy, column in zip(PROXIES, benchmark.proxies(dataset).T, strict=True):
            if proxy not in ("flops", "params") and np.isfinite(column).any():
                proxies[f"{proxy} {dataset}"] = column
    named = {"accuracy": accuracy, "hardware": hardware, "proxies": proxies}
    return tuple(
        Group(name, tuple(table), np.column_stack(list(table.values())))
        for name, table in named.items()
    )


def formulas(benchmark: Benchmark) -> dict[str, FloatArray]:
    """Coefficients `(2, 4)` of the devices that count operations, by quantity."""
    design = surrogate.counts(nas_bench_201().codes())
    tables = {
        f"{device}_{metric} {dataset}": read(dataset, device)
        for dataset in DATASETS
        for device in FORMULA_DEVICES
        for metric, read in (("latency", benchmark.latency_ms), ("energy", benchmark.energy_mj))
    }
    return {name: surrogate.fit_roofline(design, values) for name, values in tables.items()}


def curves(values: FloatArray, knots: FloatArray) -> FloatArray:
    """`(columns, k)`: the quantile of every column at each normal score."""
    shares = normal_shares(knots)
    rows = [np.asarray(np.quantile(c[np.isfinite(c)], shares), np.float64) for c in values.T]
    return np.stack(rows)


def train(group: Group, rows: BoolArray, recipe: Recipe) -> Network:
    """Fit one network to the normal scores of the given rows `(size,)`."""
    knots = np.linspace(-4.0, 4.0, _KNOTS)
    x = surrogate.inputs()[rows]
    weights, biases = _fit(x, normal_scores(group.values[rows]).astype(np.float32), recipe)
    return Network(group.quantities, weights, biases, knots, curves(group.values[rows], knots))


def _fit(
    x: npt.NDArray[np.float32], y: npt.NDArray[np.float32], recipe: Recipe
) -> tuple[tuple[npt.NDArray[np.float32], ...], tuple[npt.NDArray[np.float32], ...]]:
    """AdamW on the squared error of known entries, one-cycle schedule; weights as `(in, out)`."""
    torch: Any = import_module("torch")  # its annotations are partial
    torch.manual_seed(recipe.seed)
    layers = [
        torch.nn.Linear(n_in, n_out)
        for n_in, n_out in (
            (x.shape[1], recipe.width),
            (recipe.width,) * 2,
            (recipe.width, y.shape[1]),
        )
    ]
    net = torch.nn.Sequential(layers[0], torch.nn.SiLU(), layers[1], torch.nn.SiLU(), layers[2])
    inputs, known = torch.from_numpy(x), torch.from_numpy(np.isfinite(y))
    targets = torch.from_numpy(np.nan_to_num(y))
    optimiser = torch.optim.AdamW(net.parameters(), lr=_PEAK_RATE, weight_decay=_DECAY)
    steps = recipe.epochs * (len(x) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _PEAK_RATE, total_steps=steps)
    for _ in range(steps):
        batch = torch.randint(len(x), (_BATCH,))
        error = (net(inputs[batch]) - targets[batch]) * known[batch]
        optimiser.zero_grad()
        (error**2).mean().backward()
        optimiser.step()
        schedule.step()
    weights = tuple(layer.weight.detach().numpy().T.copy() for layer in layers)
    return weights, tuple(layer.bias.detach().numpy().copy() for layer in layers)


def kendall(predicted: FloatArray, published: FloatArray) -> float:
    """Kendall's tau-b over cells known on both sides; values equal to 6 digits are ties."""
    known = np.isfinite(predicted) & np.isfinite(published)
    return kendall_tau(_rounded(predicted[known]), _rounded(published[known]))


def _rounded(values: FloatArray, digits: int = 6) -> FloatArray:
    """Values to `digits` significant digits: the tables differ by less where costs are equal."""
    magnitude = np.floor(np.log10(np.abs(np.where(values == 0, 1.0, values))))
    scale = np.asarray(10.0 ** (digits - 1 - magnitude), dtype=np.float64)
    return np.asarray(np.rint(values * scale) / scale, dtype=np.float64)


def build_pack(benchmark: Benchmark, path: Path, recipe: Recipe = Recipe()) -> dict[str, Any]:
    """Train all models, write the pack and its fidelity.

    Args:
        benchmark: the published tables; a surrogate is refused as a teacher.
        path: the `.npz` to write; the fidelity goes beside it as `.json`.
        recipe: how the networks are trained.

    Returns:
        The fidelity: Kendall tau against the tables per quantity, over all cells (`fitted`) and,
        from a second training that never saw them, over a tenth of the cells (`held_out`).

    Raises:
        DataError: `benchmark` is a surrogate, the pack is too large, or cannot be written.
    """
    if "surrogate" in benchmark.source:
        raise DataError(
            f"data source: '{benchmark.source}'; a pack is built from published tables"
        )
    size = nas_bench_201().size
    held_out = np.zeros(size, dtype=np.bool_)
    held_out[np.random.default_rng(recipe.seed).permutation(size)[: int(HELD_OUT * size)]] = True
    arrays: dict[str, npt.NDArray[Any]] = {"version": np.array(PACK_VERSION)}
    arrays["edgetpu_missing"] = np.packbits(np.isnan(benchmark.latency_ms(DATASETS[0], "edgetpu")))
    generalisation: dict[str, float] = {}
    for group in groups(benchmark):
        everything = np.ones(size, dtype=np.bool_)
        arrays |= train(group, everything, recipe).arrays(group.name)
        generalisation |= _tau_on(train(group, ~held_out, recipe), group, held_out)
    arrays |= {f"formula.{name}": value for name, value in formulas(benchmark).items()}
    write_atomically(path, arrays)
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: {path.stat().st_size} bytes, more than {MAX_BYTES}")
    fidelity = _fidelity(benchmark, path, recipe, generalisation)
    _write_json(path.with_suffix(".json"), fidelity)
    return fidelity


def _tau_on(network: Network, group: Group, rows: BoolArray) -> dict[str, float]:
    predicted = network.predict(surrogate.inputs()[rows])
    return {
        name: kendall(predicted[name], group.values[rows, j])
        for j, name in enumerate(group.quantities)
    }


def _fidelity(
    benchmark: Benchmark, path: Path, recipe: Recipe, generalisation: Mapping[str, float]
) -> dict[str, Any]:
    fitted = fidelity(benchmark, PackBenchmark(path, own=None))
    rows = {
        name: {
            "fitted": round(tau, 4),
            "held_out": round(generalisation[name], 4) if name in generalisation else None,
        }
        for name, tau in fitted.items()
    }
    return {
        "pack": PACK_VERSION,
        "bytes": path.stat().st_size,
        "model": "perceptrons on one-hot operations (accuracy, measured devices, proxies); "
        "linear formulas in operation counts (eyeriss, fpga, flops, params)",
        "recipe": {"width": recipe.width, "epochs": recipe.epochs, "seed": recipe.seed},
        "tables_sha256": benchmark.digest,
        "kendall_tau": rows,
    }


def fidelity(tables: Benchmark, pack: Benchmark) -> dict[str, float]:
    """Kendall tau between a pack and the tables, per quantity."""
    result: dict[str, float] = {}
    for dataset in DATASETS:
        result[f"test {dataset}"] = kendall(
            pack.truth(dataset).test_accuracy_pct(), tables.truth(dataset).test_accuracy_pct()
        )
        result[f"validation {dataset}"] = kendall(
            pack.validation_accuracy_pct(dataset), tables.validation_accuracy_pct(dataset)
        )
        for device in DEVICES:
            result[f"{device}_latency {dataset}"] = kendall(
                pack.latency_ms(dataset, device), tables.latency_ms(dataset, device)
            )
        for device in ENERGY_DEVICES:
            result[f"{device}_energy {dataset}"] = kendall(
                pack.energy_mj(dataset, device), tables.energy_mj(dataset, device)
            )
        columns = zip(PROXIES, pack.proxies(dataset).T, tables.proxies(dataset).T, strict=True)
        for proxy, modelled, published in columns:
            if np.isfinite(published).any():
                result[f"{proxy} {dataset}"] = kendall(modelled, published)
    return result


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    scratch = path.with_suffix(".json.part")
    try:
        scratch.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        os.replace(scratch, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error
