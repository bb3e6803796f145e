"""Proxies this project measured itself, for data sets nobody published them for.

One small file beside the embedded pack: the values of `llm-nas proxies table`, rounded, with the
recipe they were made by. They are measurements of untrained networks, not models of a table.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from llm_nas.domain import FloatArray
from llm_nas.errors import DataError
from llm_nas.tools.data.nb201 import cells
from llm_nas.tools.data.nb201.cells import DATASETS, SIZE
from llm_nas.tools.data.npz import TableFile, write_atomically
from llm_nas.tools.proxies.names import PROXIES

if TYPE_CHECKING:
    from llm_nas.tools.proxies.tabulate import Recipe

OWN_PATH = Path(__file__).parent.parent / "pack" / "own_proxies.npz"
OWN_NAME = "own measurement"
SPACES = ("nb201", "nasbench201")
"""Names the space has had in recipes."""
MAX_BYTES = 1_000_000
_KEPT_BITS = np.uint32(0xFFFFF000)
"""Sign, exponent and eleven bits of a float32's fraction: four digits, and half the bytes."""


@dataclass(frozen=True, slots=True)
class OwnProxies:
    """Measured proxies of one data set."""

    values: FloatArray
    """`(size, 13)`, in the order of `PROXIES`; NaN for non-canonical cells and missing values."""
    recipe: Mapping[str, Any]
    """How they were made: fields of `llm_nas.tools.proxies.tabulate.Recipe`."""

    def __str__(self) -> str:
        """The recipe in words."""
        r, settings = self.recipe, self.recipe["settings"]
        images = f"{settings['batch_size']} images of {r['batch']}"
        return (
            f"proxies of {r['dataset']}: setting {settings['name']}, {images}, "
            f"seed {r['seed']}, torch {r['torch']}"
        )


def own_proxies(dataset: str, path: Path = OWN_PATH) -> OwnProxies | None:
    """What was measured for a data set; none when nothing was.

    Raises:
        DataError: The file is damaged.
    """
    if not path.is_file():
        return None
    file = TableFile(path, {})
    if f"{dataset}.values" not in file.names:
        return None
    values = np.full((SIZE, len(PROXIES)), np.nan)
    values[file.read(f"{dataset}.cells")] = file.read(f"{dataset}.values")
    recipe: dict[str, Any] = json.loads(str(file.read(f"{dataset}.recipe")))
    return OwnProxies(values, recipe)


def embed(table: Path, path: Path = OWN_PATH) -> "Recipe":
    """Put a whole proxy table into the file, in place of an older one of the same data set.

    Raises:
        DataError: The table is not one, covers too few cells, or the file would be too large.
    """
    from llm_nas.tools.proxies.tabulate import read_table

    archs, found, recipe = read_table(table)
    values = np.full((SIZE, len(PROXIES)), np.nan)
    values[cells.rows(archs)] = found
    canonical = np.unique(cells.canonical_rows())
    if recipe.space not in SPACES or recipe.dataset not in DATASETS:
        raise DataError(f"{table}: proxies of {recipe.dataset} in {recipe.space}")
    computed = int(np.isfinite(values[canonical, PROXIES.index("params")]).sum())
    if computed < len(canonical):
        raise DataError(f"{table}: {computed} of {len(canonical)} cells; continue it first")
    held = TableFile(path, {}) if path.is_file() else None
    arrays = {} if held is None else {name: held.read(name) for name in held.names}
    name = recipe.dataset
    arrays[f"{name}.cells"] = canonical.astype(np.int16)
    arrays[f"{name}.values"] = rounded(values[canonical])
    arrays[f"{name}.recipe"] = np.array(json.dumps(recipe.model_dump()))
    scratch = path.with_name(f"new_{path.name}")
    write_atomically(scratch, arrays)
    if (size := scratch.stat().st_size) > MAX_BYTES:
        scratch.unlink()
        raise DataError(f"{path}: {size} bytes, more than {MAX_BYTES}")
    scratch.replace(path)
    return recipe


def rounded(values: FloatArray) -> npt.NDArray[np.float32]:
    """Values as float32 with the last twelve bits of the fraction cut off."""
    bits = values.astype(np.float32).view(np.uint32) & _KEPT_BITS
    kept = bits.view(np.float32)
    return np.where(np.isfinite(values), kept, np.float32(np.nan))
