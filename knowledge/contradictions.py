"""Claims that hold in one place and not in another, and claims that say opposite things.

Nothing is overwritten: a broad claim whose contexts clearly disagree is contested, and one claim
per place is written, each with the direction its cells show. Claims on the same topic with
opposite directions point at each other (`projection.opposed`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from llm_nas.claims import Claim, Effect, Origin
from llm_nas.knowledge.pooling import Sums


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Contexts (`dataset/device`) where a claim clearly holds and where its opposite does."""

    holds: tuple[str, ...]
    fails: tuple[str, ...]

    @property
    def words(self) -> str:
        """For people: where it holds and where not."""
        return f"true on {', '.join(self.holds)}; false on {', '.join(self.fails)}"


def disagreement(contexts: Mapping[str, Sums]) -> Disagreement | None:
    """Where the contexts of a claim take opposite sides; None when they do not.

    A context takes a side when a run there clearly does. One whose own runs disagree explains
    nothing by where they ran.
    """
    holds = tuple(name for name, sums in contexts.items() if sums.clear_for)
    fails = tuple(name for name, sums in contexts.items() if sums.clear_against)
    if not holds or not fails or set(holds) & set(fails):
        return None
    return Disagreement(holds, fails)


def scoped(claim: Claim, split: Disagreement) -> Iterator[Claim]:
    """One claim per place that takes sides: the claim where it holds, its opposite elsewhere."""
    opposite: Literal["raises", "lowers"] = (
        "lowers" if claim.effect.direction == "raises" else "raises"
    )
    same = claim.effect.direction
    sides: tuple[tuple[tuple[str, ...], Literal["raises", "lowers"]], ...] = (
        (split.holds, same),
        (split.fails, opposite),
    )
    for contexts, direction in sides:
        for context in contexts:
            dataset, _, device = context.partition("/")
            scope = claim.scope.model_copy(update={"datasets": (dataset,), "devices": (device,)})
            yield claim.model_copy(
                update={
                    "scope": scope,
                    "effect": Effect(objective=claim.effect.objective, direction=direction),
                    "origin": Origin(source="split"),
                    "wording": "",
                }
            )
