"""Which cells to measure next: a Gaussian process over cell structure and the free latencies.

Reading a latency costs nothing, so the only unknown is accuracy. The process models the log
of the predicted error above a floor close below the least error measured, so that differences
among good cells count as much as those among poor ones. Cells are chosen by expected
hypervolume improvement. What searches of other places measured enters as targets of a related
quantity; how closely related is for the data to decide: where it misleads, not at all.
"""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np

from llm_nas.domain import BoolArray, FloatArray, IntArray, Measurement
from llm_nas.errors import RequestError
from llm_nas.ports import Partition, Pick, Prior
from llm_nas.tools.acquisition import (
    Candidates,
    Model,
    Observed,
    choose_batch,
    floor_of,
    log_error,
    staircase_mask,
)
from llm_nas.tools.features import connected, structure_features
from llm_nas.tools.gaussian_process import GaussianProcess
from llm_nas.tools.related_process import RelatedProcess
from llm_nas.tools.space import NasBench201

_MODEL_FROM = 4
"""Measured cells needed before a model is fitted."""


class GaussianAdvisor:
    """Plans batches over a whole space; implements `llm_nas.ports.Advisor`."""

    def __init__(
        self,
        space: NasBench201,
        partition: Partition,
        latency_ms: FloatArray,
        chance_accuracy_pct: float,
    ) -> None:
        """Take latencies `(size,)` in ms, NaN where missing."""
        self._space = space
        self._partition = partition
        self._latency = latency_ms
        self._chance_error_pct = 100.0 - chance_accuracy_pct
        self._features = structure_features(space)
        usable = np.isfinite(latency_ms) & connected(space)
        self._candidates = fastest_twins(space.canonical_index(), latency_ms, usable)
        if not len(self._candidates):
            raise RequestError("the device has no latency for any cell that joins input to output")

    def plan(
        self,
        measured: Sequence[Measurement],
        prior: Prior | None,
        size: int,
        rng: np.random.Generator,
    ) -> tuple[Pick, ...]:
        """Up to `size` cells to measure together, best first.

        The first batch has nothing to learn from: it is dealt over the niches in turn, each
        cell drawn at random among the niche's candidates. With a prior, half of the places go
        to cells that no other candidate of their niche beats in latency and prior; the other
        half stays as it was, to check the prior by.
        """
        if size < 1:
            return ()
        done = self._indices(measured)
        if len(measured) < _MODEL_FROM:
            chosen = [(i, 0.0) for i in self._dealt(done, prior, size, rng)]
        else:
            chosen = self._modelled(measured, done, prior, size)
        return tuple(self._pick(index, gain) for index, gain in chosen)

    def _indices(self, measured: Sequence[Measurement]) -> IntArray:
        cells = [self._space.index(self._space.parse(m.arch)) for m in measured]
        return np.array(cells, dtype=np.int64)

    def _pick(self, index: int, gain: float) -> Pick:
        cell = self._space.cell(index)
        return Pick(self._space.format(cell), self._partition.niche_of(cell), gain)

    def _open(self, done: IntArray) -> BoolArray:
        """Which candidates are not the twin of a measured cell."""
        twins = self._space.canonical_index()
        return ~np.isin(twins[self._candidates], twins[done])

    def _dealt(
        self, done: IntArray, prior: Prior | None, size: int, rng: np.random.Generator
    ) -> list[int]:
        pool = self._candidates[self._open(done)]
        niche_of = self._partition.labels()[pool]
        decks = [
            rng.permutation(pool[niche_of == niche])
            for niche in range(len(self._partition.niches))
        ]
        plain = _deal(decks)[:size]
        if prior is None:
            return plain
        informed = _deal([self._best_first(deck, prior.score) for deck in decks])[:size]
        places = set(rng.permutation(len(plain))[: -(-len(plain) // 2)].tolist())
        hedged = [informed[i] if i in places else cell for i, cell in enumerate(plain)]
        return list(dict.fromkeys([*hedged, *plain]))[:size]

    def _best_first(self, members: IntArray, score: FloatArray) -> IntArray:
        if not len(members):
            return members
        front = staircase_mask(self._latency[members], -score[members])
        return np.concatenate([members[front], members[~front]])

    def _modelled(
        self,
        measured: Sequence[Measurement],
        done: IntArray,
        prior: Prior | None,
        size: int,
    ) -> list[tuple[int, float]]:
        error = np.array([100.0 - m.predicted_accuracy_pct for m in measured])
        floor = floor_of(error)
        # Areas between errors stay what they are when all errors are lowered alike.
        error = error - floor
        model = self._model(done, log_error(error), prior)
        chosen = choose_batch(
            model,
            Candidates(self._features[self._candidates], self._latency[self._candidates]),
            Observed(self._latency[done], error),
            size=size,
            chance_error_pct=self._chance_error_pct - floor,
            allowed=self._open(done).astype(np.float64),
        )
        return [(int(self._candidates[position]), gain) for position, gain in chosen]

    def _model(self, done: IntArray, targets: FloatArray, prior: Prior | None) -> Model:
        features = self._features[done]
        if prior is not None:
            known = self._features[prior.cells], prior.log_error
            related = RelatedProcess(features, targets, *known)
            if related.informed:
                return related
        return GaussianProcess(features, targets)


class NoAdvisor:
    """An advisor without advice: niches get equal shares and designers are on their own."""

    def plan(
        self,
        measured: Sequence[Measurement],
        prior: Prior | None,
        size: int,
        rng: np.random.Generator,
    ) -> tuple[Pick, ...]:
        """No picks."""
        del measured, prior, size, rng
        return ()


def _deal(decks: Sequence[IntArray]) -> list[int]:
    """One card of every deck in turn, until all are dealt."""
    rounds = zip_longest(*(deck.tolist() for deck in decks))
    return [card for cards in rounds for card in cards if card is not None]


def fastest_twins(
    canonical_index: IntArray, latency_ms: FloatArray, usable: BoolArray
) -> IntArray:
    """Of every set of cells that are the same network, the usable one with the least latency.

    Twins differ in accuracy only by noise, so no other member can be worth measuring.
    """
    cells = np.flatnonzero(usable)
    by_latency = cells[np.argsort(latency_ms[cells], kind="stable")]
    _, first = np.unique(canonical_index[by_latency], return_index=True)
    return np.sort(by_latency[first])
