"""NAS-Bench-201's tables, published or modelled, asked by architecture text."""

from llm_nas.tools.data.nb201.by_text import Nb201Tables, nb201_tables
from llm_nas.tools.data.nb201.cells import DATASETS, SPACE_NAME

__all__ = ["DATASETS", "SPACE_NAME", "Nb201Tables", "nb201_tables"]
