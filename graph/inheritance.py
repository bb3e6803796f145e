"""What a run takes over from the store it is given: heuristics, and what every source measured.

It is read once, without writing to the store, and kept in the run's directory, so that a resumed
run goes on with the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np

from llm_nas.claims import Heuristic
from llm_nas.domain import Measurement, SearchRequest, SourceVerdict
from llm_nas.errors import StoreError
from llm_nas.graph import rundir
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import SearchSpace, Source
from llm_nas.tools.sources import judge

MOST_HEURISTICS = 200
"""Heuristics a run takes over from the store it is given."""


@dataclass(frozen=True)
class Inheritance:
    """What was known when the run began; empty for a cold run."""

    heuristics: tuple[Heuristic, ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict[str, Source])
    """By `dataset/device`."""


def inherit(run_dir: Path, request: SearchRequest) -> Inheritance:
    """Read the request's store, or what the run kept of it.

    Raises:
        StoreError: For a store that cannot be read, or damaged files in the run's directory.
    """
    if request.store is None:
        return Inheritance()
    kept, measured = run_dir / rundir.INHERITED, run_dir / rundir.SOURCES
    if not kept.exists():
        device = request.device.partition("=")[0]
        with HeuristicStore.open(request.store, readonly=True) as store:
            found = store.retrieve(dataset=request.dataset, device=device, k=MOST_HEURISTICS)
            _write_sources(measured, store.accuracy_sources(request.dataset))
        rundir.write_json(kept, [h.model_dump(mode="json") for h in found])
    heuristics = tuple(Heuristic.model_validate(h) for h in rundir.read_json(kept))
    return Inheritance(heuristics, _read_sources(measured))


def _write_sources(path: Path, sources: Mapping[str, Source]) -> None:
    """Scores one below the other; cells and their accuracies one after the other."""
    found = list(sources.values())
    data = BytesIO()
    np.savez(
        data,
        sources=np.array(list(sources), dtype=np.str_),
        scores=np.array([source.score for source in found]),
        lengths=np.array([len(source.cells) for source in found], dtype=np.int64),
        cells=np.concatenate([np.zeros(0, np.int64), *(source.cells for source in found)]),
        accuracy_pct=np.concatenate([np.zeros(0), *(source.accuracy_pct for source in found)]),
    )
    rundir.write_bytes(path, data.getvalue())


def _read_sources(path: Path) -> dict[str, Source]:
    try:
        with np.load(path, allow_pickle=False) as file:
            names: list[str] = file["sources"].tolist()
            scores = np.asarray(file["scores"], dtype=np.float64)
            ends = np.cumsum(file["lengths"])[:-1]
            cells = np.split(np.asarray(file["cells"], dtype=np.int64), ends)
            accuracy_pct = np.split(np.asarray(file["accuracy_pct"], dtype=np.float64), ends)
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{path}: the run's sources cannot be read ({error})") from error
    measured = zip(scores, cells, accuracy_pct, strict=True) if names else ()
    return {name: Source(*parts) for name, parts in zip(names, measured, strict=True)}


def verdicts(
    sources: Mapping[str, Source], space: SearchSpace, measured: Sequence[Measurement]
) -> tuple[SourceVerdict, ...]:
    """What measured cells say of every source."""
    if not sources:
        return ()
    cells = np.array([space.index(space.parse(m.arch)) for m in measured], dtype=np.int64)
    return judge(sources, cells, np.array([m.predicted_accuracy_pct for m in measured]))
