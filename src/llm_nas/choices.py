"""What an architecture is made of: named choices, some ordered, some active only at times."""

from dataclasses import dataclass

from llm_nas.conditions import Condition, Value


@dataclass(frozen=True, slots=True)
class Choice:
    """One decision of a space: `Choice("k1", (3, 5, 7), ordered=True)`."""

    name: str
    values: tuple[Value, ...]
    ordered: bool = False
    """Whether values are numbers whose order means something."""
    active_when: Condition | None = None
    """Asks earlier choices; where it does not hold the choice is left out. None: always active."""
    words: str = ""
    """What the choice is, in the words of the field: 'kernel size of stage 1'."""
