"""Disjoint niches that cover a space; each is a condition that everybody uses."""

from llm_nas.tools.niches.partition import ConditionPartition
from llm_nas.tools.niches.shipped import NAMES, default_name, open_partition

__all__ = ["NAMES", "ConditionPartition", "default_name", "open_partition"]
