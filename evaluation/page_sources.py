"""How each model's and operator's proposals fared, as rows of a report page."""

from collections.abc import Mapping, Sequence

from llm_nas.domain import Frozen, SourceCounts, SourceRates


class PageSource(Frozen):
    """How the proposals of one source, operator or setting fared: counts and their shares."""

    grouping: str
    """`source`, `operator` or `heuristics`."""
    name: str
    counts: SourceCounts
    rates: SourceRates
    gain: float | None
    """Mean gain of a source's measured cells in their niche's normalised hypervolume."""


def page_sources(
    counted: Mapping[str, Mapping[str, SourceCounts]],
    gains: Sequence[tuple[str, float | None]],
) -> tuple[PageSource, ...]:
    """One row for every value of every grouping; `gains` are (source, gain) of measured cells."""
    return tuple(
        PageSource(
            grouping=grouping,
            name=name,
            counts=counts,
            rates=counts.rates(),
            gain=_mean(gains, name) if grouping == "source" else None,
        )
        for grouping, groups in counted.items()
        for name, counts in sorted(groups.items())
    )


def _mean(gains: Sequence[tuple[str, float | None]], name: str) -> float | None:
    own = [gain or 0.0 for source, gain in gains if source == name]
    return sum(own) / len(own) if own else None
