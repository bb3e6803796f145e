"""Analyst, Designer and Validator: who reads evidence, who proposes cells, who checks them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_nas.agents.chat_agents import model_agents
    from llm_nas.agents.chat_options import ModelOptions

__all__ = ["ModelOptions", "model_agents"]

_HOMES = {
    "ModelOptions": "llm_nas.agents.chat_options",
    "model_agents": "llm_nas.agents.chat_agents",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'llm_nas.agents' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
