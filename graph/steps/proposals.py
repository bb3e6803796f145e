"""How proposals fared, by who made them."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from llm_nas.domain import Arch, ProposalCounts, Verdict

_REPEATED = ("duplicate", "measured", "failed_before")


def count_by_origin(
    verdicts: Sequence[Verdict], trained: Collection[Arch]
) -> dict[str, ProposalCounts]:
    """Counts of one niche and generation by origin; `trained` came of it."""
    found: dict[str, ProposalCounts] = {}
    for verdict in verdicts:
        origin = verdict.candidate.origin
        found[origin] = found.get(origin, ProposalCounts()).plus(_one(verdict, trained))
    return found


def total(counts: Iterable[Mapping[str, ProposalCounts]]) -> dict[str, ProposalCounts]:
    """All of them added up by origin."""
    found: dict[str, ProposalCounts] = {}
    for one in counts:
        for origin, more in one.items():
            found[origin] = found.get(origin, ProposalCounts()).plus(more)
    return found


def together(counts: Mapping[str, ProposalCounts]) -> ProposalCounts:
    """The sum over origins."""
    whole = ProposalCounts()
    for more in counts.values():
        whole = whole.plus(more)
    return whole


def _one(verdict: Verdict, trained: Collection[Arch]) -> ProposalCounts:
    repeated = verdict.kind in _REPEATED
    novel = verdict.arch in trained and not repeated
    return ProposalCounts(
        raw=1,
        valid=verdict.decision == "accepted" or repeated,
        repaired=verdict.decision == "repaired",
        duplicate=repeated,
        novel=novel,
        spare=verdict.arch is not None and not novel,
        rejected=verdict.decision == "rejected" and not repeated,
    )
