"""The Validator: legal, in its niche, new, and with a known latency, or rejected with a reason."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from llm_nas.domain import FloatArray, Proposal, Verdict
from llm_nas.errors import RequestError
from llm_nas.ports import Partition, SearchSpace

Kind: TypeAlias = Literal["illegal", "out_of_niche", "duplicate", "evaluated", "no_latency"]


class CellValidator:
    """Checks proposals in order; implements `llm_nas.ports.Validator`.

    Two cells are the same when their canonical forms are: edges that no path uses do not
    make a new network.
    """

    def __init__(
        self, space: SearchSpace, partition: Partition, latency_ms: FloatArray, device: str
    ) -> None:
        """Take latencies `(size,)` in ms, NaN for cells the device lacks."""
        self._space = space
        self._partition = partition
        self._has_latency = np.isfinite(latency_ms)
        self._device = device

    def check(
        self, niche: str, proposals: Sequence[Proposal], evaluated: Sequence[str]
    ) -> tuple[Verdict, ...]:
        """One verdict per proposal; `evaluated` are the cells of the run measured before."""
        measured = {self._twin(arch) for arch in evaluated}
        taken: set[int] = set()
        verdicts: list[Verdict] = []
        for proposal in proposals:
            verdict = self._judge(niche, proposal, measured, taken)
            if verdict.arch is not None:
                taken.add(self._twin(verdict.arch))
            verdicts.append(verdict)
        return tuple(verdicts)

    def _twin(self, arch: str) -> int:
        return int(self._space.canonical_index()[self._space.index(self._space.parse(arch))])

    def _judge(
        self, niche: str, proposal: Proposal, measured: set[int], taken: set[int]
    ) -> Verdict:
        repaired = False
        try:
            cell = self._space.parse(proposal.arch)
        except RequestError as error:
            tidy = _tidied(proposal.arch)
            try:
                cell = self._space.parse(tidy)
            except RequestError:
                return _rejected(proposal, "illegal", str(error))
            repaired = True
        if self._partition.niche_of(cell) != niche:
            other = self._partition.niche_of(cell)
            return _rejected(proposal, "out_of_niche", f"lies in {other}, not in {niche}")
        index = self._space.index(cell)
        twin = int(self._space.canonical_index()[index])
        if twin in measured:
            return _rejected(proposal, "evaluated", "the same network was measured before")
        if twin in taken:
            return _rejected(proposal, "duplicate", "the same network was proposed just before")
        if not self._has_latency[index]:
            return _rejected(proposal, "no_latency", f"{self._device} has no latency for it")
        arch = self._space.format(cell)
        if repaired:
            reason = "spelling put right"
            return Verdict(
                proposal=proposal, decision="repaired", kind="repaired", reason=reason, arch=arch
            )
        return Verdict(
            proposal=proposal, decision="accepted", kind="ok", reason="new and legal", arch=arch
        )


def _tidied(arch: str) -> str:
    """Undo what writers of strings get wrong: case, blanks, dashes, missing outer bars."""
    text = "".join(arch.lower().split()).replace("-", "_").strip("`'\"")
    nodes = [node.strip("|") for node in text.split("+")]
    return "+".join(f"|{node}|" for node in nodes)


def _rejected(proposal: Proposal, kind: Kind, reason: str) -> Verdict:
    return Verdict(proposal=proposal, decision="rejected", kind=kind, reason=reason)
