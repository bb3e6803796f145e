"""How proposals fared, in all and by who made them, how, and with what in view."""

from collections.abc import Iterable, Mapping, Sequence

from llm_nas.domain import CountsBy, Measurement, ProposalCounts, SourceCounts, Verdict

_REPEATED = ("duplicate", "evaluated")


def count(verdicts: Sequence[Verdict], measured: Sequence[Measurement]) -> ProposalCounts:
    """Totals of one niche and generation; what an earlier attempt had measured counts as novel."""
    totals = _sum(_one(v, {m.arch for m in measured}) for v in verdicts)
    kept = totals.model_dump(include=set(ProposalCounts.model_fields))
    return ProposalCounts.model_validate(kept | {"novel": len(measured)})


def count_by(verdicts: Sequence[Verdict], measured: Sequence[Measurement]) -> CountsBy:
    """The same by source, by operator, and by whether heuristics were shown."""
    archs = {m.arch for m in measured}
    found: CountsBy = {}
    for verdict in verdicts:
        proposal = verdict.proposal
        keys = {
            "source": proposal.source,
            "operator": proposal.operator,
            "heuristics": "shown" if proposal.heuristics else "none",
        }
        one = {grouping: {key: _one(verdict, archs)} for grouping, key in keys.items()}
        found = merge(found, one)
    return found


def total(counted: Iterable[CountsBy]) -> CountsBy:
    """All of them added up."""
    found: CountsBy = {}
    for one in counted:
        found = merge(found, one)
    return found


def merge(
    first: Mapping[str, Mapping[str, SourceCounts]],
    second: Mapping[str, Mapping[str, SourceCounts]],
) -> CountsBy:
    """Both added up, group by group."""
    found: CountsBy = {grouping: dict(groups) for grouping, groups in first.items()}
    for grouping, groups in second.items():
        mine = found.setdefault(grouping, {})
        for key, counts in groups.items():
            mine[key] = mine.get(key, SourceCounts()).plus(counts)
    return found


def _one(verdict: Verdict, measured: set[str]) -> SourceCounts:
    repeated = verdict.kind in _REPEATED
    novel = verdict.arch in measured and not repeated
    return SourceCounts(
        raw=1,
        repaired=verdict.decision == "repaired",
        duplicate=repeated,
        novel=novel,
        rejected=verdict.decision == "rejected",
        valid=verdict.decision == "accepted" or repeated,
        spare=verdict.arch is not None and not novel,
    )


def _sum(counts: Iterable[SourceCounts]) -> SourceCounts:
    total = SourceCounts()
    for one in counts:
        total = total.plus(one)
    return total
