"""Trainings in a process of their own: what kills it kills one training, not the search.

The child answers JSON lines on standard output, as runners of devices do; it opens space and
task by name, so nothing but text crosses.
"""

import json
import os
import sys
import threading
import time
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
    """Everything a child needs to open the same task."""

    space: str
    """As on the command line."""
    task: str
    seed: int
    epochs: int
    folder: Path
    threads: int


class Trainer:
    """One child process, started when first needed and again after it died."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._link: Link | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the child, while there is one."""
        return None if self._link is None else self._link.pid

    def train(
        self, arch: Arch, fidelity: float, seed: int, share: float, tell: "Tell | None"
    ) -> Label | Failure:
        """One training; a child that dies is a `Failure`, charged `share` of a training."""
        started = time.perf_counter()
        request = {"arch": arch, "fidelity": fidelity, "training_seed": seed}
        try:
            answer = self.started().ask(request, _SILENT_SECONDS, _passing(arch, tell))
            return _ANSWER.validate_python(answer["result"])
        except (LinkBroken, ValidationError, KeyError) as error:
            self._link = None
            return Failure(
                arch=arch,
                stage="train",
                reason=f"the trainer died: {' '.join(str(error).split())[:200]}",
                trainings=share,
                seconds=time.perf_counter() - started,
            )

    def of(self, space: str, folder: Path) -> "Trainer":
        """A trainer of another space's networks, in a folder of their own."""
        return Trainer(self._setting.model_copy(update={"space": space, "folder": folder}))

    def close(self) -> None:
        """End the child."""
        if self._link is not None:
            self._link.close()
        self._link = None

    def started(self) -> Link:
        """The connection to the child, which is started where there is none."""
        if self._link is None:
            threads = str(self._setting.threads)
            command = (sys.executable, "-m", __name__, self._setting.model_dump_json())
            self._link = Link(
                command, environment={"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
            )
        return self._link


def _passing(arch: Arch, tell: "Tell | None") -> Any:
    from llm_nas.tools.tasks.training import Progress

    def pass_on(fields: Any) -> None:
        if tell is not None and isinstance(fields, dict):
            tell(arch, Progress(**cast(dict[str, Any], fields)))

    return pass_on


def _opened(setting: Setting) -> "RealTask":
    import torch

    from llm_nas.tools.spaces import open_space
    from llm_nas.tools.tasks.real import open_real_task, shape_of_real

    torch.set_num_threads(setting.threads)
    space = open_space(setting.space, shape_of_real(setting.task))
    return open_real_task(
        setting.task,
        space,
        seed=setting.seed,
        epochs=setting.epochs,
        folder=setting.folder,
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
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with answers
    _end_with(os.getppid())
    task = _opened(Setting.model_validate_json(text))
    for line in sys.stdin:
        request = json.loads(line)

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
