"""Architecture texts `name=value name=value ...` as 0/1 rows, one column per `name=value`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from llm_nas.domain import Arch
from llm_nas.errors import RequestError


@dataclass(frozen=True)
class Encoder:
    """Turns texts into inputs of a truth model; choices that are inactive leave zeros."""

    tokens: tuple[str, ...]
    """`name=value` of every column, in order."""

    @cached_property
    def _column(self) -> dict[str, int]:
        return {token: column for column, token in enumerate(self.tokens)}

    def one_hot(self, archs: Sequence[Arch]) -> npt.NDArray[np.float32]:
        """`(n, len(tokens))` of zeros and ones.

        Raises:
            RequestError: A text has a choice or value that the model has never seen.
        """
        rows: list[int] = []
        columns: list[int] = []
        for row, arch in enumerate(archs):
            try:
                found = [self._column[token] for token in arch.split(" ")]
            except KeyError as error:
                raise RequestError(
                    f"arch '{arch}': {error.args[0]!r} is not in the table"
                ) from None
            rows += [row] * len(found)
            columns += found
        matrix = np.zeros((len(archs), len(self.tokens)), dtype=np.float32)
        matrix[rows, columns] = 1.0
        return matrix
