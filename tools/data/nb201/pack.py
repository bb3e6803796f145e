"""The embedded pack: modelled tables of NAS-Bench-201 for a machine without downloaded data."""

from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from llm_nas.domain import FloatArray
from llm_nas.errors import DataError
from llm_nas.tools.data.nb201 import cells, cost, surrogate
from llm_nas.tools.data.nb201.cells import DATASETS
from llm_nas.tools.data.nb201.own import OWN_NAME, OWN_PATH, OwnProxies, own_proxies
from llm_nas.tools.data.nb201.tables import check_device, dataset_position
from llm_nas.tools.data.npz import TableFile, sha256_of
from llm_nas.tools.proxies.names import PROXIES

PACK_PATH = Path(__file__).parent.parent / "pack" / "surrogate.npz"
PACK_VERSION = 2
GROUPS = ("validation", "test", "hardware", "proxies")
"""One network each: the one that gives labels has never seen a test accuracy."""
LABELS_SOURCE = "fitted on validation accuracies alone"

FORMULA_DEVICES = ("eyeriss", "fpga")
"""Devices whose cost depends on operation counts only."""


class PackTables:
    """Predictions of the project's own models by row.

    What is missing in the published tables is missing here too: proxies of non-canonical cells,
    zen of disconnected ones, most of cifar100's proxies, and edgetpu's unavailable cells. Proxies
    that this project has measured stand in place of modelled ones.
    """

    def __init__(self, path: Path = PACK_PATH, own: Path | None = OWN_PATH) -> None:
        """Open a pack.

        Args:
            path: the models.
            own: the project's own measurements; None: models alone.

        Raises:
            DataError: it is missing, damaged or of another version.
        """
        self._file = TableFile(path, {"version": ()})
        found = int(self._file.read("version"))
        if found != PACK_VERSION:
            raise DataError(f"{path}: pack version {found}, expected {PACK_VERSION}")
        self._predicted: dict[str, dict[str, FloatArray]] = {}
        self._own_path = own if own is not None and own.is_file() else None

    @cached_property
    def _own(self) -> dict[str, OwnProxies]:
        """What was measured, by data set."""
        path = self._own_path
        found = {d: own_proxies(d, path) for d in DATASETS} if path is not None else {}
        return {dataset: own for dataset, own in found.items() if own is not None}

    @property
    def source(self) -> str:
        """Says that the numbers are modelled, and which are measured and how."""
        models = f"surrogate tables (embedded pack v{PACK_VERSION}; labels {LABELS_SOURCE})"
        if not self._own:
            return models
        return f"{models}; {OWN_NAME}: {'; '.join(map(str, self._own.values()))}"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the pack file, or over the hashes of it and the measurements."""
        models = sha256_of(self._file.path)
        if self._own_path is None:
            return models
        return sha256(f"{models}{sha256_of(self._own_path)}".encode()).hexdigest()

    def _group(self, group: str) -> dict[str, FloatArray]:
        if group not in self._predicted:
            names = [n for n in self._file.names if n.startswith(f"{group}.")]
            arrays = {name: self._file.read(name) for name in names}
            try:
                network = surrogate.network_from(arrays, group)
            except KeyError as error:
                raise DataError(f"{self._file.path}: incomplete, lacks {error}") from error
            self._predicted[group] = network.predict(surrogate.inputs())
        return self._predicted[group]

    def _quantity(self, group: str, name: str) -> FloatArray:
        values = self._group(group)
        if name not in values:
            raise DataError(f"{self._file.path}: holds no {name}")
        return values[name].copy()

    def _formula(self, name: str) -> FloatArray:
        coefficients = self._file.read(f"formula.{name}").astype(np.float64)
        return surrogate.roofline(surrogate.counts(cells.codes()), coefficients)

    def latency_ms(self, dataset: str, device: str) -> FloatArray:
        """`(15625,)`, batch 1; NaN where the device has no value (edgetpu)."""
        dataset_position(dataset)
        check_device(device)
        name = f"{device}_latency {dataset}"
        by_formula = device in FORMULA_DEVICES
        values = self._formula(name) if by_formula else self._quantity("hardware", name)
        if device == "edgetpu":
            bits = np.unpackbits(self._file.read("edgetpu_missing"), count=len(values))
            values[bits.astype(bool)] = np.nan
        return values

    def proxies(self, dataset: str) -> FloatArray:
        """`(15625, 13)`: measured; else modelled, NaN wherever the published tables have none."""
        dataset_position(dataset)
        own = self._own.get(dataset)
        matrix = self._modelled_proxies(dataset) if own is None else own.values.copy()
        matrix[:, PROXIES.index("flops")] = cost.flops_m(dataset)
        matrix[:, PROXIES.index("params")] = cost.params_m(dataset)
        return matrix

    def _modelled_proxies(self, dataset: str) -> FloatArray:
        predicted = self._group("proxies")
        columns = [
            self._missing_like_published(proxy, predicted.get(f"{proxy} {dataset}"))
            for proxy in PROXIES
        ]
        return np.column_stack(columns)

    def _missing_like_published(self, proxy: str, values: FloatArray | None) -> FloatArray:
        size = len(cells.codes())
        if values is None:
            return np.full(size, np.nan)
        published = surrogate.connected(cells.codes())
        if proxy != "zen":
            published = cells.canonical_rows() == np.arange(size)
        return np.where(published, values, np.nan)

    def validation_pct(self, dataset: str) -> FloatArray:
        """`(15625,)` labels in %, from a network fitted on validation accuracies alone."""
        return self._accuracy("validation", dataset)

    def test_pct(self, dataset: str) -> FloatArray:
        """`(15625,)` in %, from another network: opened by `llm_nas.tools.data.truth` only."""
        return self._accuracy("test", dataset)

    def _accuracy(self, kind: str, dataset: str) -> FloatArray:
        dataset_position(dataset)
        values = self._quantity(kind, f"{kind} {dataset}")
        values[~surrogate.connected(cells.codes())] = cost.CHANCE_PCT[dataset]
        return values
