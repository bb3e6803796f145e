"""Numbers that describe an architecture by itself, for models that learn from few networks.

Every choice weighs alike: an ordered one is a number, another one a block of indicators, each
with a mean square distance of 2 between two random members. A choice that is left out is neutral
and marked by a flag. Quantities stand beside them, as logarithms where they are positive. Means
and scales come from the choices and a fixed sample of the space, never from the networks asked.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from llm_nas.choices import Choice
from llm_nas.domain import FloatArray, IntArray
from llm_nas.tools.spaces.legal import INACTIVE


class Encoder:
    """Turns codes `(n, choices)` and quantities into features `(n, d)` on comparable scales."""

    def __init__(
        self,
        choices: Sequence[Choice],
        groups: Mapping[str, tuple[str, ...]],
        reference: IntArray,
        quantities: Mapping[str, FloatArray],
    ) -> None:
        """Take codes and quantities of a fixed sample of the space as the yardstick."""
        self._tables = [_table(c) for c in choices]
        self._flags = _conditional(choices, reference)
        places = {c.name: i for i, c in enumerate(choices)}
        self._groups = {
            group: [places[m] for m in members]
            for group, members in groups.items()
            if len(members) > 1 and all(choices[places[m]].ordered for m in members)
        }
        self._quantities = {name: _Scale(column) for name, column in quantities.items()}
        self.names = self._columns(choices)

    def _columns(self, choices: Sequence[Choice]) -> tuple[str, ...]:
        names: list[str] = []
        for choice, table in zip(choices, self._tables, strict=True):
            one = table.shape[1] == 1
            names += [choice.name] if one else [f"{choice.name}={v}" for v in choice.values]
        names += [f"{choices[i].name} active" for i in self._flags]
        names += [f"mean {group}" for group in self._groups]
        return (*names, *self._quantities)

    def __call__(self, codes: IntArray, quantities: Mapping[str, FloatArray]) -> FloatArray:
        """Features `(n, d)` of codes `(n, choices)` and quantities `(n,)` each."""
        blocks = [table[codes[:, i]] for i, table in enumerate(self._tables)]
        blocks += [2.0 * (codes[:, [i]] != INACTIVE) - 1.0 for i in self._flags]
        for members in self._groups.values():
            held = np.concatenate([self._tables[i][codes[:, i]] for i in members], axis=1)
            blocks.append(held.sum(axis=1, keepdims=True) / len(members) ** 0.5)
        blocks += [scale(quantities[name])[:, None] for name, scale in self._quantities.items()]
        return np.concatenate(blocks, axis=1)


def _table(choice: Choice) -> FloatArray:
    """Features of every code, `(values + 1, columns)`; the last row is for `INACTIVE`."""
    n = len(choice.values)
    if choice.ordered or n <= 2:
        steps = np.arange(n) - (n - 1) / 2
        rows = (steps / max(float(steps.std()), 1e-9))[:, None]
    else:
        rows = (np.eye(n) - 1 / n) / (1 - 1 / n) ** 0.5
    return np.concatenate([rows, np.zeros((1, rows.shape[1]))]).astype(np.float64)


def _conditional(choices: Sequence[Choice], reference: IntArray) -> list[int]:
    """Choices that are left out at times, one for each pattern in which that happens."""
    left_out = reference == INACTIVE
    first: dict[bytes, int] = {}
    for place in range(len(choices)):
        if left_out[:, place].any():
            first.setdefault(left_out[:, place].tobytes(), place)
    return sorted(first.values())


class _Scale:
    """A quantity, or its logarithm where it is positive, with mean 0 and deviation 1."""

    def __init__(self, column: FloatArray) -> None:
        self._least = float(column.min()) / 100 if column.min() > 0 else None
        shown = self._shown(column)
        self._mean, self._deviation = float(shown.mean()), max(float(shown.std()), 1e-9)
        if self._deviation == 1e-9:
            self._deviation = 1.0

    def _shown(self, column: FloatArray) -> FloatArray:
        if self._least is None:
            return column
        return np.log(np.maximum(column, self._least))

    def __call__(self, column: FloatArray) -> FloatArray:
        scaled: FloatArray = (self._shown(column) - self._mean) / self._deviation
        return scaled
