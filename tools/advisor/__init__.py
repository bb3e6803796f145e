"""Chooses what to train next; all that is needed from outside stands here."""

from llm_nas.tools.advisor.advisor import NoAdvisor, ParetoAdvisor
from llm_nas.tools.advisor.expected import ExpectedPoint

__all__ = ["ExpectedPoint", "NoAdvisor", "ParetoAdvisor"]
