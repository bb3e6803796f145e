"""What is done about failure signatures: counter-measures for the next generation.

A measure costs at most a few slots and lasts one generation. `llm_nas.graph.remedies` carries
them out; agents see them as fields of their view.
"""

from collections.abc import Sequence

from llm_nas.domain import Frozen
from llm_nas.evaluation.signatures import Kind, Signature

REST = 3
"""Generations before a slot is given again for the same trouble in the same niche."""
PROBE_SHARE = 0.25
"""Largest share of a generation's slots that go to probes."""


class Remedy(Frozen):
    """A counter-measure in one niche and generation."""

    kind: Kind
    """Of the signature it answers."""
    niche: str
    taken: str
    """What is done, in words."""
    source: str = ""
    """Whose children are cut to one; the operators take the other places."""
    aims_ms: tuple[tuple[float, float], ...] = ()
    """Latency ranges that parents, slots and prompts are aimed at."""
    probe: str = ""
    """A cell that is measured for it; empty where none is worth a slot."""


def restrain(signature: Signature, operators: str) -> Remedy:
    """Of a source whose proposals were bad: operators get its places for one generation.

    `operators` is the source that varies parents without a model; where it is the one at
    fault, it draws fresh cells instead.
    """
    source = signature.source
    taken = f"operators instead of {source}, which is asked for one child"
    if source == operators:
        taken = "fresh draws instead of children of the same parents"
    return Remedy(kind=signature.kind, niche=signature.niche, source=source, taken=taken)


def joined(ranges: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Ascending ranges with those that touch made one, widest first."""
    whole: list[tuple[float, float]] = []
    for low, high in ranges:
        if whole and low <= whole[-1][1]:
            whole[-1] = (whole[-1][0], high)
        else:
            whole.append((low, high))
    return tuple(sorted(whole, key=lambda r: r[0] - r[1]))


def in_words(ranges: Sequence[tuple[float, float]]) -> str:
    """The ranges as `1.2-1.5 ms, 3-4 ms`."""
    return ", ".join(f"{low:.3g}-{high:.3g} ms" for low, high in ranges)
