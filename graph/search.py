"""The door for Python and the shell: a request in, a report out."""

import signal
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

from llm_nas.agents.chat_options import ModelOptions
from llm_nas.domain import SearchReport, SearchRequest
from llm_nas.errors import RunStopped, StoreError
from llm_nas.graph import rundir
from llm_nas.graph.build import build_graph, run_config
from llm_nas.graph.checkpoint import open_checkpointer
from llm_nas.graph.context import Inputs, SearchContext, open_context, shared_store
from llm_nas.graph.state import SearchInput
from llm_nas.knowledge.store import HeuristicStore


def search(request: SearchRequest, inputs: Inputs | None = None) -> SearchReport:
    """Run a search to its report.

    Raises:
        RequestError, DataError, StoreError: For a bad request; no run directory is left then.
        RunStopped: When a cap or Ctrl-C ended the run early; `resume` goes on.
    """
    inputs = inputs or Inputs()
    with _one_line_errors(shared_store(request)):
        HeuristicStore.open(shared_store(request)).close()
    run, folder = rundir.create(request)
    try:
        with _one_line_errors(folder):
            context = open_context(run, folder, request, inputs)
    except BaseException:
        rundir.discard(folder)
        raise
    body = {
        "run": run,
        "request": request.model_dump(mode="json"),
        "options": (inputs.options or ModelOptions()).model_dump(mode="json"),
    }
    rundir.write_json(folder / rundir.REQUEST, body)
    return _drive(context, start=True)


def resume(
    run: str | Path, inputs: Inputs | None = None, changes: Mapping[str, Any] | None = None
) -> SearchReport:
    """Go on with a run that was stopped or killed; a finished run's report is read back.

    `changes` are fields of `ModelOptions` (a higher cap) that replace what the run was started
    with, from now on; `inputs.options`, where given, replace all of them for this time.

    Raises:
        RequestError: When there is no such run.
    """
    folder = rundir.find(run)
    if (folder / rundir.RESULT).exists():
        return SearchReport.model_validate(rundir.read_json(folder / rundir.RESULT))
    body = rundir.read_json(folder / rundir.REQUEST)
    request = SearchRequest.model_validate(body["request"])
    inputs = inputs or Inputs()
    if inputs.options is None:
        options = ModelOptions.model_validate(body.get("options", {}) | dict(changes or {}))
        inputs = replace(inputs, options=options)
        body["options"] = options.model_dump(mode="json")
    with _one_line_errors(folder):
        context = open_context(body["run"], folder, request, inputs)
    if changes:
        rundir.write_json(folder / rundir.REQUEST, body)
    return _drive(context, start=False)


def _drive(context: SearchContext, *, start: bool) -> SearchReport:
    control = RunControl()
    context = replace(context, inputs=replace(context.inputs, drain=control.request_drain))
    folder = context.run_dir
    config = run_config(context) | RunnableConfig(configurable={"thread_id": context.run})
    try:
        with (
            _one_line_errors(folder),
            open_checkpointer(folder / rundir.CHECKPOINT) as checkpointer,
            _drained_by_interrupt(control, context.inputs.note),
        ):
            graph = build_graph(checkpointer)
            fresh = start or not graph.get_state(config).values
            request = context.request.model_dump(mode="json")
            state = SearchInput(request=request, run_dir=str(folder))
            with suppress(GraphDrained):
                graph.invoke(
                    state if fresh else None,
                    config,
                    context=context,
                    control=control,
                    durability="async",
                )
    except KeyboardInterrupt:
        raise _stopped("interrupted", folder) from None
    finally:
        context.close()
    result = folder / rundir.RESULT
    if not result.exists():
        raise _stopped(control.drain_reason or "stopped", folder)
    return SearchReport.model_validate(rundir.read_json(result))


def _stopped(reason: str, folder: Path) -> RunStopped:
    return RunStopped(f"{reason}; go on with: llm-nas search --resume {folder}")


@contextmanager
def _drained_by_interrupt(control: RunControl, note: Callable[[str], None]) -> Generator[None]:
    """Ctrl-C ends the run between two steps; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGINT)

    def drain(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.signal(signal.SIGINT, previous)
        control.request_drain("interrupted")
        note("stopping after what is under way; Ctrl-C again stops at once")

    signal.signal(signal.SIGINT, drain)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def _one_line_errors(folder: Path) -> Generator[None]:
    """Turn what the disk and SQLite say into one line."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{folder}: the run's database failed: {error}") from error
    except OSError as error:
        where = error.filename or folder
        raise StoreError(f"{where}: {error.strerror or error}") from error
