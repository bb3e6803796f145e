"""Where a model's plain choice clusters: the experiment that niches are there for.

A model is asked for networks in two ways: plainly, in one niche that holds the whole space, and
niche by niche. What it proposes is counted over the space's niches and over
tenths of the latencies of a random sample; as many random networks stand beside it.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from llm_nas.domain import Arch, FloatArray
from llm_nas.errors import ModelReplyError, RequestError
from llm_nas.experiments.sample import open_opener
from llm_nas.experiments.setting import Order, latencies_of, opened, partition_of
from llm_nas.frozen import Frozen
from llm_nas.ports import Partition

SAMPLE = 2_000
"""Random networks whose latencies cut the tenths."""
TIMED = 30
"""The same on a device where each has to be timed."""
BANDS = 10


class Way(Frozen):
    """What one way of asking gave."""

    way: str
    asked: int
    """Networks the model was asked for."""
    distinct: int
    """Different legal networks it gave."""
    niches: dict[str, int]
    """Distinct networks by niche."""
    latency_bands: tuple[int, ...]
    """Distinct networks by tenth of the random sample's latencies."""

    @property
    def largest_share(self) -> float:
        """Share of the fullest niche; 0 for none."""
        return max(self.niches.values(), default=0) / max(1, self.distinct)


class BiasReport(Frozen):
    """Ways of asking side by side."""

    model: str
    space: str
    task: str
    device: str
    partition: str
    seed: int
    ways: tuple[Way, ...]


def measure_bias(model: str, order: Order, transport: Any = None) -> BiasReport:
    """Ask a model plainly and by niche for `order.trainings` networks each.

    `transport` replaces the providers (scripted models).

    Raises:
        RequestError: For `offline`, which is no model.
        ModelReplyError: If the model gave no network at all.
    """
    if model == "offline":
        raise RequestError("--model offline: it asks no language model, so it has no bias")
    context, partition = opened(order.context, order.data_dir, order.seed), partition_of(order)
    rng = np.random.default_rng(order.seed)
    sample = [context.space.sample(rng) for _ in range(SAMPLE)]
    latencies = latencies_of(context.device)
    known = latencies(sample if context.device.exact else sample[:TIMED])
    edges = np.quantile(known[np.isfinite(known)], np.linspace(0.0, 1.0, BANDS + 1))[1:-1]

    def way(name: str, proposed: Sequence[Arch]) -> Way:
        distinct = list(dict.fromkeys(proposed))
        bands = _bands(edges, latencies(distinct)) if distinct else (0,) * BANDS
        return Way(
            way=name,
            asked=order.trainings,
            distinct=len(distinct),
            niches=_by_niche(partition, distinct),
            latency_bands=bands,
        )

    plain = order.model_copy(update={"partition": "none"})
    ways = (
        way("plain", asked(model, plain, False, transport)),
        way("niche by niche", asked(model, order, True, transport)),
        way("random", sample[: order.trainings]),
    )
    name = context.name
    return BiasReport(
        model=model,
        **name.model_dump(),
        partition=partition.name,
        seed=order.seed,
        ways=ways,
    )


def asked(model: str, order: Order, niche_by_niche: bool, transport: Any = None) -> list[Arch]:
    """Networks a model proposed, plainly or in equal numbers for every niche."""
    opener = open_opener(model, order, transport)
    if not niche_by_niche:
        return [c.arch for c in opener.open(order.trainings)]
    niches = partition_of(order).niches
    each = max(1, order.trainings // len(niches))
    found: list[Arch] = []
    for niche in niches:
        with suppress(ModelReplyError):  # a niche it cannot meet counts as empty
            found += [c.arch for c in opener.open(each, niche=niche.id)]
    return found


def _by_niche(partition: Partition, archs: Sequence[Arch]) -> dict[str, int]:
    counts = Counter(partition.niche_of(arch) for arch in archs)
    return {niche.id: counts[niche.id] for niche in partition.niches}


def _bands(edges: FloatArray, latency_ms: FloatArray) -> tuple[int, ...]:
    known = latency_ms[np.isfinite(latency_ms)]
    held: list[int] = np.searchsorted(edges, known, side="right").tolist()
    found = Counter(held)
    return tuple(found[band] for band in range(BANDS))
