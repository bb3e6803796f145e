"""Find the run's ports: handed in by Python callers, opened here for LangGraph Studio."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from langgraph.runtime import Runtime

from llm_nas.domain import SearchRequest
from llm_nas.errors import RequestError
from llm_nas.graph import rundir
from llm_nas.graph.context import SearchContext, open_context


def context_of(state: Mapping[str, Any], runtime: Runtime[SearchContext]) -> SearchContext:
    """The context given to `invoke`, or one opened for the run directory in the state."""
    given = cast("SearchContext | None", runtime.context)
    return _opened(str(state["run_dir"])) if given is None else given


@lru_cache(maxsize=8)
def _opened(run_dir: str) -> SearchContext:
    folder = Path(run_dir)
    body = rundir.read_json(folder / rundir.REQUEST)
    return open_context(body["run"], folder, SearchRequest.model_validate(body["request"]))


def start_run(request: Mapping[str, Any]) -> str:
    """Make the directory of a run that was started without one; its path."""
    if not request:
        raise RequestError("the graph needs a request: at least a dataset and a device")
    valid = SearchRequest.model_validate(dict(request))
    run, folder = rundir.create(valid)
    body = {"run": run, "request": valid.model_dump(mode="json")}
    rundir.write_json(folder / rundir.REQUEST, body)
    return str(folder)
