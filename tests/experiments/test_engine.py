"""Tasks run once each, wherever they run."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from llm_nas.errors import RequestError
from llm_nas.experiments.engine import run_tasks


def test_one_job_keeps_the_order() -> None:
    assert list(run_tasks(abs, [-3, 2, -1], jobs=1)) == [3, 2, 1]


def test_a_pool_does_every_task_once() -> None:
    assert sorted(run_tasks(abs, [-3, 2, -1, 5, -9], jobs=2)) == [1, 2, 3, 5, 9]


def test_an_error_in_a_task_arrives() -> None:
    results = run_tasks(int, ["1", "x", "3"], jobs=2)
    with pytest.raises(ValueError, match="invalid literal"):
        list(results)


def test_no_jobs_are_refused() -> None:
    with pytest.raises(RequestError, match="--jobs 0"):
        run_tasks(abs, [1], jobs=0)


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_a_missing_ray_is_named() -> None:
    with pytest.raises(RequestError, match=r'pip install "llm-nas\[ray\]"'):
        run_tasks(abs, [1], jobs=1, engine="ray")


_PARENT = """
import os, time
from llm_nas.experiments.engine import run_tasks
if __name__ == "__main__":
    results = run_tasks(time.sleep, [0.0, 0.0, 600.0, 600.0], jobs=2)
    next(results), next(results)
    print("working", flush=True)
    next(results)
"""


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"working\n"
        parent.kill()
        # Workers hold the other end of this pipe: it closes when the last of them is gone.
        assert parent.stdout.read() == b""
