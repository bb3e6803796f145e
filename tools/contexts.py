"""From names to things: the space, task and device of a context `SPACE/TASK/DEVICE`."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_nas.domain import Arch, ContextName, Timing
from llm_nas.errors import RequestError
from llm_nas.ports import Device, SearchSpace, Task
from llm_nas.tools.registry import known

_LONGEST = 64


def resolve(space: str | None, task: str | None, device: str | None) -> ContextName:
    """The whole context that a request with gaps means.

    Raises:
        RequestError: For a space of the user's own without a task and a device.
    """
    family = space or _family(task, device)
    if family in known():
        task = task or known()[family].tasks[0]
        device = device or known()[family].devices[0]
    if task is None or device is None:
        missing = "--task" if task is None else "--device"
        raise RequestError(f"--space {family}: a space of your own needs {missing} named too")
    return ContextName(space=family, task=task, device=device)


def _family(task: str | None, device: str | None) -> str:
    """The space that a task, or else a device, belongs to."""
    by_task = (name for name, parts in known().items() if task in parts.tasks)
    by_device = (name for name, parts in known().items() if device in parts.devices)
    first = next(iter(known()))
    return next(by_task, first) if task is not None else next(by_device, first)


_PARTS = re.compile(
    r"(?P<space>.+?\.(?:py(?::\w+)?(?:\?weights=.+?\.(?:safetensors|pth?|bin))?|toml)|[^/]+)"
    r"(?:/(?P<task>[^=]+?\.(?:csv|npz|py:\w+)|[^/]+)(?:/(?P<device>.+))?)?"
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
    if task and device and "/" in device and not re.search(r"=|\.py:\w+$", device):
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
    def label(self) -> ContextName:
        """Short names for claims, stores and results: no paths, no commands."""
        return ContextName(
            space=short(self.space.name),
            task=short(self.task.name),
            device=short(self.device.name),
        )

    @property
    def about(self) -> str:
        """Task and device in words, for prompts: how accuracy is obtained, the device's card."""
        parts = (getattr(port, "about", "") for port in (self.task, self.device))
        return "\n".join(part for part in parts if part)

    @property
    def data_source(self) -> str:
        """Where labels and latencies come from."""
        return "; ".join(dict.fromkeys((self.task.source, self.device.source)))


def short(name: str) -> str:
    """A space, task or device without the path or command behind its name."""
    plain = name.partition("=")[0].rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9_.:>|-]+", "_", plain)[:_LONGEST] or "unnamed"


def open_context(
    name: ContextName,
    *,
    data_dir: Path | None = None,
    seed: int = 0,
    epochs: int | None = None,
    folder: Path | None = None,
    precision: str | None = None,
    workers: int = 1,
    say: Callable[[str], None] | None = None,
) -> Context:
    """Open a context by its names.

    Args:
        name: Of space, task and device; each may be a file.
        data_dir: Folder of public tables; None: the environment's, the cache or the pack.
        seed: Of the split of a user's images.
        epochs: Of a full training, on tasks that train; None: the task's own.
        folder: Where tasks and devices keep files (weights, exported networks).
        precision: In which a device that measures times networks; None: as its card says.
        workers: Trainings at the same time, on tasks that train.
        say: Told when a device is lost or found again.

    Raises:
        RequestError, DataError: One line that says what is wrong and what is allowed.
    """
    from llm_nas.tools.devices import open_device
    from llm_nas.tools.spaces import Pool, open_space
    from llm_nas.tools.tasks import open_task, shape_of

    space = open_space(name.space, shape_of(name.task))
    task = open_task(
        name.task,
        space,
        data_dir=data_dir,
        seed=seed,
        epochs=epochs,
        folder=folder,
        workers=workers,
    )
    device = open_device(
        name.device, space, name.task, data_dir=data_dir, precision=precision, say=say
    )
    rows = _common_rows(space, task, device)
    if rows is None:
        notes = (*getattr(space, "notes", ()), *getattr(task, "notes", ()))
        return Context(name, space, task, device, notes)
    note = f"{name}: the search stays inside the {len(rows)} architectures that its tables hold"
    pool = Pool(space, rows, latencies_ms=_niche_latencies(space, device, rows))
    return Context(name, pool, task, device, (note,))


def _niche_latencies(
    space: SearchSpace, device: Device, rows: Sequence[Arch]
) -> dict[Arch, float]:
    """Latencies by which rows are dealt to niches where the space tells no sizes; else none."""
    from llm_nas.tools.niches import default_name

    if not device.exact or default_name(space) != "none":
        return {}
    return {t.arch: t.median_ms for t in device.measure(rows) if isinstance(t, Timing)}


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
