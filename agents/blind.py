"""What the model calls things: the space's own names, or meaningless codes for one run.

A public benchmark may stand in a model's training data. Behind a blind lexicon the model
sees no name of an operation, edge, device, dataset, niche or space, in a shuffled order, so
that what it proposes can only come from the numbers it was shown.
"""

import re
import string
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from llm_nas.domain import DATASETS, DEVICES, Cell
from llm_nas.ports import Partition, SearchSpace


class Lexicon:
    """Two-way names between the project and a model.

    `edges` holds the space's edge positions in the order the model sees them; `ops` the
    operation codes likewise.
    """

    def __init__(
        self,
        space: SearchSpace,
        codes: Mapping[str, str],
        edges: Sequence[int],
        ops: Sequence[int],
        *,
        blind: bool,
    ) -> None:
        """Take a code for every name to hide; `codes` is empty for an open lexicon."""
        self.space = space
        self.blind = blind
        self.edges = tuple(edges)
        self.ops = tuple(ops)
        self._codes = dict(codes)
        names = sorted(self._codes, key=len, reverse=True)
        pattern = "|".join(rf"(?<![A-Za-z0-9_]){re.escape(n)}(?![A-Za-z0-9_])" for n in names)
        self._hidden = re.compile(pattern, re.IGNORECASE) if names else None
        self._folded = {name.lower(): code for name, code in self._codes.items()}
        self._op_of = {self.name(op): op for op in space.operations}
        self._edge_of = {self.edge_key(edge): edge for edge in range(len(space.edges))}

    def name(self, name: str) -> str:
        """What the model calls something the project calls `name`."""
        return self._codes.get(name, name)

    def hide(self, text: str) -> str:
        """Free text with every known name replaced, whatever its case."""
        if self._hidden is None:
            return text
        return self._hidden.sub(lambda m: self._folded[m[0].lower()], text)

    def op_names(self) -> list[str]:
        """The operations, in the model's order."""
        return [self.name(self.space.operations[op]) for op in self.ops]

    def edge_key(self, position: int) -> str:
        """JSON key of an edge: letters, digits and underscores only."""
        label = self.name(self.space.edges[position])
        return label if self.blind else "edge_" + re.sub(r"\W+", "_", label)

    def edge_keys(self) -> list[str]:
        """The edges' keys, in the model's order."""
        return [self.edge_key(edge) for edge in self.edges]

    def cell(self, cell: Cell) -> str:
        """A cell as the model sees it: operations in the order of `edge_keys`."""
        return ", ".join(self.name(self.space.operations[cell[edge]]) for edge in self.edges)

    def op(self, name: str) -> str | None:
        """The project's name of the operation the model means, or None."""
        return self._op_of.get(name)

    def edge(self, key: str) -> int | None:
        """The edge position the model means, or None."""
        return self._edge_of.get(key)


def open_lexicon(space: SearchSpace) -> Lexicon:
    """The project's own names."""
    return Lexicon(space, {}, range(len(space.edges)), range(len(space.operations)), blind=False)


def blind_lexicon(
    space: SearchSpace,
    partition: Partition,
    rng: np.random.Generator,
    extra: Iterable[str] = (),
) -> Lexicon:
    """Codes drawn for one run; `extra` names (a user's device) are hidden too."""
    edges = [int(e) for e in rng.permutation(len(space.edges))]
    ops = [int(o) for o in rng.permutation(len(space.operations))]
    codes = {space.edges[edge]: f"slot_{i + 1}" for i, edge in enumerate(edges)}
    codes |= {space.operations[op]: f"op_{_letter(i)}" for i, op in enumerate(ops)}
    codes |= _numbered("group", [niche.id for niche in partition.niches], rng)
    codes |= _numbered("device", [*DEVICES, *(n for n in extra if n not in DATASETS)], rng)
    codes |= _numbered("task", DATASETS, rng)
    return Lexicon(space, {**codes, space.name: "the space"}, edges, ops, blind=True)


def _numbered(kind: str, names: Iterable[str], rng: np.random.Generator) -> dict[str, str]:
    unique = list(dict.fromkeys(names))
    order = rng.permutation(len(unique))
    return {name: f"{kind}_{int(place) + 1}" for name, place in zip(unique, order, strict=True)}


def _letter(position: int) -> str:
    letters = string.ascii_lowercase
    return letters[position] if position < len(letters) else f"{position}"
