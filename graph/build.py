"""The state machine, put together.

    open -> plan -> [niche, niche, ...] -> learn -> plan ... -> report

Each `niche` is one compiled subgraph: recall -> analyst and designer -> validator -> time ->
train -> archive -> record. Analyst and Designer both read what was known before the generation,
so they work at the same time; niches of a generation run at the same time too and meet at
`learn`.
"""

from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.store.base import BaseStore
from langgraph.types import Send

from llm_nas.graph import niche, nodes
from llm_nas.graph.state import (
    NicheInput,
    NicheOutput,
    NicheState,
    SearchContext,
    SearchInput,
    SearchOutput,
    SearchState,
)
from llm_nas.graph.steps.approve import approve
from llm_nas.graph.streams import telling

NicheGraph = CompiledStateGraph[NicheState, None, NicheInput, NicheOutput]
SearchGraph = CompiledStateGraph[Any, Any, Any, Any]
"""Its input may be plain fields: they are checked inside."""

_STEPS = 500_000
"""Four a generation, and no run may have more than 100,000 trainings."""
_THREADS = 12
"""Niches of a generation at the same time; they mostly wait for models and devices."""


def build_niche_graph() -> NicheGraph:
    """The subgraph of one niche and generation; it keeps no checkpoints of its own.

    What it pays for is in the ledger, so a killed niche starts again without cost.
    """
    builder = StateGraph(NicheState, input_schema=NicheInput, output_schema=NicheOutput)
    for step in (
        niche.recall,
        niche.analyst,
        niche.designer,
        niche.validator,
        niche.time,
        niche.train,
        niche.archive,
        niche.record,
    ):
        builder.add_node(step.__name__, telling(step.__name__, step))
    builder.add_conditional_edges(START, niche.unless_recorded, ["recall", END])
    for agent in ("analyst", "designer"):
        builder.add_edge("recall", agent)
    builder.add_edge(["analyst", "designer"], "validator")
    builder.add_edge("validator", "time")
    builder.add_edge("time", "train")
    builder.add_edge("train", "archive")
    builder.add_edge("archive", "record")
    builder.add_edge("record", END)
    return builder.compile(checkpointer=False)


def build_graph(
    checkpointer: BaseCheckpointSaver[Any] | None = None, store: BaseStore | None = None
) -> SearchGraph:
    """The search as a LangGraph graph.

    Invoke it with the fields of a request, flat: `graph.invoke({"space": "anb", "trainings": 24},
    run_config())`. It makes its own run folder; ports are opened inside, so that it needs no
    context, though it takes one (`SearchContext`).
    """
    builder = StateGraph(
        SearchState,
        context_schema=SearchContext,
        input_schema=SearchInput,
        output_schema=SearchOutput,
    )
    builder.add_node("open", nodes.open_search)
    builder.add_node("plan", nodes.plan)
    builder.add_node("niche", build_niche_graph())
    builder.add_node("learn", nodes.learn)
    builder.add_node("report", nodes.report)
    builder.add_edge(START, "open")
    builder.add_edge("open", "plan")
    builder.add_node("approve", approve)
    builder.add_conditional_edges("plan", after_plan, ["niche", "report", "approve"])
    builder.add_conditional_edges("approve", after_plan, ["niche", "report", "approve"])
    builder.add_edge("niche", "learn")
    builder.add_edge("learn", "plan")
    builder.add_edge("report", END)
    graph = builder.compile(checkpointer=checkpointer, store=store, name="llm-nas")
    return graph.with_config(run_config())


def after_plan(state: SearchState) -> list[Send] | Literal["report", "approve"]:
    """One subgraph per niche that has slots; the report when the search is over.

    Before either a person's word, where one is needed.
    """
    if state["finished"]:
        return "report"
    if state.get("concern"):
        return "approve"
    return [
        Send(
            "niche",
            NicheInput(run_dir=state["run_dir"], generation=state["generation"], plan=plan),
        )
        for plan in state["plans"]
    ]


def run_config() -> RunnableConfig:
    """Steps for as many generations as a run may have, and threads for all niches of one."""
    return RunnableConfig(recursion_limit=_STEPS, max_concurrency=_THREADS)


graph = build_graph()
"""For LangGraph Studio and `langgraph dev`, which bring their own checkpointer."""
