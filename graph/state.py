"""What travels between nodes: plain values only, so that checkpoints stay small.

Archives, trainings and traces live outside the state, in the run's ledger and trace; a checkpoint
holds where the run is, counters, and the plan of one generation.
"""

import operator
from typing import Annotated, Any, NotRequired, TypeAlias

from langgraph.channels import EphemeralValue
from pydantic import BaseModel, Field, ModelWrapValidatorHandler, ValidationError, model_validator
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
from llm_nas.errors import RequestError, first_problem
from llm_nas.ports import Analysis, NicheView

Did: TypeAlias = dict[str, dict[str, Any]]
"""What happened in the steps of each niche: `{niche: {step: plain data}}`."""


def _together(past: Did, now: Did) -> Did:
    """What niches did last, step by step."""
    return past | {niche: {**past.get(niche, {}), **steps} for niche, steps in now.items()}


class SearchInput(SearchRequest):
    """What starts a graph: the fields of a request, flat, every one with its default."""

    run_dir: str | None = Field(
        default=None, description="Folder of a run that exists already; empty: a new run."
    )

    @model_validator(mode="wrap")
    @classmethod
    def _one_line(
        cls, data: Any, check: ModelWrapValidatorHandler["SearchInput"]
    ) -> "SearchInput":
        """Refuse wrong fields in the one line that the shell would print."""
        try:
            return check(data)
        except ValidationError as error:
            raise RequestError(first_problem(error)) from None


class SearchContext(BaseModel):
    """What a graph may be told beside its input; every field has its default."""

    picture: bool = Field(default=True, description="Whether the report draws the front.")
    keep: bool = Field(
        default=True, description="Whether claims and trainings are added to the shared store."
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
    concern: dict[str, str]
    """What a person is asked before the generation is paid for; empty for nothing."""
    approved: list[str]
    """Concerns that a person need not be asked about again."""
    finished: str
    """Why no further generation is planned; empty while the search goes on."""
    progress: dict[str, Any]
    """What the last generation did, for streams."""
    did: Annotated[Did, EphemeralValue(dict, guard=False)]
    """What the last step did, for streams; forgotten by the next."""


class SearchOutput(TypedDict):
    """What a finished graph returns."""

    run_dir: str
    front: list[dict[str, Any]]
    hv: float | None
    hv_at: dict[str, float]
    trainings: float
    failures: list[dict[str, Any]]
    did: NotRequired[Annotated[Did, EphemeralValue(dict, guard=False)]]
    """While it streams alone: LangGraph's server sends updates of output fields only."""


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
    took: Annotated[dict[str, float], operator.or_]
    """Seconds of every step so far."""
    did: Annotated[Did, _together]


class NicheOutput(TypedDict):
    """A niche hands back what it did, for streams; its outcome is in the ledger."""

    did: Annotated[Did, _together]
