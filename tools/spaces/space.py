"""Families of networks made of typed, ordered, conditional choices.

`Space` does everything a search asks of a space from the choices alone; what only its author can
know (how to build a member, how large it is) comes in as functions of the values:

    space = Space("mine", [Choice("depth", (1, 2, 3), ordered=True),
                           Choice("kernel", (3, 5, 7), ordered=True)], build=my_module_of)

Inside, an architecture is a tuple of codes: the position of each choice's value, `INACTIVE`
where the choice is left out.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from llm_nas.choices import Choice
from llm_nas.conditions import Condition, Facts, Value
from llm_nas.domain import Arch, FloatArray, IntArray, Niche, TaskShape
from llm_nas.errors import RequestError
from llm_nas.ports import QuantityInfo
from llm_nas.tools.spaces.features import Encoder
from llm_nas.tools.spaces.gates import Values, gate_of, kin, log10_size
from llm_nas.tools.spaces.legal import (
    INACTIVE,
    MISSING,
    Codes,
    allowed,
    checked_choices,
    grouped,
    nearest,
    value_code,
)
from llm_nas.tools.spaces.sampling import sample_within
from llm_nas.tools.spaces.words import described

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DRAW", "SIZE", "Measure", "Space", "Take", "Values", "draw_of"]

Measure: TypeAlias = Callable[[Values], float]
Take: TypeAlias = Callable[[int, Sequence[int]], int]
"""Code of the choice at a position, given the codes settled before it."""

DRAW = QuantityInfo("draw", "", "a fixed random number of every network, for control groups")
SIZE = QuantityInfo("size", "", "size of the network")
"""What `size_of` gives."""

_REMEMBERED = 1 << 15
_LONGEST_TEXT = 20_000
_REFERENCE_MEMBERS = 256


class Space:
    """A family of networks; implements `llm_nas.ports.SearchSpace`, and `Buildable` with `build`.

    Args:
        name: Short name, in contexts and results.
        choices: The decisions, in the order of the text. `active_when` asks earlier ones.
        build: `build(values, shape)` gives the untrained torch module of the active values.
        features: `features(values)` gives the numbers a model should see instead of the usual.
        quantities: Functions of the values, by name or `QuantityInfo`.
        size_of: The size of a network in any unit: niches are quantiles of it.
        groups: Choices that mean the same in different places, by group name. None: choices
            whose names differ in the number at their end.
        describe: The space in the words of the field. None: made from the choices.

    Raises:
        RequestError: The choices contradict each other; the message says how.
    """

    partitions: Mapping[str, tuple[Niche, ...]] = {}
    """Ways to cut the space into niches that it brings itself; the first is its default."""

    def __init__(
        self,
        name: str,
        choices: Iterable[Choice],
        *,
        build: "Callable[[Values, TaskShape], nn.Module] | None" = None,
        features: Callable[[Values], Sequence[float]] | None = None,
        quantities: Mapping[str, Measure] | Mapping[QuantityInfo, Measure] | None = None,
        size_of: Measure | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        describe: str | None = None,
    ) -> None:
        self.name = name
        self.choices = checked_choices(name, choices)
        self.groups: Mapping[str, tuple[str, ...]] = grouped(self.choices, groups)
        self._own_features = features
        self._measures = _measures(quantities, size_of)
        self.quantities_info: tuple[QuantityInfo, ...] = (*self._measures, DRAW)
        self._described = describe
        self._place = {c.name: i for i, c in enumerate(self.choices)}
        self._spelled = [{str(v): i for i, v in enumerate(c.values)} for c in self.choices]
        self._pairs = [[f"{c.name}={v}" for v in c.values] for c in self.choices]
        self._codes_of_pair = {
            text: (place, code)
            for place, texts in enumerate(self._pairs)
            for code, text in enumerate(texts)
        }
        self._elders = kin(self.choices, self.groups)
        self._gates = [gate_of(c.active_when, self.groups) for c in self.choices]
        self._always_active = not any(self._gates)
        self._read = lru_cache(maxsize=_REMEMBERED)(self._parsed)
        self._row = lru_cache(maxsize=_REMEMBERED)(self._measured)
        if build is not None:
            # `Buildable` tells spaces apart by whether they have the method.
            self.__dict__["build"] = partial(self._built, build)

    def _built(
        self, build: "Callable[[Values, TaskShape], nn.Module]", arch: Arch, shape: TaskShape
    ) -> "nn.Module":
        return build(self.values(arch), shape)

    # Texts

    def parse(self, text: str) -> Arch:
        """The canonical text; commas, odd spacing and any order of the pairs are forgiven."""
        return self._read(text)[0]

    def arch(self, values: Values) -> Arch:
        """The text of an architecture given by the values of its active choices."""
        for name in values:
            self._known(name)
        given = self._given({name: str(value) for name, value in values.items()})
        return self._text(self._settle(lambda place, _: given.get(place, MISSING)))

    def values(self, arch: Arch) -> Mapping[str, Value]:
        """Value of every active choice, in the order of `choices`."""
        return self._values(self._read(arch)[1])

    def twin(self, arch: Arch) -> Arch:
        """The text itself: different texts are different networks."""
        return self.parse(arch)

    def codes(self, archs: Sequence[Arch]) -> IntArray:
        """Position of every choice's value, `(n, choices)`; -1 where a choice is left out."""
        rows = [self._read(a)[1] for a in archs]
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(self.choices))

    def _parsed(self, text: str) -> tuple[Arch, Codes]:
        if len(text) > _LONGEST_TEXT:
            raise RequestError(f"architecture of {len(text)} characters is too long")
        codes = self._codes_of(text)
        return self._text(codes), codes

    def _codes_of(self, text: str) -> Codes:
        found = [self._codes_of_pair.get(pair) for pair in text.split()]
        exact = dict(pair for pair in found if pair is not None)
        if len(exact) < len(found):
            exact = self._forgiven(text)
        if self._always_active and len(exact) == len(self.choices):
            return tuple(map(exact.__getitem__, range(len(exact))))
        return self._settle(lambda place, _: exact.get(place, MISSING))

    def _forgiven(self, text: str) -> dict[int, int]:
        """Codes of pairs that are not spelled as they should be, by place."""
        given: dict[str, str] = {}
        for pair in re.sub(r"\s*=\s*", "=", text.replace(",", " ").replace(";", " ")).split():
            name, equals, value = pair.partition("=")
            if not equals or not value:
                raise RequestError(f"space {self.name}: {pair!r} is not NAME=VALUE")
            if name in given:
                raise RequestError(f"space {self.name}: {name} is given twice")
            self._known(name)
            given[name] = value
        return self._given(given)

    def _known(self, name: str) -> None:
        if name not in self._place:
            names = nearest(name, list(self._place))
            raise RequestError(f"space {self.name}: no choice {name!r}; there are {names}")

    def _given(self, given: Mapping[str, str]) -> dict[int, int]:
        """Codes of texts by choice; those of choices that turn out inactive are ignored."""
        codes: dict[int, int] = {}
        for name, text in given.items():
            place = self._place[name]
            codes[place] = value_code(self.choices[place], text)
        return codes

    def _text(self, codes: Codes) -> Arch:
        pairs = zip(self._pairs, codes, strict=True)
        return " ".join([texts[code] for texts, code in pairs if code != INACTIVE])

    def _values(self, codes: Codes) -> dict[str, Value]:
        held = zip(self.choices, codes, strict=True)
        return {c.name: c.values[code] for c, code in held if code != INACTIVE}

    # Which choices are active

    def _settle(self, take: Take) -> Codes:
        """Codes of all choices in order, asking `take` for those that are active."""
        if self._always_active:
            return tuple(self._legal(p, take(p, ())) for p in range(len(self.choices)))
        codes = [INACTIVE] * len(self.choices)
        values: dict[str, Value] = {}
        for place, choice in enumerate(self.choices):
            gate = self._gates[place]
            if gate is None or gate(values):
                codes[place] = code = self._legal(place, take(place, codes))
                values[choice.name] = choice.values[code]
        return tuple(codes)

    def _legal(self, place: int, code: int) -> int:
        if code == MISSING:
            choice = self.choices[place]
            raise RequestError(f"space {self.name}: {choice.name} is missing; {allowed(choice)}")
        return code

    def _usual(self, place: int, codes: Sequence[int]) -> int:
        """What a choice that wakes up starts from: its nearest elder's value or a middling one."""
        for elder in self._elders[place]:
            if codes[elder] != INACTIVE:
                return codes[elder]
        choice = self.choices[place]
        return len(choice.values) // 2 if choice.ordered else 0

    # Moving about

    def sample(self, rng: np.random.Generator, within: Condition | None = None) -> Arch:
        """A random member, every active choice uniform; see `sampling` for `within`."""
        if within is not None:
            return sample_within(self, within, rng)
        draws: list[float] = rng.random(len(self.choices)).tolist()
        return self._text(
            self._settle(lambda place, _: int(draws[place] * len(self._pairs[place])))
        )

    def neighbours(self, arch: Arch) -> Iterator[Arch]:
        """All members with one choice changed; choices that wake up start from the usual value."""
        codes = self._read(arch)[1]
        for place, held in enumerate(codes):
            if held != INACTIVE:
                for code in range(len(self._pairs[place])):
                    if code != held:
                        yield self._text(self._changed(codes, {place: code}))

    def mutate(self, arch: Arch, rng: np.random.Generator, changes: int = 1) -> Arch:
        """The architecture with up to `changes` random choices set to another value."""
        codes = self._read(arch)[1]
        free = [p for p, c in enumerate(codes) if c != INACTIVE and len(self._pairs[p]) > 1]
        if not free:
            return arch
        picked: dict[int, int] = {}
        for draw, step in rng.random((changes, 2)).tolist():
            place = free[int(draw * len(free))]
            options = len(self._pairs[place])
            picked[place] = (codes[place] + 1 + int(step * (options - 1))) % options
        return self._text(self._changed(codes, picked))

    def _changed(self, codes: Codes, picked: Mapping[int, int]) -> Codes:
        if self._always_active:
            changed = list(codes)
            for place, code in picked.items():
                changed[place] = code
            return tuple(changed)

        def take(place: int, settled: Sequence[int]) -> int:
            code = picked.get(place, codes[place])
            return self._usual(place, settled) if code == INACTIVE else code

        return self._settle(take)

    def cross(self, first: Arch, second: Arch, rng: np.random.Generator) -> Arch:
        """Every choice from a random parent; from the other one where that one leaves it out."""
        parents = self._read(first)[1], self._read(second)[1]
        sides: list[int] = rng.integers(0, 2, size=len(self.choices)).tolist()

        def take(place: int, settled: Sequence[int]) -> int:
            code = parents[sides[place]][place]
            code = parents[1 - sides[place]][place] if code == INACTIVE else code
            return self._usual(place, settled) if code == INACTIVE else code

        return self._text(self._settle(take))

    # Numbers

    @property
    def log10_size(self) -> float:
        """Decimal logarithm of the number of members: exact where few choices wake others."""
        return self._log10_size

    @cached_property
    def _log10_size(self) -> float:
        return log10_size(self.choices, self._gates, self.groups)

    def facts(self, arch: Arch) -> Facts:
        """What conditions may ask of an architecture."""
        names = (q.name for q in self.quantities_info)
        quantities = dict(zip(names, self._row(arch), strict=True))
        return Facts(self.values(arch), self.groups, quantities)

    def quantities(self, archs: Sequence[Arch]) -> Mapping[str, FloatArray]:
        """Every quantity of these architectures, `(n,)` each."""
        names = [q.name for q in self.quantities_info]
        table = np.array([self._row(a) for a in archs], dtype=np.float64)
        columns = table.reshape(len(archs), len(names))
        return {name: columns[:, i] for i, name in enumerate(names)}

    def _measured(self, arch: Arch) -> tuple[float, ...]:
        arch, codes = self._read(arch)
        measured = tuple(float(number) for number in self._measure(self._values(codes)))
        if not all(map(math.isfinite, measured)):
            known = [q.name for q in self.quantities_info]
            wrong = [n for n, x in zip(known, measured, strict=False) if not math.isfinite(x)]
            raise RequestError(f"space {self.name}: {wrong[0]} of {arch!r} is not a finite number")
        return (*measured, draw_of(arch))

    def _measure(self, values: Values) -> Iterable[float]:
        """The declared quantities of an architecture, in their order, without `draw`."""
        return [measure(values) for measure in self._measures.values()]

    def features(self, archs: Sequence[Arch]) -> FloatArray:
        """`(n, d)`: choices, flags of conditional ones, group means, log quantities."""
        if self._own_features is not None:
            rows = [list(self._own_features(self.values(a))) for a in archs]
            return np.array(rows, dtype=np.float64).reshape(len(archs), -1)
        return self._encoder(self.codes(archs), self.quantities(archs))

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """What the columns of `features` are; empty where the user's own function makes them."""
        return () if self._own_features is not None else self._encoder.names

    @cached_property
    def _encoder(self) -> Encoder:
        rng = np.random.default_rng(0)
        archs = [self.sample(rng) for _ in range(_REFERENCE_MEMBERS)]
        known = self.quantities(archs)
        shown = {name: column for name, column in known.items() if name != DRAW.name}
        return Encoder(self.choices, self.groups, self.codes(archs), shown)

    def describe(self) -> str:
        """The space in the words of the field, for people and prompts."""
        if self._described is not None:
            return self._described
        shown = self.quantities_info[:-1]
        return described(self.name, self.choices, shown, self.log10_size)


def draw_of(arch: Arch) -> float:
    """A number in [0, 1) that depends on the text alone and looks random."""
    digest = hashlib.blake2b(arch.encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def _measures(
    quantities: Mapping[str, Measure] | Mapping[QuantityInfo, Measure] | None,
    size_of: Measure | None,
) -> dict[QuantityInfo, Measure]:
    measures: dict[QuantityInfo, Measure] = {}
    for key, measure in (quantities or {}).items():
        measures[key if isinstance(key, QuantityInfo) else QuantityInfo(key, "", "")] = measure
    if size_of is not None:
        measures[SIZE] = size_of
    names = [q.name for q in measures]
    if DRAW.name in names or len(set(names)) < len(names):
        raise RequestError(f"quantities {', '.join(names)}: names must differ, 'draw' is taken")
    return measures
