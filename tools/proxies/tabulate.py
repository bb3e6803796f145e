"""Whole proxy tables: resumable, in a seeded random order, written atomically.

While a table grows, a journal beside it (`FILE.journal`) takes one JSON line per cell; a line
cut short by a crash is ignored and its cell computed again. The order is random, so that an
unfinished table is a random sample of the space and the time left can be told from the start.
"""

import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llm_nas.domain import PROXIES, FloatArray, Frozen, IntArray
from llm_nas.errors import DataError, RequestError
from llm_nas.ports import SearchSpace
from llm_nas.tools.proxies.engines import Engine, Row, Work
from llm_nas.tools.proxies.settings import ProxySettings

TABLE_FORMAT = 1


class Recipe(Frozen):
    """How a table is made. A journal only continues under its own recipe."""

    format: int = TABLE_FORMAT
    space: str
    dataset: str
    settings: ProxySettings
    seed: int
    batch: str
    """File the images came from, or `synthetic`."""
    torch: str
    """Version of torch."""


class TableSummary(Frozen):
    """What a finished or interrupted table holds."""

    out: Path
    cells: int
    wanted: int
    missing: dict[str, int]
    """Cells without a value, by proxy."""
    recipe: Recipe


def canonical_order(space: SearchSpace, seed: int) -> IntArray:
    """Indices of all canonical cells in a random order drawn by seed."""
    canonical = np.flatnonzero(space.canonical_index() == np.arange(space.size))
    return np.random.default_rng(seed).permutation(canonical).astype(np.int64)


def fill_table(
    out: Path,
    recipe: Recipe,
    work: Work,
    indices: Sequence[int],
    engine: Engine,
    *,
    space: SearchSpace,
    on_row: Callable[[int, int], None] = lambda done, wanted: None,
) -> TableSummary:
    """Compute the cells a journal does not hold yet, then write the table.

    An interrupt leaves journal and table consistent; the same call continues.

    Args:
        out: The `.npz` to write.
        recipe: Stored in the table; must equal the journal's.
        work: What workers need.
        indices: The cells wanted, in the order to compute them.
        engine: Computes cells.
        space: Sets the number of rows.
        on_row: Called with (cells done, cells wanted) at the start and after every cell.

    Raises:
        RequestError: The journal was made with another recipe.
        DataError: The journal or the table cannot be read or written.
    """
    journal = out.with_name(out.name + ".journal")
    rows = {row.index: row for row in _open_journal(journal, recipe)}
    left = [index for index in indices if index not in rows]
    wanted = len(rows) + len(left)
    on_row(len(rows), wanted)
    try:
        with journal.open("a", encoding="utf-8") as log:
            for row in engine.run(work, left):
                log.write(_line(row))
                log.flush()
                rows[row.index] = row
                on_row(len(rows), wanted)
    except OSError as error:
        raise DataError(f"{journal}: cannot be written ({error})") from error
    finally:
        _write(out, recipe, list(rows.values()), space.size)
    return _summary(out, recipe, list(rows.values()), wanted)


def read_table(path: Path) -> tuple[FloatArray, Recipe]:
    """Values `(size, 13)`, NaN where missing, and how they were made.

    Raises:
        DataError: The file is not a proxy table.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            values = file["values"].astype(np.float64)
            return values, Recipe.model_validate_json(str(file["recipe"]))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a proxy table ({error})") from error


def _line(row: Row) -> str:
    return json.dumps({"index": row.index, "values": row.values, "missing": row.missing}) + "\n"


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
        return Row(int(found["index"]), dict(found["values"]), dict(found["missing"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}, line {number}: not a row of proxies ({error})") from error


def _write(out: Path, recipe: Recipe, rows: Sequence[Row], size: int) -> None:
    """Write the table to a temporary file, then put it in place."""
    values = np.full((size, len(PROXIES)), np.nan)
    for row in rows:
        values[row.index] = [row.values.get(name, np.nan) for name in PROXIES]
    reasons = {str(row.index): row.missing for row in rows if row.missing}
    partial = out.with_name(f".{out.name}.{os.getpid()}.npz")
    try:
        np.savez_compressed(
            partial,
            values=values,
            proxies=np.array(PROXIES),
            computed=np.array(sorted(row.index for row in rows), dtype=np.int64),
            missing=np.array(json.dumps(reasons)),
            recipe=np.array(recipe.model_dump_json()),
        )
        partial.replace(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error})") from error
    finally:
        partial.unlink(missing_ok=True)


def _summary(out: Path, recipe: Recipe, rows: Sequence[Row], wanted: int) -> TableSummary:
    counts = {name: sum(name not in row.values for row in rows) for name in PROXIES}
    missing = {name: count for name, count in counts.items() if count}
    return TableSummary(out=out, cells=len(rows), wanted=wanted, missing=missing, recipe=recipe)
