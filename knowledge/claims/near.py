"""Claims that are nearly the same: near in words, and alike on networks.

Equal claims meet by key when they are learned. Closeness in words alone is no proof ('at least 2'
and 'at most 2' read alike), so the embedding only finds whom to compare: two claims are near when
they say the same (objective, direction, scope) and their conditions agree on 95 % of the drawn
networks that either takes in. Evidence is never added up: it rests on the same trainings.
"""

from collections.abc import Mapping, Sequence

from llm_nas.claims import Claim
from llm_nas.domain import Arch
from llm_nas.frozen import Frozen
from llm_nas.knowledge.claims.edits import predicate
from llm_nas.knowledge.claims.pairs import PairSource

LEAST_OVERLAP = 0.95
"""Networks both take in, as a share of those either does."""


class Twin(Frozen):
    """Another claim that says the same, and on what share of the networks it does."""

    id: str
    statement: str
    overlap: float


def twins_of(pairs: PairSource, claim: Claim, others: Mapping[str, Claim]) -> tuple[Twin, ...]:
    """Those of some claims that say nearly the same, closest first."""
    alike = {
        key: other
        for key, other in others.items()
        if (other.effect.objective, other.effect.direction, other.scope)
        == (claim.effect.objective, claim.effect.direction, claim.scope)
        and pairs.why_not(other) is None
    }
    if not alike or pairs.why_not(claim) is not None:
        return ()
    archs = pairs.pool(claim.scope.niches)
    shares = {key: overlap(pairs, claim, other, archs) for key, other in alike.items()}
    found = [
        Twin(id=key, statement=alike[key].statement, overlap=share)
        for key, share in shares.items()
        if share >= LEAST_OVERLAP
    ]
    return tuple(sorted(found, key=lambda twin: (-twin.overlap, twin.id)))


def overlap(pairs: PairSource, one: Claim, other: Claim, archs: Sequence[Arch]) -> float:
    """Networks that meet both conditions over those that meet either; 0 where none does."""
    first = predicate(pairs.space, one.condition)
    second = predicate(pairs.space, other.condition)
    told = [(first(arch), second(arch)) for arch in archs]
    either = sum(a or b for a, b in told)
    return sum(a and b for a, b in told) / either if either else 0.0
