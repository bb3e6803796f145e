"""A small grammar of questions: `parse` turns words into goals, limits and places.

Rules are patterns tried in order; each takes the words it understood out of the text, so that
'lose less than 0.5 % accuracy' is not read again as a wish to lose accuracy. What is left over
is looked up by meaning, and numbers and names nobody knows are told. No model is involved.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from llm_nas.knowledge import topics
from llm_nas.knowledge.phrases import RULES, Rule
from llm_nas.knowledge.query import Goal, Limit, Query

MOST_CHARACTERS = 1_000
"""A longer question is cut; nobody asks in more."""

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

    def take(self, rules: Iterable[Rule]) -> None:
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
    reader.take(RULES)
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
        if word in _NOISE or word in names.others or any(p.match(word) for p, _ in RULES):
            continue
        known = ", ".join((*names.devices, *names.datasets))
        notes.append(f"no device or dataset {word!r} is known here, only {known}")
        reader.text = reader.text.replace(match[0], " ; ", 1)
    return notes
