"""The table of proxies: one entry each, in the order of `llm_nas.tools.proxies.names.PROXIES`.

Adding a proxy is adding an entry: its name, what it needs, the passes it reads, its formula.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from llm_nas.tools.proxies import measures
from llm_nas.tools.proxies.passes import Passes, PassName

Need: TypeAlias = Literal["data", "labels", "gradients", "outputs", "double"]
"""Real images, their labels, gradients, gradients of layer outputs, float64."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One zero-cost proxy."""

    name: str
    needs: frozenset[Need]
    passes: frozenset[PassName]
    """Every pass it causes to run, indirect ones included."""
    measure: Callable[[Passes], float]


def _proxy(
    measure: Callable[[Passes], float], needs: tuple[Need, ...], passes: tuple[PassName, ...]
) -> Proxy:
    return Proxy(measure.__name__, frozenset(needs), frozenset(passes), measure)


PROXY_TABLE: tuple[Proxy, ...] = (
    _proxy(measures.epe_nas, ("data", "labels", "gradients"), ("forward", "jacobian")),
    _proxy(
        measures.fisher,
        ("data", "labels", "gradients", "outputs"),
        ("forward", "loss_gradient"),
    ),
    _proxy(measures.flops, (), ()),
    _proxy(measures.grad_norm, ("data", "labels", "gradients"), ("forward", "loss_gradient")),
    _proxy(
        measures.grasp,
        ("data", "labels", "gradients"),
        ("forward", "loss_gradient", "hessian"),
    ),
    _proxy(measures.jacov, ("data", "gradients"), ("forward", "jacobian")),
    _proxy(measures.l2_norm, (), ()),
    _proxy(measures.nwot, ("data",), ("forward",)),
    _proxy(measures.params, (), ()),
    _proxy(measures.plain, ("data", "labels", "gradients"), ("forward", "loss_gradient")),
    _proxy(measures.snip, ("data", "labels", "gradients"), ("forward", "loss_gradient")),
    _proxy(measures.synflow, ("gradients", "double"), ("synflow",)),
    _proxy(measures.zen, (), ("zen",)),
)
