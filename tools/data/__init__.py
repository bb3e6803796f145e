"""Tabulated benchmarks: published tables, public downloads, truth models and shipped packs."""

from llm_nas.tools.data.nb201 import Nb201Tables, nb201_tables

__all__ = ["Nb201Tables", "nb201_tables"]
