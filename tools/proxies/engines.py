"""Ways to compute many cells: in this process, over processes, or over machines with Ray.

An engine yields results as they finish, in any order; the values do not depend on the engine,
because every cell's randomness comes from (seed, cell).
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from types import ModuleType
from typing import Any, Protocol

from llm_nas.errors import RequestError
from llm_nas.tools.proxies.batch import ImageBatch
from llm_nas.tools.proxies.settings import ProxySettings

_WAITING_PER_WORKER = 4
"""Cells handed out in advance: enough to keep workers busy, few enough to stop quickly."""


@dataclass(frozen=True, slots=True)
class Work:
    """Everything a worker needs to compute any cell."""

    dataset: str
    batch: ImageBatch
    seed: int
    settings: ProxySettings
    threads: int
    """Torch threads per worker."""


@dataclass(frozen=True, slots=True)
class Row:
    """The proxies of one cell."""

    index: int
    values: dict[str, float]
    missing: dict[str, str]


class Engine(Protocol):
    """Computes cells by index."""

    def run(self, work: Work, indices: Sequence[int]) -> Iterator[Row]:
        """One row per index, in the order they finish."""
        ...


def compute_row(work: Work, index: int) -> Row:
    """The proxies of the cell with this benchmark index."""
    from llm_nas.tools.proxies.compute import compute_proxies
    from llm_nas.tools.space import nas_bench_201

    vector = compute_proxies(
        nas_bench_201().cell(index),
        dataset=work.dataset,
        batch=work.batch,
        seed=work.seed,
        settings=work.settings,
    )
    return Row(index, vector.values, vector.missing)


class SerialEngine:
    """Computes in this process."""

    def run(self, work: Work, indices: Sequence[int]) -> Iterator[Row]:
        """Rows in the order of the indices."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(work.threads)
        try:
            for index in indices:
                yield compute_row(work, index)
        finally:
            torch.set_num_threads(before)


_worker_work: list[Work] = []
"""What this worker process computes; filled once, so that images are not sent with every cell."""


def _start_worker(work: Work) -> None:
    import torch

    torch.set_num_threads(work.threads)
    _worker_work[:] = [work]


def _work_on(index: int) -> Row:
    return compute_row(_worker_work[0], index)


@dataclass(frozen=True, slots=True)
class ProcessEngine:
    """Computes in fresh processes of this machine."""

    processes: int

    def run(self, work: Work, indices: Sequence[int]) -> Iterator[Row]:
        """Rows as they finish; leaving early cancels what has not started."""
        pool = ProcessPoolExecutor(
            self.processes, get_context("spawn"), initializer=_start_worker, initargs=(work,)
        )
        left = iter(indices)

        def submit(index: int) -> Future[Row]:
            return pool.submit(_work_on, index)

        try:
            open_futures = {submit(i) for i in islice(left, self.processes * _WAITING_PER_WORKER)}
            while open_futures:
                done, open_futures = wait(open_futures, return_when=FIRST_COMPLETED)
                open_futures |= {submit(i) for i in islice(left, len(done))}
                yield from (future.result() for future in done)
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class RayEngine:
    """Computes on a Ray cluster, or on this machine when Ray finds none (extra `ray`)."""

    workers: int

    def run(self, work: Work, indices: Sequence[int]) -> Iterator[Row]:
        """Rows as they finish.

        Raises:
            RequestError: Ray is not installed.
        """
        ray: Any = _ray()
        ray.init(ignore_reinit_error=True, log_to_driver=False)
        shared = ray.put(work)
        remote: Callable[..., Any] = ray.remote(num_cpus=work.threads)(_ray_row).remote
        left = iter(indices)
        waiting = [remote(shared, i) for i in islice(left, self.workers * _WAITING_PER_WORKER)]
        while waiting:
            done, waiting = ray.wait(waiting)
            waiting += [remote(shared, i) for i in islice(left, len(done))]
            yield from ray.get(done)


def _ray_row(work: Work, index: int) -> Row:
    import torch

    torch.set_num_threads(work.threads)
    return compute_row(work, index)


def _ray() -> ModuleType:
    import importlib

    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise RequestError("engine 'ray' needs Ray: pip install 'llm-nas[ray]'") from error


def engine(name: str, processes: int) -> Engine:
    """The engine called `process` (in this process for one) or `ray`."""
    if name == "ray":
        return RayEngine(processes)
    if name == "process":
        return SerialEngine() if processes == 1 else ProcessEngine(processes)
    raise RequestError(f"engine {name!r}: expected process or ray")
