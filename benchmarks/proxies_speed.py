"""What sharing saves: 13 proxies one at a time against all at once, measured in one run.

    python benchmarks/proxies_speed.py [--cells 4] [--batch-size 64] [--threads 2]

`usual` is the usual way, written plainly: every measure deep-copies the network, runs its own
passes and lets torch differentiate twice. `single` calls this package once per proxy, `shared`
once for all, `fast` once at the fast setting. Seconds depend on the machine and its other users;
the ratios are the result, and those of CPU time hardly notice other users.
"""

import argparse
import copy
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llm_nas.domain import FloatArray, TaskShape
from llm_nas.ports import Buildable
from llm_nas.tools.proxies.batch import ImageBatch, synthetic_batch
from llm_nas.tools.proxies.compute import compute_proxies
from llm_nas.tools.proxies.names import PROXIES
from llm_nas.tools.proxies.settings import FAST, FULL
from llm_nas.tools.proxies.tabulate import draw_archs
from llm_nas.tools.spaces import open_space

SHAPE = TaskShape()
LEAST_RATIO = 3.5
"""What sharing must save of the usual way's processor time; 4.2 to 4.8 were measured."""


def _weights(net: nn.Module) -> list[Tensor]:
    return [m.weight for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]


def _loss(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(net(x), y)


def usual_first_order(net: nn.Module, x: Tensor, y: Tensor) -> None:
    """The passes of fisher, grad_norm, plain or snip."""
    torch.autograd.backward(_loss(net, x, y))


def usual_grasp(net: nn.Module, x: Tensor, y: Tensor) -> None:
    """Two losses, and torch's own second derivative."""
    weights = _weights(net)
    first = torch.autograd.grad(_loss(net, x, y), weights)
    second = torch.autograd.grad(_loss(net, x, y), weights, create_graph=True)
    torch.autograd.backward([(a * b).sum() for a, b in zip(first, second, strict=True)])


def usual_jacobian(net: nn.Module, x: Tensor, y: Tensor) -> None:
    """The passes of epe_nas or jacov."""
    torch.autograd.backward(net(x.clone().requires_grad_()).sum())


def usual_nwot(net: nn.Module, x: Tensor, y: Tensor) -> None:
    """Both products of every ReLU's codes."""
    codes: list[Tensor] = []
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda _m, given, _o: codes.append(given[0].flatten(1)))
    net(x)
    for code in codes:
        on = (code > 0).float()
        _ = on @ on.t() + (1 - on) @ (1 - on.t())


def usual_synflow(net: nn.Module, x: Tensor, y: Tensor) -> None:
    """One image of ones in double precision."""
    torch.autograd.backward(net.double().eval()(torch.ones_like(x[:1]).double()).sum())


def usual_zen(net: nn.Module, x: Tensor, y: Tensor) -> None:
    """Two forward passes without gradients."""
    with torch.no_grad():
        net(torch.randn_like(x))
        net(torch.randn_like(x))


def usual_size(net: nn.Module, x: Tensor, y: Tensor) -> None:
    """The pass of flops (params and l2_norm cost nothing)."""
    with torch.no_grad():
        net.eval()(x[:1])


USUAL: tuple[Callable[[nn.Module, Tensor, Tensor], None], ...] = (
    *(usual_jacobian,) * 2,
    *(usual_first_order,) * 4,
    usual_grasp,
    usual_nwot,
    usual_synflow,
    usual_zen,
    usual_size,
)


def _seconds(runs: Iterable[Callable[[], object]]) -> FloatArray:
    """Wall-clock and CPU seconds of all runs together, `(2,)`."""
    wall, cpu = time.perf_counter(), time.process_time()
    for run in runs:
        run()
    return np.array([time.perf_counter() - wall, time.process_time() - cpu])


def usual(net: nn.Module, batch: ImageBatch) -> Iterator[Callable[[], object]]:
    """Every measure on its own copy of the network."""
    x, y = torch.tensor(batch.images), torch.tensor(batch.labels)
    return (partial(measure, copy.deepcopy(net), x, y) for measure in USUAL)


def _ratio(slow: Sequence[float], quick: Sequence[float]) -> dict[str, float]:
    pairs = zip(("wall", "cpu"), slow, quick, strict=True)
    return {clock: round(a / b, 2) for clock, a, b in pairs}


def main() -> int:
    """Print seconds per network and their ratios as JSON; 1 where sharing saves too little."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--space", default="nb201")
    parser.add_argument("--cells", type=int, default=4, help="networks")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    space = open_space(options.space, SHAPE)
    assert isinstance(space, Buildable)
    settings = FULL.model_copy(
        update={"batch_size": options.batch_size, "zen_batch_size": options.batch_size}
    )
    batch = synthetic_batch(SHAPE, options.batch_size, 0)
    quick = synthetic_batch(SHAPE, FAST.batch_size, 0)
    archs = draw_archs(space, 0, options.cells)
    compute_proxies(space, archs[0], quick, settings=FAST)
    columns: dict[str, list[FloatArray]] = {"usual": [], "single": [], "shared": [], "fast": []}
    for arch in archs:
        timed = partial(compute_proxies, space, arch)
        fast = _seconds([partial(timed, quick, settings=FAST)])
        full = partial(timed, batch, settings=settings)
        shared = _seconds([full])
        single = _seconds(partial(full, names=[name]) for name in PROXIES)
        net = space.build(arch, SHAPE)
        for name, value in zip(
            columns, (_seconds(usual(net, batch)), single, shared, fast), strict=True
        ):
            columns[name].append(value)
    mean = {name: np.mean(values, axis=0).tolist() for name, values in columns.items()}
    report = {
        "threads": options.threads,
        "batch_size": options.batch_size,
        "cells": options.cells,
        "seconds_per_cell": {name: round(wall, 3) for name, (wall, _) in mean.items()},
        "cpu_seconds_per_cell": {name: round(cpu, 3) for name, (_, cpu) in mean.items()},
        "usual_over_shared": _ratio(mean["usual"], mean["shared"]),
        "single_over_shared": _ratio(mean["single"], mean["shared"]),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(report, indent=2))
    return int(_ratio(mean["usual"], mean["shared"])["cpu"] < LEAST_RATIO)


if __name__ == "__main__":
    sys.exit(main())
