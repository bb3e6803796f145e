"""The door for Python and the shell: a request in, a report out."""

import signal
import sqlite3
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import Command

from llm_nas.agents.chat.options import ModelOptions
from llm_nas.domain import SearchReport, SearchRequest
from llm_nas.errors import RunStopped, StoreError
from llm_nas.graph.build import build_graph, run_config
from llm_nas.graph.record import run_dir
from llm_nas.graph.record.checkpoint import open_checkpointer
from llm_nas.graph.run import Inputs, Run, open_run
from llm_nas.graph.steps.approve import answer


def search(request: SearchRequest, inputs: Inputs | None = None) -> SearchReport:
    """Run a search to its report.

    Raises:
        RequestError, DataError, StoreError: For a bad request; no run folder is left then.
        RunStopped: When a cap or Ctrl-C ended the run early; `resume` goes on.
    """
    inputs = inputs or Inputs()
    options = inputs.options or ModelOptions()
    run, folder = run_dir.create(request, options.model_dump(mode="json"))
    return start(run, folder, request, inputs)


def start(run: str, folder: Path, request: SearchRequest, inputs: Inputs) -> SearchReport:
    """Begin the run whose folder and request exist already; see `search`."""
    with run_dir.locked(folder):
        try:
            with _one_line_errors(folder):
                opened = open_run(run, folder, request, inputs)
        except Exception:
            run_dir.discard(folder)
            raise
        return drive(opened)


def resume(
    run: str | Path, inputs: Inputs | None = None, changes: Mapping[str, Any] | None = None
) -> SearchReport:
    """Go on with a run that was stopped or killed; a finished run's report is read back.

    `changes` are fields of `ModelOptions` (a higher cap) that replace what the run was started
    with, from now on; `inputs.options`, where given, replace all of them for this time.

    Raises:
        RequestError: When there is no such run.
    """
    folder = run_dir.find(run)
    if (folder / run_dir.RESULT).exists():
        return SearchReport.model_validate(run_dir.read_json(folder / run_dir.RESULT))
    with run_dir.locked(folder):
        body = run_dir.read_json(folder / run_dir.REQUEST)
        request = SearchRequest.model_validate(body["request"])
        inputs = inputs or Inputs()
        if inputs.options is None:
            asked = body.get("options", {}) | dict(changes or {})
            inputs = replace(inputs, options=ModelOptions.model_validate(asked))
        if changes and inputs.options is not None:
            body["options"] = inputs.options.model_dump(mode="json")
            run_dir.write_json(folder / run_dir.REQUEST, body)
        with _one_line_errors(folder):
            opened = open_run(body["run"], folder, request, inputs)
        return drive(opened)


def drive(run: Run) -> SearchReport:
    """Take an opened run's graph to its end, from wherever its last checkpoint is."""
    control = run.control
    config = run_config() | RunnableConfig(configurable={"thread_id": run.id})
    try:
        with (
            _one_line_errors(run.folder),
            open_checkpointer(run.folder / run_dir.CHECKPOINT) as checkpointer,
            _drained_by_interrupt(control, run),
        ):
            graph = build_graph(checkpointer)
            fresh = not graph.get_state(config).values
            # The folder says it all: the request was written there first.
            begin: Any = {"run_dir": str(run.folder)} if fresh else None
            with suppress(GraphDrained):
                state = graph.invoke(begin, config, control=control, durability="async")
                while asked := state.get("__interrupt__"):
                    if not answer(run, asked[0].value):
                        raise RunStopped(f"a person said no: {asked[0].value['question']}")
                    begin = Command(resume=True)
                    state = graph.invoke(begin, config, control=control, durability="async")
    except KeyboardInterrupt:
        raise _stopped("interrupted", run.folder) from None
    except RunStopped as stopped:  # nobody answered a model by hand, or somebody said no
        raise _stopped(str(stopped), run.folder) from None
    finally:
        run.close()
    result = run.folder / run_dir.RESULT
    if not result.exists():
        raise _stopped(control.drain_reason or "stopped", run.folder)
    return SearchReport.model_validate(run_dir.read_json(result))


def _stopped(reason: str, folder: Path) -> RunStopped:
    return RunStopped(f"{reason}; go on with: llm-nas search --resume {folder}")


@contextmanager
def _drained_by_interrupt(control: RunControl, run: Run) -> Generator[None]:
    """Ctrl-C ends the run between two steps; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGINT)

    def drain(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.signal(signal.SIGINT, previous)
        control.request_drain("interrupted")
        run.agents.stop()
        run.inputs.note("stopping after what is under way; Ctrl-C again stops at once")

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
