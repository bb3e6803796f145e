"""Trainings in processes of their own: what kills one kills one training, not the search.

A child answers JSON lines on standard output, as runners of devices do; it opens space and
task by name, so nothing but text crosses.
"""

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter, ValidationError

from llm_nas.domain import Arch, Failure, Label
from llm_nas.errors import LlmNasError
from llm_nas.frozen import Frozen
from llm_nas.tools.devices.link import Link, LinkBroken

if TYPE_CHECKING:
    from llm_nas.tools.tasks.real import RealTask, Tell
    from llm_nas.tools.tasks.training import Progress

_SILENT_SECONDS = 3600.0
"""An epoch that takes longer than this is taken for a trainer that hangs."""
_WATCH_SECONDS = 1.0
_ANSWER: TypeAdapter[Label | Failure] = TypeAdapter(Label | Failure)


class Setting(Frozen):
    """What a child needs to open the same images; networks come with every request."""

    task: str
    seed: int
    epochs: int
    threads: int


class Place(Frozen):
    """Whose networks are trained, and where their weights go."""

    space: str
    """As on the command line."""
    folder: Path


class Children:
    """Up to so many processes, each started when first needed and again after it died."""

    def __init__(self, setting: Setting, workers: int) -> None:
        self._setting = setting
        self._idle: queue.LifoQueue[Link | None] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(None)
        self._busy: dict[int, Link] = {}
        self.workers = workers

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the children that work right now."""
        return tuple(link.pid for link in list(self._busy.values()))

    @contextmanager
    def borrowed(self) -> Generator[Link]:
        """A child for one training; waits while all are busy. A dead one is not taken back."""
        link = self._idle.get()
        kept: Link | None = None
        try:
            kept = self._started() if link is None else link
            self._busy[id(kept)] = kept
            yield kept
        except (LinkBroken, KeyError):
            self._busy.pop(id(kept), None)
            kept = None
            raise
        finally:
            self._busy.pop(id(kept), None)
            self._idle.put(kept)

    def _started(self) -> Link:
        threads = str(self._setting.threads)
        command = (sys.executable, "-m", __name__, self._setting.model_dump_json())
        return Link(command, environment={"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads})

    def close(self) -> None:
        """End those that wait for work."""
        links: list[Link | None] = []
        with suppress(queue.Empty):
            while True:
                links.append(self._idle.get_nowait())
        for link in links:
            if link is not None:
                link.close()
            self._idle.put(None)


class Trainer:
    """Trains the networks of one space in children that spaces share."""

    def __init__(self, place: Place, children: Children) -> None:
        self._place = place
        self.children = children

    def train(
        self, arch: Arch, fidelity: float, seed: int, share: float, tell: "Tell | None"
    ) -> Label | Failure:
        """One training; a child that dies is a `Failure`, charged `share` of a training."""
        started = time.perf_counter()
        place = self._place.model_dump(mode="json")
        asked = {"fidelity": fidelity, "training_seed": seed, "place": place}
        request: dict[str, Any] = {"arch": arch, **asked}
        try:
            with self.children.borrowed() as link:
                answer = link.ask(request, _SILENT_SECONDS, _passing(arch, tell))
                return _ANSWER.validate_python(answer["result"])
        except (LinkBroken, ValidationError, KeyError) as error:
            return Failure(
                arch=arch,
                stage="train",
                reason=f"the trainer died: {' '.join(str(error).split())[:200]}",
                trainings=share,
                seconds=time.perf_counter() - started,
            )

    def of(self, space: str, folder: Path) -> "Trainer":
        """A trainer of another space's networks, in a folder of their own."""
        return Trainer(Place(space=space, folder=folder), self.children)

    def close(self) -> None:
        """End the children."""
        self.children.close()


def _passing(arch: Arch, tell: "Tell | None") -> Any:
    from llm_nas.tools.tasks.training import Progress

    def pass_on(fields: Any) -> None:
        if tell is not None and isinstance(fields, dict):
            tell(arch, Progress(**cast(dict[str, Any], fields)))

    return pass_on


def _opened(setting: Setting, place: Place) -> "RealTask":
    from llm_nas.tools.spaces import open_space
    from llm_nas.tools.tasks.real import open_real_task, shape_of_real

    return open_real_task(
        setting.task,
        open_space(place.space, shape_of_real(setting.task)),
        seed=setting.seed,
        epochs=setting.epochs,
        folder=place.folder,
        isolated=False,
    )


def _end_with(parent: int) -> None:
    """End when the parent is gone: a search that was killed must not go on training."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(text: str) -> None:
    """Answer one training a line until the input ends or the parent is gone."""
    import torch

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with answers
    _end_with(os.getppid())
    setting = Setting.model_validate_json(text)
    torch.set_num_threads(setting.threads)
    tasks: dict[Place, RealTask] = {}
    for line in sys.stdin:
        request = json.loads(line)
        place = Place.model_validate(request["place"])
        if place not in tasks:
            tasks[place] = _opened(setting, place)
        task = tasks[place]

        def say(_: Arch, progress: "Progress", asked: dict[str, Any] = request) -> None:
            fields = {"id": asked["id"], "progress": asdict(progress)}
            answers.write(json.dumps(fields) + "\n")
            answers.flush()

        task.tell = say
        result = task.train(request["arch"], request["fidelity"], request["training_seed"])
        answer = {"id": request["id"], "result": result.model_dump(mode="json")}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except LlmNasError as error:
        sys.exit(str(error))
