"""Where the outer graph goes next."""

from typing import Literal

from langgraph.types import Send

from llm_nas.domain import SearchRequest
from llm_nas.graph.state import NicheInput, SearchState


def to_niches(state: SearchState) -> list[Send] | Literal["join"]:
    """One subgraph per niche that has slots; straight to the join when none has."""
    sends = [
        Send(
            "niche",
            NicheInput(
                request=state["request"],
                run_dir=state["run_dir"],
                generation=state["generation"],
                plan=plan,
            ),
        )
        for plan in state["plans"]
    ]
    return sends or "join"


def after_join(state: SearchState) -> Literal["plan", "report"]:
    """Another generation, or the report."""
    generations = SearchRequest.model_validate(state["request"]).generations
    return "plan" if state["generation"] < generations else "report"
