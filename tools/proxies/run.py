"""Run the wanted proxies of one module: passes first, each timed and shared, then formulas."""

import math
import time
from collections.abc import Sequence

import torch
from torch import nn

from llm_nas.tools.proxies.batch import ImageBatch
from llm_nas.tools.proxies.passes import PASS_ORDER, Passes, ProxyMissing
from llm_nas.tools.proxies.table import Proxy


class Measured:
    """Values, reasons for missing ones, and seconds, by proxy."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.missing: dict[str, str] = {}
        self.seconds: dict[str, float] = {}


def measure(
    module: nn.Module,
    batch: ImageBatch,
    wanted: Sequence[Proxy],
    *,
    seed: int,
    zen_batch_size: int,
    use_scales: bool = True,
) -> Measured:
    """Run the passes the wanted proxies share, then their formulas.

    Args:
        module: A classifier in training mode whose parameters all require gradients.
        batch: Images and labels.
        wanted: Entries of the proxy table.
        seed: Seeds the Zen-score.
        zen_batch_size: Its number of images.
        use_scales: Whether layers whose scale batch norm removes make GraSP cheaper.
    """
    measured = Measured()
    place = next(module.parameters()).device
    passes = Passes(
        module,
        torch.tensor(batch.images).to(place, memory_format=torch.channels_last),
        torch.tensor(batch.labels).to(place),
        wanted=frozenset(name for proxy in wanted for name in proxy.passes),
        keep_outputs=any("outputs" in proxy.needs for proxy in wanted),
        use_scales=use_scales,
        zen_batch_size=zen_batch_size,
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


def _run_pass(passes: Passes, name: str, users: Sequence[Proxy], measured: Measured) -> None:
    started = time.perf_counter()
    try:
        getattr(passes, name)
    except ProxyMissing as reason:
        measured.missing.update({proxy.name: str(reason) for proxy in users})
    share = (time.perf_counter() - started) / len(users)
    for proxy in users:
        measured.seconds[proxy.name] = measured.seconds.get(proxy.name, 0.0) + share


def _run_measure(passes: Passes, proxy: Proxy, measured: Measured) -> None:
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
