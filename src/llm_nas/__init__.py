"""Hardware-aware neural architecture search whose agents learn from measured evidence.

Importing this package opens no file and no socket; heavy parts load when used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_nas.domain import SearchReport, SearchRequest
    from llm_nas.graph.search import search
    from llm_nas.knowledge.store import HeuristicStore

__version__ = "0.1.0"
__all__ = ["HeuristicStore", "SearchReport", "SearchRequest", "__version__", "search"]

_HOMES = {
    "SearchRequest": "llm_nas.domain",
    "SearchReport": "llm_nas.domain",
    "search": "llm_nas.graph.search",
    "HeuristicStore": "llm_nas.knowledge.store",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'llm_nas' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
