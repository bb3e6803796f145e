"""What a run takes over from the store it is given: heuristics, and a prior from every source.

It is read once, without writing to the store, and kept in the run's directory, so that a resumed
run goes on with the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np

from llm_nas.claims import Heuristic
from llm_nas.domain import FloatArray, Measurement, SearchRequest, SourceVerdict
from llm_nas.errors import StoreError
from llm_nas.graph import rundir
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import SearchSpace
from llm_nas.tools.sources import judge

MOST_HEURISTICS = 200
"""Heuristics a run takes over from the store it is given."""


@dataclass(frozen=True)
class Inheritance:
    """What was known when the run began; empty for a cold run."""

    heuristics: tuple[Heuristic, ...] = ()
    priors: Mapping[str, FloatArray] = field(default_factory=dict[str, FloatArray])
    """Score of accuracy `(size,)` by source, `dataset/device`."""


def inherit(run_dir: Path, request: SearchRequest) -> Inheritance:
    """Read the request's store, or what the run kept of it.

    Raises:
        StoreError: For a store that cannot be read, or damaged files in the run's directory.
    """
    if request.store is None:
        return Inheritance()
    kept, scores = run_dir / rundir.INHERITED, run_dir / rundir.PRIORS
    if not kept.exists():
        device = request.device.partition("=")[0]
        with HeuristicStore.open(request.store, readonly=True) as store:
            found = store.retrieve(dataset=request.dataset, device=device, k=MOST_HEURISTICS)
            _write_priors(scores, store.accuracy_priors(request.dataset))
        rundir.write_json(kept, [h.model_dump(mode="json") for h in found])
    heuristics = tuple(Heuristic.model_validate(h) for h in rundir.read_json(kept))
    return Inheritance(heuristics, _read_priors(scores))


def _write_priors(path: Path, priors: Mapping[str, FloatArray]) -> None:
    data = BytesIO()
    np.savez(
        data, sources=np.array(list(priors), dtype=np.str_), scores=np.array([*priors.values()])
    )
    rundir.write_bytes(path, data.getvalue())


def _read_priors(path: Path) -> dict[str, FloatArray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            names, scores = file["sources"].tolist(), np.asarray(file["scores"], dtype=np.float64)
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{path}: the run's priors cannot be read ({error})") from error
    return dict(zip(names, scores, strict=True))


def verdicts(
    priors: Mapping[str, FloatArray], space: SearchSpace, measured: Sequence[Measurement]
) -> tuple[SourceVerdict, ...]:
    """What measured cells say of every source."""
    if not priors:
        return ()
    cells = np.array([space.index(space.parse(m.arch)) for m in measured], dtype=np.int64)
    return judge(priors, cells, np.array([m.predicted_accuracy_pct for m in measured]))
