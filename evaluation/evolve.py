"""Long evolved runs on a truth model: the reference fronts of spaces too large to be listed.

Every run keeps all non-dominated networks it has seen. Children are crossings of neighbours on
that front and mutants of its members. Runs by different seeds are united until the union stops
growing; after each, neighbours of its members (one choice changed) are tried until none joins.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from llm_nas.choices import Choice
from llm_nas.conditions import Bound
from llm_nas.domain import Arch, BoolArray, FloatArray, IntArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.indicators import hypervolume
from llm_nas.evaluation.reference import front_positions

Judge = Callable[[Sequence[Arch]], tuple[FloatArray, FloatArray]]
"""True errors and latencies `(n,)` of architectures."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried."""

    evaluations: int = 30_000
    """By every run, before neighbours are tried."""
    start: int = 5_000
    batch: int = 2_000
    seeds: int = 5
    """Runs at most."""
    least_gain: float = 2e-5
    """Hypervolume that a run must add, as a share, for another one to be started."""


DEFAULT_EFFORT = Effort()


class Genes:
    """Architectures as rows of codes: the position of every choice's value, active or not."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        """Take a space's choices.

        Raises:
            RequestError: A choice is active on a condition that is no lower bound.
        """
        self.sizes = np.array([len(choice.values) for choice in choices], dtype=np.int64)
        self._tokens = [[f"{c.name}={value}" for value in c.values] for c in choices]
        names = [choice.name for choice in choices]
        self._gates: list[tuple[int, int, int]] = []
        for position, choice in enumerate(choices):
            gate = choice.active_when
            if gate is None:
                continue
            if not isinstance(gate, Bound) or gate.relation != "ge":
                raise RequestError(f"choice {choice.name}: only lower bounds can be evolved")
            at = names.index(gate.choice)
            least = sum(float(value) < gate.value for value in choices[at].values)
            self._gates.append((position, at, least))

    def random(self, n: int, rng: np.random.Generator) -> IntArray:
        """`(n, choices)` codes."""
        return rng.integers(self.sizes, size=(n, len(self.sizes)))

    def tidy(self, codes: IntArray) -> IntArray:
        """The same networks with code 0 for choices that are not active, repeats dropped."""
        for position, at, least in self._gates:
            codes[codes[:, at] < least, position] = 0
        return np.unique(codes, axis=0)

    def texts(self, codes: IntArray) -> list[Arch]:
        """The architectures."""
        return [self._text(row) for row in codes.tolist()]

    def _text(self, row: Sequence[int]) -> Arch:
        tokens = [tokens[code] for tokens, code in zip(self._tokens, row, strict=True)]
        for position, at, least in reversed(self._gates):
            if row[at] < least:
                del tokens[position]
        return " ".join(tokens)

    def mutants(self, codes: IntArray, rng: np.random.Generator) -> IntArray:
        """One to three choices of every row drawn anew."""
        changed = codes.copy()
        for _ in range(3):
            at = rng.integers(len(self.sizes), size=len(codes))
            drawn = rng.integers(self.sizes[at])
            rows = np.arange(len(codes))
            if _ > 0:
                rows = rows[rng.random(len(codes)) < 0.4]
            changed[rows, at[rows]] = drawn[rows]
        return changed

    def crossings(self, front: IntArray, n: int, rng: np.random.Generator) -> IntArray:
        """`n` children of members that lie near each other on a front ordered by latency."""
        first = rng.integers(len(front), size=n)
        reach = max(2, len(front) // 10)
        second = np.clip(first + rng.integers(-reach, reach + 1, size=n), 0, len(front) - 1)
        from_second = rng.random((n, front.shape[1])) < rng.random((n, 1))
        return np.where(from_second, front[second], front[first])

    def neighbours(self, codes: IntArray) -> IntArray:
        """All rows with one choice changed."""
        found = [codes[:0]]
        for position, size in enumerate(self.sizes.tolist()):
            for value in range(size):
                changed = codes[codes[:, position] != value].copy()
                changed[:, position] = value
                found.append(changed)
        return np.concatenate(found)


@dataclass(frozen=True, slots=True)
class Archive:
    """Non-dominated networks by latency."""

    codes: IntArray
    errors: FloatArray
    latencies_ms: FloatArray

    def joined(self, other: "Archive") -> "Archive":
        """The front of both."""
        codes = np.concatenate((self.codes, other.codes))
        errors = np.concatenate((self.errors, other.errors))
        latencies_ms = np.concatenate((self.latencies_ms, other.latencies_ms))
        kept = front_positions(errors, latencies_ms)
        return Archive(codes[kept], errors[kept], latencies_ms[kept])

    def volume(self, scale: "Archive") -> float:
        """Hypervolume in the box of another front, reference point (1.1, 1.1)."""
        points = [
            (mine - theirs.min()) / max(float(np.ptp(theirs)), 1e-12)
            for mine, theirs in (
                (self.errors, scale.errors),
                (self.latencies_ms, scale.latencies_ms),
            )
        ]
        return hypervolume(np.column_stack(points), (1.1, 1.1))


def evolved_front(
    choices: Sequence[Choice],
    judge: Judge,
    effort: Effort = DEFAULT_EFFORT,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[tuple[Arch, ...], FloatArray, FloatArray]:
    """Texts, errors and latencies of the united front of several runs, by latency."""
    genes, tried = Genes(choices), set[bytes]()
    union = _settled(genes, judge, _run(genes, judge, effort, 0), tried)
    for seed in range(1, effort.seeds):
        found = _run(genes, judge, effort, seed)
        wider = _settled(genes, judge, union.joined(found), tried)
        gain = wider.volume(wider) / union.volume(wider) - 1
        say(f"run {seed + 1}: {len(wider.errors)} on the front, hypervolume +{gain:.6%}")
        union = wider
        if gain < effort.least_gain:
            break
    return tuple(genes.texts(union.codes)), union.errors, union.latencies_ms


def _run(genes: Genes, judge: Judge, effort: Effort, seed: int) -> Archive:
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0xF407]))
    archive = _judged(genes, judge, genes.random(effort.start, rng))
    for _ in range(effort.evaluations // effort.batch):
        half = effort.batch // 2
        crossed = genes.crossings(archive.codes, effort.batch, rng)
        children = np.concatenate((crossed[:half], genes.mutants(crossed[half:], rng)))
        archive = archive.joined(_judged(genes, judge, children))
    return archive


def _settled(genes: Genes, judge: Judge, archive: Archive, tried: set[bytes]) -> Archive:
    """The front once no neighbour of a member joins it any more; members tried are remembered."""
    while True:
        fresh = _untried(archive.codes, tried)
        if not fresh.any():
            return archive
        found = _judged(genes, judge, genes.neighbours(archive.codes[fresh]))
        archive = archive.joined(found)


def _untried(codes: IntArray, tried: set[bytes]) -> BoolArray:
    """`(n,)`: rows that are not among those tried, which they join."""
    keys = [row.tobytes() for row in codes]
    fresh = np.array([key not in tried for key in keys], dtype=np.bool_)
    tried.update(keys)
    return fresh


def _judged(genes: Genes, judge: Judge, codes: IntArray, batch: int = 20_000) -> Archive:
    """The front of some rows; in batches, so that memory does not grow with their number."""
    tidy = genes.tidy(codes)
    parts: list[Archive] = []
    for first in range(0, len(tidy), batch):
        rows = tidy[first : first + batch]
        errors, latencies_ms = judge(genes.texts(rows))
        kept = front_positions(errors, latencies_ms)
        parts.append(Archive(rows[kept], errors[kept], latencies_ms[kept]))
    archive = parts[0]
    for part in parts[1:]:
        archive = archive.joined(part)
    return archive
