"""The shell: thin commands over the folders, one line for an error.

Commands import what they need when they run, so that `--help` stays quick.
"""

import importlib
import sys

import typer

from llm_nas.errors import LlmNasError

_SUB_APPS = {
    "data": "Fetch public tables, show which are in use, build the embedded pack.",
    "predictor": "Check the accuracy predictor against test accuracy.",
    "heuristics": "Query, audit, import and export design heuristics.",
}
