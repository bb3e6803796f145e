"""Tabulated zero-cost proxies by space and task."""

from pathlib import Path

from llm_nas.tools.data.nb201 import DATASETS, SPACE_NAME, TaskProxies, nb201_tables

__all__ = ["TaskProxies", "tabulated_proxies"]


def tabulated_proxies(
    space_name: str, task_name: str, data_dir: Path | None = None
) -> TaskProxies | None:
    """The proxies of a task's networks, completed; None where there is no table of them."""
    if space_name != SPACE_NAME or task_name not in DATASETS:
        return None
    return TaskProxies(nb201_tables(data_dir), task_name)
