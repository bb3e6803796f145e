"""A question as a typed query: from flags, from a model with a schema, from a few plain patterns.

Whoever fills a field first wins: flags before a model before patterns. What no pattern reads
stays in `topic`, which is searched for by meaning; nothing is guessed.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from llm_nas.errors import RequestError
from llm_nas.frozen import Frozen
from llm_nas.ports import SearchSpace

Goal = Literal["accuracy", "latency", "size"]
Wanted = Literal["rule", "architecture", "number"]
Positive = Annotated[float, Field(gt=0)]


class Query(Frozen):
    """What is asked; None: not said. `model_json_schema()` is what a model is to fill in."""

    goal: Goal | None = Field(default=None, description="What should become better.")
    wanted: Wanted | None = Field(
        default=None, description="A rule of design, trained networks, or the size of an effect."
    )
    max_latency_ms: Positive | None = None
    min_accuracy_pct: Annotated[float, Field(ge=0, le=100)] | None = None
    max_loss_pct: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Accuracy that may be given up, in points."
    )
    max_params_m: Positive | None = None
    space: str | None = None
    task: str | None = None
    device: str | None = None
    niche: str | None = None
    arch: str | None = Field(default=None, description="A network the question names.")
    topic: str = Field(default="", max_length=400, description="What it is about, in a few words.")

    def over(self, other: "Query") -> "Query":
        """This query, with what it leaves open from another one."""
        own = self.model_dump(exclude_none=True)
        if not self.topic:
            own.pop("topic", None)
        return other.model_copy(update=own)

    @property
    def words(self) -> str:
        """The query in one line, for people to check."""
        said: list[str] = [f"wanted: {self.wanted or 'rule'}"]
        said += [f"goal: {GOALS[self.goal]}"] if self.goal else []
        limits = (
            ("latency at most {:g} ms", self.max_latency_ms),
            ("accuracy at least {:g} %", self.min_accuracy_pct),
            ("accuracy given up at most {:g} points", self.max_loss_pct),
            ("parameters at most {:g} M", self.max_params_m),
        )
        said += [text.format(limit) for text, limit in limits if limit is not None]
        places = ("space", "task", "device", "niche")
        said += [f"{name} {getattr(self, name)}" for name in places if getattr(self, name)]
        said += [f"network {self.arch}"] if self.arch else []
        said += [f"about {self.topic!r}"] if self.topic else []
        return "; ".join(said)


def query_of(**fields: str | float | None) -> Query:
    """A query from flags; `RequestError` names the flag that is wrong."""
    try:
        return Query.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        flag = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
        raise RequestError(f"{flag} {first['input']!r}: {first['msg'].lower()}") from error


GOALS = {"accuracy": "higher accuracy", "latency": "lower latency", "size": "smaller networks"}

_NUMBER = r"(\d+(?:\.\d+)?)"
_LOSS = re.compile(
    r"(?:los(?:e|es|ing|s)|giv(?:e|ing) up|drop(?:ping)?|sacrific(?:e|ing))"
    rf"\D{{0,40}}?{_NUMBER}\s*"
    r"(?:%|percent|points?|pp)(?:\s+(?:of\s+)?accuracy)?",
    re.IGNORECASE,
)
_NO_LOSS = re.compile(
    r"without\s+(?:los|hurt|giv|harm|sacrific|reduc|lower|chang)\w*(?:\s+up)?(?:\s+\w+){0,2}?\s+"
    r"accuracy|(?:no|same)\s+accuracy(?:\s+loss)?",
    re.IGNORECASE,
)
_LATENCY = re.compile(
    r"(?:under|below|within|less than|at most|no more than|no slower than|faster than|up to|"
    rf"max\w*|limit(?: of)?|budget(?: of)?|<=?|in)\s*(?:latency\s*(?:of\s*)?)?{_NUMBER}\s*"
    r"(ms|milliseconds?|us|µs|microseconds?)\b(?:\s+latency)?",
    re.IGNORECASE,
)
_ACCURACY = re.compile(
    r"(?:at least|above|over|more than|better than|no less than|min\w*|reach\w*|>=?|with)\s*"
    rf"(?:accuracy\s*(?:of\s*)?)?(?:at least\s*)?{_NUMBER}\s*"
    r"(?:%|percent|pct)(?:\s+(?:of\s+)?accura\w+)?",
    re.IGNORECASE,
)
_PARAMS = re.compile(
    rf"(?:under|below|less than|at most|up to|max\w*|<=?)\s*{_NUMBER}\s*"
    r"(?:m|million)\s*(?:param\w*|weights)",
    re.IGNORECASE,
)
_ARCHS = (re.compile(r"\|[^\s|]+\|\S*"), re.compile(r"\w+=\w+(?:\s+\w+=\S+)+"))
_GOAL_WORDS: Sequence[tuple[Goal, str]] = (
    ("latency", r"latenc\w*|fast\w*|slow\w*|speed\w*|quick\w*|milliseconds?|\bms\b|runtime"),
    ("accuracy", r"accura\w*|errors?\b|perplexity|better|worse|quality|precise"),
    ("size", r"small\w*|tiny|(?:model|network|file) size|param\w*|\bmacs?\b|flops|compact"),
)
_BOTH = re.compile(r"trade-?offs?|pareto|\bfronts?\b|\bbalanced?\b|compromises?", re.IGNORECASE)
_NUMBER_WORDS = re.compile(
    r"how (?:much|many|fast|slow|accurate|large|big)|what (?:is|are) the (?:latenc|accura|effect"
    r"|cost|speed)|what does .+ (?:cost|bring|gain|do)\b",
    re.IGNORECASE,
)
_NETWORK_WORDS = re.compile(
    r"\b(?:fastest|slowest|smallest|most accurate|best|front|pareto|trade-?off)\b|\b(?:which|what|"
    r"a|an|give|show|find|recommend|suggest|need|want|any|the)\b[^?.,]*\b(?:networks?|architectures?"
    r"|models?|cells?|nets?)\b",
    re.IGNORECASE,
)
_RULE_WORDS = re.compile(
    r"\b(?:should|rules?|advice|avoid|why|hurts?|helps?|matters?|effects?|affects?|makes?|cause\w*"
    r"|do i|to get|how (?:do|can|to)|what (?:raises|lowers|improves|increases|reduces|slows"
    r"|costs))\b",
    re.IGNORECASE,
)


def understand(text: str, space: SearchSpace | None, names: "Names") -> Query:
    """What a few patterns read in a question; the rest is its topic."""
    found: dict[str, object] = {}
    arch, rest = _arch(text, space)
    loss, rest = _taken(_LOSS, rest)
    none, rest = _taken(_NO_LOSS, rest)
    latency, rest = _taken(_LATENCY, rest)
    params, rest = _taken(_PARAMS, rest)
    accuracy, rest = _taken(_ACCURACY, rest)
    found["arch"] = arch
    found["max_loss_pct"] = float(loss[1]) if loss else (0.0 if none else None)
    if latency:
        small = latency[2].lower()[0] in "uµ" or latency[2].lower().startswith("micro")
        found["max_latency_ms"] = float(latency[1]) / (1000.0 if small else 1.0) or None
    found["max_params_m"] = (float(params[1]) or None) if params else None
    found["min_accuracy_pct"] = min(float(accuracy[1]), 100.0) if accuracy else None
    for kind, known in names.kinds:
        name, rest = _named(rest, known)
        found[kind] = name
    found["goal"], found["wanted"] = _goal(rest), _wanted(rest, found)
    found["topic"] = _topic(rest)
    return Query.model_validate(found)


class Names(Frozen):
    """Names a store knows, which a question may mention."""

    spaces: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    niches: tuple[str, ...] = ()

    @property
    def kinds(self) -> Sequence[tuple[str, tuple[str, ...]]]:
        """Field of a query and the names it may take."""
        return (
            ("device", self.devices),
            ("task", self.tasks),
            ("space", self.spaces),
            ("niche", self.niches),
        )


def _arch(text: str, space: SearchSpace | None) -> tuple[str | None, str]:
    """A network in the text, in canonical form, and the text without it."""
    for pattern in _ARCHS if space else ():
        for match in pattern.finditer(text):
            try:
                assert space is not None
                arch = space.parse(match[0].rstrip("?.,;"))
            except RequestError:
                continue
            return arch, text.replace(match[0], " ")
    return None, text


def _taken(pattern: re.Pattern[str], text: str) -> tuple[re.Match[str] | None, str]:
    """The first match, and the text without it."""
    match = pattern.search(text)
    return match, text if match is None else f"{text[: match.start()]} {text[match.end() :]}"


def _named(text: str, names: Iterable[str]) -> tuple[str | None, str]:
    """The first known name in a text, longest first, and the text without it."""
    for name in sorted(names, key=len, reverse=True):
        loose = re.escape(name).replace(r"\-", r"[-\s_]?")
        match, rest = _taken(re.compile(rf"(?<![\w.-]){loose}(?![\w-])", re.IGNORECASE), text)
        if match:
            return name, rest
    return None, text


def _goal(text: str) -> Goal | None:
    """The goal whose words come first; None where none does."""
    if _BOTH.search(text):
        return None
    found: dict[int, Goal] = {}
    for goal, words in _GOAL_WORDS:
        match = re.search(words, text.lower())
        if match:
            found[match.start()] = goal
    return found[min(found)] if found else None


def _wanted(text: str, found: dict[str, object]) -> Wanted:
    if found["arch"] or _NUMBER_WORDS.search(text):
        return "number"
    if _NETWORK_WORDS.search(text) and not _RULE_WORDS.search(text):
        return "architecture"
    limited = any(found.get(name) for name in ("max_latency_ms", "min_accuracy_pct"))
    return "architecture" if limited and not _RULE_WORDS.search(text) else "rule"


_PLAIN = frozenset(
    (
        "go goes run runs running worth bad "
        "a about accuracy accurate also an and any anything architecture architectures are as at "
        "avoid bad be best better between bigger but by can cell cells change changing cost costs "
        "could dataset device did do does down effect effects fast faster fastest find for from "
        "get give given good happens has have having help helps high higher highest how hurt "
        "hurts i if improve improves in increase increases is it its keep kind know known larger "
        "largest latency least less loses losing low lower lowers make makes many matter matters "
        "me model models more most ms much my need net nets network networks no not of on one or "
        "over please possible raise raises really reduce reduces rule rules say says should show "
        "slow slower slowest slows smaller smallest some something space speed still task tell "
        "than that the them there they thing things this to trade-off tradeoff under up use using "
        "very want we what when where which who why will with without worse worth would you "
    ).split()
)
"""Words that say nothing of what a question is about."""


def _topic(text: str) -> str:
    """The words that say what a question is about."""
    words = re.findall(r"[\w.+>-]+", text)
    return " ".join(word for word in words if word.lower().strip(".") not in _PLAIN)[:400]
