"""The method's six niches of complexity: by 3x3 convolutions (arXiv 2510.01472)."""

from llm_nas.conditions import AllOf, Count, Relation
from llm_nas.domain import Niche
from llm_nas.tools.spaces.nb201.cells import CONV1, CONV3, OPERATIONS

_THREE, _ONE = OPERATIONS[CONV3], OPERATIONS[CONV1]


def _edges(operation: str, relation: Relation, count: int) -> Count:
    return Count(group="edges", values=(operation,), relation=relation, count=count)


_NO_THREE = _edges(_THREE, "eq", 0)

CONV3X3: tuple[Niche, ...] = (
    Niche(
        id="S0",
        rule=f"no {_THREE} and no {_ONE}",
        condition=AllOf(parts=(_NO_THREE, _edges(_ONE, "eq", 0))),
    ),
    Niche(
        id="S1",
        rule=f"no {_THREE} and at least one {_ONE}",
        condition=AllOf(parts=(_NO_THREE, _edges(_ONE, "ge", 1))),
    ),
    Niche(id="S2", rule=f"exactly one {_THREE}", condition=_edges(_THREE, "eq", 1)),
    Niche(id="S3", rule=f"exactly two {_THREE}", condition=_edges(_THREE, "eq", 2)),
    Niche(id="S4", rule=f"exactly three {_THREE}", condition=_edges(_THREE, "eq", 3)),
    Niche(id="S5", rule=f"four or more {_THREE}", condition=_edges(_THREE, "ge", 4)),
)
