"""Whole proxy tables: resumable, in a seeded random order, written atomically.

While a table grows, a journal beside it (`FILE.journal`) takes one JSON line per architecture; a
line cut short by a crash is ignored and its architecture computed again. The order is random, so
that an unfinished table is a random sample of the space and the time left can be told from the
start.
"""

import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from llm_nas.domain import Arch, FloatArray
from llm_nas.errors import DataError, RequestError
from llm_nas.frozen import Frozen
from llm_nas.ports import Enumerable, SearchSpace
from llm_nas.tools.proxies.batch import ImageBatch
from llm_nas.tools.proxies.names import PROXIES
from llm_nas.tools.proxies.settings import ProxySettings

TABLE_FORMAT = 2
_WAITING_PER_WORKER = 4
"""Networks handed out in advance: enough to keep workers busy, few enough to stop quickly."""


class Recipe(Frozen):
    """How a table is made. A journal only continues under its own recipe."""

    format: int = TABLE_FORMAT
    space: str
    dataset: str
    """The task whose images they are."""
    settings: ProxySettings
    seed: int
    batch: str
    """File the images came from, or `synthetic`."""
    torch: str
    """Version of torch."""


class TableSummary(Frozen):
    """What a finished or interrupted table holds."""

    out: Path
    archs: int
    wanted: int
    missing: dict[str, int]
    """Architectures without a value, by proxy."""
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Row:
    """The proxies of one architecture."""

    arch: Arch
    values: dict[str, float]
    missing: dict[str, str]


@dataclass(frozen=True, slots=True)
class Work:
    """Everything a worker needs to score any architecture of a space that has a name."""

    space: str
    batch: ImageBatch
    seed: int
    settings: ProxySettings
    threads: int = 1
    """Torch threads per worker."""

    def rows(self, archs: Sequence[Arch], processes: int = 1) -> Iterator[Row]:
        """One row per architecture, as they finish; values do not depend on who computes them."""
        if processes > 1:
            return self._by_processes(archs, processes)
        _start_worker(self)
        return map(_score, archs)

    def _by_processes(self, archs: Sequence[Arch], processes: int) -> Iterator[Row]:
        pool = ProcessPoolExecutor(
            processes, get_context("spawn"), initializer=_start_worker, initargs=(self,)
        )
        left = iter(archs)

        def submit(count: int) -> set[Future[Row]]:
            return {pool.submit(_score, arch) for arch in islice(left, count)}

        try:
            waiting = submit(processes * _WAITING_PER_WORKER)
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                waiting |= submit(len(done))
                yield from (future.result() for future in done)
        finally:
            pool.shutdown(cancel_futures=True)


_worker: list[tuple[Work, SearchSpace]] = []
"""What this process computes; filled once, so that images are not sent with every network."""


def _start_worker(work: Work) -> None:
    import torch

    from llm_nas.tools.spaces import open_space

    torch.set_num_threads(work.threads)
    _worker[:] = [(work, open_space(work.space, work.batch.shape))]


def _score(arch: Arch) -> Row:
    from llm_nas.tools.proxies.compute import compute_proxies

    work, space = _worker[0]
    vector = compute_proxies(space, arch, work.batch, seed=work.seed, settings=work.settings)
    return Row(arch, vector.values, vector.missing)


def draw_archs(space: SearchSpace, seed: int, limit: int | None = None) -> list[Arch]:
    """Distinct networks of a space in a random order: all of a listed space, or `limit`.

    Raises:
        RequestError: The space cannot be listed and no limit is given.
    """
    rng = np.random.default_rng(seed)
    if isinstance(space, Enumerable):
        twins = list(dict.fromkeys(space.twin(arch) for arch in space))
        return [twins[i] for i in rng.permutation(len(twins)).tolist()[:limit]]
    if limit is None:
        raise RequestError(f"space {space.name}: cannot be listed; say how many with --limit")
    return list(dict.fromkeys(space.twin(space.sample(rng)) for _ in range(limit)))


def fill_table(
    out: Path,
    recipe: Recipe,
    archs: Sequence[Arch],
    rows: Callable[[Sequence[Arch]], Iterator[Row]],
    on_row: Callable[[int, int], None] = lambda done, wanted: None,
) -> TableSummary:
    """Compute the architectures a journal does not hold yet, then write the table.

    An interrupt leaves journal and table consistent; the same call continues.

    Args:
        out: The `.npz` to write.
        recipe: Stored in the table; must equal the journal's.
        archs: The ones wanted, in the order to compute them.
        rows: Computes them: usually `Work.rows`.
        on_row: Called with (done, wanted) at the start and after every row.

    Raises:
        RequestError: The journal was made with another recipe.
        DataError: The journal or the table cannot be read or written.
    """
    journal = out.with_name(out.name + ".journal")
    held = {row.arch: row for row in _open_journal(journal, recipe)}
    left = [arch for arch in archs if arch not in held]
    wanted = len(held) + len(left)
    on_row(len(held), wanted)
    try:
        with journal.open("a", encoding="utf-8") as log:
            for row in rows(left):
                line = {"arch": row.arch, "values": row.values, "missing": row.missing}
                log.write(json.dumps(line) + "\n")
                log.flush()
                held[row.arch] = row
                on_row(len(held), wanted)
    except OSError as error:
        raise DataError(f"{journal}: cannot be written ({error})") from error
    finally:
        _write(out, recipe, list(held.values()))
    absent = {name: sum(name not in row.values for row in held.values()) for name in PROXIES}
    missing = {name: count for name, count in absent.items() if count}
    return TableSummary(out=out, archs=len(held), wanted=wanted, missing=missing, recipe=recipe)


def read_table(path: Path) -> tuple[tuple[Arch, ...], FloatArray, Recipe]:
    """Architectures, values `(n, 13)`, NaN where missing, and how they were made.

    Raises:
        DataError: The file is not a proxy table.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            archs = tuple(str(arch) for arch in file["archs"])
            values = file["values"].astype(np.float64)
            return archs, values, Recipe.model_validate_json(str(file["recipe"]))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a proxy table ({error})") from error


def _open_journal(path: Path, recipe: Recipe) -> Iterator[Row]:
    """Rows of an existing journal, or start a new one with the recipe as its first line."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(recipe.model_dump_json() + "\n", encoding="utf-8")
            return
        text = path.read_text(encoding="utf-8")
        if not text.endswith("\n"):
            # A crash cut the last line short: drop it, or the next row would be glued to it.
            text = text[: text.rfind("\n") + 1]
            path.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    first, *lines = text.splitlines() or [""]
    if first != recipe.model_dump_json():
        raise RequestError(
            f"{path}: begun with another recipe ({first[:200]}); give another --out"
        )
    for number, line in enumerate(lines, start=2):
        yield _row(path, number, line)


def _row(path: Path, number: int, line: str) -> Row:
    try:
        found: dict[str, Any] = json.loads(line)
        return Row(str(found["arch"]), dict(found["values"]), dict(found["missing"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}, line {number}: not a row of proxies ({error})") from error


def _write(out: Path, recipe: Recipe, rows: Sequence[Row]) -> None:
    """Write the table to a temporary file, then put it in place."""
    values = np.full((len(rows), len(PROXIES)), np.nan)
    for number, row in enumerate(rows):
        values[number] = [row.values.get(name, np.nan) for name in PROXIES]
    reasons = {row.arch: row.missing for row in rows if row.missing}
    partial = out.with_name(f".{out.name}.{os.getpid()}.npz")
    try:
        np.savez_compressed(
            partial,
            archs=np.array([row.arch for row in rows], dtype=np.str_),
            values=values,
            proxies=np.array(PROXIES),
            missing=np.array(json.dumps(reasons)),
            recipe=np.array(recipe.model_dump_json()),
        )
        partial.replace(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error})") from error
    finally:
        partial.unlink(missing_ok=True)
