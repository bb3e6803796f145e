"""The verbs others supply: protocols between the folders."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from llm_nas.choices import Choice
from llm_nas.claims import Claim, Heuristic
from llm_nas.conditions import Condition, Facts, Value
from llm_nas.domain import (
    ACCURACY,
    Arch,
    Candidate,
    ContextName,
    Failure,
    FloatArray,
    Label,
    Limits,
    Measurement,
    Metric,
    Niche,
    SourceVerdict,
    TaskShape,
    Timing,
    Verdict,
)

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class QuantityInfo:
    """A number a space computes for every architecture: `macs_m`, a share, a depth."""

    name: str
    unit: str
    words: str
    """What it is, in the words of the field."""
    whole: bool = False
    """Whether it counts something."""


class SearchSpace(Protocol):
    """A family of architectures, each named by its canonical text.

    Nothing here lists the family: it may have 1e40 members. All methods are deterministic;
    `sample` and `cross` draw from `rng` alone.
    """

    @property
    def name(self) -> str: ...
    @property
    def choices(self) -> tuple[Choice, ...]: ...
    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Choices that mean the same in different places, by group name (`kernels`: k1 k2 ...)."""
        ...

    @property
    def quantities_info(self) -> tuple[QuantityInfo, ...]: ...
    @property
    def log10_size(self) -> float:
        """Decimal logarithm of the number of members (an upper bound where choices depend)."""
        ...

    def parse(self, text: str) -> Arch:
        """The canonical text of what a person or model wrote.

        Raises `RequestError` that says what is wrong and what is allowed.
        """
        ...

    def arch(self, values: Mapping[str, Value]) -> Arch:
        """The text of an architecture given by the values of its active choices.

        Values of inactive choices are ignored; `RequestError` for a missing or illegal one.
        """
        ...

    def values(self, arch: Arch) -> Mapping[str, Value]:
        """Value of every active choice, in the order of `choices`."""
        ...

    def twin(self, arch: Arch) -> Arch:
        """One name for all texts that spell the same network; most spaces: the text itself."""
        ...

    def facts(self, arch: Arch) -> Facts: ...
    def quantities(self, archs: Sequence[Arch]) -> Mapping[str, FloatArray]:
        """Every quantity of `quantities_info` for these architectures, `(n,)` each."""
        ...

    def sample(self, rng: np.random.Generator, within: Condition | None = None) -> Arch:
        """A random member that meets `within`; `RequestError` where none is found."""
        ...

    def neighbours(self, arch: Arch) -> Iterator[Arch]:
        """All members with one choice changed, in a fixed order."""
        ...

    def cross(self, first: Arch, second: Arch, rng: np.random.Generator) -> Arch:
        """A member that takes every choice from one of two parents."""
        ...

    def features(self, archs: Sequence[Arch]) -> FloatArray:
        """`(n, d)` numbers on comparable scales, from each architecture alone."""
        ...

    def describe(self) -> str:
        """The space in the words of the field, for people and prompts."""
        ...


@runtime_checkable
class Enumerable(Protocol):
    """What a space that can be listed has beside the methods of `SearchSpace`."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Arch]: ...


@runtime_checkable
class Buildable(Protocol):
    """What a space whose members can be trained has beside the methods of `SearchSpace`."""

    def build(self, arch: Arch, shape: TaskShape) -> "nn.Module":
        """The network, untrained, from `(n, channels, height, width)` to `(n, classes)`."""
        ...


class Partition(Protocol):
    """Disjoint niches that cover a space."""

    @property
    def name(self) -> str: ...
    @property
    def niches(self) -> tuple[Niche, ...]: ...
    def niche_of(self, arch: Arch) -> str:
        """Id of the niche that holds an architecture."""
        ...

    def constraint(self, niche: str) -> Condition:
        """The niche's condition; `RequestError` for an unknown niche."""
        ...


class Moves(Protocol):
    """Ways to a new member of a niche; all randomness is from `rng`.

    The answer of `mutate` and `cross` is never a parent; where none of their kind lies in the
    niche they fall back: a crossing to a mutation, a mutation to a fresh sample.
    """

    def sample(self, niche: str, rng: np.random.Generator) -> Arch: ...
    def mutate(self, niche: str, arch: Arch, rng: np.random.Generator) -> Arch:
        """A member of the niche with one choice changed."""
        ...

    def cross(self, niche: str, first: Arch, second: Arch, rng: np.random.Generator) -> Arch:
        """A member of the niche that takes every choice from one of two parents."""
        ...


class Task(Protocol):
    """What networks are trained for. Truth (test data) cannot be reached through it."""

    @property
    def name(self) -> str: ...
    @property
    def metric(self) -> Metric: ...
    @property
    def chance(self) -> float | None:
        """The metric of a network that has learned nothing; None when unknown."""
        ...

    @property
    def source(self) -> str:
        """Where labels come from; contains 'truth model' or 'surrogate' when they are modelled."""
        ...

    def train(self, arch: Arch, fidelity: float, seed: int) -> Label | Failure:
        """Train once, `fidelity` in (0, 1] of the full schedule; equal arguments, equal answer."""
        ...


class Device(Protocol):
    """What latency is measured on."""

    @property
    def name(self) -> str: ...
    @property
    def exact(self) -> bool:
        """Whether timings are free and without noise (tables, sums)."""
        ...

    @property
    def source(self) -> str: ...
    def supports(self, arch: Arch) -> str | None:
        """Why an architecture cannot run there; None when it can."""
        ...

    def measure(self, archs: Sequence[Arch]) -> list[Timing | Failure]:
        """One answer per architecture, in order."""
        ...


class LatencyModel(Protocol):
    """Beliefs about latencies that were not measured."""

    def add(self, timings: Sequence[Timing]) -> None: ...
    def predict(self, archs: Sequence[Arch]) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation in ms, `(n,)` each; NaN where the device has no value."""
        ...


class ZeroCost(Protocol):
    """Scores of untrained networks: assumptions, told apart from labels."""

    @property
    def names(self) -> tuple[str, ...]:
        """Scores in the order in which they are believed; empty where there are none."""
        ...

    def scores(self, archs: Sequence[Arch]) -> Mapping[str, FloatArray]:
        """`(n,)` of every score, believed to rise with accuracy; NaN where it has no value."""
        ...


@dataclass(frozen=True, slots=True)
class History:
    """What a run knows at the start of a generation: a snapshot, the same after a resume."""

    measured: tuple[Measurement, ...] = ()
    """Every trained architecture of the run, in order, and reused ones first."""
    failed: frozenset[Arch] = frozenset()
    timings: tuple[Timing, ...] = ()
    """Of architectures timed so far, trained or not; empty on exact devices."""
    pending: tuple[Arch, ...] = ()
    """Being trained right now."""
    offered: tuple[Candidate, ...] = ()
    """Proposals of Designers that were legal and new, and not trained yet."""


class Advisor(Protocol):
    """Chooses what to train by the hypervolume it is expected to add."""

    def open(self, size: int, rng: np.random.Generator) -> tuple[Candidate, ...]:
        """The first generation, before anything is known: `size` candidates dealt over niches."""
        ...

    def plan(self, history: History, size: int, rng: np.random.Generator) -> tuple[Candidate, ...]:
        """Up to `size` candidates to train together, best first, each with reason and gain."""
        ...

    def gains(self, history: History, archs: Sequence[Arch]) -> FloatArray:
        """Expected hypervolume gain of architectures, `(n,)`; NaN before anything is known."""
        ...

    def sources(self, history: History) -> tuple[SourceVerdict, ...]:
        """What the labels so far say of every zero-cost score."""
        ...


@dataclass(frozen=True, slots=True)
class NicheView:
    """What one niche sees at the start of a generation: a snapshot, the same after a resume."""

    context: ContextName
    metric: Metric
    niche: Niche
    generation: int
    slots: int
    """Trainings this niche gets in this generation."""
    limits: Limits
    archive: tuple[Measurement, ...]
    """The niche's non-dominated networks (error, latency), by latency."""
    measured: tuple[Measurement, ...]
    """Every network of the run trained before this generation, in order."""
    gaps_ms: tuple[tuple[float, float], ...]
    """Latency ranges of the niche that its archive leaves empty, widest first."""
    failures: tuple[Verdict, ...]
    """Recent rejections in this niche, newest first."""
    broken: tuple[Failure, ...] = ()
    """Networks of the run that failed to build, time or train."""
    suggestions: tuple[Candidate, ...] = ()
    """Candidates of this niche that the Advisor chose, best first."""
    aims_ms: tuple[tuple[float, float], ...] = ()
    """Empty latency ranges a counter-measure aims at; they stand first in `gaps_ms` too."""
    restrained: tuple[str, ...] = ()
    """Origins whose last proposals were bad: a model gets one slot, operators draw afresh."""
    gains: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])
    """What each trained network of this niche added, by origin, in order, in shares of the best
    gain of its generation; only generations in which two origins can be compared."""
    known_claims: frozenset[str] = frozenset()
    """Keys of the claims that the run has already put to the test."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the Analyst makes of a view: claims to test, votes on shown claims, a note."""

    claims: tuple[Claim, ...] = ()
    keep: tuple[str, ...] = ()
    retire: tuple[str, ...] = ()
    note: str = ""


class Analyst(Protocol):
    """Reads measurements and heuristics; proposes claims."""

    @property
    def source(self) -> str: ...
    def study(self, view: NicheView, heuristics: Sequence[Heuristic]) -> Analysis: ...


class Designer(Protocol):
    """Turns a view and heuristics into candidates, best first; all randomness is from `rng`."""

    @property
    def source(self) -> str: ...
    def propose(
        self,
        view: NicheView,
        heuristics: Sequence[Heuristic],
        rng: np.random.Generator,
    ) -> tuple[Candidate, ...]: ...


class Validator(Protocol):
    """Accepts, repairs or rejects candidates with a reason, in order."""

    def check(
        self, niche: str, candidates: Sequence[Candidate], taken: Mapping[Arch, str]
    ) -> tuple[Verdict, ...]:
        """`taken` says of twins that were trained or failed before why they are not new."""
        ...


@dataclass(frozen=True, slots=True)
class Trial:
    """One network of a Designer call: which heuristics were shown, which withheld."""

    call: str
    """Generation, niche and role of the call; calls are the unit of lift."""
    arch: Arch
    shown: tuple[str, ...]
    withheld: tuple[str, ...]
    valid: bool
    gain: float
    """Hypervolume the network added to the run's front, in shares of the reference box."""
    read: bool = True
    """Whether the Designer reads what it is shown (a model); no lift is learnt from others."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one generation taught: goes to the knowledge base in one acknowledged write."""

    run: str
    seed: int
    generation: int
    context: ContextName
    claims: tuple[Claim, ...]
    measured: tuple[Measurement, ...]
    """Trained in this generation."""
    trials: tuple[Trial, ...] = ()
    keep: tuple[str, ...] = ()
    retire: tuple[str, ...] = ()
    recipe: str = ""
    """How labels were made: trainings of one task and recipe can be reused."""
    failures: tuple[Failure, ...] = ()
    metric: Metric = ACCURACY
    """What `value` of the measured networks is."""


class KnowledgeBase(Protocol):
    """Heuristics and trainings that outlive a run."""

    def recall(
        self, context: ContextName, niche: str, *, text: str = "", k: int = 8
    ) -> tuple[Heuristic, ...]:
        """The heuristics most worth showing, best first, each with its reason in `why`."""
        ...

    def learn(self, lesson: Lesson) -> tuple[Heuristic, ...]:
        """Add claims and trainings, recompute evidence and status; return what changed.

        Idempotent per (run, generation).
        """
        ...

    def trainings(self, space: str, task: str, recipe: str) -> tuple[Measurement, ...]:
        """Earlier trainings of the same space, task and recipe, one per architecture."""
        ...


class Note(Protocol):
    """Tells a person something while a run goes on."""

    def __call__(self, line: str, /, **data: Any) -> None: ...
