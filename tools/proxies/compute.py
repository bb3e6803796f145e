"""The door to live proxies: of a cell of a search space, or of any torch classifier."""

import copy
import time
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from llm_nas.domain import PROXIES, Cell, Frozen
from llm_nas.errors import RequestError
from llm_nas.ports import SearchSpace
from llm_nas.tools.network import CellNetwork, build_network
from llm_nas.tools.proxies.batch import (
    CLASSES,
    IMAGE_SIZE,
    ImageBatch,
    check_dataset,
    synthetic_batch,
)
from llm_nas.tools.proxies.measures import count_flops_m, count_params_m
from llm_nas.tools.proxies.run import Measured, measure
from llm_nas.tools.proxies.settings import FULL, ProxySettings
from llm_nas.tools.proxies.table import PROXY_TABLE, Proxy
from llm_nas.tools.proxies.watching import RELUS
from llm_nas.tools.space import nas_bench_201

SIZES = ("flops", "params")
"""Proxies that describe the whole network and need no pass."""
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
    given = synthetic_batch(dataset, settings.batch_size, seed) if batch is None else batch
    images = given.shrunk(settings.image_size)
    started = time.perf_counter()
    weights_seed, zen_seed = _seeds(seed, index, settings)
    network = build_network(
        cell,
        cells,
        classes=CLASSES[dataset],
        seed=weights_seed,
        channels=settings.channels,
        cells_per_stage=settings.cells_per_stage,
    )
    place(network, device)
    build_seconds = time.perf_counter() - started
    connected = bool(cells.facts(cell).ops_on_paths)
    measured = measure(
        network,
        images,
        [p for p in wanted if p.name not in SIZES and (connected or not p.needs_path)],
        seed=zen_seed,
        zen_batch_size=settings.zen_batch_size,
        scale_free=network.scale_free_layers(),
    )
    if not connected:
        measured.missing.update({p.name: NO_PATH for p in wanted if p.needs_path})
    _add_sizes(measured, cell, cells, dataset, names)
    return _vector(measured, build_seconds, images.source, seed)


def _add_sizes(
    measured: Measured, cell: Cell, space: SearchSpace, dataset: str, names: Sequence[str]
) -> None:
    started = time.perf_counter()
    sizes = _full_size(tuple(sorted(cell)), space.operations, dataset)
    for name, value in zip(SIZES, sizes, strict=True):
        if name in names:
            measured.values[name] = value
            measured.seconds[name] = (time.perf_counter() - started) / len(SIZES)


@lru_cache(maxsize=1024)
def _full_size(
    codes: tuple[int, ...], operations: tuple[str, ...], dataset: str
) -> tuple[float, float]:
    """Flops and params in millions of the whole network, whatever size proxies are computed at.

    They depend on the operations alone, not on the edges these stand on.
    """
    network = CellNetwork([operations[code] for code in codes], CLASSES[dataset], seed=0)
    image = torch.zeros(1, 3, IMAGE_SIZE[dataset], IMAGE_SIZE[dataset])
    return count_flops_m(network, image), count_params_m(network)


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
    nwot needs ReLUs, zen one `adaptive_avg_pool2d`; layers or functions, it does not matter.

    Args:
        module: Maps images `(n, 3, h, w)` to logits `(n, classes)`.
        batch: Images and labels.
        seed: Seeds the Zen-score and what the module itself draws (dropout).
        names: The proxies wanted.
        device: Torch device; a GPU when there is one.

    Raises:
        RequestError: Unknown proxy, or a module without parameters.
    """
    wanted = _entries(names)
    if not any(True for _ in module.parameters()):
        raise RequestError(f"{type(module).__name__}: has no parameters, so nothing to score")
    started = time.perf_counter()
    own = copy.deepcopy(module).train().requires_grad_()
    place(own, device)
    for layer in own.modules():
        if isinstance(layer, RELUS):
            # In place, a ReLU would overwrite the outputs and codes that are recorded.
            layer.inplace = False
    build_seconds = time.perf_counter() - started
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # whatever the module itself draws, dropout for one
        measured = measure(own, batch, wanted, seed=seed, zen_batch_size=len(batch.images))
    return _vector(measured, build_seconds, batch.source, seed)


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


def place(module: nn.Module, device: str | None) -> None:
    """Move a module to a device (a GPU when there is one), channels last: quicker on both."""
    best = "cuda" if torch.cuda.is_available() else "cpu"
    module.to(torch.device(best if device is None else device))
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def _vector(measured: Measured, build_seconds: float, source: str, seed: int) -> ProxyVector:
    return ProxyVector(
        values={name: measured.values[name] for name in PROXIES if name in measured.values},
        missing=measured.missing,
        seconds={name: round(spent, 6) for name, spent in measured.seconds.items()},
        build_seconds=round(build_seconds, 6),
        batch=source,
        seed=seed,
    )
