"""Tabulated benchmarks: published tables, public downloads and the embedded surrogate pack."""

from llm_nas.tools.data.locate import open_benchmark

__all__ = ["open_benchmark"]
