"""Tasks by name: tables of trained networks, or real trainings."""

from pathlib import Path

from llm_nas.domain import TaskShape
from llm_nas.errors import RequestError
from llm_nas.plugins import is_plugin
from llm_nas.ports import SearchSpace, Task


def shape_of(name: str) -> TaskShape | None:
    """What networks of a task take and give; None where they take no images.

    Raises:
        RequestError, DataError: An unknown task, or a folder or file that cannot be read.
    """
    from llm_nas.tools.data.tabulated import SHAPES

    if name in SHAPES:
        return SHAPES[name]
    if name.endswith(".csv") and not name.startswith("series:"):
        return None
    if is_plugin("tasks", name):
        from llm_nas.tools.tasks.brought import shape_of_brought

        return shape_of_brought(name)
    from llm_nas.tools.tasks.real import shape_of_real

    return shape_of_real(name)


def open_task(
    name: str,
    space: SearchSpace,
    *,
    data_dir: Path | None = None,
    seed: int = 0,
    epochs: int | None = None,
    folder: Path | None = None,
    workers: int = 1,
) -> Task:
    """The task of a name: tabulated, a CSV of trained networks, or a real one.

    Args:
        name: `cifar10`, `imagenet`, ..., `FILE.csv`, `digits`, a folder of images, `FILE.npz`,
            `series:FILE.csv`.
        space: Whose networks are trained.
        data_dir: Directory of public tables; None: the environment's, the cache or the pack.
        seed: Of the split of a user's images.
        epochs: Of a full training, on tasks that train.
        folder: Where a task that trains keeps its files.
        workers: Trainings at the same time, on tasks that train.

    Raises:
        RequestError, DataError: What is wrong with the name or file, and what is allowed.
    """
    from llm_nas.tools.data.tabulated import SHAPES, pairs
    from llm_nas.tools.tasks import tables

    if name.endswith(".csv") and not name.startswith("series:"):
        return tables.from_csv(Path(name), space)
    task = tables.tabulated(name, space.name, data_dir)
    if task is not None:
        return task
    if name in SHAPES:
        known = ", ".join(f"{family}/{known}" for family, known in pairs())
        raise RequestError(f"task '{name}' has no table for space {space.name}; known: {known}")
    if is_plugin("tasks", name):
        from llm_nas.tools.tasks.brought import open_brought

        return open_brought(name, space)
    from llm_nas.tools.tasks.real import open_real_task

    return open_real_task(name, space, seed=seed, epochs=epochs, folder=folder, workers=workers)
