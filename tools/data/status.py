"""What `llm-nas data status` tells: the source in use, where it was looked for, what it lacks."""

from pathlib import Path

from typing_extensions import TypedDict

from llm_nas.domain import DATASETS, PROXIES
from llm_nas.ports import Benchmark
from llm_nas.tools.data.locate import named_directory, open_benchmark, user_cache
from llm_nas.tools.data.own import own_proxies
from llm_nas.tools.data.pack import PACK_PATH
from llm_nas.tools.data.tables import missing_files
from llm_nas.tools.data.upstream import NOT_IN_PUBLIC_FILES


class Place(TypedDict):
    """One place where numbers may come from."""

    name: str
    path: str | None
    lacks: list[str]


class Status(TypedDict):
    """The source in use and everything known about it."""

    source: str
    digest: str
    places: list[Place]
    missing: list[str]
    own: list[str]
    """Proxies this project measured itself and keeps, with their recipe in words."""


def data_status(data_dir: Path | None = None) -> Status:
    """Open the benchmark as a search would and say what it is.

    Raises:
        DataError: as `open_benchmark`.
    """
    benchmark = open_benchmark(data_dir)
    return Status(
        source=benchmark.source,
        digest=benchmark.digest,
        places=_places(data_dir),
        missing=_missing(benchmark),
        own=_own(),
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


def _own() -> list[str]:
    return [str(own) for dataset in DATASETS if (own := own_proxies(dataset)) is not None]


def _missing(benchmark: Benchmark) -> list[str]:
    """Proxies without any value, unavailable latencies, and what public files never hold."""
    lines: list[str] = []
    for dataset in DATASETS:
        known = benchmark.proxies(dataset)
        absent = [
            p for p, column in zip(PROXIES, known.T, strict=True) if not (column == column).any()
        ]
        if absent:
            lines.append(f"{dataset}: no values of {', '.join(absent)}")
    for device in benchmark.devices():
        latency = benchmark.latency_ms(DATASETS[0], device)
        cells = int((latency != latency).sum())
        if cells:
            lines.append(f"{device}: no latency for {cells} cells, which a search skips")
    if "validation labels" in benchmark.source:
        lines.extend(NOT_IN_PUBLIC_FILES)
    return lines
