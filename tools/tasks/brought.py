"""A task that somebody else wrote, in a coat that turns its errors into failed trainings."""

from typing import Any, cast

from llm_nas.domain import Arch, Failure, Label, Metric, TaskShape
from llm_nas.errors import LlmNasError
from llm_nas.plugins import find, opened
from llm_nas.ports import SearchSpace, Task


class BroughtTask:
    """Implements `llm_nas.ports.Task` on a task of an entry point, `module:NAME` or a file."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.name: str = task.name
        self.metric: Metric = task.metric
        self.chance: float | None = task.chance
        self.source: str = task.source
        self.about: str = getattr(task, "about", "")
        self.archs: tuple[Arch, ...] | None = getattr(task, "archs", None)

    def train(self, arch: Arch, fidelity: float = 1.0, seed: int = 0) -> Label | Failure:
        """What the task says; whatever it raises is a failure that cost a whole training."""
        try:
            return self._task.train(arch, fidelity, seed)
        except LlmNasError:
            raise
        except Exception as error:  # noqa: BLE001 - code of others may raise anything
            why = f"{type(error).__name__}: {error}"
            return Failure(arch=arch, stage="train", reason=why, trainings=fidelity)


def open_brought(name: str, space: SearchSpace) -> BroughtTask:
    """The task of a name, made with the space where it is a class or function.

    Raises:
        RequestError: There is no such thing, it fails, or it is no task.
    """
    return BroughtTask(cast("Task", opened("tasks", name, space)))


def shape_of_brought(name: str) -> TaskShape | None:
    """The `shape` that stands on the class or object; None where it takes no images."""
    found: Any = getattr(find("tasks", name), "shape", None)
    return found if isinstance(found, TaskShape) else None
