"""Tabulated zero-cost proxies by space and task."""

from pathlib import Path

from llm_nas.tools.data import nb201


def tabulated_proxies(
    space_name: str, task_name: str, data_dir: Path | None = None
) -> nb201.TaskProxies | None:
    """The proxies of a task's networks, completed; None where there is no table of them."""
    if space_name != nb201.SPACE_NAME or task_name not in nb201.DATASETS:
        return None
    return nb201.TaskProxies(nb201.nb201_tables(data_dir), task_name)
