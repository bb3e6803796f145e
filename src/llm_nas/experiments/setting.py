"""What all methods of a comparison share in one context and seed: tables, predictor, truth.

Benchmarks, predictors and contexts are opened once per process and shared by all methods.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from llm_nas.domain import DATASETS, FloatArray, Frozen
from llm_nas.errors import RequestError
from llm_nas.evaluation.score import ceiling
from llm_nas.evaluation.truth import FROZEN, TruthContext, open_context
from llm_nas.ports import Benchmark, Partition
from llm_nas.tools.conformal import intervals_of
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.latency import open_latency
from llm_nas.tools.partition_auto import open_partition
from llm_nas.tools.predictor import TrainedPredictor, train_predictor
from llm_nas.tools.space import NasBench201, nas_bench_201

ALL = "all"


class ContextName(Frozen):
    """A dataset and a device (`NAME` of the benchmark, or `NAME=FILE.csv`)."""

    dataset: str
    device: str

    @property
    def label(self) -> str:
        """`dataset:device`, without the path of a CSV."""
        return f"{self.dataset}:{self.device.partition('=')[0]}"


@dataclass(frozen=True, slots=True)
class Setting:
    """One context and seed, ready to be searched and scored."""

    benchmark: Benchmark
    space: NasBench201
    partition: Partition
    name: ContextName
    seed: int
    labels: int
    data_dir: Path | None
    latency_ms: FloatArray
    predicted_pct: FloatArray
    """`(size,)`: the predictor trained with this seed."""
    validation_pct: FloatArray
    context: TruthContext
    hv_ceiling: float


def parse_contexts(text: str, devices: tuple[str, ...]) -> tuple[ContextName, ...]:
    """Contexts from `all` or a list `DATASET:DEVICE,...`; `all` may stand for either part.

    Raises:
        RequestError: For an unknown dataset or device, or a part without a colon.
    """
    if text == ALL:
        text = f"{ALL}:{ALL}"
    found: dict[ContextName, None] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        dataset, colon, device = part.partition(":")
        known = device in devices or "=" in device or device == ALL
        if not colon or dataset not in (*DATASETS, ALL) or not known:
            raise RequestError(
                f"--contexts: {part!r} is not DATASET:DEVICE with a dataset of "
                f"{', '.join(DATASETS)} and a device of {', '.join(devices)} or NAME=FILE.csv"
            )
        for d in DATASETS if dataset == ALL else (dataset,):
            for v in devices if device == ALL else (device,):
                found[ContextName(dataset=d, device=v)] = None
    labels = [name.label for name in found]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise RequestError(f"--contexts: {twice} is named twice, with different files")
    if not found:
        raise RequestError("--contexts: empty; use all or DATASET:DEVICE,...")
    return tuple(found)


@lru_cache(maxsize=2)
def benchmark_in(data_dir: Path | None) -> Benchmark:
    """The benchmark in use, opened once per process."""
    return open_benchmark(data_dir)


@lru_cache(maxsize=4)
def trained(data_dir: Path | None, dataset: str, labels: int, seed: int) -> TrainedPredictor:
    """A predictor, trained once per process."""
    return train_predictor(benchmark_in(data_dir), dataset, labels, seed)


def predictions(data_dir: Path | None, dataset: str, labels: int, seed: int) -> FloatArray:
    """Predicted accuracy of every cell, `(size,)`."""
    return trained(data_dir, dataset, labels, seed).predict_all()


@lru_cache(maxsize=4)
def upper_ends(data_dir: Path | None, dataset: str, labels: int, seed: int) -> FloatArray:
    """Upper ends of the predictions' intervals, `(size,)`, made once per process."""
    predictor = trained(data_dir, dataset, labels, seed)
    return intervals_of(predictor, benchmark_in(data_dir), dataset).high_pct


@lru_cache(maxsize=32)
def truth_context(data_dir: Path | None, dataset: str, device: str) -> TruthContext:
    """The truth of a context, opened once per process."""
    benchmark = benchmark_in(data_dir)
    latency = open_latency(benchmark, dataset, device).values_ms
    return open_context(benchmark, dataset, latency)


def unfrozen(contexts: Iterable[ContextName], data_dir: Path | None) -> Iterator[str]:
    """One line a context whose true front is no frozen reference, saying where it is from."""
    for name in contexts:
        origin = truth_context(data_dir, name.dataset, name.device).origin
        if origin != FROZEN:
            yield f"{name.label}: true front {origin}"


def partition_of(
    name: ContextName, partition: str, seed: int = 0, data_dir: Path | None = None
) -> Partition:
    """A partition by name, for the latency table of a context."""
    latency_ms = truth_context(data_dir, name.dataset, name.device).latency_ms
    benchmark = benchmark_in(data_dir)
    return open_partition(partition, nas_bench_201(), benchmark, name.dataset, latency_ms, seed)


def in_partition(setting: Setting, partition: str) -> Setting:
    """The same setting in other niches."""
    divided = partition_of(setting.name, partition, setting.seed, setting.data_dir)
    return replace(setting, partition=divided)


def open_setting(
    name: ContextName,
    seed: int,
    labels: int = 1000,
    partition: str = "conv3x3",
    data_dir: Path | None = None,
) -> Setting:
    """Everything a method needs in one context and seed.

    Raises:
        RequestError: For unknown names or an unusable number of labels.
        DataError: For tables that cannot be read.
    """
    benchmark, space = benchmark_in(data_dir), nas_bench_201()
    predicted = predictions(data_dir, name.dataset, labels, seed)
    context = truth_context(data_dir, name.dataset, name.device)
    return Setting(
        benchmark=benchmark,
        space=space,
        partition=partition_of(name, partition, seed, data_dir),
        name=name,
        seed=seed,
        labels=labels,
        data_dir=data_dir,
        latency_ms=context.latency_ms,
        predicted_pct=predicted,
        validation_pct=benchmark.validation_accuracy_pct(name.dataset),
        context=context,
        hv_ceiling=ceiling(context, predicted),
    )
