"""The offline system with one part taken out or replaced at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from llm_nas.graph.run import Switches


@dataclass(frozen=True, slots=True)
class Variant:
    """What makes an ablation: switched parts, another partition, who opens."""

    words: str
    switches: Switches = field(default_factory=Switches)
    partition: str | None = None
    """None: the comparison's own."""
    open: Literal["zero-cost", "random"] | None = None


WHOLE = Variant("the whole offline system")

VARIANTS: Mapping[str, Variant] = {
    "offline-no-advisor": Variant(
        "crossover and mutation of Pareto parents, without a model of accuracy",
        Switches(advisor=False),
    ),
    "offline-no-opening": Variant(
        "a random first generation instead of the zero-cost front", open="random"
    ),
    "offline-no-prior": Variant(
        "zero-cost scores open the search and then play no part", Switches(prior=False)
    ),
    "offline-no-zero-cost": Variant(
        "neither a zero-cost opening nor a zero-cost prior", Switches(prior=False), open="random"
    ),
    "offline-no-knowledge": Variant(
        "no claims are proposed, tested or recalled", Switches(knowledge=False)
    ),
    "offline-no-validator": Variant(
        "wrong proposals are lost instead of repaired", Switches(validator=False)
    ),
    "offline-no-partition": Variant("one niche holds the whole space", partition="none"),
    "offline-random-partition": Variant(
        "niches of equal size dealt at random", partition="random"
    ),
    "offline-operators": Variant(
        "random opening, then crossover and mutation alone",
        Switches(advisor=False, prior=False, knowledge=False),
        open="random",
    ),
}
"""Ablations by the name `compare --methods` gives them."""
