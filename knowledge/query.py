"""What a question asks for, as a typed value: goals, limits and places."""

from typing import Literal, TypeAlias

from llm_nas.claims import Claim, Objective, OpAt, OpCount, OpOnPath, leaves
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


class Topic(Frozen):
    """Operations and edges a question names; none means any."""

    operations: tuple[str, ...] = ()
    edges: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether it names anything."""
        return bool(self.operations or self.edges)

    @property
    def words(self) -> str:
        """In the words that claims use."""
        edge = f"edge {', '.join(self.edges)}" if self.edges else ""
        return " on ".join(part for part in (", ".join(self.operations), edge) if part)

    def takes(self, claim: Claim) -> bool:
        """Whether some part of a claim's condition is about it."""
        return any(
            isinstance(leaf, OpAt | OpCount | OpOnPath)
            and (not self.operations or leaf.op in self.operations)
            and (not self.edges or (isinstance(leaf, OpAt) and leaf.edge in self.edges))
            for leaf, _ in leaves(claim.condition)
        )


class Query(Frozen):
    """A question as it was understood."""

    text: str
    goals: tuple[Goal, ...] = ()
    limits: tuple[Limit, ...] = ()
    dataset: str | None = None
    device: str | None = None
    niche: str | None = None
    about: Topic = Topic()
    """What claims must be about."""
    rest: str = ""
    """Words no rule understood; they are looked up by meaning."""
    familiar: bool = False
    """Whether one of these is a word for operations or parts of cells."""
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
        wishes += [f"about {self.about.words}"] if self.about else []
        meaning = [f"by meaning {self.rest!r}"] if self.rest else []
        return "; ".join([*(wishes + meaning or ["no goal"]), *places, *niche])

    @property
    def placed(self) -> bool:
        """Whether it names a dataset, device or niche."""
        return any((self.dataset, self.device, self.niche))

    @property
    def vague(self) -> bool:
        """Whether it says nothing but perhaps a place."""
        return not (self.goals or self.limits or self.about or self.rest)

    @property
    def sentence(self) -> str:
        """The question in the words that claims use, for a search by meaning."""
        said = [f"{g.direction or ''} {g.objective}".strip() for g in self.goals]
        where = [name for name in (self.dataset, self.device, self.niche) if name]
        tail = f" ({', '.join(where)})" if where else ""
        return f"{' '.join([self.about.words, self.rest, *said]).strip() or self.text}{tail}"
