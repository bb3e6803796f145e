"""Design heuristics as claims that code can test.

A claim says that networks meeting a *condition* have more or less of an *objective* within a
*scope*. Everything here is data; evidence is computed elsewhere
(`llm_nas.knowledge.claims.evidence`), never written by a model.
"""

import hashlib
import json
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from llm_nas.conditions import AllOf, AnyOf, Condition, Name, canonical, in_words
from llm_nas.frozen import Frozen

Objective: TypeAlias = Literal["accuracy", "latency", "energy"]
"""`accuracy` stands for any task's metric, turned so that more is better."""
Status: TypeAlias = Literal["proposed", "supported", "trusted", "contested", "retired"]
Text = Annotated[str, Field(max_length=400)]


class Effect(Frozen):
    """What the condition does to an objective; `size` is in `unit`, positive, or unknown.

    Accuracy is minus the error of `Metric.error`: % points, or minus log perplexity.
    """

    objective: Objective
    direction: Literal["raises", "lowers"]
    size: Annotated[float, Field(ge=0)] | None = None

    @property
    def unit(self) -> str:
        """Unit of `size`: % of accuracy, ms of latency or mJ of energy."""
        return {"accuracy": "%", "latency": "ms", "energy": "mJ"}[self.objective]

    @property
    def sign(self) -> int:
        """+1 when the objective goes up, -1 when it goes down."""
        return 1 if self.direction == "raises" else -1


class Scope(Frozen):
    """Where a claim is meant to hold; an empty tuple means everywhere."""

    space: str = ""
    tasks: tuple[Name, ...] = ()
    devices: tuple[Name, ...] = ()
    niches: tuple[Name, ...] = ()


class Origin(Frozen):
    """Who proposed a claim, when, and from which architectures: those do not test it."""

    source: str
    run: str = ""
    generation: int = 0
    archs: tuple[str, ...] = ()


class Claim(Frozen):
    """A testable design heuristic; `wording` keeps the proposer's own sentence."""

    condition: Condition
    effect: Effect
    scope: Scope
    origin: Origin
    wording: Text = ""

    @property
    def statement(self) -> str:
        """One sentence rendered from the typed part."""
        where = [*self.scope.tasks, *self.scope.devices, *self.scope.niches]
        size = "" if self.effect.size is None else f" by {self.effect.size:.3g} {self.effect.unit}"
        tail = f" ({', '.join(where)})" if where else ""
        phrase = in_words(self.condition)
        if isinstance(self.condition, AllOf | AnyOf):
            phrase = phrase[1:-1]
        return f"{phrase} {self.effect.direction} {self.effect.objective}{size}{tail}"

    @property
    def key(self) -> str:
        """Canonical identity: condition, objective, direction, scope; 16 hex digits."""
        core: dict[str, object] = {
            "condition": canonical(self.condition).model_dump(),
            "objective": self.effect.objective,
            "direction": self.effect.direction,
            "scope": {
                "space": self.scope.space,
                "tasks": sorted(self.scope.tasks),
                "devices": sorted(self.scope.devices),
                "niches": sorted(self.scope.niches),
            },
        }
        return hashlib.sha256(json.dumps(core, sort_keys=True).encode()).hexdigest()[:16]


class Evidence(Frozen):
    """What measured networks say of a claim. `mean_effect` is signed, in the effect's unit."""

    method: Literal["matched pairs", "process", "none"] = "none"
    n_for: int = 0
    n_against: int = 0
    mean_effect: float = 0.0
    low: float = 0.0
    high: float = 0.0
    """90 % interval of the mean effect."""
    counter_examples: tuple[str, ...] = ()
    p_value: float | None = None
    """One-sided: chance of an effect this clear in the claimed direction if there were none."""
    archs: int = 0
    """Measured architectures the numbers rest on."""
    contexts: tuple[str, ...] = ()
    """`SPACE/TASK/DEVICE` of the measurements."""
    labels: tuple[str, ...] = ()
    """Accuracy only: the recipes of the trainings, that is, which accuracy is meant."""
    at: float | None = None
    """Error in % at which a relative change was turned into points; None: it is absolute."""
    runs: int = 0
    """Runs that share neither seed nor trainings and measured those architectures."""
    spread: float = 0.0
    """Standard deviation of the objective over those architectures, the yardstick for effects."""


class Heuristic(Frozen):
    """A claim as the store holds it: with status, evidence, lift and, when recalled, a reason."""

    id: str
    claim: Claim
    status: Status
    evidence: Evidence
    lift: float | None = None
    """Mean hypervolume gain of networks made with it minus those made without it."""
    lift_low: float | None = None
    lift_high: float | None = None
    """90 % interval of `lift`; both None until it has been shown and withheld often enough."""
    lift_calls: int = 0
    """Designer calls `lift` rests on, with and without it."""
    benched: bool = False
    """Whether recall leaves it out because it did harm."""
    conflicts: tuple[str, ...] = ()
    """Ids of claims that say the opposite, here or in another scope."""
    examples: tuple[str, ...] = ()
    """Measured networks that meet the condition, best first."""
    why: str = ""
