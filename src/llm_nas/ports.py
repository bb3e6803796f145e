"""The verbs others supply: protocols between the folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from llm_nas.claims import CellFacts, Claim, Heuristic
from llm_nas.domain import (
    Cell,
    FloatArray,
    IntArray,
    Measurement,
    Niche,
    Proposal,
    Verdict,
)


class SearchSpace(Protocol):
    """A finite space of cells: `edges` slots, each holding one of `operations`.

    Cells are numbered 0..size-1; numeric code works on those indices, people and models
    on strings. `parse` raises `RequestError` for anything that is not a legal string.
    """

    @property
    def name(self) -> str: ...
    @property
    def edges(self) -> tuple[str, ...]: ...
    @property
    def operations(self) -> tuple[str, ...]: ...
    @property
    def size(self) -> int: ...
    def parse(self, arch: str) -> Cell: ...
    def format(self, cell: Cell) -> str: ...
    def index(self, cell: Cell) -> int: ...
    def cell(self, index: int) -> Cell: ...
    def codes(self) -> IntArray:
        """All cells, `(size, len(edges))`, read-only; row i is `cell(i)`."""
        ...

    def canonical_index(self) -> IntArray:
        """`(size,)`: the index of each cell's canonical twin (dead edges set to none)."""
        ...

    def canonical(self, cell: Cell) -> Cell: ...
    def neighbours(self, cell: Cell) -> list[Cell]:
        """All cells that differ on exactly one edge, in a fixed order."""
        ...

    def facts(self, cell: Cell) -> CellFacts: ...


class Partition(Protocol):
    """Disjoint niches that cover a space."""

    @property
    def name(self) -> str: ...
    @property
    def niches(self) -> tuple[Niche, ...]: ...
    def niche_of(self, cell: Cell) -> str: ...
    def labels(self) -> IntArray:
        """`(size,)`: position in `niches` of every cell's niche."""
        ...

    def members(self, niche: str) -> IntArray:
        """Sorted indices of a niche's cells; `RequestError` for an unknown niche."""
        ...


class Truth(Protocol):
    """Test accuracies of one dataset. Only `llm_nas.evaluation` may open one."""

    def test_accuracy_pct(self) -> FloatArray:
        """`(size,)`, mean over training seeds, in %."""
        ...


class Benchmark(Protocol):
    """Everything tabulated about a space; `(size, ...)` arrays, NaN where a value is missing."""

    @property
    def source(self) -> str:
        """Where the numbers come from; contains 'surrogate tables' when they are modelled."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of the tables or pack in use."""
        ...

    def devices(self) -> tuple[str, ...]: ...
    def latency_ms(self, dataset: str, device: str) -> FloatArray: ...
    def energy_mj(self, dataset: str, device: str) -> FloatArray: ...
    def proxies(self, dataset: str) -> FloatArray:
        """`(size, 13)` in the order of `llm_nas.domain.PROXIES`."""
        ...

    def validation_accuracy_pct(self, dataset: str) -> FloatArray:
        """`(size,)`: what a predictor may be trained on."""
        ...

    def params_m(self, dataset: str) -> FloatArray: ...
    def flops_m(self, dataset: str) -> FloatArray: ...
    def truth(self, dataset: str) -> Truth: ...


class Evaluator(Protocol):
    """The one door to predicted accuracy, with the budget counter no method can bypass."""

    @property
    def space(self) -> SearchSpace: ...
    @property
    def budget(self) -> int: ...
    @property
    def evaluations(self) -> int:
        """Unique cells whose accuracy was asked for so far."""
        ...

    def latency_ms(self) -> FloatArray:
        """`(size,)`, free to read, NaN where the device has no value."""
        ...

    def accuracy_pct(self, indices: Sequence[int] | IntArray) -> FloatArray:
        """Predicted accuracy of these cells; unseen ones are charged.

        Raises `BudgetError`, charging nothing, when the budget does not allow all of them.
        """
        ...


@dataclass(frozen=True, slots=True)
class Decider:
    """An unmeasured cell that would decide heuristics: a matched pair with a measured one."""

    arch: str
    parent: str
    """The measured cell one edge away."""
    heuristics: tuple[str, ...]
    """Ids of the heuristics whose condition exactly one of the two meets."""


@dataclass(frozen=True, slots=True)
class NicheView:
    """What one niche sees at the start of a generation: a snapshot, the same after a resume."""

    dataset: str
    device: str
    niche: Niche
    generation: int
    generations: int
    slots: int
    """Children wanted from this niche in this generation."""
    archive: tuple[Measurement, ...]
    """The niche's non-dominated cells (predicted error, latency), by latency."""
    measured: tuple[Measurement, ...]
    """Every cell of the run measured before this generation, in order."""
    gaps_ms: tuple[tuple[float, float], ...]
    """Latency ranges of the niche that its archive leaves empty, widest first."""
    failures: tuple[Verdict, ...]
    """Recent rejections in this niche, newest first."""
    suggestions: tuple[str, ...] = ()
    """Cells of this niche that the Advisor expects to improve the front most, best first."""
    probes: tuple[str, ...] = ()
    """Cells a counter-measure wants measured in this generation, whoever proposes the others."""
    aims_ms: tuple[tuple[float, float], ...] = ()
    """Empty latency ranges a counter-measure aims at; they stand first in `gaps_ms` too."""
    restrained: tuple[str, ...] = ()
    """Sources whose last proposals were bad: a model gets one slot, operators draw afresh."""
    gains: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])
    """What each measured child of this niche added, by source, in order, in shares of the best
    gain of its generation; only generations in which two sources can be compared."""
    energy_mj: Mapping[str, float] = field(default_factory=dict[str, float])
    """Energy of measured cells, by cell; empty on a device without an energy table."""
    known_claims: frozenset[str] = frozenset()
    """Keys of the claims that the run has already put to the test."""
    deciders: tuple[Decider, ...] = ()
    """Cells of this niche that would decide shown heuristics nothing supports yet, best first."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the Analyst makes of a view: claims to test, votes on shown heuristics, a note."""

    claims: tuple[Claim, ...] = ()
    keep: tuple[str, ...] = ()
    retire: tuple[str, ...] = ()
    note: str = ""


class Analyst(Protocol):
    """Reads measured cells and heuristics; proposes claims."""

    @property
    def source(self) -> str: ...
    def study(self, view: NicheView, heuristics: Sequence[Heuristic]) -> Analysis: ...


class Designer(Protocol):
    """Turns a view and heuristics into proposals, best first; all randomness comes from `rng`."""

    @property
    def source(self) -> str: ...
    def propose(
        self,
        view: NicheView,
        heuristics: Sequence[Heuristic],
        rng: np.random.Generator,
    ) -> tuple[Proposal, ...]: ...


class Validator(Protocol):
    """Accepts, repairs or rejects proposals with a reason, in order."""

    def check(
        self, niche: str, proposals: Sequence[Proposal], evaluated: Sequence[str]
    ) -> tuple[Verdict, ...]: ...


@dataclass(frozen=True, slots=True)
class Pick:
    """A cell the Advisor would measure next, and the hypervolume it is expected to add."""

    arch: str
    niche: str
    gain: float


@dataclass(frozen=True, slots=True)
class Source:
    """What was measured in another place, and what that says of every cell."""

    score: FloatArray
    """`(size,)`: believed to rise with accuracy; no unit."""
    cells: IntArray
    """Distinct measured cells, `(n,)`."""
    accuracy_pct: FloatArray
    """Predicted accuracies of those cells, `(n,)`."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What the believed sources say together."""

    score: FloatArray
    """`(size,)`: believed to rise with accuracy; no unit."""
    cells: IntArray
    """Cells measured elsewhere, `(n,)`; one measured on two datasets comes twice."""
    log_error: FloatArray
    """Logarithm of their error above a floor, `(n,)`, with mean zero in every dataset."""


class Advisor(Protocol):
    """Picks unevaluated cells by the hypervolume they are expected to add.

    Built on measured cells, heuristics and the latency table only; see
    `llm_nas.tools.advisor`.
    """

    def plan(
        self,
        measured: Sequence[Measurement],
        prior: Prior | None,
        size: int,
        rng: np.random.Generator,
    ) -> tuple[Pick, ...]:
        """Up to `size` cells of the whole space to measure together, best first.

        `prior` is what searches of other places learned of accuracy; None when nothing is
        known or believed.
        """
        ...


class Moves(Protocol):
    """Ways to make cells that stay inside a niche; cells as strings."""

    def sample(self, niche: str, rng: np.random.Generator) -> str:
        """A uniform cell of the niche."""
        ...

    def mutations(self, niche: str, arch: str) -> tuple[str, ...]:
        """All cells of the niche one edge away, in a fixed order."""
        ...

    def crossings(self, niche: str, first: str, second: str) -> tuple[str, ...]:
        """All other cells of the niche that take every edge from one of two parents."""
        ...

    def twin(self, arch: str) -> str:
        """The canonical form: the same network with unused edges set to none."""
        ...

    def facts(self, arch: str) -> CellFacts:
        """What conditions may ask of a cell."""
        ...


@dataclass(frozen=True, slots=True)
class Trial:
    """One child of a generation: which heuristics its designer was shown, which were withheld."""

    arch: str
    shown: tuple[str, ...]
    withheld: tuple[str, ...]
    valid: bool
    gain: float
    """Normalised hypervolume the child added to its niche archive."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one generation taught: goes to the knowledge base in one acknowledged write."""

    run: str
    generation: int
    dataset: str
    device: str
    space: str
    claims: tuple[Claim, ...]
    measured: tuple[Measurement, ...]
    """Cells measured in this generation."""
    trials: tuple[Trial, ...] = ()
    keep: tuple[str, ...] = ()
    retire: tuple[str, ...] = ()
    energy_mj: Mapping[str, float] = field(default_factory=dict[str, float])
    """Energy in mJ of measured cells, by cell, where the device has an energy table."""


class KnowledgeBase(Protocol):
    """Heuristics that outlive a run."""

    def retrieve(
        self,
        text: str = "",
        *,
        dataset: str | None = None,
        device: str | None = None,
        niche: str | None = None,
        k: int = 8,
        token_budget: int | None = None,
    ) -> tuple[Heuristic, ...]:
        """The heuristics most worth showing, best first, each with its reason in `why`."""
        ...

    def learn(self, lesson: Lesson) -> tuple[Heuristic, ...]:
        """Add claims and cells, recompute evidence and status; return what changed.

        Idempotent per (run, generation).
        """
        ...
