"""Student's t distribution, typed, with SciPy loaded on first use."""

from importlib import import_module


def quantile(share: float, freedom: float) -> float:
    """The t below which `share` of the distribution with `freedom` degrees of freedom lies."""
    return float(import_module("scipy.special").stdtrit(freedom, share))


def lower_tail(t: float, freedom: float) -> float:
    """Share of the distribution with `freedom` degrees of freedom that lies below `t`."""
    return float(import_module("scipy.special").stdtr(freedom, t))
