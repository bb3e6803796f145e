"""Hardware-aware neural architecture search whose agents learn from measured evidence.

Importing this package opens no file and no socket; heavy parts load when used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_nas.choices import Choice
    from llm_nas.domain import SearchReport, SearchRequest
    from llm_nas.graph.ending.finish import finish
    from llm_nas.graph.search import resume, search
    from llm_nas.knowledge.store import HeuristicStore
    from llm_nas.tools.spaces.space import Space

__version__ = "0.2.0"
__all__ = [
    "Choice",
    "HeuristicStore",
    "SearchReport",
    "SearchRequest",
    "Space",
    "__version__",
    "finish",
    "resume",
    "search",
]

_HOMES = {
    "Choice": "llm_nas.choices",
    "HeuristicStore": "llm_nas.knowledge.store",
    "SearchReport": "llm_nas.domain",
    "SearchRequest": "llm_nas.domain",
    "Space": "llm_nas.tools.spaces.space",
    "finish": "llm_nas.graph.ending.finish",
    "resume": "llm_nas.graph.search",
    "search": "llm_nas.graph.search",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'llm_nas' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
