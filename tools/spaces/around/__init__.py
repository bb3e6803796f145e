"""Spaces around a network that a person already has: `around:FILE.py:make_model?weights=FILE`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_nas.domain import TaskShape
    from llm_nas.tools.spaces.around.space import AroundSpace

__all__ = ["open_around"]


def open_around(name: str, shape: "TaskShape | None" = None) -> "AroundSpace":
    """The space around a network, traced for a task's images and classes.

    Args:
        name: `around:FILE.py:make_model[?weights=FILE]`, `around:timm:NAME`,
            `around:torchvision:NAME` or `around:FOLDER` that `finish` made.
        shape: Of the task; None: colour images of 32 x 32 in ten classes.

    Raises:
        RequestError: The base cannot be made, filled or traced, in one line.
    """
    from llm_nas.tools.spaces.around.address import read_address
    from llm_nas.tools.spaces.around.space import AroundSpace

    return AroundSpace(read_address(name), shape)
