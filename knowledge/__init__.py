"""Pareto archives and the store of tested design heuristics."""
