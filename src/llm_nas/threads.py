"""How many threads the numerical libraries of this process may start.

The matrices of a search are small: a second thread of the linear algebra library gains little
alone, and on a busy machine threads that wait for each other cost several times the processor
time of one. So there is one, unless the environment asks for more. Training networks is another
matter and sets torch's threads itself.

This module imports nothing heavy: the libraries read the variables once, when they load.
"""

import os
import sys
from importlib import import_module

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""OpenMP's (xgboost, scikit-learn, torch) and those of the builds of linear algebra."""


def limit_threads(threads: int = 1) -> None:
    """Let libraries compute on `threads` threads, here and in processes this one starts.

    What the environment says already stays. Libraries that are loaded are limited too, without
    their own choice being known: call this first where it matters.
    """
    asked = {name for name in VARIABLES if os.environ.get(name)}
    if asked:
        return
    for name in VARIABLES:
        os.environ[name] = str(threads)
    if "numpy" in sys.modules:
        import_module("threadpoolctl").threadpool_limits(threads)


def usable_cores() -> int:
    """Processor cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
