"""Devices by name: tables of latencies, sums of look-up tables, or machines that measure."""

from collections.abc import Callable
from pathlib import Path

from llm_nas.errors import RequestError
from llm_nas.plugins import is_plugin, names
from llm_nas.ports import Device, SearchSpace


def open_device(
    name: str,
    space: SearchSpace,
    task_name: str,
    *,
    data_dir: Path | None = None,
    precision: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Device:
    """The device of a name, for the networks of a space and a task.

    Args:
        name: A tabulated device, `NAME=FILE.csv`, `host`, `NAME=cmd:...` or `NAME=ssh://...`.
        space: Whose networks are timed.
        task_name: Sets the image size and classes that networks are timed with.
        data_dir: Directory of public tables; None: the environment's, the cache or the pack.
        precision: `fp32` or `int8`, on devices that measure; None: as the device card says.
        say: Told when a device that measures is lost or found again.

    Raises:
        RequestError, DataError: What is wrong with the name or file, and what is allowed.
    """
    from llm_nas.tools.data.tabulated import device_names
    from llm_nas.tools.devices import sums, table
    from llm_nas.tools.devices.real import is_real, open_real_device
    from llm_nas.tools.tasks import shape_of

    if is_real(name):
        return open_real_device(name, space, shape_of(task_name), precision=precision, say=say)
    summed = space.name == sums.SPACE
    known = sums.FBNET_DEVICES if summed else device_names(space.name)
    if "=" in name:
        return table.from_csv(name, space, known)
    if name not in known and is_plugin("devices", name):
        from llm_nas.tools.devices.brought import open_brought

        return open_brought(name, space, shape_of(task_name))
    if name not in known:
        allowed = ", ".join((*known, *names("devices"), "host", "NAME=FILE.csv"))
        raise RequestError(f"device: unknown '{name}' for {space.name}; use one of {allowed}")
    if summed:
        return sums.open_sums(name, shape_of(task_name), data_dir)
    return table.tabulated(name, space.name, task_name, data_dir)
