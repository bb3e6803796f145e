"""Six stages of six choices each, some of them conditional: about 2e19 networks."""

import math
from collections.abc import Mapping
from typing import Any

from llm_nas import Choice, Space
from llm_nas.conditions import Bound

choices: list[Choice] = []
for stage in range(1, 7):
    present = Bound(choice=f"depth{stage}", relation="ge", value=2)
    choices += [
        Choice(f"depth{stage}", (1, 2, 3), ordered=True),
        Choice(f"kernel{stage}", (3, 5, 7), ordered=True),
        Choice(f"ratio{stage}", (1, 2, 4, 6), ordered=True),
        Choice(f"width{stage}", (0.5, 1.0, 1.5, 2.0), ordered=True),
        Choice(f"op{stage}", ("dense", "depthwise", "dilated"), words="kind of convolution"),
        Choice(f"pool{stage}", ("max", "mean", "none"), active_when=present),
        Choice(f"skip{stage}", (0, 1), active_when=present),
    ]


def weights(values: Mapping[str, Any]) -> float:
    """Weights of all stages, in thousands."""
    total = 0.0
    for stage in range(1, 7):
        wide = 16 * stage * values[f"width{stage}"]
        area = values[f"kernel{stage}"] ** 2 if values[f"op{stage}"] != "depthwise" else 1
        total += values[f"depth{stage}"] * values[f"ratio{stage}"] * wide**2 * area
    return total / 1000


space = Space(
    "wide",
    choices,
    size_of=weights,
    quantities={"log_weights": lambda values: math.log10(weights(values))},
)
