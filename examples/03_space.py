"""How do I bring a search space? Choices, which of them depend on others, and a size.

`llm-nas search --space examples/03_space.py --task ... --device ...` takes the variable `space`.
"""

from llm_nas import Choice, Space
from llm_nas.conditions import Bound, Value


def size(values: "dict[str, Value]") -> float:
    """Rough work of a network: niches are quantiles of it."""
    widths = [float(values[name]) for name in values if name.startswith("width")]
    return sum(widths) * float(values["kernel"]) ** 2


WIDTHS = (16, 32, 64, 128)
space = Space(
    "stack",
    [
        Choice("layers", (1, 2, 3), ordered=True),
        Choice("kernel", (3, 5, 7), ordered=True),
        Choice("activation", ("relu", "gelu", "silu")),
        Choice("width1", WIDTHS, ordered=True),
        Choice(
            "width2",
            WIDTHS,
            ordered=True,
            active_when=Bound(choice="layers", relation="ge", value=2),
        ),
        Choice(
            "width3",
            WIDTHS,
            ordered=True,
            active_when=Bound(choice="layers", relation="ge", value=3),
        ),
    ],
    size_of=size,
)

if __name__ == "__main__":
    print(space.describe())
