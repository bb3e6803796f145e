"""Known networks trained before a search: the honest row beside its front, and its span.

They are kept in a file of the run as they come, so that a resumed run goes on with the next one.
No test image is opened here.
"""

import json
from collections.abc import Callable
from pathlib import Path

from pydantic import Field, ValidationError

from llm_nas.domain import Arch, Failure, Timing
from llm_nas.frozen import Frozen
from llm_nas.graph.record.run_dir import write_json
from llm_nas.tools.devices.real import RealDevice
from llm_nas.tools.tasks.baselines import (
    Baseline,
    Member,
    chosen,
    in_words,
    time_member,
    train_member,
)
from llm_nas.tools.tasks.real import RealTask

FILE = "baselines.json"
MARGIN = 1.1
"""Of the slowest baseline's latency: hypervolume counts nothing beyond it."""


class Baselines(Frozen):
    """What is known of them so far."""

    timings: dict[Arch, Timing] = Field(default_factory=dict[Arch, Timing])
    rows: tuple[Baseline, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def span_ms(self) -> float | None:
        """Networks slower than this are not worth a training; None where nothing was timed."""
        known = [timing.median_ms for timing in self.timings.values()]
        return MARGIN * max(known) if known else None

    @property
    def trainings(self) -> float:
        """What they cost, counted apart from the search."""
        return sum(r.trainings for r in self.rows) + sum(f.trainings for f in self.failures)


def read_baselines(folder: Path) -> Baselines:
    """Those of a run's folder; none where there is no such file."""
    try:
        return Baselines.model_validate(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return Baselines()


class BaselineWork:
    """Times, then trains the known networks of one run."""

    def __init__(
        self,
        task: RealTask,
        device: RealDevice,
        folder: Path,
        seed: int,
        count: int | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Go on with what the folder holds; `count` of None: the usual number for the task."""
        self._task, self._device, self._folder, self._seed = task, device, folder, seed
        self._say = say
        self._chosen = chosen(task, count)
        self.known = read_baselines(folder)

    def time(self) -> None:
        """Time those that were not: a few seconds that tell the search how far to look."""
        for member in self._left():
            if member.arch not in self.known.timings:
                answer = time_member(member, self._task, self._device)
                if isinstance(answer, Failure):
                    self._keep(failures=(*self.known.failures, answer))
                    self._tell(member, answer)
                else:
                    self._keep(timings={**self.known.timings, member.arch: answer})

    def train(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Train those that were not; between two of them `stop` may end it."""
        for member in self._left():
            if stop():
                return
            timing = self.known.timings[member.arch]
            answer = train_member(member, timing, self._task, self._seed)
            if isinstance(answer, Failure):
                self._keep(failures=(*self.known.failures, answer))
            else:
                self._keep(rows=(*self.known.rows, answer))
            self._tell(member, answer)

    def _left(self) -> list[Member]:
        done = {r.arch for r in self.known.rows} | {f.arch for f in self.known.failures}
        return [member for member in self._chosen if member.arch not in done]

    def _keep(self, **changes: object) -> None:
        self.known = self.known.model_copy(update=changes)
        write_json(self._folder / FILE, self.known.model_dump(mode="json"))

    def _tell(self, member: Member, answer: Baseline | Failure) -> None:
        if self._say is not None:
            self._say(in_words(member, answer))
