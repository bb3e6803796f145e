"""Reference fronts: what all hypervolumes of a context are shares of.

Where every architecture can be listed, the reference is the true front, computed from the tables.
On a truth model it is the union of long evolved runs, frozen with the command that made it; a
frozen front counts for the model it was made from and no other, known by its digest.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from llm_nas.domain import Arch, BoolArray, FloatArray
from llm_nas.errors import DataError, RequestError
from llm_nas.tools.data.npz import TableFile, write_atomically

REFERENCE_FILE = Path(__file__).parent / "data" / "reference.npz"
EXACT = "true front of all architectures"
_DIGITS = 6
"""Decimals that count for digests: what storing tables as text may lose."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A front by latency, each member with its true error."""

    archs: tuple[Arch, ...]
    latency_ms: FloatArray
    error: FloatArray
    origin: str
    """What the front is, in words."""
    digest: str
    """SHA-256 of the tables or truth model that it belongs to."""
    command: str = ""
    """What made it again; empty where it is computed on the spot."""

    def beyond(self, errors: FloatArray, latencies_ms: FloatArray) -> BoolArray:
        """`(n,)`: which points lie outside; NaN: not eligible."""
        position = np.searchsorted(self.latency_ms, latencies_ms, side="right") - 1
        lowest = np.minimum.accumulate(self.error)
        floor = np.where(position >= 0, lowest[np.maximum(position, 0)], np.inf)
        return np.asarray((errors < floor - 1e-9) & np.isfinite(latencies_ms), dtype=np.bool_)


def front_of(
    archs: Sequence[Arch],
    errors: FloatArray,
    latencies_ms: FloatArray,
    origin: str = EXACT,
    digest: str = "",
) -> Reference:
    """The front of some architectures with true errors and latencies `(n,)`; NaN: not eligible.

    Raises:
        RequestError: No architecture has both.
    """
    known = np.flatnonzero(np.isfinite(errors) & np.isfinite(latencies_ms))
    if known.size == 0:
        raise RequestError("no architecture has a latency and a result above chance")
    kept = known[front_positions(errors[known], latencies_ms[known])]
    return Reference(
        archs=tuple([archs[int(i)] for i in kept]),
        latency_ms=latencies_ms[kept],
        error=errors[kept],
        origin=origin,
        digest=digest,
    )


def front_positions(errors: FloatArray, latencies_ms: FloatArray) -> npt.NDArray[np.intp]:
    """Positions of the non-dominated points, by latency; the first of equal points."""
    order = np.lexsort((errors, latencies_ms))
    lowest = np.minimum.accumulate(errors[order])
    better = np.concatenate(([True], errors[order][1:] < lowest[:-1]))
    return order[better]


def digest_of(*tables: FloatArray) -> str:
    """SHA-256 of tables, rounded so that how they were stored does not matter."""
    digest = hashlib.sha256()
    for table in tables:
        rounded = np.round(np.asarray(table, dtype=np.float64), _DIGITS) + 0.0
        digest.update(np.where(np.isnan(rounded), -1.0, rounded).astype("<f8").tobytes())
    return digest.hexdigest()


def frozen(context: str, digest: str, file: Path | None = None) -> Reference | None:
    """The front that was frozen for a context and this truth model; None where there is none.

    Raises:
        DataError: The file of frozen fronts is damaged.
    """
    found = _load(file if file is not None else REFERENCE_FILE).get(context)
    return found if found is not None and found.digest == digest else None


@cache
def _load(path: Path) -> dict[str, Reference]:
    if not path.is_file():
        return {}
    file = TableFile(path, {"index": ()})
    found: dict[str, Reference] = {}
    try:
        index: dict[str, dict[str, str]] = json.loads(str(file.read("index")))
        for context, entry in index.items():
            points = file.read(f"{context}.points").astype(np.float64)
            found[context] = Reference(
                archs=tuple(file.read(f"{context}.archs").tobytes().decode("ascii").split("\n")),
                latency_ms=points[:, 0],
                error=points[:, 1],
                **entry,
            )
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise DataError(f"{path}: damaged ({error}); reinstall llm-nas") from error
    return found


def save(references: dict[str, Reference], path: Path | None = None) -> Path:
    """Write fronts by context, in place of older ones of the same contexts."""
    target = path if path is not None else REFERENCE_FILE
    kept = (_load(target) if target.is_file() else {}) | references
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    index: dict[str, dict[str, str]] = {}
    for context, reference in sorted(kept.items()):
        index[context] = {
            name: getattr(reference, name) for name in ("origin", "digest", "command")
        }
        arrays[f"{context}.points"] = np.column_stack((reference.latency_ms, reference.error))
        texts = "\n".join(reference.archs).encode("ascii")
        arrays[f"{context}.archs"] = np.frombuffer(texts, dtype=np.uint8)
    write_atomically(target, {"index": np.array(json.dumps(index)), **arrays})
    _load.cache_clear()
    return target
