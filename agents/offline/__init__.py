"""Analyst and Designer that ask no language model."""
