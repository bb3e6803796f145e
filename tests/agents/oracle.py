"""A scripted model that knows what a search is after: it answers with cells of the best front."""

import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from llm_nas.agents.blind import open_lexicon
from llm_nas.agents.chat import ChatReply, ChatRequest
from llm_nas.domain import FloatArray
from llm_nas.evaluation.indicators import non_dominated_mask, objectives
from llm_nas.ports import Partition, SearchSpace


class Oracle:
    """Goes through a list of cells of the niche it is asked about; makes no claims."""

    def __init__(self, space: SearchSpace, cells: Mapping[str, Sequence[int]]) -> None:
        """Take the cells of every niche, best first."""
        self._lexicon = open_lexicon(space)
        self._cells = cells
        self._told: Counter[str] = Counter()
        self._lock = threading.Lock()

    def send(self, request: ChatRequest) -> ChatReply:
        """The next cells of the list, or an empty analysis."""
        answer: dict[str, object] = {"claims": [], "note": ""}
        if request.name == "cells":
            count = int(request.schema["properties"]["cells"]["minItems"])
            answer = {"cells": [self._cell(i) for i in self._next(request.caller.niche, count)]}
        text = json.dumps(answer)
        return ChatReply(text, 100, 50, "oracle", "json_schema", "stop")

    def _next(self, niche: str, count: int) -> list[int]:
        with self._lock:
            start = self._told[niche]
            self._told[niche] += count
        listed = self._cells[niche]
        return [int(listed[i % len(listed)]) for i in range(start, start + count)]

    def _cell(self, index: int) -> dict[str, str]:
        space = self._lexicon.space
        ops = [space.operations[op] for op in space.cell(index)]
        named = {self._lexicon.edge_key(edge): op for edge, op in enumerate(ops)}
        return named | {"rationale": "on the front"}


def best_cells(
    partition: Partition, predicted_pct: FloatArray, latency_ms: FloatArray, seed: int
) -> dict[str, list[int]]:
    """Each niche's cells of the space's front, then those of its own front, in seeded orders."""
    rng = np.random.default_rng(seed)
    known = np.flatnonzero(np.isfinite(latency_ms) & np.isfinite(predicted_pct))
    whole = _front(known, predicted_pct, latency_ms)
    found: dict[str, list[int]] = {}
    for niche in partition.niches:
        members = np.intersect1d(partition.members(niche.id), known)
        own = np.setdiff1d(_front(members, predicted_pct, latency_ms), whole)
        best = np.intersect1d(members, whole)
        found[niche.id] = [*rng.permutation(best).tolist(), *rng.permutation(own).tolist()]
    return found


def _front(
    cells: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    predicted_pct: FloatArray,
    latency_ms: FloatArray,
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return cells[non_dominated_mask(objectives(predicted_pct[cells], latency_ms[cells]))]
