"""Noise-free truth: for `llm_nas.evaluation.truth` and the tables that tasks and devices read.

Nothing else may import this package; an import contract in pyproject.toml holds it.
"""
