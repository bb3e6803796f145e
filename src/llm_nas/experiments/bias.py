"""Where a model's plain choice clusters: the experiment that niches are there for.

A model is asked for networks in two ways: plainly, in one niche that holds the whole space, and
niche by niche. What it proposes, legal or not, is counted over the space's niches and over
tenths of the latencies of a random sample; as many random networks stand beside it.
"""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llm_nas.domain import Arch, FloatArray, SearchRequest
from llm_nas.errors import ModelReplyError, RequestError
from llm_nas.experiments.methods import request_of
from llm_nas.experiments.setting import Order, latencies_of, opened, partition_of
from llm_nas.experiments.variants import WHOLE
from llm_nas.frozen import Frozen
from llm_nas.ports import Partition

SAMPLE = 2_000
"""Random networks whose latencies cut the tenths."""
BANDS = 10


class Way(Frozen):
    """What one way of asking gave."""

    way: str
    asked: int
    """Networks the model was asked for."""
    proposed: int
    legal: int
    distinct: int
    """Different legal networks."""
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
        ModelReplyError: If the model gave nothing usable.
    """
    if model == "offline":
        raise RequestError("--model offline: it asks no language model, so it has no bias")
    context, partition = opened(order.context, order.data_dir, order.seed), partition_of(order)
    rng = np.random.default_rng(order.seed)
    sample = [context.space.sample(rng) for _ in range(SAMPLE)]
    latencies = latencies_of(context.device)
    known = latencies(sample)
    edges = np.quantile(known[np.isfinite(known)], np.linspace(0.0, 1.0, BANDS + 1))[1:-1]

    def way(name: str, proposed: Sequence[str]) -> Way:
        legal = [arch for text in proposed if (arch := _parsed(context.space, text))]
        distinct = list(dict.fromkeys(legal))
        bands = _bands(edges, latencies(distinct)) if distinct else (0,) * BANDS
        return Way(
            way=name,
            asked=order.trainings,
            proposed=len(proposed),
            legal=len(legal),
            distinct=len(distinct),
            niches=_by_niche(partition, distinct),
            latency_bands=bands,
        )

    plain = asked(model, order.model_copy(update={"partition": "none"}), transport)
    niched = asked(model, order, transport)
    if not plain and not niched:
        raise ModelReplyError(f"{model}: no usable answer")
    ways = (
        way("plain", plain),
        way("niche by niche", niched),
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


def asked(model: str, order: Order, transport: Any = None) -> list[Arch]:
    """What a model proposed in a run of one generation, legal or not."""
    from llm_nas.graph.run import Inputs
    from llm_nas.graph.search import search
    from llm_nas.graph.trace import read_trace

    with tempfile.TemporaryDirectory(prefix="llm-nas-bias-") as folder:
        request: SearchRequest = request_of(order, WHOLE, Path(folder), model, "sample")
        inputs = Inputs(transport=transport, picture=False, keep=False)
        report = search(request, inputs)
        events = read_trace(report.out)
    candidates = [e.data for e in events if e.event == "candidate"]
    return [str(c["arch"]) for c in candidates if c.get("operator") == "model"]


def _parsed(space: Any, text: str) -> Arch | None:
    try:
        return str(space.parse(text))
    except RequestError:
        return None


def _by_niche(partition: Partition, archs: Sequence[Arch]) -> dict[str, int]:
    counts = Counter(partition.niche_of(arch) for arch in archs)
    return {niche.id: counts[niche.id] for niche in partition.niches}


def _bands(edges: FloatArray, latency_ms: FloatArray) -> tuple[int, ...]:
    known = latency_ms[np.isfinite(latency_ms)]
    held: list[int] = np.searchsorted(edges, known, side="right").tolist()
    found = Counter(held)
    return tuple(found[band] for band in range(BANDS))
