"""The door to live proxies: of a cell of a search space, or of any torch classifier."""

import copy
import math
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from llm_nas.domain import PROXIES, Cell, Frozen
from llm_nas.errors import RequestError
from llm_nas.ports import SearchSpace
from llm_nas.tools.network import build_network
from llm_nas.tools.proxies.batch import CLASSES, ImageBatch, check_dataset, synthetic_batch
from llm_nas.tools.proxies.passes import PASS_ORDER, RELUS, Passes, ProxyMissing
from llm_nas.tools.proxies.settings import FULL, ProxySettings
from llm_nas.tools.proxies.table import PROXY_TABLE, Proxy
from llm_nas.tools.space import nas_bench_201

NO_PATH = "no path from input to output"


class ProxyVector(Frozen):
    """Proxies of one network: a requested one is in `values` or, with a reason, in `missing`."""

    values: dict[str, float]
    missing: dict[str, str]
    seconds: dict[str, float]
    """Time per proxy; shared work is split evenly among the proxies that use it."""
    build_seconds: float
    """Time to build the network."""
    batch: str
    """File the images came from, or `synthetic`."""
    seed: int


def compute_proxies(
    cell: Cell,
    *,
    dataset: str,
    batch: ImageBatch | None = None,
    seed: int = 0,
    settings: ProxySettings = FULL,
    names: Sequence[str] = PROXIES,
    space: SearchSpace | None = None,
    device: str | None = None,
) -> ProxyVector:
    """Compute proxies of a cell's untrained network.

    The same arguments give the same bits on one machine with one number of torch threads.

    Args:
        cell: Operation codes in the space's edge order.
        dataset: Decides classes and, without a batch, image size.
        batch: Images to use, all of them; synthetic ones are drawn by seed when absent.
        seed: Seeds weights (with the cell's index), synthetic images and the Zen-score.
        settings: Batch size, network size and how weights are drawn.
        names: The proxies wanted.
        space: NAS-Bench-201 when absent.
        device: Torch device; a GPU when there is one.

    Raises:
        RequestError: Unknown dataset or proxy, or a cell that is not one.
    """
    check_dataset(dataset)
    wanted = _entries(names)
    cells = nas_bench_201() if space is None else space
    index = cells.index(cell)
    images = synthetic_batch(dataset, settings.batch_size, seed) if batch is None else batch
    started = time.perf_counter()
    weights_seed, zen_seed = _seeds(seed, index, settings)
    network = build_network(
        cell,
        cells,
        classes=CLASSES[dataset],
        seed=weights_seed,
        channels=settings.channels,
        cells_per_stage=settings.cells_per_stage,
    ).to(_device(device))
    build_seconds = time.perf_counter() - started
    cut = (
        {} if cells.facts(cell).ops_on_paths else {p.name: NO_PATH for p in wanted if p.needs_path}
    )
    measured = _measure(network, images, [p for p in wanted if p.name not in cut], zen_seed)
    return _vector(measured, cut, build_seconds, images.source, seed)


def score(
    module: nn.Module,
    batch: ImageBatch,
    *,
    seed: int = 0,
    names: Sequence[str] = PROXIES,
    device: str | None = None,
) -> ProxyVector:
    """Compute proxies of any torch classifier, as it is initialised.

    The module is copied, never changed. Proxies it does not support are missing with a reason:
    nwot needs ReLU layers (not the function), zen one `AdaptiveAvgPool2d`.

    Args:
        module: Maps images `(n, 3, h, w)` to logits `(n, classes)`.
        batch: Images and labels.
        seed: Seeds the Zen-score.
        names: The proxies wanted.
        device: Torch device; a GPU when there is one.
    """
    wanted = _entries(names)
    started = time.perf_counter()
    own = copy.deepcopy(module).to(_device(device)).train().requires_grad_()
    for layer in own.modules():
        if isinstance(layer, RELUS):
            # In place, a ReLU would overwrite the outputs and codes that are recorded.
            layer.inplace = False
    build_seconds = time.perf_counter() - started
    measured = _measure(own, batch, wanted, seed)
    return _vector(measured, {}, build_seconds, batch.source, seed)


class _Measured:
    """What `_measure` collects."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.missing: dict[str, str] = {}
        self.seconds: dict[str, float] = {}


def _entries(names: Sequence[str]) -> list[Proxy]:
    unknown = sorted(set(names) - set(PROXIES))
    if unknown:
        raise RequestError(f"proxy {unknown[0]!r}: expected some of {', '.join(PROXIES)}")
    return [proxy for proxy in PROXY_TABLE if proxy.name in names]


def _seeds(seed: int, index: int, settings: ProxySettings) -> tuple[int, int]:
    """Seeds of the weights and of the Zen-score."""
    key = [seed, index] if settings.weights == "cell" else [seed]
    weights, zen = np.random.SeedSequence(key).generate_state(2)
    return int(weights), int(zen)


def _device(name: str | None) -> torch.device:
    if name is not None:
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _measure(
    module: nn.Module, batch: ImageBatch, wanted: Sequence[Proxy], seed: int
) -> _Measured:
    """Run the passes the wanted proxies share, then their formulas."""
    measured = _Measured()
    place = next(module.parameters()).device
    passes = Passes(
        module,
        torch.tensor(batch.images).to(place),
        torch.tensor(batch.labels).to(place),
        wanted=frozenset(name for proxy in wanted for name in proxy.passes),
        keep_outputs=any("outputs" in proxy.needs for proxy in wanted),
        seed=seed,
    )
    for name in PASS_ORDER:
        users = [proxy for proxy in wanted if name in proxy.passes]
        if users:
            _run_pass(passes, name, users, measured)
    for proxy in wanted:
        if proxy.name not in measured.missing:
            _run_measure(passes, proxy, measured)
    return measured


def _run_pass(passes: Passes, name: str, users: Sequence[Proxy], measured: _Measured) -> None:
    started = time.perf_counter()
    try:
        getattr(passes, name)
    except ProxyMissing as reason:
        measured.missing.update({proxy.name: str(reason) for proxy in users})
    share = (time.perf_counter() - started) / len(users)
    for proxy in users:
        measured.seconds[proxy.name] = measured.seconds.get(proxy.name, 0.0) + share


def _run_measure(passes: Passes, proxy: Proxy, measured: _Measured) -> None:
    started = time.perf_counter()
    try:
        value = proxy.measure(passes)
    except ProxyMissing as reason:
        measured.missing[proxy.name] = str(reason)
    else:
        if math.isfinite(value):
            measured.values[proxy.name] = value
        else:
            measured.missing[proxy.name] = f"overflow: the value is {value}"
    spent = time.perf_counter() - started
    measured.seconds[proxy.name] = measured.seconds.get(proxy.name, 0.0) + spent


def _vector(
    measured: _Measured, cut: dict[str, str], build_seconds: float, source: str, seed: int
) -> ProxyVector:
    return ProxyVector(
        values=measured.values,
        missing=measured.missing | cut,
        seconds={name: round(spent, 6) for name, spent in measured.seconds.items()},
        build_seconds=round(build_seconds, 6),
        batch=source,
        seed=seed,
    )
