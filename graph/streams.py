"""What streams carry: what each step did, and progress while it does it.

Steps of a niche keep their values in memory; what leaves the graph is the plain data of their
events, so that LangGraph's server can send it and a checkpoint never holds an object.
"""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from langgraph.config import get_stream_writer

from llm_nas.domain import TraceEvent
from llm_nas.graph.state import NicheState


class Step(Protocol):
    """One node of a niche's subgraph."""

    def __call__(self, state: NicheState) -> dict[str, Any]:
        """What it changes."""
        ...


def telling(name: str, step: Step) -> Step:
    """A niche's step that also says what it did, for the stream mode `updates`."""

    def told(state: NicheState) -> dict[str, Any]:
        start = time.monotonic()
        update = step(state)
        took = {name: round(time.monotonic() - start, 3)}
        here = update["summary"] if "summary" in update else _plain(update["events"])
        return update | {"took": took, "did": {state["plan"]["niche"]: {name: here}}}

    return told


def _plain(events: list[TraceEvent]) -> list[dict[str, Any]]:
    return [{"event": e.event, **e.model_dump(mode="json")["data"]} for e in events]


def send_progress(told: Mapping[str, Any]) -> None:
    """Hand progress to the stream mode `custom`; nothing where no graph is running."""
    try:
        writer = get_stream_writer()
    except RuntimeError:
        return
    writer(dict(told))
