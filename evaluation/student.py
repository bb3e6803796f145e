"""Student's t distribution, typed, with SciPy loaded on first use."""

from functools import cache
from importlib import import_module
from types import ModuleType


@cache
def _special() -> ModuleType:
    return import_module("scipy.special")


def quantile(share: float, freedom: float) -> float:
    """The t below which `share` of the distribution with `freedom` degrees of freedom lies."""
    return float(_special().stdtrit(freedom, share))


def lower_tail(t: float, freedom: float) -> float:
    """Share of the distribution with `freedom` degrees of freedom that lies below `t`."""
    return float(_special().stdtr(freedom, t))
