"""What a report page reads from a trace: the events of one niche in one generation."""

from pydantic import BaseModel, ConfigDict

from llm_nas.domain import TraceEvent


class PageEvent(BaseModel):
    """Base of what is read from a trace: events may have more fields than a page needs."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Measured(PageEvent):
    """A cell that was measured."""

    arch: str
    predicted_accuracy_pct: float
    latency_ms: float


class Proposed(PageEvent):
    """A child somebody proposed."""

    arch: str
    operator: str
    source: str
    parents: tuple[str, ...] = ()
    heuristics: tuple[str, ...] = ()
    rationale: str = ""


class Judged(PageEvent):
    """What the Validator made of it."""

    arch: str
    decision: str
    reason: str
    source: str = ""


class Shown(PageEvent):
    """A heuristic that was recalled."""

    id: str
    statement: str


class Recalled(PageEvent):
    """Heuristics a call was shown, and ids of those withheld from it."""

    shown: tuple[Shown, ...] = ()
    withheld: tuple[str, ...] = ()


class Gained(PageEvent):
    """What each measured cell added to its niche's normalised hypervolume."""

    gains: tuple[float, ...] = ()


class Block:
    """The events of one niche in one generation."""

    def __init__(self) -> None:
        self.proposals: dict[str, Proposed] = {}
        self.verdicts: dict[str, Judged] = {}
        self.measured: list[Measured] = []
        self.gains: tuple[float, ...] = ()
        self.recalled = Recalled()

    @property
    def children(self) -> list[tuple[float, bool]]:
        """Gain and validity of every child; one that was turned down gains nothing."""
        rejected = sum(verdict.decision == "rejected" for verdict in self.verdicts.values())
        return [*((gain, True) for gain in self.gains), *([(0.0, False)] * rejected)]

    def take(self, event: TraceEvent) -> None:
        """Keep what matters of an event; others pass."""
        match event.event:
            case "proposal":
                proposal = Proposed.model_validate(event.data)
                self.proposals[proposal.arch] = proposal
            case "verdict":
                verdict = Judged.model_validate(event.data)
                self.verdicts[verdict.arch] = verdict
            case "measurement":
                self.measured.append(Measured.model_validate(event.data))
            case "change":
                self.gains = Gained.model_validate(event.data).gains
            case "heuristics":
                self.recalled = Recalled.model_validate(event.data)
            case _:
                pass
