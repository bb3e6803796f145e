"""Claims the store writes itself: one for every step of every choice, and scoped halves.

The grid needs no look at the data, so every training tests it; only its direction is read off
the trainings, which is why its tests are two-sided. It is what a store knows at least of a space.
"""

from collections.abc import Iterator

from llm_nas.claims import Claim, Effect, Objective, Origin, Scope
from llm_nas.conditions import Bound, Condition, Count, Is
from llm_nas.knowledge.claims.lifecycle import Disagreement
from llm_nas.ports import SearchSpace

MOST_STEPS = 120
"""Conditions of a space that are claimed; of larger spaces the first ones."""
LEAST_GROUP = 4
"""Choices of a group from which shares of it are claimed."""


def steps(space: SearchSpace) -> tuple[Condition, ...]:
    """'At least the next value' of ordered choices, 'this value' of the others, and shares."""
    found: list[Condition] = []
    for choice in space.choices:
        numbers = [value for value in choice.values if not isinstance(value, str)]
        if choice.ordered and len(numbers) == len(choice.values):
            found += [Bound(choice=choice.name, relation="ge", value=v) for v in numbers[1:]]
            continue
        first = 1 if len(choice.values) == 2 else 0
        found += [Is(choice=choice.name, values=(value,)) for value in choice.values[first:]]
    return (*found, *_shares(space))[:MOST_STEPS]


def _shares(space: SearchSpace) -> Iterator[Condition]:
    """'At least a third, at least two thirds of a group hold this value'."""
    kinds = {choice.name: choice.values for choice in space.choices}
    for group, members in space.groups.items():
        values = list(dict.fromkeys(v for name in members for v in kinds[name]))
        if len(members) < LEAST_GROUP:
            continue
        for value in values[1:] if len(values) == 2 else values:
            for count in (-(-len(members) // 3), -(-2 * len(members) // 3)):
                yield Count(group=group, values=(value,), relation="ge", count=count)


def grid(space: SearchSpace, objective: Objective, scope: Scope) -> Iterator[Claim]:
    """A claim for every step of a space about one place: that it raises the objective."""
    effect = Effect(objective=objective, direction="raises")
    for condition in steps(space):
        yield Claim(
            condition=condition,
            effect=effect,
            scope=scope,
            origin=Origin(source="grid"),
        )


def turned(claim: Claim) -> Claim:
    """The opposite claim."""
    direction = "lowers" if claim.effect.direction == "raises" else "raises"
    effect = claim.effect.model_copy(update={"direction": direction})
    return claim.model_copy(update={"effect": effect, "wording": ""})


def scoped(claim: Claim, split: Disagreement) -> Iterator[Claim]:
    """One claim per place that takes sides: the claim where it holds, its opposite elsewhere."""
    for places, half in ((split.holds, claim), (split.fails, turned(claim))):
        for place in places:
            _, task, *device = place.split("/")
            scope = claim.scope.model_copy(update={"tasks": (task,), "devices": tuple(device)})
            origin = Origin(source="split")
            yield half.model_copy(update={"scope": scope, "origin": origin, "wording": ""})
