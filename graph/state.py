"""What travels between nodes: plain values only, so that checkpoints stay small.

Archives, trainings and traces live outside the state, in the run's ledger and trace; a checkpoint
holds where the run is, counters, and the plan of one generation.
"""

import operator
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from llm_nas.claims import Heuristic
from llm_nas.domain import (
    Candidate,
    Failure,
    Measurement,
    SearchRequest,
    Timing,
    TraceEvent,
    Verdict,
)
from llm_nas.ports import Analysis, NicheView


class SearchInput(SearchRequest):
    """What starts a graph: the fields of a request, flat, every one with its default."""

    run_dir: str | None = Field(
        None, description="Folder of a run that exists already; empty: a new run."
    )


class NichePlan(TypedDict):
    """What one niche is asked for in one generation."""

    niche: str
    slots: int
    suggestions: list[dict[str, Any]]
    """What the Advisor chose, as the fields of `Candidate`."""


class SearchState(TypedDict):
    """State of the outer graph."""

    run_dir: str
    generation: int
    plans: list[NichePlan]
    why: list[dict[str, Any]]
    """Why slots went where they went: one entry a candidate, for the trace and for streams."""
    told: list[dict[str, Any]]
    """Events of planning, until the generation is recorded."""
    finished: str
    """Why no further generation is planned; empty while the search goes on."""
    progress: dict[str, Any]
    """What the last generation did, for streams."""


class SearchOutput(TypedDict):
    """What a finished graph returns."""

    run_dir: str
    front: list[dict[str, Any]]
    hv: float | None
    hv_at: dict[str, float]
    trainings: float
    failures: list[dict[str, Any]]


class NicheInput(TypedDict):
    """What a `Send` hands to a niche's subgraph."""

    run_dir: str
    generation: int
    plan: NichePlan


class NicheState(NicheInput):
    """State of one niche and generation; it lives in memory for one superstep only."""

    view: NicheView
    heuristics: tuple[Heuristic, ...]
    withheld: tuple[Heuristic, ...]
    analysis: Analysis
    candidates: tuple[Candidate, ...]
    verdicts: tuple[Verdict, ...]
    timings: tuple[Timing, ...]
    failures: tuple[Failure, ...]
    measured: tuple[Measurement, ...]
    gains: tuple[float, ...]
    summary: dict[str, Any]
    """What the niche did, for streams."""
    events: Annotated[list[TraceEvent], operator.add]
    """What happened, in order; where two nodes run at once, by their names."""


class NicheOutput(TypedDict):
    """A niche hands nothing back: its outcome is in the ledger."""
