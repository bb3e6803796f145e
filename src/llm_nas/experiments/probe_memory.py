"""Does a model recite the benchmark? Kendall's tau of its scores for cells it saw no data about.

The same cells are scored under their own names and behind blind codes. A high tau for named
cells and a low one for blind cells is what recitation looks like; skill at reading operation
names looks the same, which is why searches can be run blind.
"""

from dataclasses import dataclass

import numpy as np

from llm_nas.agents.blind import blind_lexicon, open_lexicon
from llm_nas.agents.chat import ChatTransport
from llm_nas.agents.chat_options import ModelOptions
from llm_nas.agents.model_seat import Seat
from llm_nas.agents.model_survey import Surveyor
from llm_nas.domain import FloatArray, Frozen
from llm_nas.errors import ModelReplyError, RequestError
from llm_nas.ports import SearchSpace
from llm_nas.tools.partition import make_partition


@dataclass(frozen=True, slots=True)
class MemorySetting:
    """What is asked: `rounds` draws of `cells` canonical cells of one dataset."""

    model: str
    dataset: str
    cells: int = 20
    rounds: int = 3
    seed: int = 0


class NamedOrBlind(Frozen):
    """Kendall's tau per round, its mean, and rounds the model gave no usable answer to."""

    taus: tuple[float, ...]
    mean: float | None
    failed: int
    failure: str = ""
    """Why the last of them had none."""


class MemoryProbe(Frozen):
    """Both taus; None where no round could be scored."""

    model: str
    dataset: str
    cells: int
    named: NamedOrBlind
    blind: NamedOrBlind


def probe_memory(
    setting: MemorySetting,
    transport: ChatTransport,
    options: ModelOptions,
    space: SearchSpace,
    test_accuracy_pct: FloatArray,
) -> MemoryProbe:
    """Ask the model for scores and compare them with test accuracy `(size,)`."""
    if setting.cells < 2 or setting.rounds < 1:
        raise RequestError("probe-memory: expected at least 2 cells and 1 round")
    results = {
        blind: _rounds(setting, transport, options, space, test_accuracy_pct, blind=blind)
        for blind in (False, True)
    }
    return MemoryProbe(
        model=setting.model,
        dataset=setting.dataset,
        cells=setting.cells,
        named=results[False],
        blind=results[True],
    )


def _rounds(
    setting: MemorySetting,
    transport: ChatTransport,
    options: ModelOptions,
    space: SearchSpace,
    test_accuracy_pct: FloatArray,
    *,
    blind: bool,
) -> NamedOrBlind:
    canonical = np.flatnonzero(space.canonical_index() == np.arange(space.size))
    known = canonical[np.isfinite(test_accuracy_pct[canonical])]
    taus: list[float] = []
    failure = ""
    for turn in range(setting.rounds):
        rng = np.random.default_rng([setting.seed, turn])
        drawn = rng.choice(known, setting.cells, replace=False)
        lexicon = (
            blind_lexicon(space, make_partition(space), rng) if blind else open_lexicon(space)
        )
        surveyor = Surveyor(Seat(transport, setting.model, lexicon, options))
        cells = [space.cell(int(index)) for index in drawn]
        try:
            scores = surveyor.scores(setting.dataset, cells, turn)
        except ModelReplyError as error:
            failure = str(error)
            continue
        taus.append(kendall_tau(np.array(scores), test_accuracy_pct[drawn]))
    mean = float(np.mean(taus)) if taus else None
    failed = setting.rounds - len(taus)
    return NamedOrBlind(taus=tuple(taus), mean=mean, failed=failed, failure=failure)


def kendall_tau(scores: FloatArray, truth: FloatArray) -> float:
    """Kendall's tau-b of two `(n,)` arrays; 0 where one of them is constant."""
    signs_a = np.sign(scores[:, None] - scores[None, :])
    signs_b = np.sign(truth[:, None] - truth[None, :])
    scale = np.sqrt(np.sum(signs_a**2) * np.sum(signs_b**2))
    return float(np.sum(signs_a * signs_b) / scale) if scale else 0.0
