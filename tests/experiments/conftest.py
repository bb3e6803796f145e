"""Contexts without files: the small space of the figures' tests, opened by name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_nas.domain import ACCURACY, Arch, ContextName, Failure, Label, Metric, Timing
from llm_nas.errors import RequestError
from llm_nas.experiments import setting
from llm_nas.tools.contexts import Context
from tests.evaluation.conftest import SmallTruth

NAMES = tuple(ContextName(space="small", task="t", device=d) for d in ("one", "two"))
TRUTH = SmallTruth()


@dataclass(frozen=True)
class SmallTask:
    """Noisy labels: a pure function of architecture and seed."""

    name: str = "t"
    metric: Metric = ACCURACY
    chance: float | None = 10.0
    source: str = "made up"

    def train(self, arch: Arch, fidelity: float, seed: int) -> Label | Failure:
        noise = np.random.default_rng([seed, *arch.encode()]).normal(0.0, 0.2)
        return Label(arch=arch, value=100.0 - float(TRUTH.errors([arch])[0]) - noise)


@dataclass(frozen=True)
class SmallDevice:
    name: str
    exact: bool = True
    source: str = "made up"

    def supports(self, arch: Arch) -> str | None:
        return None

    def measure(self, archs: Sequence[Arch]) -> list[Timing | Failure]:
        known = TRUTH.latencies_ms(archs).tolist()
        return [
            Timing(arch=a, median_ms=ms, low_ms=ms, high_ms=ms)
            for a, ms in zip(archs, known, strict=True)
        ]


class Truth(SmallTruth):
    """The same, with a reference that has a digest."""

    def __init__(self) -> None:
        super().__init__()
        self.reference = replace(self.reference, digest="front 1")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Truth]:
    """Every context `small/t/DEVICE` can be opened; their truth."""
    truth = Truth()

    def open_context(name: ContextName, *, data_dir: Path | None = None, seed: int = 0) -> Context:
        if name.space != "small":
            raise RequestError(f"space {name.space!r}: unknown")
        return Context(name, TRUTH.space, SmallTask(), SmallDevice(name.device))

    def open_truth(name: ContextName, space: Any, data_dir: Path | None = None) -> Truth:
        return truth

    def forget() -> None:
        setting.CONTEXTS.clear()
        setting.TRUTHS.clear()

    monkeypatch.setattr(setting, "open_context", open_context)
    monkeypatch.setattr(setting, "open_truth", open_truth)
    forget()
    yield truth
    forget()
