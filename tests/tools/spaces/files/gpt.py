"""A bigger GPT family: 6 to 48 layers, heads and MLP ratio of each: more than 1e40 networks."""

from collections.abc import Mapping
from typing import Any

from llm_nas import Choice, Space
from llm_nas.conditions import Bound

DEPTHS = (6, 12, 24, 36, 48)


def params_m(values: Mapping[str, Any]) -> float:
    embed = values["embed"]
    layers = range(1, values["layers"] + 1)
    weights: float = sum(embed**2 * (4 + 2 * values[f"mlp{i}"]) for i in layers)
    return weights / 1e6 + float(embed) * 0.05


choices = [
    Choice("embed", (384, 768, 1024, 1280, 1600), ordered=True),
    Choice("layers", DEPTHS, ordered=True),
]
for i in range(1, max(DEPTHS) + 1):
    there = Bound(choice="layers", relation="ge", value=i) if i > min(DEPTHS) else None
    choices += [
        Choice(f"heads{i}", (4, 8, 12, 16), ordered=True, active_when=there),
        Choice(f"mlp{i}", (2, 3, 4), ordered=True, active_when=there),
    ]

space = Space("gpt-large", choices, quantities={"params_m": params_m})
