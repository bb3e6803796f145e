"""Image batches: real ones from an `.npz` file, or seeded synthetic ones."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from llm_nas.domain import IntArray, TaskShape
from llm_nas.errors import DataError, RequestError

_KEYS = (("x_train", "y_train"), ("images", "labels"))
_GROUP = 4
"""Images per class when a batch is smaller than the number of classes."""

FloatImages = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """Images and labels a proxy is computed on."""

    images: FloatImages
    """`(n, channels, h, w)`, normalised per channel."""
    labels: IntArray
    """`(n,)`, 0..classes-1."""
    shape: TaskShape
    """Of the images at their full size, and the number of classes."""
    source: str
    """Where they come from: a file name, or `synthetic`."""

    def shrunk(self, side: int | None) -> "ImageBatch":
        """The same images at `side` x `side` pixels, by averaging blocks; all of them for None.

        Images that are smaller already stay as they are.

        Raises:
            RequestError: The side does not divide the images' own.
        """
        high, wide = self.images.shape[-2:]
        if side is None or max(high, wide) <= side:
            return self
        if high % side or wide % side:
            raise RequestError(f"image size {side} does not divide {high} x {wide}")
        shape = (*self.images.shape[:2], side, high // side, side, wide // side)
        blocks = self.images.reshape(shape).mean(axis=(3, 5))
        return ImageBatch(blocks, self.labels, self.shape, self.source)

    @property
    def synthetic(self) -> bool:
        """Whether no real image is involved."""
        return self.source == "synthetic"


def synthetic_batch(shape: TaskShape, batch_size: int, seed: int) -> ImageBatch:
    """Standard normal images with labels drawn as for real ones, reproducible from the seed.

    Only the sizes match the task; proxies that read images are noisier on them.
    """
    rng = np.random.default_rng(seed)
    dims = (batch_size, shape.channels, shape.height, shape.width)
    images = rng.standard_normal(dims, dtype=np.float32)
    pool = np.repeat(np.arange(shape.classes), max(_GROUP, batch_size))
    labels = pool[_draw(pool, batch_size, shape.classes, rng)]
    return ImageBatch(images, labels, shape, "synthetic")


def load_batch(path: Path, shape: TaskShape | None, batch_size: int, seed: int) -> ImageBatch:
    """Draw a batch from an `.npz` of images, normalised by the mean and deviation of all.

    Args:
        path: Holds uint8 `x_train (n, h, w[, channels])` and `y_train (n,)`, or `images` and
            `labels`.
        shape: What images and labels must be like; None: what the file holds.
        batch_size: Images to draw, without replacement.
        seed: Seeds the draw.

    Raises:
        DataError: The file is missing, unreadable, of another shape, or too small.
    """
    images, labels = _read(path)
    found = _shape_of(path, images, labels)
    wanted = found if shape is None else shape
    if found.model_copy(update={"classes": wanted.classes}) != wanted:
        raise DataError(
            f"{path}: expected images (n, {wanted.height}, {wanted.width}, {wanted.channels}), "
            f"got {images.shape}"
        )
    if found.classes > wanted.classes:
        raise DataError(f"{path}: expected one label 0..{wanted.classes - 1} per image")
    if len(images) < batch_size:
        raise DataError(f"{path}: {len(images)} images, batch needs {batch_size}")
    chosen = _draw(labels, batch_size, wanted.classes, np.random.default_rng(seed))
    mean = images.mean(axis=(0, 1, 2), dtype=np.float64) / 255.0
    deviation = images.std(axis=(0, 1, 2), dtype=np.float64) / 255.0
    scaled = (images[chosen] / 255.0 - mean) / np.where(deviation > 0, deviation, 1.0)
    return ImageBatch(
        np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), dtype=np.float32),
        labels[chosen],
        wanted,
        path.name,
    )


def _shape_of(path: Path, images: npt.NDArray[np.uint8], labels: IntArray) -> TaskShape:
    if images.dtype != np.uint8 or images.ndim != 4:
        raise DataError(
            f"{path}: expected uint8 images (n, h, w, channels), got {images.dtype} {images.shape}"
        )
    if not len(images) or labels.shape != images.shape[:1] or labels.min() < 0:
        raise DataError(f"{path}: expected one label, 0 or more, per image")
    _, height, width, channels = images.shape
    classes = int(labels.max()) + 1
    return TaskShape(channels=channels, height=height, width=width, classes=classes)


def _draw(labels: IntArray, count: int, classes: int, rng: np.random.Generator) -> IntArray:
    """Positions of `count` images; with fewer images than classes, groups of one class.

    EPE-NAS compares images that share a class, which a small random batch hardly has.
    """
    if count >= classes:
        return rng.choice(len(labels), count, replace=False).astype(np.int64)
    groups = [rng.permutation(np.flatnonzero(labels == c)) for c in rng.permutation(classes)]
    full = [group[:_GROUP] for group in groups if len(group) >= _GROUP]
    grouped = np.concatenate([*full, np.zeros(0, dtype=np.int64)])[:count].astype(np.int64)
    rest = rng.permutation(np.setdiff1d(np.arange(len(labels)), grouped))
    return np.concatenate([grouped, rest[: count - len(grouped)]])


def _read(path: Path) -> tuple[npt.NDArray[np.uint8], IntArray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            for image_key, label_key in _KEYS:
                if image_key in file and label_key in file:
                    images = file[image_key]
                    grey = images.ndim == 3
                    return (
                        images[..., None] if grey else images,
                        file[label_key].astype(np.int64),
                    )
            found = ", ".join(file.files)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable .npz of images ({error})") from error
    raise DataError(f"{path}: no x_train/y_train or images/labels, only {found or 'nothing'}")
