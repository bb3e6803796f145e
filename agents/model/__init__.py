"""Analyst, Designer and opener that ask language models; `open_agents` is the door."""

from llm_nas.agents.model.open import ModelAgents, open_agents

__all__ = ["ModelAgents", "open_agents"]
