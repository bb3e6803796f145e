"""Image batches: real ones from an `.npz` file, or seeded synthetic ones."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from llm_nas.domain import IntArray
from llm_nas.errors import DataError, RequestError

CLASSES = {"cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}
"""Number of classes per dataset."""
IMAGE_SIZE = {"cifar10": 32, "cifar100": 32, "ImageNet16-120": 16}
"""Side of the square images in pixels."""

_CHANNEL_MEAN_STD = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "ImageNet16-120": ((0.4811, 0.4575, 0.4079), (0.2604, 0.2532, 0.2682)),
}
"""Mean and deviation per colour of training images in [0, 1], as NAS-Bench-201 uses."""
_KEYS = (("x_train", "y_train"), ("images", "labels"))

_GROUP = 4
"""Images per class when a batch is smaller than the number of classes."""

FloatImages = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """Images and labels a proxy is computed on."""

    images: FloatImages
    """`(n, 3, h, w)`, normalised per colour."""
    labels: IntArray
    """`(n,)`, 0..classes-1."""
    source: str
    """Where they come from: a file name, or `synthetic`."""

    def shrunk(self, side: int | None) -> "ImageBatch":
        """The same images at `side` x `side` pixels, by averaging blocks; all of them for none.

        Raises:
            RequestError: The side does not divide the images' own.
        """
        own = self.images.shape[-1]
        if side is None or side == own:
            return self
        if own % side:
            raise RequestError(f"image size {side} does not divide {own}")
        blocks = self.images.reshape(*self.images.shape[:2], side, own // side, side, own // side)
        return ImageBatch(blocks.mean(axis=(3, 5)), self.labels, self.source)

    @property
    def synthetic(self) -> bool:
        """Whether no real image is involved."""
        return self.source == "synthetic"


def check_dataset(dataset: str) -> None:
    """Raise `RequestError` for an unknown dataset."""
    if dataset not in CLASSES:
        raise RequestError(f"dataset {dataset!r}: expected one of {', '.join(CLASSES)}")


def synthetic_batch(dataset: str, batch_size: int, seed: int) -> ImageBatch:
    """Standard normal images with labels drawn as for real ones, reproducible from the seed.

    Only the sizes match the dataset; proxies that read images are noisier on them.
    """
    check_dataset(dataset)
    rng = np.random.default_rng(seed)
    side = IMAGE_SIZE[dataset]
    images = rng.standard_normal((batch_size, 3, side, side), dtype=np.float32)
    pool = np.repeat(np.arange(CLASSES[dataset]), max(_GROUP, batch_size))
    labels = pool[_draw(pool, batch_size, CLASSES[dataset], rng)]
    return ImageBatch(images, labels, "synthetic")


def load_batch(path: Path, dataset: str, batch_size: int, seed: int) -> ImageBatch:
    """Draw a batch from an `.npz` of images.

    Args:
        path: Holds uint8 `x_train (n, h, w, 3)` and `y_train (n,)`, or `images` and `labels`.
        dataset: Gives the normalisation and the number of classes.
        batch_size: Images to draw, without replacement.
        seed: Seeds the draw.

    Raises:
        DataError: The file is missing, unreadable, of another shape, or too small.
    """
    check_dataset(dataset)
    images, labels = _read(path)
    side = IMAGE_SIZE[dataset]
    if images.dtype != np.uint8 or images.shape[1:] != (side, side, 3):
        raise DataError(
            f"{path}: expected uint8 images (n, {side}, {side}, 3), "
            f"got {images.dtype} {images.shape}"
        )
    if labels.shape != images.shape[:1] or labels.min() < 0 or labels.max() >= CLASSES[dataset]:
        raise DataError(f"{path}: expected one label 0..{CLASSES[dataset] - 1} per image")
    if len(images) < batch_size:
        raise DataError(f"{path}: {len(images)} images, batch needs {batch_size}")
    chosen = _draw(labels, batch_size, CLASSES[dataset], np.random.default_rng(seed))
    mean, std = (np.array(v, dtype=np.float32) for v in _CHANNEL_MEAN_STD[dataset])
    scaled = (images[chosen].astype(np.float32) / np.float32(255) - mean) / std
    return ImageBatch(
        np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)),
        labels[chosen].astype(np.int64),
        path.name,
    )


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
                    return file[image_key], file[label_key].astype(np.int64)
            found = ", ".join(file.files)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable .npz of images ({error})") from error
    raise DataError(f"{path}: no x_train/y_train or images/labels, only {found or 'nothing'}")
