"""A folder of class folders of images, as people have them: some files are always broken."""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, ImageOps

from llm_nas.domain import IntArray
from llm_nas.errors import DataError
from llm_nas.tools.tasks.labelled import LEAST_OF_A_CLASS, Labelled, Pixels, split_test

_PARTS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_LEAST_SIDE = 4
_MOST_PIXELS = 120_000_000
_LARGEST_SIDE = 128
_MOST_NOTES = 20
_SAMPLED_SIZES = 200


class Folder:
    """Images below `FOLDER/CLASS/`, or below `FOLDER/train/CLASS/`, `val/` and `test/`.

    Every image becomes `side` x `side` RGB, cut in the middle: the median shorter side, a
    multiple of 8 and at most 128. Files that are no usable images are named in `notes` and left
    out, and so are classes with fewer than five images.
    """

    def __init__(self, root: Path, side: int | None = None) -> None:
        """List files and look at their headers; nothing is decoded yet.

        Raises:
            DataError: when fewer than two classes are left.
        """
        self._root = root
        self._notes: list[str] = []
        self._parts = {part: self._listed(names) for part, names in _PARTS.items()}
        if "train" not in self._given():
            self._parts = {"train": self._classes_in(root), "validation": {}, "test": {}}
        train = self._without_rare(self._parts["train"])
        self.classes = tuple(sorted(train))
        if len(self.classes) < 2:
            found = f"{len(self.classes)} in {root}"
            raise DataError(_line(f"expected two folders of images or more, usable: {found}",
                                  *self._notes))  # fmt: skip
        self._parts["train"] = train
        self._side = side or self._usual_side(train)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, one line each; many are cut to their number."""
        more = len(self._notes) - _MOST_NOTES
        rest = (f"and {more} more files or classes were left out",) if more > 0 else ()
        return (*self._notes[:_MOST_NOTES], *rest)

    def fit(self) -> tuple[Labelled, Labelled | None]:
        """Training images, and those of `val/` where it is there."""
        files, labels = self._flat("train")
        if "test" not in self._given():
            kept = split_test(labels)[0]
            files, labels = [files[int(i)] for i in kept], labels[kept]
        train = self._decoded(files, labels)
        if "validation" not in self._given():
            return train, None
        return train, self._decoded(*self._flat("validation"))

    def test(self) -> Labelled:
        """Images of `test/`, or the share that is kept aside."""
        files, labels = self._flat("test" if "test" in self._given() else "train")
        if "test" not in self._given():
            taken = split_test(labels)[1]
            files, labels = [files[int(i)] for i in taken], labels[taken]
        return self._decoded(files, labels)

    def _given(self) -> frozenset[str]:
        return frozenset(part for part, classes in self._parts.items() if classes)

    def _listed(self, names: Sequence[str]) -> dict[str, list[Path]]:
        found = [self._root / name for name in names if (self._root / name).is_dir()]
        return self._classes_in(found[0]) if found else {}

    def _classes_in(self, folder: Path) -> dict[str, list[Path]]:
        """Usable files of every class folder; empty where `folder` has no folders."""
        try:
            inside = sorted(p for p in folder.iterdir() if p.is_dir() and p.name[:1] != ".")
        except OSError as error:
            raise DataError(f"{folder} cannot be read: {error.strerror}") from error
        return {_shown(path.name): self._usable(path) for path in inside}

    def _usable(self, folder: Path) -> list[Path]:
        files = [
            Path(where, name)
            for where, _, names in os.walk(folder)
            for name in names
            if not name.startswith(".")
        ]
        return [path for path in sorted(files) if self._accepted(path)]

    def _accepted(self, path: Path) -> bool:
        """Whether the header promises an image; the reason goes to the notes where not."""
        try:
            width, height = _size(path)
        except Exception as error:  # noqa: BLE001 - broken files raise errors of many kinds in Pillow
            self._refuse(path, error)
            return False
        if min(width, height) < _LEAST_SIDE or width * height > _MOST_PIXELS:
            self._refuse(path, f"{width} x {height} pixels")
            return False
        return True

    def _refuse(self, path: Path, why: object) -> None:
        reason = str(why)
        if isinstance(why, Exception):
            empty = path.is_file() and path.stat().st_size == 0
            known = "cannot identify" in reason
            reason = "0 bytes" if empty else "no image" if known else f"{reason or 'broken'}"
        self._notes.append(_line(f"left out {_shown(path.relative_to(self._root))}", reason))

    def _without_rare(self, classes: Mapping[str, list[Path]]) -> dict[str, list[Path]]:
        for name, files in classes.items():
            if len(files) < LEAST_OF_A_CLASS:
                self._notes.append(
                    f"left out class {name}: {len(files)} usable images, at least "
                    f"{LEAST_OF_A_CLASS} needed"
                )
        return {name: f for name, f in classes.items() if len(f) >= LEAST_OF_A_CLASS}

    def _usual_side(self, classes: Mapping[str, list[Path]]) -> int:
        files = [path for members in classes.values() for path in members]
        some = files[:: max(1, len(files) // _SAMPLED_SIZES)]
        usual = int(median(min(_size(path)) for path in some))
        return max(8, min(_LARGEST_SIDE, usual) // 8 * 8)

    def _flat(self, part: str) -> tuple[list[Path], IntArray]:
        """Files of the classes that are trained, and their labels."""
        rows = [
            (path, label)
            for label, name in enumerate(self.classes)
            for path in self._parts[part].get(name, ())
        ]
        return [path for path, _ in rows], np.array([label for _, label in rows], dtype=np.int64)

    def _decoded(self, files: Sequence[Path], labels: IntArray) -> Labelled:
        pixels = np.empty((len(files), 3, self._side, self._side), dtype=np.uint8)
        good = np.zeros(len(files), dtype=np.bool_)
        for row, path in enumerate(files):
            try:
                pixels[row] = _decode(path, self._side)
                good[row] = True
            except Exception as error:  # noqa: BLE001 - as above: a header may promise what the file lacks
                self._refuse(path, error)
        if len(np.unique(labels[good])) < len(self.classes):
            raise DataError(_line(f"{self._root}: a class has no image that can be decoded",
                                  *self._notes))  # fmt: skip
        return Labelled(pixels[good], labels[good])


def _size(path: Path) -> tuple[int, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            return image.size


def _decode(path: Path, side: int) -> Pixels:
    """One image as `(3, side, side)`: turned upright, cut square in the middle, RGB on white."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            image.draft("RGB", (2 * side, 2 * side))  # large JPEGs decode at a smaller size
            upright = ImageOps.exif_transpose(image)
            square = ImageOps.fit(_on_white(upright), (side, side), Image.Resampling.BILINEAR)
    return np.asarray(square, dtype=np.uint8).transpose(2, 0, 1)


def _on_white(image: Image.Image) -> Image.Image:
    if "transparency" not in image.info and "A" not in image.getbands():
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _shown(name: object) -> str:
    """A file's name on one line, whatever bytes it is made of."""
    text = os.fsencode(str(name)).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _line(*parts: str) -> str:
    return ": ".join(" ".join(part.split())[:300] for part in parts[:4])
