"""Images that are arrays already: `.npz` files and scikit-learn's digits."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from llm_nas.domain import IntArray
from llm_nas.errors import DataError
from llm_nas.tools.tasks.labelled import LEAST_OF_A_CLASS, Labelled, Pixels, split_test

_NEEDED = ("x_train", "y_train")


class Npz:
    """`x_train y_train [x_test y_test]`: images `(n, h, w)`, `(n, h, w, c)` or `(n, c, h, w)`.

    Integers are 0..255; floats 0..1 or 0..255. Without test images a fixed share of the
    training images is kept aside.
    """

    def __init__(self, path: Path) -> None:
        """Read the names of arrays and the labels.

        Raises:
            DataError: when the file is no such `.npz`, in one line.
        """
        self._path = path
        names = self._names()
        missing = [name for name in _NEEDED if name not in names]
        if missing:
            raise DataError(f"{path} has no {' and no '.join(missing)}, only: {', '.join(names)}")
        self._own_test = "x_test" in names and "y_test" in names
        self._values, self._labels = ranked(self._array("y_train"), f"{path}: y_train")
        self.classes = tuple(str(value) for value in self._values)
        self.notes = () if self._own_test else (f"{path.name} has no x_test: 15 % kept aside",)

    def fit(self) -> tuple[Labelled, Labelled | None]:
        """All training images, or those that are not kept aside."""
        train = Labelled(self._images("x_train"), self._labels)
        if self._own_test:
            return train, None
        return train.rows(split_test(train.labels)[0]), None

    def test(self) -> Labelled:
        """`x_test`, or the share of the training images that was kept aside."""
        if not self._own_test:
            train = Labelled(self._images("x_train"), self._labels)
            return train.rows(split_test(train.labels)[1])
        given = self._array("y_test").reshape(-1)
        places = np.searchsorted(self._values, given).clip(0, len(self._values) - 1)
        if not (self._values[places] == given).all():
            raise DataError(f"{self._path}: y_test has classes that y_train has not")
        return Labelled(self._images("x_test"), places.astype(np.int64))

    def _names(self) -> list[str]:
        try:
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return list(arrays.files)
        except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
            raise DataError(f"{self._path} cannot be read as .npz: {error}") from error

    def _array(self, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
        try:
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return np.asarray(arrays[name])
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{self._path}: {name} cannot be read: {error}") from error

    def _images(self, name: str) -> Pixels:
        return _pixels(self._array(name), f"{self._path}: {name}")


class Digits:
    """scikit-learn's 1,797 digits of 8 x 8 pixels; 15 % are kept aside as test images."""

    def __init__(self) -> None:
        import sklearn.datasets  # type: ignore[import-untyped]

        library: Any = sklearn.datasets
        given = library.load_digits()
        images = np.asarray(given.images, dtype=np.float64)
        labels = np.asarray(given.target, dtype=np.int64)
        grey = np.round(images * (255 / 16)).astype(np.uint8)
        self._all = Labelled(np.repeat(grey[:, None], 3, axis=1), labels)
        self.classes = tuple("0123456789")
        self.notes: tuple[str, ...] = ()

    def fit(self) -> tuple[Labelled, Labelled | None]:
        """The images that are not kept aside."""
        return self._all.rows(split_test(self._all.labels)[0]), None

    def test(self) -> Labelled:
        """The images kept aside."""
        return self._all.rows(split_test(self._all.labels)[1])


def ranked(
    labels: np.ndarray[tuple[int, ...], np.dtype[np.generic]], where: str
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.generic]], IntArray]:
    """Distinct labels in order, and the place of every label among them."""
    if labels.dtype.kind not in "iubSU" or labels.size != len(labels):
        raise DataError(f"{where}: expected one whole number or text an image")
    values, places, counts = np.unique(labels.reshape(-1), return_inverse=True, return_counts=True)
    if len(values) < 2:
        raise DataError(f"{where}: expected at least two classes, found {len(values)}")
    if counts.min() < LEAST_OF_A_CLASS:
        rare = values[counts.argmin()]
        raise DataError(
            f"{where}: class {rare} has {counts.min()} images, at least {LEAST_OF_A_CLASS} needed"
        )
    return values, places.reshape(-1).astype(np.int64)


def _pixels(images: np.ndarray[tuple[int, ...], np.dtype[np.generic]], where: str) -> Pixels:
    """Any usual layout as `(n, 3, h, w)` of 0..255."""
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        raise DataError(f"{where}: expected (n, h, w) or (n, h, w, c), found {images.shape}")
    if images.shape[-1] not in (1, 3, 4) and images.shape[1] in (1, 3, 4):
        images = images.transpose(0, 2, 3, 1)
    if images.shape[-1] not in (1, 3, 4):
        raise DataError(f"{where}: expected 1 or 3 channels, found {images.shape}")
    whole = _bytes(images, where)[..., :3]
    colour = np.repeat(whole, 3, axis=-1) if whole.shape[-1] == 1 else whole
    return np.ascontiguousarray(colour.transpose(0, 3, 1, 2))


def _bytes(images: np.ndarray[tuple[int, ...], np.dtype[np.generic]], where: str) -> Pixels:
    if images.dtype == np.uint8:
        return images.astype(np.uint8, copy=False)
    if images.dtype.kind not in "iuf" or images.size == 0:
        raise DataError(f"{where}: expected numbers, found {images.dtype} {images.shape}")
    numbers = images.astype(np.float32)
    if not np.isfinite(numbers).all() or numbers.min() < 0 or numbers.max() > 255:
        raise DataError(f"{where}: expected pixels in 0..1 or 0..255")
    scale = 255 if images.dtype.kind == "f" and numbers.max() <= 1 else 1
    return np.round(numbers * scale).astype(np.uint8)
