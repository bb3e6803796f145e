"""Talking to language models: requests, providers, retries, cassettes, and a model by hand."""
