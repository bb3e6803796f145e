"""A small grammar of questions: `parse` turns words into goals, limits and places.

Rules are patterns tried in order; each takes the words it understood out of the text, so that
'lose less than 0.5 % accuracy' is not read again as a wish to lose accuracy. What is left over
is looked up by meaning, and numbers and names nobody knows are told. No model is involved.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from llm_nas.claims import Objective
from llm_nas.knowledge import topics
from llm_nas.knowledge.query import Direction, Goal, Limit, Query, Relation

MOST_CHARACTERS = 1_000
"""A longer question is cut; nobody asks in more."""

_NUM = r"(\d{1,6}(?:[.,]\d{1,6})?)"
_PCT = r"\s?(?:%|percent|per cent|percentage points?|points?|pp)(?![\w])?"
_MS = r"\s?(milliseconds?|microseconds?|seconds?|msecs?|ms|us|µs|s)\b"
_MJ = r"\s?(?:mj|millijoules?)\b"
_MOST = (
    r"(?:less than|no more than|not more than|no longer than|at most|up to|under|below|within"
    r"|max(?:imum)?(?: of)?|<=|<|≤)\s?"
)
_LEAST = (
    r"(?:at least|no less than|not less than|more than|over|above|min(?:imum)?(?: of)?|>=|>|≥)\s?"
)
_THE = r"(?:the |any |its |of |in ){0,3}"
_ACC = rf"{_THE}(?:test |validation |top-?1 )?(?:accuracy|acc)\b"
_ERR = rf"{_THE}(?:test |classification )?error(?: rate)?\b"
_LAT = rf"{_THE}(?:inference )?(?:latency|latencies|delay|runtime|run time|inference time)\b"
_ENE = rf"{_THE}(?:energy|power)(?: use| consumption)?\b"
_LOSE = (
    r"(?:los(?:e|es|ing)|loss of|drop(?:s|ping)?|cost(?:s|ing)?|sacrific(?:e|es|ing)"
    r"|giv(?:e|ing) up|trad(?:e|ing)(?: away)?)\s"
)
_KEEP_OUT = r"(?:without|not|no|never|don't|do not|doesn't|nor)\s"
_LESS = (
    r"(?:low|lower|lowest|lowers|lowering|less|least|reduc\w+|decreas\w+|cut|cuts|cutting"
    r"|minimi[sz]\w+|shrink\w*|smaller|smallest|sav(?:e|es|ing))\s"
)
_MORE = r"(?:high|higher|highest|more|most|increas\w+|rais\w+|gain\w*|boost\w*|maximi[sz]\w+)\s"
_GOOD = r"(?:better|best|good|improv\w+|optimi[sz]\w+)\s"
_HARM = r"(?:worse|worsen\w*|harm\w*|hurt\w*|damag\w*|ruin\w*|los(?:e|es|ing)|cost\w*)\s"

_SECONDS = {"s": 1e3, "us": 1e-3, "µs": 1e-3, "microsecond": 1e-3, "second": 1e3}

_Made = Sequence[Goal | Limit]
_Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], _Made]]


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _ms(match: re.Match[str], group: int = 1) -> float:
    unit = match[group + 1]
    return _number(match[group]) * _SECONDS.get(unit, _SECONDS.get(unit.rstrip("s"), 1.0))


def _goal(objective: Objective, direction: Direction | None) -> Goal:
    return Goal(objective=objective, direction=direction)


def _change(objective: Objective, amount: float) -> Limit:
    """A bound on a change: accuracy must not fall below it, the others not rise above it."""
    relation: Relation = "at least" if objective == "accuracy" else "at most"
    return Limit(objective=objective, of="change", relation=relation, amount=amount)


def _value(objective: Objective, relation: Relation, amount: float) -> Limit:
    return Limit(objective=objective, of="value", relation=relation, amount=amount)


def _rule(pattern: str, make: Callable[[re.Match[str]], _Made]) -> _Rule:
    return re.compile(pattern), make


_LOST = _change("accuracy", 0.0)
_SLOWED = _change("latency", 0.0)
_GAIN = _goal("accuracy", "raises")
_FAST = _goal("latency", "lowers")

_RULES: tuple[_Rule, ...] = (
    # how much may change
    _rule(
        rf"{_LOSE}(?:only |just )?(?:{_MOST})?{_NUM}{_PCT}(?:\s{_ACC})?",
        lambda m: [_change("accuracy", -_number(m[1]))],
    ),
    _rule(
        rf"(?:{_MOST}){_NUM}{_PCT}\s(?:{_ACC}\s(?:loss|drop|cost)|(?:loss|drop)(?:\s{_ACC})?)",
        lambda m: [_change("accuracy", -_number(m[1]))],
    ),
    _rule(
        rf"(?:{_ACC}\s(?:loss|drop)|(?:loss|drop)\s{_ACC})\s(?:of\s)?(?:{_MOST}){_NUM}{_PCT}",
        lambda m: [_change("accuracy", -_number(m[1]))],
    ),
    _rule(
        rf"{_KEEP_OUT}(?:{_HARM}|{_LESS}|lower\w*\s|drop\w*\s){_ACC}|no {_ACC} (?:loss|drop)"
        rf"|(?:the )?same {_ACC}|(?:keep|keeping|preserv\w+|maintain\w*) {_ACC}"
        rf"|without (?:a |any )?(?:loss|drop)(?: (?:of|in) {_ACC})?|no loss(?: of {_ACC})?",
        lambda _: [_LOST],
    ),
    _rule(
        rf"(?:gain|gaining|win|add|adding)\s(?:{_LEAST})?{_NUM}{_PCT}(?:\s{_ACC})?"
        rf"|(?:{_LEAST}){_NUM}{_PCT}\s(?:more accurate|higher {_ACC}|{_ACC} gain)",
        lambda m: [_GAIN, _change("accuracy", _number(m[1] or m[2]))],
    ),
    _rule(
        rf"(?:{_MOST}){_NUM}{_MS}\s(?:slower|more)\b",
        lambda m: [_change("latency", _ms(m))],
    ),
    _rule(
        rf"(?:{_LESS}{_LAT}\sby\s|sav(?:e|ing)\s)(?:{_LEAST})?{_NUM}{_MS}",
        lambda m: [_FAST, _change("latency", -_ms(m))],
    ),
    _rule(
        rf"(?:{_LEAST})?{_NUM}{_MS}\sfaster\b",
        lambda m: [_FAST, _change("latency", -_ms(m))],
    ),
    _rule(
        rf"{_KEEP_OUT}(?:getting |being |becoming )?(?:any )?slow(?:er|ing down)?\b"
        rf"|{_KEEP_OUT}(?:los\w+|harm\w*|hurt\w*) (?:speed|{_LAT})"
        rf"|{_KEEP_OUT}(?:rais\w+|increas\w+|more|higher|adding) {_LAT}"
        rf"|(?:the )?same (?:speed|{_LAT})|(?:keep|keeping) (?:{_THE}speed|{_LAT})",
        lambda _: [_SLOWED],
    ),
    # values
    _rule(
        rf"(?:{_LAT}\s(?:is\s|stays\s)?)?{_MOST}{_NUM}{_MS}(?:\s{_LAT})?",
        lambda m: [_value("latency", "at most", _ms(m))],
    ),
    _rule(
        rf"(?:{_LAT}\s(?:is\s)?)?{_LEAST}{_NUM}{_MS}(?:\s{_LAT})?",
        lambda m: [_value("latency", "at least", _ms(m))],
    ),
    _rule(
        rf"(?:{_ENE}\s(?:is\s)?)?{_MOST}{_NUM}{_MJ}(?:\s{_ENE})?",
        lambda m: [_value("energy", "at most", _number(m[1]))],
    ),
    _rule(
        rf"{_ERR}\s(?:is\s|of\s)?{_MOST}{_NUM}{_PCT}|{_MOST}{_NUM}{_PCT}\s{_ERR}",
        lambda m: [_value("accuracy", "at least", 100 - _number(m[1] or m[2]))],
    ),
    _rule(
        rf"{_ACC}\s(?:is\s|of\s|stays\s)?{_MOST}{_NUM}{_PCT}",
        lambda m: [_value("accuracy", "at most", _number(m[1]))],
    ),
    _rule(
        rf"(?:{_ACC}\s(?:is\s|of\s|stays\s)?)?{_LEAST}{_NUM}{_PCT}(?:\s(?:{_ACC}|accurate))?",
        lambda m: [_value("accuracy", "at least", _number(m[1]))],
    ),
    # goals
    _rule(rf"(?:{_LESS}|{_GOOD}){_ERR}", lambda _: [_GAIN]),
    _rule(rf"(?:{_MORE}|{_HARM}){_ERR}", lambda _: [_goal("accuracy", "lowers")]),
    _rule(
        rf"(?:{_LESS}|{_HARM}){_ACC}|less accurate|inaccurate",
        lambda _: [_goal("accuracy", "lowers")],
    ),
    _rule(rf"(?:{_MORE}|{_GOOD}){_ACC}|(?:more |most )?accurate(?:ly)?\b", lambda _: [_GAIN]),
    _rule(
        rf"(?:{_LESS}|{_GOOD}){_LAT}|low-latency|(?:fast|faster|fastest|quick|quicker|quickest)\b"
        r"|speed(?:s|ing)?(?: \w+)? up\b|speedup\b|(?<!less )(?<!lower )speed\b",
        lambda _: [_FAST],
    ),
    _rule(
        rf"(?:{_MORE}|{_HARM}){_LAT}|(?:slow|slows|slower|slowest|slowing)\b(?: down\b)?"
        r"|\bspeed\b",
        lambda _: [_goal("latency", "raises")],
    ),
    _rule(
        rf"(?:{_LESS}|{_GOOD}){_ENE}|\b(?:energy|power)[ -]efficien\w+",
        lambda _: [_goal("energy", "lowers")],
    ),
    _rule(rf"{_MORE}{_ENE}", lambda _: [_goal("energy", "raises")]),
    _rule(r"(?:best|better|good)\b", lambda _: [_GAIN]),
    _rule(rf"{_ACC}|{_ERR}|(?:bad|worse|worst)\b", lambda _: [_goal("accuracy", None)]),
    _rule(_LAT, lambda _: [_goal("latency", None)]),
    _rule(_ENE, lambda _: [_goal("energy", None)]),
)

_ALIASES = {
    "raspberry pi 4": "raspi4",
    "raspberry pi": "raspi4",
    "raspi": "raspi4",
    "edge gpu": "edgegpu",
    "edge tpu": "edgetpu",
    "imagenet": "ImageNet16-120",
    "imagenet16": "ImageNet16-120",
}
_NOISE = frozenset(
    "a an and any are as at be but by can cell cells design do does for from get give have how i "
    "if in is it its make me more most my need network networks of on one or our please should "
    "show so than that the them then there these this to us use want we what when where which "
    "while with without would you your device dataset niche percent ms".split()
)
_PLACED = re.compile(
    r"\b(?:device|dataset|phone|board)\s([a-z][\w.-]{1,63})|\b(?:on|for)\s(?:the |a |an |my )?"
    r"(?:device |dataset |phone )?([a-z][\w.-]{1,63})"
)


@dataclass(frozen=True, slots=True)
class Names:
    """Names that a question may use: everything the store or the benchmark knows."""

    datasets: tuple[str, ...]
    devices: tuple[str, ...]
    niches: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()
    """Lower-case words that are no device: operations, parts of cells."""
    operations: tuple[str, ...] = ()
    edges: tuple[str, ...] = ()


@dataclass
class _Reader:
    """A text of which rules take what they understand."""

    text: str
    made: dict[Goal | Limit, None] = field(default_factory=dict[Goal | Limit, None])
    """What rules understood, in order, without repeats."""

    def take(self, rules: Iterable[_Rule]) -> None:
        """Apply rules in order, each as often as it fits."""
        for pattern, make in rules:
            for match in list(pattern.finditer(self.text)):
                self.made |= dict.fromkeys(make(match))
            self.text = pattern.sub(" ; ", self.text)

    def names(self, known: Iterable[str]) -> list[str]:
        """Those of some names that the text holds, taken out, in the order of the text."""
        found: dict[str, int] = {}
        spellings = [(n.lower(), n) for n in known]
        spellings += [(a, n) for a, n in _ALIASES.items() if n in dict(spellings).values()]
        for spelling, name in sorted(spellings, key=lambda pair: -len(pair[0])):
            loose = re.sub(
                r"(?<=[a-z])(?=\d)|-", r"[ -]?", re.escape(spelling).replace(r"\-", "-")
            )
            pattern = re.compile(rf"(?<![\w.-])(?:(?:on|for|in) )?{loose}(?![\w-])")
            place = pattern.search(self.text)
            if place:
                found[name] = min(place.start(), found.get(name, place.start()))
                self.text = pattern.sub(lambda m: ";" * len(m[0]), self.text)
        return sorted(found, key=found.__getitem__)


def parse(
    text: str,
    names: Names,
    *,
    dataset: str | None = None,
    device: str | None = None,
    niche: str | None = None,
) -> Query:
    """Understand a question; places given outright go before places it mentions.

    Total: any text gives a query, in linear time.
    """
    reader = _Reader(" ".join(text[:MOST_CHARACTERS].lower().split()))
    long = f"only the first {MOST_CHARACTERS:,} characters were read"
    notes = [long] if len(text) > MOST_CHARACTERS else []
    places: list[str | None] = []
    for kind, given, known in (
        ("dataset", dataset, names.datasets),
        ("device", device, names.devices),
        ("niche", niche, names.niches),
    ):
        named = reader.names(known)
        places.append(given or (named[0] if named else None))
        if ignored := [name for name in named if name != places[-1]]:
            notes.append(f"one {kind} at a time: {', '.join(ignored)} left aside")
    if niche is not None and niche not in names.niches:
        notes.append(f"no niche {niche[:40]!r} is known here, only {', '.join(names.niches)}")
    about, no_edge, reader.text = topics.read(reader.text, names.operations, names.edges)
    notes += [*no_edge, *_unknown_places(reader, names)]
    reader.take(_RULES)
    words = re.findall(r"[^\s;,.!?()\"]+(?:\.\d+)?", reader.text)
    numbers = [w for w in words if re.fullmatch(r"[<>=≤≥]*\d+(?:[.,]\d+)?%?", w)]
    if numbers:
        notes.append(f"not understood: {', '.join(numbers[:5])} (a number without a known limit)")
    rest = [w for w in words if w not in numbers and w not in _NOISE and re.search(r"\w", w)]
    return Query(
        text=text[:MOST_CHARACTERS],
        goals=tuple(_settled([made for made in reader.made if isinstance(made, Goal)])),
        limits=tuple(made for made in reader.made if isinstance(made, Limit)),
        dataset=places[0],
        device=places[1],
        niche=places[2],
        about=about,
        rest=" ".join(rest),
        familiar=not names.others.isdisjoint(rest),
        notes=tuple(notes),
    )


def _settled(goals: Sequence[Goal]) -> list[Goal]:
    """Without bare mentions of an objective that has a direction elsewhere."""
    led = {goal.objective for goal in goals if goal.direction is not None}
    return [g for g in goals if g.direction is not None or g.objective not in led]


def _unknown_places(reader: _Reader, names: Names) -> list[str]:
    """One line for each word that stands where a device or dataset would, taken out."""
    notes: list[str] = []
    for match in list(_PLACED.finditer(reader.text)):
        word = match[1] or match[2]
        if word in _NOISE or word in names.others or any(p.match(word) for p, _ in _RULES):
            continue
        known = ", ".join((*names.devices, *names.datasets))
        notes.append(f"no device or dataset {word!r} is known here, only {known}")
        reader.text = reader.text.replace(match[0], " ; ", 1)
    return notes
