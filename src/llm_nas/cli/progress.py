"""What a search is doing now, how far it is, and how long it will take."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from llm_nas.cli.output import console

Told = Callable[[Mapping[str, Any]], None]
_LONGEST = 48


@contextmanager
def watched(trainings: int, *, quiet: bool) -> Generator[Told]:
    """A progress bar for a person at a terminal; silent when piped or asked to be."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns: list[Any] = [
        TextColumn("{task.completed:g}/{task.total} trainings"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[front]}"),
        TextColumn("{task.fields[now]}"),
    ]
    silent = quiet or not console.is_terminal
    with Progress(*columns, console=console, disable=silent, transient=True) as bar:
        task = bar.add_task("search", total=trainings, now="", left="", front="")
        front = _Front()

        def told(event: Mapping[str, Any]) -> None:
            if "training" in event:
                bar.update(task, now=f"training {_short(event['training'])}")
            elif "timing" in event:
                bar.update(task, now=f"timing {_short(event['timing'])}")
            elif "trained" in event and "answer" in event:
                done = float(event["answer"].get("trainings", 0.0))
                bar.update(task, advance=done, front=front.with_(event))
                bar.update(task, left=_left(bar.tasks[0]))
            elif "trainings" in event:
                bar.update(task, completed=float(event["trainings"]))

        yield told


class _Front:
    """The front so far, in words."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float, float]] = []
        """Latency, error, value."""

    def with_(self, event: Mapping[str, Any]) -> str:
        """After one more training; failures change nothing."""
        answer = event["answer"]
        if event.get("error") is not None:
            point = (float(answer["latency_ms"]), float(event["error"]), float(answer["value"]))
            self._points.append(point)
        least, shown = float("inf"), list[tuple[float, float]]()
        for latency, error, value in sorted(self._points):
            if error < least:
                least = error
                shown.append((latency, value))
        few = [shown[0], *shown[-1:]] if len(shown) > 1 else shown
        ends = " to ".join(f"{value:.4g} at {latency:.3g} ms" for latency, value in few)
        return f"front of {len(shown)}: {ends}" if shown else ""


def _short(arch: str) -> str:
    return arch if len(arch) <= _LONGEST else f"{arch[: _LONGEST - 3]}..."


def _left(task: Any) -> str:
    """Time left at the speed so far, in words."""
    if not task.completed or task.elapsed is None:
        return ""
    seconds = task.elapsed / task.completed * max(0.0, task.total - task.completed)
    return f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"
