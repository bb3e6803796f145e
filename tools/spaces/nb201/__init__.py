"""NAS-Bench-201: its cells, their order in the benchmark, what they are made of."""

from llm_nas.tools.spaces.nb201.cells import EDGES, OPERATIONS, SIZE, arch_at, index_of
from llm_nas.tools.spaces.nb201.space import NasBench201

__all__ = ["EDGES", "OPERATIONS", "SIZE", "NasBench201", "arch_at", "index_of"]
