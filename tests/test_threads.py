"""The program limits its own threads: measured in a process of its own."""

import json
import os
import subprocess
import sys

import pytest

from llm_nas.threads import VARIABLES

_COUNT = """
import json, sys, types
shell = types.ModuleType("llm_nas.cli")
shell.run = lambda arguments: 0
sys.modules["llm_nas.cli"] = shell
EARLY
try:
    import llm_nas.__main__
    llm_nas.__main__.main()
except SystemExit:
    pass
import numpy
import scipy.linalg
import xgboost
from threadpoolctl import threadpool_info
print(json.dumps([pool["num_threads"] for pool in threadpool_info()]))
"""


def _threads(early: str = "", **more: str) -> list[int]:
    """Threads of every pool of a process that started the shell."""
    environment = {k: v for k, v in os.environ.items() if k not in VARIABLES} | more
    done = subprocess.run(
        [sys.executable, "-c", _COUNT.replace("EARLY", early)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found: list[int] = json.loads(done.stdout)
    return found


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores to differ")
def test_the_shell_computes_on_one_thread() -> None:
    assert set(_threads()) == {1}


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores to differ")
def test_libraries_loaded_before_are_limited_too() -> None:
    early = "import numpy, llm_nas.threads; llm_nas.threads.limit_threads()"
    assert set(_threads(early)) == {1}


def test_what_the_environment_asks_for_stays() -> None:
    assert max(_threads(OMP_NUM_THREADS="2", OPENBLAS_NUM_THREADS="2")) == 2


def test_importing_the_package_is_quick_and_loads_no_library() -> None:
    line = "import sys, llm_nas; print([m for m in ('torch', 'xgboost', 'sklearn', 'chromadb', "
    line += "'langgraph') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", line], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
