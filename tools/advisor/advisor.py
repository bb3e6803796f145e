"""Chooses what to train by the hypervolume it is expected to add.

Latency costs a second or nothing, a training minutes: the unknown is the error. A Gaussian
process models it, a pool of candidates grows around the front and around what promises most, and
a batch is chosen one by one, each member believed before the next is chosen.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from llm_nas.domain import Arch, Candidate, FloatArray, Limits, Metric, SourceVerdict
from llm_nas.ports import Advisor, History, LatencyModel, Partition, SearchSpace, ZeroCost
from llm_nas.tools.accuracy.process import Process
from llm_nas.tools.advisor.beliefs import Beliefs, Believed, Choice
from llm_nas.tools.advisor.expected import ExpectedPoint, expected_front, niche_doubts
from llm_nas.tools.advisor.opening import Opening
from llm_nas.tools.advisor.pool import Catalogue, Described, grown, near_front
from llm_nas.tools.advisor.scores import ENTERS, Scores

MODEL_FROM = 4
"""Trained networks needed before a model is fitted."""
ORIGIN = "advisor"


class ParetoAdvisor:
    """Plans trainings in any space; implements `llm_nas.ports.Advisor`."""

    def __init__(
        self,
        space: SearchSpace,
        partition: Partition,
        latency: LatencyModel,
        metric: Metric,
        chance: float | None,
        zero_cost: ZeroCost,
        limits: Limits | None = None,
        *,
        opening: Literal["zero-cost", "random"] = "zero-cost",
        hedged: float | None = None,
        prior: bool | Believed = True,
    ) -> None:
        """Take what is known before a training.

        Args:
            space: Whose members are trained.
            partition: Names the niche of every candidate.
            latency: Latencies, exact or believed.
            metric: Turns values into errors.
            chance: The metric of a network that has learned nothing.
            zero_cost: Scores without labels, which choose the opening.
            limits: Hard limits; nothing that breaks one for certain is chosen.
            opening: By zero-cost scores where there are any, or at random.
            hedged: Share of the opening that does not trust the mean of all scores; by their
                number if None.
            prior: Whether zero-cost scores that agree with the labels enter the process, or
                what enters in their place.
        """
        self._space, self._partition, self._latency = space, partition, latency
        self._metric, self._chance = metric, chance
        self._catalogue = Catalogue(space, latency, limits or Limits())
        self._scores = Scores(zero_cost, self._catalogue)
        self._opening = Opening(self._catalogue, partition, self._scores, opening, hedged)
        self._prior = prior

    def open(self, size: int, rng: np.random.Generator) -> tuple[Candidate, ...]:
        """The first generation: `size` candidates, dealt over the niches."""
        return self._opening.deal(size, frozenset(), rng)

    def plan(self, history: History, size: int, rng: np.random.Generator) -> tuple[Candidate, ...]:
        """Up to `size` candidates to train together, best first."""
        if size < 1:
            return ()
        taken = self._taken(history)
        if len(history.measured) < MODEL_FROM:
            return self._opening.deal(size, taken, rng)
        beliefs = self.beliefs(history)
        pool = self._open_pool(beliefs, history, taken, rng)
        chosen = beliefs.batch(pool, size) if pool.archs else []
        picked = [self._candidate(pool, choice, history) for choice in chosen]
        if len(picked) < size:
            taken |= {self._space.twin(c.arch) for c in picked}
            picked += self._opening.deal(size - len(picked), taken, rng)
        return tuple(picked)

    def gains(self, history: History, archs: Sequence[Arch]) -> FloatArray:
        """Expected gain of architectures, `(n,)`; NaN before there is anything to go by."""
        if len(history.measured) < MODEL_FROM or not archs:
            return np.full(len(archs), np.nan)
        return self.beliefs(history).gains(self._catalogue.describe(archs))

    def beliefs(self, history: History) -> Beliefs:
        """What a history makes believable; at least two trained networks are needed."""
        if history.timings:
            self._latency.add(history.timings)
            self._catalogue.forget_latencies()
        prior: Believed | None = None if isinstance(self._prior, bool) else self._prior
        if self._prior is True:
            verdicts = self.sources(history)
            kept = [v.source for v in verdicts if (v.rank_correlation or 0.0) >= ENTERS]
            prior = self._scores.believed(kept)
        return Beliefs(self._catalogue, self._metric, self._chance, history, prior)

    def process(self, history: History) -> Process:
        """The process fitted to a history, for questions about effects of choices."""
        return self.beliefs(history).process

    def sources(self, history: History) -> tuple[SourceVerdict, ...]:
        """What the labels say of every zero-cost score."""
        return self._scores.verdicts(self._metric, history.measured)

    def expected_front(
        self, history: History, rng: np.random.Generator
    ) -> tuple[ExpectedPoint, ...]:
        """The front that is believed to exist, by latency: where a search is heading."""
        beliefs = self.beliefs(history)
        return expected_front(beliefs, self._pool(beliefs, history, rng), self._partition)

    def doubts(self, history: History, rng: np.random.Generator) -> dict[str, float]:
        """Mean deviation of the log error of each niche's members, by niche."""
        beliefs = self.beliefs(history)
        return niche_doubts(beliefs, self._pool(beliefs, history, rng), self._partition)

    def _taken(self, history: History) -> frozenset[Arch]:
        archs = {*(m.arch for m in history.measured), *history.failed, *history.pending}
        return frozenset(self._space.twin(arch) for arch in archs)

    def _pool(self, beliefs: Beliefs, history: History, rng: np.random.Generator) -> Described:
        everything = self._catalogue.everything()
        if everything is not None:
            return everything
        parents = near_front(self._metric, history.measured)
        offered = [c.arch for c in history.offered]
        return grown(self._catalogue, parents, offered, beliefs.gains, rng)

    def _open_pool(
        self,
        beliefs: Beliefs,
        history: History,
        taken: frozenset[Arch],
        rng: np.random.Generator,
    ) -> Described:
        pool = self._pool(beliefs, history, rng)
        fresh = [self._space.twin(arch) not in taken for arch in pool.archs]
        return pool.take(np.array(fresh, dtype=np.bool_) & (pool.feasible > 0.0))

    def _candidate(self, pool: Described, choice: Choice, history: History) -> Candidate:
        arch = pool.archs[choice.position]
        latency = float(pool.latency_ms[choice.position])
        offered = next((c for c in history.offered if c.arch == arch), None)
        value = self._metric.value(choice.error)
        sure = "" if pool.deviation_ms[choice.position] == 0.0 else " about"
        reason = (
            f"expected {self._metric.name} {value:.4g} at{sure} {latency:.4g} ms: "
            "adds most to the front among what was looked at"
        )
        if offered is not None:
            return offered.model_copy(
                update={"reason": offered.reason or reason, "gain": choice.gain}
            )
        niche = self._partition.niche_of(arch)
        return Candidate(
            arch=arch, niche=niche, origin=ORIGIN, operator="pool", reason=reason, gain=choice.gain
        )


class NoAdvisor:
    """An advisor that only opens: niches get equal shares and Designers are on their own."""

    def __init__(self, opener: Advisor | None = None) -> None:
        self._opener = opener

    def open(self, size: int, rng: np.random.Generator) -> tuple[Candidate, ...]:
        """What the other advisor would open with; nothing without one."""
        return self._opener.open(size, rng) if self._opener is not None else ()

    def plan(self, history: History, size: int, rng: np.random.Generator) -> tuple[Candidate, ...]:
        """No candidates."""
        del history, size, rng
        return ()

    def gains(self, history: History, archs: Sequence[Arch]) -> FloatArray:
        """Nobody knows."""
        del history
        return np.full(len(archs), np.nan)

    def sources(self, history: History) -> tuple[SourceVerdict, ...]:
        """None: nothing is believed."""
        del history
        return ()
