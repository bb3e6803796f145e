"""Read finished runs and write their report page."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from llm_nas.domain import SearchReport
from llm_nas.errors import RequestError, StoreError
from llm_nas.evaluation.page import PageRun, page_run, render_page
from llm_nas.graph.record import run_dir
from llm_nas.graph.record.trace import read_trace


def write_page(runs: Sequence[str | Path], out: Path) -> None:
    """Write one HTML file of some runs, given by directory or id.

    Raises:
        RequestError: For a run that does not exist or is not finished, or none at all.
        StoreError: For a damaged run, or a file that cannot be written.
    """
    page = render_page([read_run(run) for run in runs])
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"--out {out}: cannot be made: {error.strerror}") from error
    run_dir.write_bytes(out, page.encode())


def read_run(run: str | Path) -> PageRun:
    """What a page shows of a finished run, given by directory or id."""
    folder = run_dir.find(run)
    result = folder / run_dir.RESULT
    if not result.is_file():
        raise RequestError(
            f"run {folder}: not finished; go on with: llm-nas search --resume {folder}"
        )
    try:
        report = SearchReport.model_validate(run_dir.read_json(result))
    except ValidationError as error:
        raise StoreError(f"{result}: not a result of this version") from error
    return page_run(report, read_trace(folder))
