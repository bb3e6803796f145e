"""Run many independent tasks: in this process, in a pool of processes, or on Ray."""

import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for
from typing import Any, Literal, TypeAlias, TypeVar

from llm_nas.errors import RequestError

Task = TypeVar("Task")
Result = TypeVar("Result")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Engine: TypeAlias = Literal["processes", "ray"]


def run_tasks(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int, engine: Engine = "processes"
) -> Iterator[Result]:
    """Results as they finish, in any order; with one job, in order and in this process.

    `work` must be a module-level function and tasks must be picklable. An error in a task
    ends the iteration; tasks under way are finished, waiting ones are dropped.

    Raises:
        RequestError: For fewer than one job, or Ray where it is not installed.
    """
    if jobs < 1:
        raise RequestError(f"--jobs {jobs}: expected at least 1")
    if engine == "ray" and find_spec("ray") is None:
        raise RequestError('--engine ray: Ray is not installed; run pip install "llm-nas[ray]"')
    if engine == "ray":
        return _on_ray(work, tasks, jobs)
    if jobs == 1:
        return map(work, tasks)
    return _in_processes(work, tasks, jobs)


def _in_processes(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int
) -> Iterator[Result]:
    # Forked children would inherit XGBoost's thread pool in a broken state.
    context = get_context("spawn")
    with (
        _one_thread_each(),
        ProcessPoolExecutor(jobs, mp_context=context, initializer=_end_with_parent) as pool,
    ):
        waiting = list(reversed(tasks))
        running: set[Future[Result]] = set()
        try:
            while waiting or running:
                # A short queue keeps neighbouring tasks, which share a predictor, together.
                while waiting and len(running) < 2 * jobs:
                    running.add(pool.submit(work, waiting.pop()))
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """Let this worker end when its parent does, even if that was killed.

    Workers hold each other's pipes open, so none of them would notice otherwise.
    """
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


@contextmanager
def _one_thread_each() -> Generator[None]:
    """Children of these seconds compute on one thread, unless the user says otherwise.

    Jobs times threads would be more than there are cores, and small matrices gain nothing.
    """
    added = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _on_ray(work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    ray: Any = import_module("ray")
    if os.environ.get("RAY_ADDRESS"):  # a cluster decides itself how many of its cores there are
        ray.init(ignore_reinit_error=True)
    else:
        ray.init(num_cpus=jobs, ignore_reinit_error=True, include_dashboard=False)
    remote = ray.remote(work)
    pending = [remote.remote(task) for task in tasks]
    try:
        while pending:
            done, pending = ray.wait(pending)
            yield from ray.get(done)
    finally:
        ray.shutdown()
