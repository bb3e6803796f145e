"""NAS-Bench-201's tables, published or modelled, asked by architecture text."""

from llm_nas.tools.data.nb201.by_text import Nb201Tables, nb201_tables

__all__ = ["Nb201Tables", "nb201_tables"]
