"""Evidence of many runs as sums: a new cell costs the same however many runs came before.

What a run says of a claim changes with each of its cells, so its old part is taken out of the sums
and the new one put in. The sums are fixed-point integers: taking out leaves no trace, and the
order in which runs arrive makes no difference.
"""

from collections.abc import Mapping, Sequence
from math import ldexp
from typing import NamedTuple, Self

from llm_nas.claims import Claim, Evidence
from llm_nas.evaluation.student import lower_tail, quantile
from llm_nas.knowledge.evidence import TAIL, Part

CLEAR_P = 0.005
"""One-sided p-value from which a run takes sides."""
ALIKE = 0.5
"""Correlation of the errors of two runs of one context, which search alike and err alike."""
_BITS = 200
"""Binary places of a sum: what is added is far above 2**-147, so that all of it is kept."""


def fixed(value: float) -> int:
    """A finite float as a multiple of 2**-200; exact unless it is tiny."""
    return int(ldexp(value, _BITS))


def _float(total: int) -> float:
    return total / (1 << _BITS)


class Sums(NamedTuple):
    """Sums over runs of one context; the last five are fixed-point."""

    runs: int = 0
    matched: int = 0
    """Runs with a matched pair."""
    n_for: int = 0
    n_against: int = 0
    cells: int = 0
    freedom: int = 0
    clear_for: int = 0
    """Runs that by themselves clearly say what the claim says."""
    clear_against: int = 0
    spread: int = 0
    typical: int = 0
    precision: int = 0
    """Inverse squared standard errors."""
    root: int = 0
    """Inverse standard errors."""
    weighted: int = 0
    """Means times their precisions."""

    @classmethod
    def of(cls, claim: Claim, part: Part) -> Self:
        """The sums of one run."""
        t = claim.effect.sign * part.mean / part.error
        return cls(
            runs=1,
            matched=int(part.method == "matched pairs"),
            n_for=part.n_for,
            n_against=part.n_against,
            cells=part.cells,
            freedom=part.freedom,
            clear_for=int(lower_tail(-t, part.freedom) <= CLEAR_P),
            clear_against=int(lower_tail(t, part.freedom) <= CLEAR_P),
            spread=fixed(part.spread),
            typical=fixed(part.typical or 0.0),
            precision=fixed(part.error**-2),
            root=fixed(1.0 / part.error),
            weighted=fixed(part.mean * part.error**-2),
        )

    def plus(self, other: Self) -> Self:
        """Both together."""
        return type(self)(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: Self) -> Self:
        """Without runs that are in it."""
        return type(self)(*(a - b for a, b in zip(self, other, strict=True)))

    @property
    def mean(self) -> float:
        """Mean effect, better-known runs counting more."""
        return self.weighted / self.precision

    @property
    def variance(self) -> float:
        """Squared standard error of `mean` when runs err alike by half."""
        alone = 1.0 / _float(self.precision)
        return (1.0 - ALIKE) * alone + ALIKE * (self.root / self.precision) ** 2


def pool(claim: Claim, contexts: Mapping[str, Sums], counter_examples: Sequence[str]) -> Evidence:
    """The sums of several contexts as one `Evidence`.

    Args:
        claim: gives the direction.
        contexts: by `dataset/device`; without any the evidence is of method 'none'.
        counter_examples: architecture strings to show.
    """
    if not contexts:
        return Evidence()
    each = list(contexts.values())
    total = each[0]
    for sums in each[1:]:
        total = total.plus(sums)
    mean, error, freedom = _over_contexts(each)
    reach = quantile(1 - TAIL, freedom) * error
    t = claim.effect.sign * mean / error
    typical = _float(total.typical) / total.runs
    return Evidence(
        method="matched pairs" if total.matched else "regression",
        n_for=total.n_for,
        n_against=total.n_against,
        mean_effect=mean,
        low=mean - reach,
        high=mean + reach,
        counter_examples=tuple(counter_examples),
        p_value=lower_tail(-t, freedom),
        cells=total.cells,
        contexts=tuple(contexts),
        runs=total.runs,
        spread=_float(total.spread) / total.runs,
        typical_error_pct=typical if claim.effect.objective == "accuracy" else None,
    )


def _over_contexts(each: Sequence[Sums]) -> tuple[float, float, float]:
    """Mean, standard error and degrees of freedom.

    Contexts count equally, and what differs between them is error too: a claim about many
    contexts is about the next one as well.
    """
    freedom = min(sums.freedom / sums.runs for sums in each)
    count = len(each)
    if count == 1:
        return each[0].mean, each[0].variance ** 0.5, freedom
    mean = sum(sums.mean for sums in each) / count
    within = sum(sums.variance for sums in each) / count**2
    between = sum((sums.mean - mean) ** 2 for sums in each) / (count - 1) / count
    return mean, max(between, within) ** 0.5, float(count - 1) if between > within else freedom
