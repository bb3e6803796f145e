"""From names to things: the space, task and device of a context `SPACE/TASK/DEVICE`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_nas.domain import Arch, ContextName
from llm_nas.errors import RequestError
from llm_nas.ports import Device, SearchSpace, Task

DEFAULTS = {
    "mobile": ContextName(space="mobile", task="digits", device="host"),
    "nb201": ContextName(space="nb201", task="cifar10", device="edgegpu"),
    "anb": ContextName(space="anb", task="imagenet", device="a100"),
    "anb-rows": ContextName(space="anb-rows", task="imagenet", device="a100"),
    "hwgpt-s": ContextName(space="hwgpt-s", task="openwebtext", device="h100"),
    "fbnet": ContextName(space="fbnet", task="digits", device="edgegpu"),
}
"""What is taken for the parts that a request leaves out; the first one is the default of all."""

_SPACE_OF_TASK = {
    "cifar10": "nb201",
    "cifar100": "nb201",
    "ImageNet16-120": "nb201",
    "imagenet": "anb",
    "openwebtext": "hwgpt-s",
}
_SPACE_OF_DEVICE = {
    "edgegpu": "nb201",
    "raspi4": "nb201",
    "edgetpu": "nb201",
    "pixel3": "nb201",
    "eyeriss": "nb201",
    "fpga": "nb201",
    "a100": "anb",
    "rtx3090": "anb",
    "tpuv2": "anb",
    "tpuv3": "anb",
    "zcu102": "anb",
    "vck190": "anb",
    "h100": "hwgpt-s",
}


def resolve(space: str | None, task: str | None, device: str | None) -> ContextName:
    """The whole context that a request with gaps means.

    Raises:
        RequestError: For a space of the user's own without a task and a device.
    """
    family = space or _family(task, device)
    default = DEFAULTS.get(family)
    if default is None:
        if task is None or device is None:
            missing = "--task" if task is None else "--device"
            raise RequestError(f"--space {family}: a space of your own needs {missing} named too")
        default = ContextName(space=family, task=task, device=device)
    return ContextName(space=family, task=task or default.task, device=device or default.device)


def _family(task: str | None, device: str | None) -> str:
    """The space that a task, or else a device, belongs to."""
    if task is not None:
        return _SPACE_OF_TASK.get(task, next(iter(DEFAULTS)))
    return _SPACE_OF_DEVICE.get(device or "", next(iter(DEFAULTS)))


_PARTS = re.compile(
    r"(?P<space>.+?\.(?:py(?::\w+)?|toml)|[^/]+)"
    r"(?:/(?P<task>.+?\.(?:csv|npz)|[^/]+)(?:/(?P<device>.+))?)?"
)
"""A file among the parts ends at its suffix, so that its path may hold slashes."""


def parse_context(text: str) -> ContextName:
    """The context that `SPACE/TASK/DEVICE` spells; parts that are left out get their defaults.

    Raises:
        RequestError: For anything else.
    """
    match = _PARTS.fullmatch(text.strip())
    if match is None:
        raise RequestError(f"context {text!r}: expected SPACE/TASK/DEVICE")
    space, task, device = match["space"], match["task"], match["device"]
    if task and device and "=" not in device and "/" in device:
        folder, _, device = f"{task}/{device}".rpartition("/")
        task = folder  # a folder of images below another one
    return resolve(space, task, device)


@dataclass(frozen=True, slots=True)
class Context:
    """An opened context. Truth cannot be reached through it."""

    name: ContextName
    space: SearchSpace
    task: Task
    device: Device
    notes: tuple[str, ...] = ()
    """What people should know before the search: that it stays inside the rows of a table."""

    @property
    def data_source(self) -> str:
        """Where labels and latencies come from."""
        return "; ".join(dict.fromkeys((self.task.source, self.device.source)))


def open_context(
    name: ContextName,
    *,
    data_dir: Path | None = None,
    seed: int = 0,
    epochs: int | None = None,
    folder: Path | None = None,
) -> Context:
    """Open a context by its names.

    Args:
        name: Of space, task and device; each may be a file.
        data_dir: Folder of public tables; None: the environment's, the cache or the pack.
        seed: Of the split of a user's images.
        epochs: Of a full training, on tasks that train; None: the task's own.
        folder: Where tasks and devices keep files (weights, exported networks).

    Raises:
        RequestError, DataError: One line that says what is wrong and what is allowed.
    """
    from llm_nas.tools.devices import open_device
    from llm_nas.tools.spaces import Pool, open_space
    from llm_nas.tools.tasks import open_task, shape_of

    space = open_space(name.space, shape_of(name.task))
    task = open_task(name.task, space, data_dir=data_dir, seed=seed, epochs=epochs, folder=folder)
    device = open_device(name.device, space, name.task, data_dir=data_dir, folder=folder)
    rows = _common_rows(space, task, device)
    if rows is None:
        return Context(name, space, task, device)
    note = f"{name}: the search stays inside the {len(rows)} architectures that its tables hold"
    return Context(name, Pool(space, rows), task, device, (note,))


def _common_rows(space: SearchSpace, task: Task, device: Device) -> Sequence[Arch] | None:
    """The architectures both tables hold; None where neither is a table of rows."""
    tables = [rows for port in (task, device) if (rows := getattr(port, "archs", None))]
    if not tables:
        return None
    others = [frozenset(rows) for rows in tables[1:]]
    common = [arch for arch in tables[0] if all(arch in rows for rows in others)]
    if not common:
        raise RequestError(
            f"--task {task.name}, --device {device.name}: no architecture of {space.name} "
            "stands in both tables"
        )
    return common
