"""What measured networks seem to say of simple conditions: differences of means, in any space.

These are leads, not evidence: a search draws its networks as it likes, and whether a claim holds
is decided elsewhere, on networks that did not suggest it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from llm_nas.claims import Objective
from llm_nas.conditions import Bound, Condition, Count, Facts, Is, Quantity, Value, matches
from llm_nas.domain import Arch, Measurement, Metric
from llm_nas.ports import SearchSpace

CONTROL = "draw"
"""The quantity of random control groups: nothing is to be learned from it."""
FEWEST_A_SIDE = 3
"""Networks that meet, and that do not meet, a condition worth a word."""
_MOST_THRESHOLDS = 6
_MOST_VALUES_COUNTED = 8
_LEAST_SPREAD = 1e-12


@dataclass(frozen=True, slots=True)
class Effect:
    """How networks that meet a condition differ from the others in an objective."""

    condition: Condition
    topic: str
    """What the condition asks about; of one topic only the clearest condition is kept."""
    objective: Objective
    size: float
    """Signed, in % points of accuracy (or minus the metric's error) or ms."""
    clarity: float
    """Welch's |t|."""


def apparent_effects(
    space: SearchSpace,
    measured: Sequence[Measurement],
    metric: Metric,
    facts_of: Callable[[Arch], Facts],
) -> list[Effect]:
    """The clearest condition of every topic and objective, clearest first."""
    facts = [facts_of(m.arch) for m in measured]
    values: Mapping[Objective, list[float]] = {
        "accuracy": [-metric.error(m.value) for m in measured],
        "latency": [m.latency_ms for m in measured],
    }
    best: dict[tuple[str, str], Effect] = {}
    for topic, condition in simple_conditions(space, facts):
        meets = [matches(condition, f) for f in facts]
        if min(sum(meets), len(meets) - sum(meets)) < FEWEST_A_SIDE:
            continue
        for objective, numbers in values.items():
            size, clarity = _difference(numbers, meets)
            known = best.get((topic, objective))
            if known is None or clarity > known.clarity:
                effect = Effect(condition, topic, objective, size, clarity)
                best[topic, objective] = effect
    return sorted(best.values(), key=lambda e: -e.clarity)


def simple_conditions(
    space: SearchSpace, facts: Sequence[Facts]
) -> Iterator[tuple[str, Condition]]:
    """Topic and condition: one choice, a count over a group, a quantity; thresholds as seen."""
    for choice in space.choices:
        held = [f.values[choice.name] for f in facts if choice.name in f.values]
        if choice.ordered:
            numbers = [float(v) for v in held if not isinstance(v, str)]
            for bound in _thresholds(numbers):
                yield choice.name, Bound(choice=choice.name, relation="ge", value=bound)
            continue
        told = choice.values[1:] if len(choice.values) == 2 else choice.values
        for value in told:
            if value in held:
                yield f"{choice.name} {value}", Is(choice=choice.name, values=(value,))
    yield from _counts(space, facts)
    for name in telling_quantities(space):
        for low in _thresholds([f.quantities[name] for f in facts if name in f.quantities]):
            yield name, Quantity(name=name, low=low)


def telling_quantities(space: SearchSpace) -> list[str]:
    """Names of the quantities that mean something."""
    return [quantity.name for quantity in space.quantities_info if quantity.name != CONTROL]


def _counts(space: SearchSpace, facts: Sequence[Facts]) -> Iterator[tuple[str, Condition]]:
    """At least n of a group hold a value, for values that the group is seen to hold."""
    for group, members in space.groups.items():
        held = [[f.values[name] for name in members if name in f.values] for f in facts]
        seen: dict[Value, None] = {value: None for row in held for value in row}
        for value in list(seen)[:_MOST_VALUES_COUNTED]:
            for low in _thresholds([float(row.count(value)) for row in held]):
                count = Count(group=group, values=(value,), relation="ge", count=math.ceil(low))
                yield f"{group} {value}", count


def _thresholds(numbers: Sequence[float]) -> list[float]:
    """Numbers that divide what was seen in two: all values but the least, at most six of them."""
    distinct = sorted(set(numbers))[1:]
    if len(distinct) > _MOST_THRESHOLDS:
        places = range(1, _MOST_THRESHOLDS + 1)
        spots = [distinct[len(distinct) * p // (_MOST_THRESHOLDS + 1)] for p in places]
        distinct = sorted({float(f"{spot:.3g}") for spot in spots})
    return distinct


def _difference(numbers: Sequence[float], meets: Sequence[bool]) -> tuple[float, float]:
    """Mean of those that meet it less that of the others, and Welch's |t|."""
    groups = [
        [n for n, met in zip(numbers, meets, strict=True) if met is side] for side in (True, False)
    ]
    size = fmean(groups[0]) - fmean(groups[1])
    noise = sum(variance(group) / len(group) for group in groups)
    return size, abs(size) / math.sqrt(max(noise, _LEAST_SPREAD))
