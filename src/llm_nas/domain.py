"""The nouns: frozen values that cross folders.

Objectives are minimised everywhere; accuracies are kept in % and turned into
`error_pct = 100 - accuracy_pct` in one place (`llm_nas.evaluation.indicators`).
"""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

PROTOCOL_VERSION = 1
"""Version of the evaluation protocol every result file carries."""

DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
DEVICES = ("edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga")
PROXIES = (
    "epe_nas",
    "fisher",
    "flops",
    "grad_norm",
    "grasp",
    "jacov",
    "l2_norm",
    "nwot",
    "params",
    "plain",
    "snip",
    "synflow",
    "zen",
)
"""The 13 zero-cost proxies, in the column order of every proxy matrix."""

Cell: TypeAlias = tuple[int, ...]
"""One operation code per edge, in the space's edge order."""

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


class Frozen(BaseModel):
    """Base of every value that crosses a folder: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SearchRequest(Frozen):
    """What a person asks for.

    `device` is one of `DEVICES` or `name=path.csv` (columns `arch,latency_ms`).
    `budget` counts unique cells whose predicted accuracy is asked for.
    `store` names a heuristic store to learn from and add to; without it the run
    starts cold and adds to the default store, so that equal seeds give equal fronts.
    """

    dataset: str
    device: str
    budget: Annotated[int, Field(ge=1, le=15_625)] = 120
    generations: Annotated[int, Field(ge=1, le=1_000)] = 10
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    model: str = "offline"
    base_url: str | None = None
    labels: Annotated[int, Field(ge=20, le=15_000)] = 1000
    partition: str = "conv3x3"
    store: Path | None = None
    out: Path | None = None
    data_dir: Path | None = None


class Niche(Frozen):
    """One part of the space that is searched on its own; `rule` is for people and prompts."""

    id: str
    rule: str


class Measurement(Frozen):
    """One evaluated cell: what the tools said, and when it was asked for."""

    arch: str
    niche: str
    generation: int
    predicted_accuracy_pct: float
    latency_ms: float


class Proposal(Frozen):
    """A cell somebody proposes, with its lineage.

    `operator` is how it was made (`sample`, `mutation`, `crossover`, `model`, ...),
    `source` who made it (`offline`, a model's name), `heuristics` the ids that were shown.
    """

    arch: str
    operator: str
    source: str
    parents: tuple[str, ...] = ()
    heuristics: tuple[str, ...] = ()
    rationale: str = ""


class Verdict(Frozen):
    """What the Validator decided: `arch` is the legal string when accepted or repaired."""

    proposal: Proposal
    decision: Literal["accepted", "repaired", "rejected"]
    kind: Literal[
        "ok", "repaired", "illegal", "out_of_niche", "duplicate", "evaluated", "no_latency"
    ]
    reason: str
    arch: str | None = None


class ProposalCounts(Frozen):
    """How proposals fared: raw = repaired-or-fine + rejected; novel ones were measured."""

    raw: int = 0
    repaired: int = 0
    duplicate: int = 0
    novel: int = 0
    rejected: int = 0


class SourceCounts(ProposalCounts):
    """How the proposals of one source fared: raw = novel + spare + rejected."""

    valid: int = 0
    """Legal and in their niche as they were written, new or not."""
    spare: int = 0
    """Legal and new, but no slot was left for them."""

    def plus(self, other: "SourceCounts") -> "SourceCounts":
        """The sum of both."""
        mine, theirs = self.model_dump(), other.model_dump()
        return SourceCounts.model_validate({name: mine[name] + theirs[name] for name in mine})

    def rates(self) -> "SourceRates":
        """Shares of what was proposed."""
        raw = max(self.raw, 1)
        return SourceRates(
            raw_valid=self.valid / raw,
            repaired=self.repaired / raw,
            duplicate=self.duplicate / raw,
            novel=(self.novel + self.spare) / raw,
            rejected=self.rejected / raw,
        )


class SourceRates(Frozen):
    """Shares in [0, 1] of what one source proposed; `novel` ones are legal and new."""

    raw_valid: float
    repaired: float
    duplicate: float
    novel: float
    rejected: float


CountsBy: TypeAlias = dict[str, dict[str, SourceCounts]]
"""Counts by grouping (`source`, `operator`, `heuristics`), then by its values."""


class RoleUsage(Frozen):
    """What one role asked of its model; `usd` is None when the model's price is unknown."""

    model: str = ""
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = 0.0
    repairs: int = 0
    """Answers that had to be asked for again."""
    failures: int = 0
    failure: str = ""
    """Why the last call that failed gave no answer."""


class Cost(Frozen):
    """What a run cost beside evaluations; `usd` is None when a model's price is unknown."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = 0.0
    seconds: float = 0.0
    roles: dict[str, RoleUsage] = Field(default_factory=dict[str, RoleUsage])
    """The share of every role that asked a model."""


class FrontPoint(Frozen):
    """One cell of the claimed front; `test_accuracy_pct` was looked up after the search."""

    arch: str
    niche: str
    predicted_accuracy_pct: float
    test_accuracy_pct: float
    latency_ms: float
    interval_pct: tuple[float, float] | None = None
    """Holds the validation accuracy with a probability of 90 %; None for given predictions."""


class Coverage(Frozen):
    """Shares in [0, 1]: niches with a measured cell; latency deciles of the true front reached."""

    niches: float
    latency_deciles: float


class SourceVerdict(Frozen):
    """Whether a search believes a place its store was filled in, and on what evidence."""

    source: str
    """`dataset/device` of the searches that measured its cells."""
    kept: bool
    cells: int
    """Measured cells of this run it was checked on."""
    rank_correlation: float | None = None
    """Spearman's, of its scores and the accuracy of those cells; None when they decide nothing."""
    reason: str


class Drift(Frozen):
    """How many measured cells lie outside the range the accuracy predictor was trained on."""

    alarm: bool
    """More than usual: predicted accuracies, and intervals around them, are not to be trusted."""
    cells: int
    outside: int


class SearchReport(Frozen):
    """The answer to a request, with everything needed to doubt it."""

    protocol: int
    run: str
    request: SearchRequest
    data_source: str
    reference: str
    """Where the true front comes from: the frozen reference, or computed on the fly and why."""
    predictor: str
    """Features, model and label scheme of the accuracy predictor."""
    model: str
    seed: int
    evaluations: int
    proposals: ProposalCounts
    proposals_by: CountsBy = Field(default_factory=dict)
    """The same by source (a model's name, `offline`), operator, and heuristics shown or none."""
    front: tuple[FrontPoint, ...]
    finalists: tuple[str, ...] = ()
    """Cells most worth a real training, best first: those `hv_at_k` looks up."""
    hv: float
    hv_at_k: float
    hv_ceiling: float
    igd_plus: float
    igd: float
    unit_hv: float
    optimism: float
    coverage: Coverage
    cost: Cost
    sources: tuple[SourceVerdict, ...] = ()
    """The last verdict on every source of `request.store`; the trace tells when it changed."""
    drift: Drift | None = None
    """None when predictions were given from outside, with no labels to compare with."""
    latency_missing: int
    versions: dict[str, str]
    out: Path


class TraceEvent(Frozen):
    """One line of `trace.jsonl`; `data` depends on `event` (see docs/trace.md)."""

    ts: str
    run: str
    generation: int
    niche: str
    role: str
    event: str
    seq: int
    data: dict[str, Any] = {}
