"""`llm-nas runs`: what lies below runs/."""

from pathlib import Path
from typing import Annotated, Any

import typer

from llm_nas.cli.output import out, print_json, say

app = typer.Typer(no_args_is_help=True, help="List, show and remove finished and stopped runs.")

Folder = Annotated[Path, typer.Option("--in", help="Folder that holds the runs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(folder: Folder = Path("runs"), as_json: AsJson = False) -> None:
    """All runs, newest first, with their context and quality."""
    from rich.table import Table

    rows = _rows(folder)
    if as_json:
        print_json(rows)
        return
    table = Table("run", "context", "model", "seed", "trainings", "hv", "state")
    for column in table.columns[:2]:
        column.overflow = "fold"  # an id that is cut off cannot be copied
    for row in rows:
        hv = "-" if row["hv"] is None else f"{row['hv']:.3f}"
        counts = (str(row["seed"]), f"{row['trainings']:g}", hv)
        table.add_row(row["run"], row["context"], row["model"], *counts, row["state"])
    out.print(table)


@app.command("show")
def show(run: str, as_json: AsJson = False) -> None:
    """The result of a finished run."""
    from llm_nas.cli.result import show as told
    from llm_nas.domain import SearchReport
    from llm_nas.errors import RequestError
    from llm_nas.graph.record import run_dir

    folder = run_dir.find(run)
    if not (folder / run_dir.RESULT).exists():
        raise RequestError(f"{folder}: not finished; go on with: llm-nas search --resume {folder}")
    report = SearchReport.model_validate(run_dir.read_json(folder / run_dir.RESULT))
    print_json(report) if as_json else told(report)


@app.command("prune")
def prune(
    folder: Folder = Path("runs"),
    yes: Annotated[bool, typer.Option("--yes", help="Do it; otherwise only say what.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove runs that were stopped before their first training."""
    import shutil

    empty = [row for row in _rows(folder) if row["state"] == "stopped" and not row["trainings"]]
    for row in empty if yes else ():
        shutil.rmtree(folder / row["run"])
    if as_json:
        print_json({"removed": yes, "runs": [row["run"] for row in empty]})
        return
    for row in empty:
        say(f"{'removed' if yes else 'would remove'} {folder / row['run']}")
    if empty and not yes:
        say("run it again with --yes to remove them")


def _rows(folder: Path) -> list[dict[str, Any]]:
    """One row a run, newest first; folders that hold no run are passed over."""
    from llm_nas.graph.record import run_dir

    found = [path.parent for path in folder.glob(f"*/{run_dir.REQUEST}")]
    newest = sorted(found, key=lambda path: (path / run_dir.REQUEST).stat().st_mtime, reverse=True)
    return [_row(path) for path in newest]


def _row(folder: Path) -> dict[str, Any]:
    from llm_nas.domain import SearchRequest
    from llm_nas.graph.record import run_dir
    from llm_nas.graph.record.now import read_now
    from llm_nas.tools.contexts import resolve

    request = SearchRequest.model_validate(run_dir.read_json(folder / run_dir.REQUEST)["request"])
    finished = (folder / run_dir.RESULT).exists()
    result: dict[str, Any] = run_dir.read_json(folder / run_dir.RESULT) if finished else {}
    return {
        "run": folder.name,
        "context": str(resolve(request.space, request.task, request.device)),
        "model": request.model,
        "seed": request.seed,
        "trainings": result.get("trainings", _paid(folder)),
        "hv": result.get("hv"),
        "state": "finished" if finished else "stopped" if read_now(folder) is None else "running",
    }


def _paid(folder: Path) -> float:
    """Trainings of a run that is not finished, read without touching it."""
    import sqlite3

    from llm_nas.graph.record import run_dir

    path = folder / run_dir.CHECKPOINT
    if not path.exists():
        return 0.0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            return float(
                database.execute("SELECT total(trainings) FROM measurement").fetchone()[0]
            )
    except sqlite3.Error:
        return 0.0
