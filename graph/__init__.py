"""Order of steps and persistence of a run: the LangGraph state machine."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_nas.graph.build import build_graph, graph

__all__ = ["build_graph", "graph"]


def __getattr__(name: str) -> Any:
    """Import the graph when it is first used (PEP 562): LangGraph is slow to load."""
    if name not in __all__:
        raise AttributeError(f"module 'llm_nas.graph' has no attribute {name!r}")
    from llm_nas.graph import build

    return getattr(build, name)
