"""What travels between nodes: plain values only, so that checkpoints stay small.

Archives, measurements and traces live outside the state, in the run's ledger and trace; a
checkpoint holds the request, counters and the plan of one generation.
"""

import operator
from typing import Annotated, Any, NotRequired

from typing_extensions import TypedDict

from llm_nas.claims import Heuristic
from llm_nas.domain import Measurement, Proposal, TraceEvent, Verdict
from llm_nas.ports import Analysis, NicheView


class NichePlan(TypedDict):
    """What one niche is asked for in one generation."""

    niche: str
    slots: int
    suggestions: list[str]
    remedies: list[dict[str, Any]]
    """Counter-measures, as the fields of `Remedy`."""


class SearchInput(TypedDict):
    """What starts a graph: the fields of `SearchRequest` as plain JSON.

    `run_dir` is the directory Python callers have made; without it the graph makes one.
    """

    request: dict[str, Any]
    run_dir: NotRequired[str]


class SearchOutput(TypedDict):
    """What a finished graph returns: where the run's files are."""

    run_dir: str


class SearchState(TypedDict):
    """State of the outer graph."""

    request: dict[str, Any]
    run_dir: str
    generation: int
    plans: list[NichePlan]


class NicheInput(TypedDict):
    """What a `Send` hands to a niche's subgraph."""

    request: dict[str, Any]
    run_dir: str
    generation: int
    plan: NichePlan


class NicheState(NicheInput):
    """State of one niche and generation; it lives in memory for one superstep only."""

    view: NicheView
    heuristics: tuple[Heuristic, ...]
    withheld: tuple[Heuristic, ...]
    analysis: Analysis
    proposals: tuple[Proposal, ...]
    verdicts: tuple[Verdict, ...]
    measured: tuple[Measurement, ...]
    gains: tuple[float, ...]
    events: Annotated[list[TraceEvent], operator.add]
    """What happened, in order; where two nodes run at once, by their names."""


class NicheOutput(TypedDict):
    """A niche hands nothing back: its outcome is in the ledger."""
