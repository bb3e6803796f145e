"""What `llm-nas data status` tells: tables in use, what they lack, how good the models are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import TypedDict

from llm_nas.errors import DataError
from llm_nas.tools.data.locate import named_directory, user_cache
from llm_nas.tools.data.nb201 import Nb201Tables, cells, nb201_tables
from llm_nas.tools.data.nb201.own import own_proxies
from llm_nas.tools.data.nb201.pack import PACK_PATH
from llm_nas.tools.data.nb201.tables import missing_files
from llm_nas.tools.data.public.anb import measured_rows
from llm_nas.tools.data.public.upstream import NOT_IN_PUBLIC_FILES
from llm_nas.tools.data.truth.model import TASK_OF, truth_model, truth_path
from llm_nas.tools.proxies.names import PROXIES


class Place(TypedDict):
    """One place where tables may come from."""

    name: str
    path: str | None
    lacks: list[str]


class Status(TypedDict):
    """The tables in use and everything known about them."""

    source: str
    digest: str
    labels: dict[str, str]
    """Where the labels of every NAS-Bench-201 task come from."""
    places: list[Place]
    missing: list[str]
    own: list[str]
    """Proxies this project measured itself and keeps, with their recipe in words."""
    truth_models: dict[str, Any]
    """By space: hash, and how its task's metric agrees with rows it never saw."""
    rows: str
    """Where the measured networks of `anb` come from, or that they are not there."""


def data_status(data_dir: Path | None = None) -> Status:
    """Open the tables as a search would and say what they are.

    Raises:
        DataError: A table, pack or truth model cannot be read.
    """
    tables = nb201_tables(data_dir)
    return Status(
        source=tables.source,
        digest=tables.digest,
        labels={task: tables.label_source(task) for task in cells.DATASETS},
        places=_places(data_dir),
        missing=_missing(tables),
        own=[str(own) for task in cells.DATASETS if (own := own_proxies(task)) is not None],
        truth_models={space: _truth(space) for space in TASK_OF},
        rows=_rows(data_dir),
    )


def _places(data_dir: Path | None) -> list[Place]:
    named = named_directory(data_dir)
    first = Place(name="--data-dir or LLM_NAS_DATA", path=None, lacks=[])
    if named is not None:
        first = Place(name=named[1], path=str(named[0]), lacks=missing_files(named[0]))
    cache = user_cache()
    pack = [] if PACK_PATH.is_file() else [PACK_PATH.name]
    return [
        first,
        Place(name="user cache", path=str(cache), lacks=missing_files(cache)),
        Place(name="embedded pack", path=str(PACK_PATH), lacks=pack),
    ]


def _rows(data_dir: Path | None) -> str:
    try:
        rows = measured_rows(data_dir)
    except DataError as error:
        return str(error)
    return f"{len(rows.archs)} networks, {rows.source}"


def _truth(space: str) -> dict[str, Any]:
    """The card's figures of the task; says when the card belongs to another model."""
    path = truth_path(space).with_suffix(".json")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        found = {"sha256": card["sha256"], "held_out": card["held_out"][TASK_OF[space]]}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: not a card of a truth model ({error})") from error
    if card["sha256"] != truth_model(space).digest:
        raise DataError(f"{path}: card of another model; run llm-nas data build-truth")
    return found


def _missing(tables: Nb201Tables) -> list[str]:
    """Proxies without any value, unavailable latencies, and what public files never hold."""
    lines: list[str] = []
    for task in cells.DATASETS:
        known = np.isfinite(tables.proxies(task, tables.archs)).sum(axis=0).tolist()
        absent = [proxy for proxy, count in zip(PROXIES, known, strict=True) if count == 0]
        if absent:
            lines.append(f"{task}: no values of {', '.join(absent)}")
    for device in cells.DEVICES:
        latency_ms = tables.latencies_ms(cells.DATASETS[0], device, tables.archs)
        if count := int(np.isnan(latency_ms).sum()):
            lines.append(f"{device}: no latency for {count} cells, which a search skips")
    if not tables.modelled and "surrogate" in tables.label_source(cells.DATASETS[0]):
        lines.extend(NOT_IN_PUBLIC_FILES)
    return lines
