"""Drivers of experiments: they run searches and compare them."""
