"""A Designer that somebody else wrote; where it fails, the offline one stands in."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from llm_nas.claims import Heuristic
from llm_nas.domain import Candidate
from llm_nas.errors import LlmNasError, ModelReplyError
from llm_nas.plugins import opened
from llm_nas.ports import Designer, Moves, NicheView, SearchSpace


class BroughtDesigner:
    """Implements `llm_nas.ports.Designer` on one of an entry point, `module:NAME` or a file."""

    def __init__(self, designer: Designer) -> None:
        self._designer = designer
        self.source: str = designer.source

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Candidate, ...]:
        """Its candidates; whatever it raises is told in the trace, as a model's failure is."""
        try:
            return tuple(self._designer.propose(view, heuristics, rng))
        except LlmNasError:
            raise
        except Exception as error:
            why = f"designer {self.source}: {type(error).__name__}: {error}"
            raise ModelReplyError(why) from error


def open_brought(name: str, space: SearchSpace, moves: Moves) -> BroughtDesigner:
    """The Designer of a name, made with space and moves where it is a class or function.

    Raises:
        RequestError: There is no such thing, it fails, or it is no Designer.
    """
    return BroughtDesigner(cast("Designer", opened("designers", name, space, moves)))
