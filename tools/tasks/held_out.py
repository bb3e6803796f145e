"""Test images of real tasks: opened when a finished network is scored, never by a search."""

from llm_nas.tools.tasks.labelled import Labelled
from llm_nas.tools.tasks.sources import open_source


def open_held_out(name: str) -> Labelled:
    """The test images of `digits`, a folder or an `.npz`; the same for every seed."""
    return open_source(name).test()
