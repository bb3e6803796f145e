"""What a question asks for, as a typed value: goals, limits and places."""

from typing import Literal, TypeAlias

from llm_nas.claims import Objective
from llm_nas.domain import Frozen

Direction: TypeAlias = Literal["raises", "lowers"]
Relation: TypeAlias = Literal["at least", "at most"]


class Goal(Frozen):
    """An objective to move; `direction` is None when the question only names the objective."""

    objective: Objective
    direction: Direction | None

    @property
    def words(self) -> str:
        """For people."""
        verb = {"raises": "higher", "lowers": "lower", None: "anything about"}[self.direction]
        return f"{verb} {self.objective}"


class Limit(Frozen):
    """A bound on an objective's value, or on how much it may change."""

    objective: Objective
    of: Literal["change", "value"]
    relation: Relation
    amount: float
    """In % of accuracy, ms of latency or mJ of energy; signed for a change."""

    @property
    def words(self) -> str:
        """For people: what must hold."""
        unit = {"accuracy": "%", "latency": "ms", "energy": "mJ"}[self.objective]
        if self.of == "value":
            return f"{self.objective} {self.relation} {self.amount:g} {unit}"
        if self.amount == 0:
            return f"no {'lower' if self.relation == 'at least' else 'higher'} {self.objective}"
        way = "up" if self.amount > 0 else "down"
        wanted = (self.relation == "at least") == (self.amount > 0)
        bound = "at least" if wanted else "at most"
        return f"{self.objective} {way} by {bound} {abs(self.amount):g} {unit}"

    def holds(self, value: float) -> bool:
        """Whether a value (or a change) keeps within the bound."""
        return value >= self.amount if self.relation == "at least" else value <= self.amount


class Query(Frozen):
    """A question as it was understood."""

    text: str
    goals: tuple[Goal, ...] = ()
    limits: tuple[Limit, ...] = ()
    dataset: str | None = None
    device: str | None = None
    niche: str | None = None
    rest: str = ""
    """Words no rule understood; they are looked up by meaning."""
    notes: tuple[str, ...] = ()
    """One line each: names nobody here knows, numbers that say nothing."""

    @property
    def words(self) -> str:
        """What was understood, in one line."""
        places = [
            f"{kind} {name or 'any'}"
            for kind, name in (("dataset", self.dataset), ("device", self.device))
        ]
        niche = [f"niche {self.niche}"] if self.niche else []
        wishes = [goal.words for goal in self.goals] + [limit.words for limit in self.limits]
        meaning = [f"by meaning {self.rest!r}"] if self.rest else []
        return "; ".join([*(wishes + meaning or ["no goal"]), *places, *niche])

    @property
    def sentence(self) -> str:
        """The question in the words that claims use, for a search by meaning."""
        said = [f"{g.direction or ''} {g.objective}".strip() for g in self.goals]
        where = [name for name in (self.dataset, self.device, self.niche) if name]
        tail = f" ({', '.join(where)})" if where else ""
        return f"{' '.join([self.rest, *said]).strip() or self.text}{tail}"
