"""Labelled images in memory, and how they are dealt into training, validation and test."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from llm_nas.domain import IntArray, TaskShape
from llm_nas.errors import DataError

Pixels = npt.NDArray[np.uint8 | np.float32]

TEST_SHARE = 0.15
VALIDATION_SHARE = 0.2
LEAST_OF_A_CLASS = 5
"""Images of a class from which training, validation and test all get some."""
_TEST_SPLIT = 20_231_117
"""The test split is the same for every seed: no earlier training of a store saw its images."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images `(n, 3, height, width)` of 0..255 in RGB, and their classes `(n,)`.

    Series are images of one channel and height 1, of floats.
    """

    pixels: Pixels
    labels: IntArray

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or len(self.pixels) != len(self.labels):
            raise DataError(f"images {self.pixels.shape} and labels {self.labels.shape} differ")

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, chosen: IntArray) -> "Labelled":
        """Some of the images."""
        return Labelled(self.pixels[chosen], self.labels[chosen])

    def scaled(self) -> npt.NDArray[np.float32]:
        """Pixels as exported networks take them: float32 in 0..1."""
        return self.pixels.astype(np.float32) / np.float32(255)


class Source(Protocol):
    """Where images come from; `fit` and `test` never share one."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names, in the order of the labels."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out or decided, one line each."""
        ...

    def fit(self) -> tuple[Labelled, Labelled | None]:
        """Images to train on, and those for validation where the data says which."""
        ...

    def test(self) -> Labelled:
        """Images that no training sees."""
        ...


@dataclass(frozen=True, slots=True)
class FitData:
    """What a search may see of a task: no test image is in here."""

    train: Labelled
    validation: Labelled
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    mirrored: bool
    """Whether training may mirror images; pictures without colour are often signs or digits."""

    @property
    def shape(self) -> TaskShape:
        """What networks for this task take and give."""
        _, channels, height, width = self.train.pixels.shape
        return TaskShape(channels=channels, height=height, width=width, classes=len(self.classes))


def fit_data(source: Source, seed: int) -> FitData:
    """Training and validation images, split by `seed` unless the source splits them."""
    train, validation = source.fit()
    if validation is None:
        rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
        share = VALIDATION_SHARE if len(train) < 10_000 else VALIDATION_SHARE / 2
        kept, taken = stratified(train.labels, share, rng)
        train, validation = train.rows(kept), train.rows(taken)
    sample = train.pixels[:5000].astype(np.float64) / 255
    return FitData(
        train=train,
        validation=validation,
        classes=source.classes,
        notes=source.notes,
        mean=tuple(float(x) for x in sample.mean(axis=(0, 2, 3))),
        deviation=tuple(max(0.02, float(x)) for x in sample.std(axis=(0, 2, 3))),
        mirrored=not _grey(train.pixels),
    )


def split_test(labels: IntArray) -> tuple[IntArray, IntArray]:
    """Rows to fit on and rows for the test, the same for every seed."""
    return stratified(labels, TEST_SHARE, np.random.default_rng(_TEST_SPLIT))


def stratified(
    labels: IntArray, share: float, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Rows kept and rows taken: of every class about `share`, at least one, are taken."""
    taken: list[IntArray] = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        taken.append(rows[: max(1, round(share * len(rows)))].astype(np.int64))
    chosen = np.sort(np.concatenate(taken))
    return np.setdiff1d(np.arange(len(labels), dtype=np.int64), chosen), chosen


def _grey(pixels: Pixels) -> bool:
    some = pixels[:: max(1, len(pixels) // 200)]
    return bool((some[:, :1] == some).all())
