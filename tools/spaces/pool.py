"""A large space with a table of some of its members, searched inside the table's rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from llm_nas.choices import Choice
from llm_nas.conditions import Condition, Facts, Value, in_words, matches
from llm_nas.domain import Arch, FloatArray, IntArray, Niche, TaskShape
from llm_nas.errors import RequestError
from llm_nas.ports import Buildable, QuantityInfo, SearchSpace

if TYPE_CHECKING:
    from torch import nn

LATENCY = QuantityInfo("latency_ms", "ms", "latency in the device's table")
_REMEMBERED_CONDITIONS = 64


class Pool:
    """The rows of a space: a SearchSpace and Enumerable; Buildable where the space is.

    Nearness is the number of choices that differ: neighbours are the nearest rows, a crossing is
    the row nearest to a crossing of the space.
    """

    def __init__(
        self,
        space: SearchSpace,
        archs: Iterable[Arch],
        *,
        name: str | None = None,
        latencies_ms: Mapping[Arch, float] | None = None,
    ) -> None:
        """Take texts of members of `space`, in any spelling, repeats dropped.

        Args:
            space: The large space.
            archs: The rows.
            name: The pool's own name; None: that of the space.
            latencies_ms: Of every row where known; gives the quantity `latency_ms`, by which
                rows of a space without sizes are dealt to niches.

        Raises:
            RequestError: A text is no member, or there are no rows.
        """
        self.space = space
        self.name = name or space.name
        self.archs = tuple(dict.fromkeys(space.parse(a) for a in archs))
        if not self.archs:
            raise RequestError(f"space {self.name}: a pool of no rows")
        known = {space.parse(a): ms for a, ms in (latencies_ms or {}).items()}
        self._latencies_ms = known if all(a in known for a in self.archs) else {}
        self._place = {arch: i for i, arch in enumerate(self.archs)}
        self._codes = self._encoded([space.values(a) for a in self.archs])
        self._within: dict[str, tuple[Arch, ...]] = {}
        """Rows that meet a condition, by its JSON."""
        if isinstance(space, Buildable):
            self.__dict__["build"] = self._build

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Those of the space."""
        return self.space.choices

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Those of the space."""
        return self.space.groups

    @property
    def partitions(self) -> Mapping[str, tuple[Niche, ...]]:
        """Those of the space."""
        own: Mapping[str, tuple[Niche, ...]] = getattr(self.space, "partitions", {})
        return own

    @property
    def quantities_info(self) -> tuple[QuantityInfo, ...]:
        """Those of the space, and `latency_ms` where latencies were given."""
        return (*self.space.quantities_info, *([LATENCY] if self._latencies_ms else []))

    @property
    def log10_size(self) -> float:
        """Of the number of rows."""
        return float(np.log10(len(self.archs)))

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.archs)

    def __iter__(self) -> Iterator[Arch]:
        """The rows, in their order."""
        return iter(self.archs)

    def parse(self, text: str) -> Arch:
        """The canonical text of a row; a member of the space that is no row is an error."""
        arch = self.space.parse(text)
        if arch not in self._place:
            near = next(self._nearest(self._encoded([self.space.values(arch)])[0]))
            raise RequestError(
                f"{arch!r} is none of the {len(self)} measured rows; near: {near!r}"
            )
        return arch

    def arch(self, values: Mapping[str, Value]) -> Arch:
        """The row with these values; unlike `parse` it names no other row when there is none."""
        arch = self.space.arch(values)
        if arch not in self._place:
            raise RequestError(f"{arch!r} is none of the {len(self)} measured rows")
        return arch

    def values(self, arch: Arch) -> Mapping[str, Value]:
        """Value of every active choice."""
        return self.space.values(arch)

    def twin(self, arch: Arch) -> Arch:
        """The space's twin where that is a row, else the row itself."""
        twin = self.space.twin(arch)
        return twin if twin in self._place else self.parse(arch)

    def facts(self, arch: Arch) -> Facts:
        """The space's facts, and the row's latency where known."""
        facts = self.space.facts(arch)
        if not self._latencies_ms:
            return facts
        quantities = {**facts.quantities, LATENCY.name: self._latencies_ms[self.parse(arch)]}
        return Facts(facts.values, facts.groups, quantities)

    def quantities(self, archs: Sequence[Arch]) -> Mapping[str, FloatArray]:
        """Every quantity of these rows, `(n,)` each."""
        found = dict(self.space.quantities(archs))
        if self._latencies_ms:
            found[LATENCY.name] = np.array([self._latencies_ms[self.parse(a)] for a in archs])
        return found

    def sample(self, rng: np.random.Generator, within: Condition | None = None) -> Arch:
        """A uniform row among those that meet the condition."""
        rows = self.archs if within is None else self._rows_within(within)
        if not rows:
            assert within is not None
            raise RequestError(f"no row of {self.name} has {in_words(within)}")
        return rows[int(rng.integers(len(rows)))]

    def neighbours(self, arch: Arch) -> Iterator[Arch]:
        """The rows that differ in the fewest choices, in the order of the rows."""
        place = self._place[self.parse(arch)]
        apart = self._apart(self._codes[place])
        apart[place] = np.iinfo(np.int64).max
        least = apart.min()
        if len(self) > 1:
            yield from (self.archs[i] for i in np.flatnonzero(apart == least).tolist())

    def cross(self, first: Arch, second: Arch, rng: np.random.Generator) -> Arch:
        """The row nearest to a crossing of the space that is no parent, where there is one."""
        child = self.space.cross(self.parse(first), self.parse(second), rng)
        near = self._nearest(self._encoded([self.space.values(child)])[0])
        others = (arch for arch in near if arch not in (first, second))
        return next(others, first)

    def features(self, archs: Sequence[Arch]) -> FloatArray:
        """The space's features."""
        return self.space.features(archs)

    def describe(self) -> str:
        """The space in words, and that only its measured rows can be chosen."""
        return f"{self.space.describe()}\nOnly {len(self)} measured members can be chosen."

    def _build(self, arch: Arch, shape: TaskShape) -> "nn.Module":
        assert isinstance(self.space, Buildable)
        return self.space.build(self.parse(arch), shape)

    def _rows_within(self, within: Condition) -> tuple[Arch, ...]:
        key = within.model_dump_json()
        if key not in self._within:
            if len(self._within) >= _REMEMBERED_CONDITIONS:
                self._within.clear()
            self._within[key] = tuple(a for a in self.archs if matches(within, self.facts(a)))
        return self._within[key]

    def _encoded(self, rows: Sequence[Mapping[str, Value]]) -> IntArray:
        """Positions of values, `(n, choices)`; -1 where a choice is left out."""
        codes = [{str(v): i for i, v in enumerate(c.values)} for c in self.choices]
        named = list(zip([c.name for c in self.choices], codes, strict=True))
        table = [[code[str(r[name])] if name in r else -1 for name, code in named] for r in rows]
        return np.array(table, dtype=np.int64)

    def _apart(self, codes: IntArray) -> IntArray:
        return np.asarray((self._codes != codes).sum(axis=1), dtype=np.int64)

    def _nearest(self, codes: IntArray) -> Iterator[Arch]:
        """Rows by how many choices differ, the nearest first."""
        for place in np.argsort(self._apart(codes), kind="stable").tolist():
            yield self.archs[place]
