"""Reading `.npz` tables that may be half-written, truncated or the wrong file, without pickle."""

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from llm_nas.errors import DataError

Shape: TypeAlias = tuple[int, ...]

_UNREADABLE = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error)


def _header(stream: IO[bytes]) -> tuple[Shape, np.dtype[Any]]:
    """Shape and dtype in a `.npy` header; `ValueError` when there is none."""
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"unknown .npy version {version}")
    shape, _, dtype = read(stream)
    return shape, dtype


class TableFile:
    """One `.npz` file whose headers are checked on opening and arrays on reading."""

    def __init__(self, path: Path, expected: Mapping[str, Shape]) -> None:
        """Open `path` and check that it holds `expected` arrays.

        Args:
            path: the file.
            expected: shape of each array that must be there.

        Raises:
            DataError: the file is missing or unreadable, or an array is absent, of another
                shape, or would need pickle.
        """
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                names = {Path(n).stem for n in archive.namelist()}
                for name, shape in expected.items():
                    if name not in names:
                        raise DataError(f"{path}: no array '{name}'; fetch or copy the file again")
                    with archive.open(f"{name}.npy") as stream:
                        self._check(name, shape, *_header(stream))
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        except _UNREADABLE as error:
            raise DataError(f"{path}: not a readable .npz table ({error})") from error
        self.names = frozenset(names)

    def _check(self, name: str, expected: Shape, shape: Shape, dtype: np.dtype[Any]) -> None:
        if dtype.hasobject:
            raise DataError(
                f"{self.path}: array '{name}' holds pickled objects, which are refused"
            )
        if shape != expected:
            raise DataError(f"{self.path}: array '{name}' has shape {shape}, expected {expected}")

    def read(self, name: str) -> npt.NDArray[Any]:
        """The array, checked against its checksum.

        Raises:
            DataError: absent or damaged.
        """
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                return np.asarray(archive[name])
        except KeyError:
            raise DataError(f"{self.path}: no array '{name}'") from None
        except _UNREADABLE as error:
            raise DataError(f"{self.path}: array '{name}' is damaged ({error})") from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes in hex; `DataError` when it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def write_atomically(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> Path:
    """Write a compressed `.npz` beside `path`, then rename it into place.

    Raises:
        DataError: the directory is not writable or the disk is full; nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as stream:
            scratch = Path(stream.name)
    except OSError as error:
        raise DataError(f"{path.parent}: cannot be written ({error.strerror})") from error
    try:
        np.savez_compressed(scratch.with_suffix(".npz"), allow_pickle=False, **arrays)
        os.replace(scratch.with_suffix(".npz"), path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        scratch.unlink(missing_ok=True)
        scratch.with_suffix(".npz").unlink(missing_ok=True)
    return path


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file at once or not at all; `DataError` when it cannot be written."""
    scratch = path.with_suffix(".json.part")
    try:
        scratch.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        os.replace(scratch, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error
