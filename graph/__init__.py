"""The LangGraph state machine: `build_graph` for Python, `graph` for LangGraph Studio."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_nas.graph.build import build_graph, graph

__all__ = ["build_graph", "graph"]


def __getattr__(name: str) -> Any:
    """Load LangGraph only when a graph is asked for (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'llm_nas.graph' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("llm_nas.graph.build"), name)
