"""The door to live proxies: of an architecture of a space, or of any torch classifier."""

import copy
import hashlib
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from torch import nn

from llm_nas.domain import Arch
from llm_nas.errors import RequestError
from llm_nas.frozen import Frozen
from llm_nas.ports import Buildable, SearchSpace
from llm_nas.tools.proxies.batch import ImageBatch
from llm_nas.tools.proxies.measures import count_flops_m, count_params_m
from llm_nas.tools.proxies.names import PROXIES
from llm_nas.tools.proxies.run import Measured, measure
from llm_nas.tools.proxies.settings import FULL, ProxySettings
from llm_nas.tools.proxies.table import PROXY_TABLE, Proxy
from llm_nas.tools.proxies.watching import RELUS

SIZES = ("flops", "params")
"""Proxies that describe the whole network, whatever size of images the others see."""


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


def use_threads(count: int) -> None:
    """Let torch compute on so many threads of this process."""
    torch.set_num_threads(count)


def compute_proxies(
    space: SearchSpace,
    arch: Arch,
    batch: ImageBatch,
    *,
    seed: int = 0,
    settings: ProxySettings = FULL,
    names: Sequence[str] = PROXIES,
    device: str | None = None,
) -> ProxyVector:
    """Compute proxies of an architecture's untrained network.

    Weights are drawn anew in torch's usual way, from the seed and the architecture, so that the
    same arguments give the same bits on one machine with one number of torch threads.

    Args:
        space: Builds the network.
        arch: One of its architectures.
        batch: Images to use, all of them; `settings` may shrink them.
        seed: Seeds weights (with the architecture) and the Zen-score.
        settings: Size of images, batch of the Zen-score.
        names: The proxies wanted.
        device: Torch device; a GPU when there is one.

    Raises:
        RequestError: Unknown proxy, or a space whose networks cannot be built.
    """
    if not isinstance(space, Buildable):
        raise RequestError(f"space {space.name}: its networks cannot be built, so not be scored")
    images = batch.shrunk(settings.image_size)
    weights_seed, zen_seed = _seeds(seed, arch)
    started = time.perf_counter()
    network = space.build(arch, batch.shape).train().requires_grad_()
    draw_weights(network, weights_seed)
    _in_place_off(network)
    build_seconds = time.perf_counter() - started
    sizes = _sizes(network, batch, names)
    place(network, device)
    wanted = [proxy for proxy in _entries(names) if proxy.name not in SIZES]
    measured = _measured(network, images, wanted, zen_seed, settings.zen_batch_size)
    measured.values |= sizes.values
    measured.seconds |= sizes.seconds
    return _vector(measured, build_seconds, images.source, seed)


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
        module: Maps images `(n, channels, h, w)` to logits `(n, classes)`.
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
    _in_place_off(own)
    build_seconds = time.perf_counter() - started
    measured = _measured(own, batch, wanted, seed, len(batch.images))
    return _vector(measured, build_seconds, batch.source, seed)


def draw_weights(module: nn.Module, seed: int) -> None:
    """Draw the weights of convolutions and linear layers: uniform within 1 / sqrt(inputs).

    That is torch's default and the published tables'. Each layer has a stream of its own, named
    by its place, so that two networks with one seed share the weights of layers they share.
    """
    for where, layer in cast("Iterator[tuple[str, nn.Module]]", module.named_modules()):
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            state = np.random.SeedSequence([seed, zlib.crc32(where.encode())])
            stream = int(state.generate_state(1, np.uint64)[0] >> 1)
            generator = torch.Generator().manual_seed(stream)
            bound = layer.weight[0].numel() ** -0.5
            with torch.no_grad():
                for tensor in (layer.weight, layer.bias):
                    if tensor is not None:
                        tensor.uniform_(-bound, bound, generator=generator)


def place(module: nn.Module, device: str | None) -> None:
    """Move a module to a device (a GPU when there is one), channels last: quicker on both."""
    best = "cuda" if torch.cuda.is_available() else "cpu"
    module.to(torch.device(best if device is None else device))
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def _in_place_off(module: nn.Module) -> None:
    """In place, a ReLU would overwrite the outputs and codes that are recorded."""
    for layer in module.modules():
        if isinstance(layer, RELUS):
            layer.inplace = False


def _measured(
    module: nn.Module, batch: ImageBatch, wanted: Sequence[Proxy], seed: int, zen_batch_size: int
) -> Measured:
    # What the module itself draws, dropout for one, follows the seed; others' draws are untouched.
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return measure(module, batch, wanted, seed=seed, zen_batch_size=zen_batch_size)


def _sizes(network: nn.Module, batch: ImageBatch, names: Sequence[str]) -> Measured:
    """Flops and params in millions, at the full size of images."""
    measured = Measured()
    started = time.perf_counter()
    if "params" in names:
        measured.values["params"] = count_params_m(network)
    if "flops" in names:
        shape = batch.shape
        image = torch.zeros(1, shape.channels, shape.height, shape.width)
        measured.values["flops"] = count_flops_m(network, image)
    spent = time.perf_counter() - started
    measured.seconds = {name: spent / len(measured.values) for name in measured.values}
    return measured


def _entries(names: Sequence[str]) -> list[Proxy]:
    unknown = sorted(set(names) - set(PROXIES))
    if unknown:
        raise RequestError(f"proxy {unknown[0]!r}: expected some of {', '.join(PROXIES)}")
    return [proxy for proxy in PROXY_TABLE if proxy.name in names]


def _seeds(seed: int, arch: Arch) -> tuple[int, int]:
    """Seeds of the weights and of the Zen-score."""
    name = int.from_bytes(hashlib.sha256(arch.encode()).digest()[:8], "little")
    weights, zen = np.random.SeedSequence([seed, name]).generate_state(2)
    return int(weights), int(zen)


def _vector(measured: Measured, build_seconds: float, source: str, seed: int) -> ProxyVector:
    return ProxyVector(
        values={name: measured.values[name] for name in PROXIES if name in measured.values},
        missing={name: measured.missing[name] for name in PROXIES if name in measured.missing},
        seconds={name: round(spent, 6) for name, spent in measured.seconds.items()},
        build_seconds=round(build_seconds, 6),
        batch=source,
        seed=seed,
    )
