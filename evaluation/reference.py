"""The frozen reference: ideal, nadir and hypervolume of the true front of every known context.

Frozen figures make runs, methods and versions comparable; a test recomputes them from the
tables. A context is recognised by the digest of its two tables, wherever they were read from.
"""

from functools import cache
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from llm_nas.domain import DATASETS, PROTOCOL_VERSION, Frozen
from llm_nas.errors import DataError
from llm_nas.evaluation.front import TrueFront, context_digest, true_front
from llm_nas.evaluation.indicators import Box
from llm_nas.ports import Benchmark

REFERENCE_FILE = "data/reference.json"


class ReferenceEntry(Frozen):
    """The frozen figures of one context; boxes are (error in %, latency in ms)."""

    dataset: str
    device: str
    digest: str
    eligible: int
    front: tuple[int, ...]
    """Benchmark indices of the true front, by latency."""
    ideal: tuple[float, ...]
    nadir: tuple[float, ...]
    true_hv: float
    unit_low: tuple[float, ...]
    unit_high: tuple[float, ...]
    true_unit_hv: float

    @property
    def box(self) -> Box:
        """The true front's box."""
        return Box(self.ideal, self.nadir)

    @property
    def unit_box(self) -> Box:
        """The whole space's box."""
        return Box(self.unit_low, self.unit_high)


class Reference(Frozen):
    """All frozen contexts of one version of the protocol."""

    protocol: int
    source: str
    digest: str
    """Of the tables the figures were computed from."""
    contexts: tuple[ReferenceEntry, ...]

    def find(self, digest: str) -> ReferenceEntry | None:
        """The entry of the context with these tables, if it is a known one."""
        return next((entry for entry in self.contexts if entry.digest == digest), None)


def freeze_context(dataset: str, device: str, digest: str, front: TrueFront) -> ReferenceEntry:
    """A context's exact figures as a value that can be written down."""
    return ReferenceEntry(
        dataset=dataset,
        device=device,
        digest=digest,
        eligible=int(front.eligible.sum()),
        front=tuple(front.indices.tolist()),
        ideal=front.box.low,
        nadir=front.box.high,
        true_hv=front.hv,
        unit_low=front.unit_box.low,
        unit_high=front.unit_box.high,
        true_unit_hv=front.unit_hv,
    )


def freeze(benchmark: Benchmark) -> Reference:
    """Compute the figures of every dataset and device a benchmark has."""
    entries: list[ReferenceEntry] = []
    for dataset in DATASETS:
        accuracy = benchmark.truth(dataset).test_accuracy_pct()
        for device in benchmark.devices():
            latency = benchmark.latency_ms(dataset, device)
            digest = context_digest(dataset, accuracy, latency)
            front = true_front(dataset, accuracy, latency)
            entries.append(freeze_context(dataset, device, digest, front))
    return Reference(
        protocol=PROTOCOL_VERSION,
        source=benchmark.source,
        digest=benchmark.digest,
        contexts=tuple(entries),
    )


def save_reference(reference: Reference, path: Path) -> None:
    """Write a reference as JSON, one context a line."""
    head = reference.model_dump_json(exclude={"contexts"})[:-1]
    lines = ",\n".join(entry.model_dump_json() for entry in reference.contexts)
    path.write_text(f'{head},"contexts":[\n{lines}\n]}}\n', encoding="utf-8")


@cache
def load_reference() -> Reference:
    """The reference file that comes with the package.

    Raises:
        DataError: If the file is missing, damaged or of another protocol version.
    """
    try:
        text = resources.files("llm_nas.evaluation").joinpath(REFERENCE_FILE).read_text("utf-8")
        reference = Reference.model_validate_json(text)
    except (OSError, ValidationError) as error:
        raise DataError(
            f"reference file {REFERENCE_FILE} cannot be read; reinstall llm-nas ({error})"
        ) from error
    if reference.protocol != PROTOCOL_VERSION:
        raise DataError(
            f"reference file has protocol {reference.protocol}, expected {PROTOCOL_VERSION}"
        )
    return reference
