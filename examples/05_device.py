"""How do I bring a device whose latency I can compute, or ask some tool of mine for?

`--device examples/05_device.py:Board`. A device that runs ONNX files needs no code: see
`NAME=cmd:...` and `NAME=ssh://...`; one with a table needs none either: `NAME=FILE.csv`.
"""

from collections.abc import Sequence

import numpy as np

from llm_nas.domain import Arch, Failure, TaskShape, Timing
from llm_nas.ports import SearchSpace


class Board:
    """Latency follows size; large kernels with many layers do not fit its memory."""

    name, exact, source = "board", True, "a formula"

    def __init__(self, space: SearchSpace, shape: TaskShape | None) -> None:
        self._space = space

    def supports(self, arch: Arch) -> str | None:
        """Why a network cannot run there; None when it can."""
        values = self._space.values(arch)
        full = values["layers"] == 3 and values["kernel"] == 7
        return "three layers of 7x7 kernels need more memory than 256 kB" if full else None

    def measure(self, archs: Sequence[Arch]) -> list[Timing | Failure]:
        """One answer per network, in order."""
        return [self._answer(arch) for arch in archs]

    def _answer(self, arch: Arch) -> Timing | Failure:
        if reason := self.supports(arch):
            return Failure(arch=arch, stage="time", reason=reason)
        ms = 0.2 + float(self._space.quantities([arch])["size"][0]) / 2000
        return Timing(arch=arch, median_ms=ms, low_ms=ms, high_ms=ms)


if __name__ == "__main__":
    from llm_nas.tools.spaces import open_space

    family = open_space("examples/03_space.py")
    for answer in Board(family, None).measure([family.sample(np.random.default_rng(0))]):
        print(answer)
