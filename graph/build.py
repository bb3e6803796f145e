"""The state machine, put together.

    partition -> plan -> [niche, niche, ...] -> join -> plan ... -> report

Each `niche` is one compiled subgraph: retrieve -> analyst and designer -> validator -> tools ->
archive -> record. Analyst and Designer both read what was known before the generation, so they
work at the same time; niches of a generation run at the same time too and meet at the join.
"""

from collections.abc import Hashable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.store.base import BaseStore

from llm_nas.graph import niche, nodes, routing
from llm_nas.graph.context import SearchContext
from llm_nas.graph.state import (
    NicheInput,
    NicheOutput,
    NicheState,
    SearchInput,
    SearchOutput,
    SearchState,
)

NicheGraph = CompiledStateGraph[NicheState, SearchContext, NicheInput, NicheOutput]
SearchGraph = CompiledStateGraph[SearchState, SearchContext, SearchInput, SearchOutput]


def build_niche_graph() -> NicheGraph:
    """The subgraph of one niche and generation; it keeps no checkpoints of its own.

    What it pays for is in the ledger, so a killed niche starts again without cost.
    """
    builder = StateGraph(
        NicheState,
        context_schema=SearchContext,
        input_schema=NicheInput,
        output_schema=NicheOutput,
    )
    builder.add_node("retrieve", niche.retrieve)
    builder.add_node("analyst", niche.analyst)
    builder.add_node("designer", niche.designer)
    builder.add_node("validator", niche.validator)
    builder.add_node("tools", niche.tools)
    builder.add_node("archive", niche.archive)
    builder.add_node("record", niche.record)
    builder.add_conditional_edges(START, niche.unless_recorded, ["retrieve", END])
    for agent in ("analyst", "designer"):
        builder.add_edge("retrieve", agent)
    builder.add_edge(["analyst", "designer"], "validator")
    builder.add_edge("validator", "tools")
    builder.add_edge("tools", "archive")
    builder.add_edge("archive", "record")
    builder.add_edge("record", END)
    return builder.compile(checkpointer=False)


def build_graph(
    checkpointer: BaseCheckpointSaver[Any] | None = None,
    store: BaseStore | None = None,
    *,
    report: bool = True,
) -> SearchGraph:
    """The search as a LangGraph graph; without `report` it ends after the last generation.

    Invoke it with `{"request": {...}}` and, from Python, `context=open_context(...)`.
    Without a context (LangGraph Studio) the run's ports are opened from the request.
    """
    builder = StateGraph(
        SearchState,
        context_schema=SearchContext,
        input_schema=SearchInput,
        output_schema=SearchOutput,
    )
    builder.add_node("partition", nodes.partition)
    builder.add_node("plan", nodes.plan)
    builder.add_node("niche", build_niche_graph())
    builder.add_node("join", nodes.join)
    builder.add_node("report", nodes.report)
    builder.add_edge(START, "partition")
    builder.add_edge("partition", "plan")
    builder.add_conditional_edges("plan", routing.to_niches, ["niche", "join"])
    builder.add_edge("niche", "join")
    after: dict[Hashable, str] = {"plan": "plan", "report": "report" if report else END}
    builder.add_conditional_edges("join", routing.after_join, after)
    builder.add_edge("report", END)
    return builder.compile(checkpointer=checkpointer, store=store, name="llm-nas")


def run_config(context: SearchContext) -> RunnableConfig:
    """Steps for every generation, and threads for all niches of one at the same time.

    LangGraph's own number of threads follows the machine's cores; niches mostly wait for models.
    """
    return RunnableConfig(
        recursion_limit=4 * context.request.generations + 20,
        max_concurrency=len(context.partition.niches) + 2,
    )


graph = build_graph()
"""For LangGraph Studio and `langgraph dev`, which bring their own checkpointer."""
