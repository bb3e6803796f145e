"""The nouns: frozen values that cross folders.

An architecture is its canonical text and nothing else. A task's metric is turned into an error,
which is minimised like a latency, by `Metric.error` and nowhere else.
"""

import math
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from llm_nas.conditions import Condition
from llm_nas.frozen import Frozen

PROTOCOL_VERSION = 2
"""Version of the evaluation protocol: the budget counts trainings."""
PREDICTED_PROTOCOL = 1
"""The protocol of `--accuracy predicted`: labels are given, the budget counts predictions."""

Arch: TypeAlias = str
"""Canonical text of an architecture, the only identity it has."""

ClaimId: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{6,64}$")]
"""Id of a claim, or its first digits."""

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


class Metric(Frozen):
    """What a task measures, and how it becomes an error that is minimised."""

    name: str
    """Field name in results: `accuracy_pct`, `perplexity`."""
    unit: str
    higher_is_better: bool
    best: float = 100.0
    """The value without any error, where higher is better."""
    logarithmic: bool = False
    """Whether errors are natural logarithms of the value (where lower is better)."""

    def error(self, value: float) -> float:
        """The error of one value: `best - value`, the value, or its logarithm."""
        if self.higher_is_better:
            return self.best - value
        return math.log(value) if self.logarithmic else value

    def value(self, error: float) -> float:
        """The value of one error: the inverse of `error`."""
        if self.higher_is_better:
            return self.best - error
        return math.exp(error) if self.logarithmic else error

    def errors(self, values: FloatArray) -> FloatArray:
        """`error` of every value, `(n,)`."""
        if self.higher_is_better:
            return np.asarray(self.best - values, dtype=np.float64)
        return np.log(values) if self.logarithmic else np.asarray(values, dtype=np.float64)


ACCURACY = Metric(name="accuracy_pct", unit="%", higher_is_better=True)
PERPLEXITY = Metric(name="perplexity", unit="", higher_is_better=False, logarithmic=True)


class ContextName(Frozen):
    """Where a search takes place; written `SPACE/TASK/DEVICE`."""

    space: str
    task: str
    device: str

    def __str__(self) -> str:
        return f"{self.space}/{self.task}/{self.device}"


class TaskShape(Frozen):
    """What a built network takes and gives: one image of `channels` x `height` x `width`."""

    channels: Annotated[int, Field(ge=1)] = 3
    height: Annotated[int, Field(ge=1)] = 32
    width: Annotated[int, Field(ge=1)] = 32
    classes: Annotated[int, Field(ge=1)] = 10


class Limits(Frozen):
    """Hard limits; None: no limit."""

    max_latency_ms: Annotated[float, Field(gt=0)] | None = None
    max_params_m: Annotated[float, Field(gt=0)] | None = None
    max_macs_m: Annotated[float, Field(gt=0)] | None = None
    max_file_mb: Annotated[float, Field(gt=0)] | None = None


class SearchRequest(Frozen):
    """What a person asks for; `None` for space, task or device means the default of the others.

    `space` is a name, `FILE.py[:NAME]`, `FILE.toml` or `around:...`; `task` a name, a folder,
    `FILE.npz` or `FILE.csv`; `device` a name, `host` or `NAME=FILE.csv|cmd:...|ssh://...`.
    """

    space: str | None = Field(
        default=None,
        description="A family of networks: a name, FILE.py[:NAME], FILE.toml or around:...",
    )
    task: str | None = Field(
        default=None,
        description="What networks are trained for: a name, a folder, FILE.npz or FILE.csv.",
    )
    device: str | None = Field(
        default=None,
        description="Where latency counts: a name, host, or NAME=FILE.csv|cmd:...|ssh://...",
    )
    trainings: int = Field(
        default=60, ge=1, le=100_000, description="How many networks may be trained."
    )
    hours: float | None = Field(default=None, gt=0, description="Stop planning after this time.")
    opening: int = Field(
        default=12, ge=1, le=10_000, description="Networks of the first generation."
    )
    batch: int = Field(default=6, ge=1, le=1_000, description="Networks of each later generation.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Equal seeds give equal fronts.")
    model: str = Field(default="offline", description="offline, PROVIDER:NAME or manual:DIR.")
    designer: str | None = Field(
        default=None,
        description="Who proposes: an entry point, module:NAME or FILE.py:NAME.",
    )
    base_url: str | None = Field(default=None, description="An OpenAI-compatible server.")
    open: Literal["model", "zero-cost", "random"] | None = Field(
        default=None,
        description="Who opens; empty: the model where there is one, else zero-cost scores.",
    )
    model_share: float = Field(
        default=0.3, ge=0, le=1, description="Most of a batch a model gets."
    )
    blind: bool = Field(default=False, description="Hide all names from the model.")
    accuracy: Literal["trained", "predicted"] = Field(
        default="trained", description="Whether networks are trained, or predicted from labels."
    )
    labels: int = Field(
        default=1000, ge=20, le=15_000, description="Labels of accuracy: predicted."
    )
    max_latency_ms: float | None = Field(default=None, gt=0, description="Hard limit in ms.")
    max_params_m: float | None = Field(default=None, gt=0, description="Hard limit in millions.")
    max_macs_m: float | None = Field(default=None, gt=0, description="Hard limit in millions.")
    max_file_mb: float | None = Field(default=None, gt=0, description="Hard limit in MB.")
    epochs: int | None = Field(default=None, ge=1, le=10_000, description="Of one training.")
    precision: Literal["fp32", "int8"] = Field(default="fp32", description="Of exported networks.")
    workers: int = Field(default=1, ge=1, le=1_000, description="Trainings at the same time.")
    engine: Literal["local", "ray"] = Field(
        default="local", description="ray needs to be installed."
    )
    baselines: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Small known networks trained beside, on real tasks.",
    )
    partition: str | None = Field(
        default=None, description="How niches are cut; empty: the space's own."
    )
    store: Path | None = Field(
        default=None, description="Claims and trainings to start from, add to."
    )
    approve: bool = Field(
        default=False, description="Ask a person before long, dear or hopeless trainings."
    )
    approve_wait_s: float = Field(
        default=300.0, gt=0, description="Wait so long for an answer, then go on."
    )
    ban: tuple[ClaimId, ...] = Field(default=(), description="Ids of claims that are never shown.")
    pin: tuple[ClaimId, ...] = Field(
        default=(), description="Ids of claims that are always shown, first."
    )
    out: Path | None = Field(default=None, description="Folder of the run; empty: runs/ID.")
    data_dir: Path | None = Field(default=None, description="Folder of public tables.")

    @property
    def protocol(self) -> int:
        """Which evaluation protocol the run's figures belong to."""
        return PREDICTED_PROTOCOL if self.accuracy == "predicted" else PROTOCOL_VERSION

    @property
    def limits(self) -> Limits:
        """The hard limits among the fields."""
        return Limits(**{name: getattr(self, name) for name in Limits.model_fields})


class Niche(Frozen):
    """One part of a space that is searched on its own.

    `condition` is the constraint that sampling, response schemas, prompts and the Validator all
    use; `rule` says it in words.
    """

    id: str
    rule: str
    condition: Condition


class Candidate(Frozen):
    """An architecture somebody would train, and why.

    `origin` is who proposed it (`advisor`, `zero-cost`, `offline`, a model's name), `operator`
    how it was made (`sample`, `mutation`, `crossover`, `front`, `model`, ...).
    """

    arch: Arch
    niche: str
    origin: str
    operator: str = ""
    reason: str = ""
    gain: float | None = None
    """Expected gain in hypervolume, in the units of error x latency; None when nobody knows."""
    parents: tuple[Arch, ...] = ()
    claims: tuple[str, ...] = ()
    """Ids of the claims its proposer was shown."""


class Verdict(Frozen):
    """What the Validator decided: `arch` is the legal text when accepted or repaired."""

    candidate: Candidate
    decision: Literal["accepted", "repaired", "rejected"]
    kind: Literal[
        "ok",
        "repaired",
        "illegal",
        "out_of_niche",
        "duplicate",
        "measured",
        "failed_before",
        "unsupported",
        "over_limit",
        "too_slow",
    ]
    reason: str
    arch: Arch | None = None


class Timing(Frozen):
    """One architecture's latency on a device."""

    arch: Arch
    median_ms: Annotated[float, Field(gt=0)]
    low_ms: float
    high_ms: float
    """Least and greatest median of the sessions; all equal `median_ms` where latency is exact."""
    n: int = 1
    """Sessions (devices that measure) or 1 (tables)."""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    file_mb: float | None = None
    """Size of the exported file, where one was timed."""


class Label(Frozen):
    """What one training gave: the task's metric on validation data."""

    arch: Arch
    value: float
    trainings: Annotated[float, Field(gt=0)] = 1.0
    """What it counts: 1 at the run's full fidelity, a share of it below, 0 never."""
    seconds: float = 0.0
    epochs: int | None = None


class Failure(Frozen):
    """Something that did not work: recorded, charged for its seconds, never tried again."""

    arch: Arch
    stage: Literal["build", "time", "train", "export"]
    reason: str
    trainings: Annotated[float, Field(ge=0)] = 0.0
    seconds: float = 0.0


class Measurement(Frozen):
    """One trained and timed architecture: a row of the run's ledger."""

    arch: Arch
    niche: str
    generation: int
    value: float
    """The task's metric on validation data."""
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    trainings: float = 1.0
    seconds: float = 0.0
    origin: str = ""


class ProposalCounts(Frozen):
    """How proposals fared: raw = novel + spare + duplicate + rejected; novel ones were trained."""

    raw: int = 0
    valid: int = 0
    """Legal and in their niche as they were written, new or not."""
    repaired: int = 0
    duplicate: int = 0
    novel: int = 0
    spare: int = 0
    """Legal and new, but no slot was left for them."""
    rejected: int = 0

    def plus(self, other: "ProposalCounts") -> "ProposalCounts":
        """The sum of both."""
        mine, theirs = self.model_dump(), other.model_dump()
        return ProposalCounts.model_validate({name: mine[name] + theirs[name] for name in mine})


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
    seconds: Annotated[float, Field(ge=0)] = 0.0
    """Time spent waiting for the model; calls at the same time count once."""


class Cost(Frozen):
    """What models cost; `usd` is None when a model's price is unknown."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = 0.0
    seconds: float = 0.0
    roles: dict[str, RoleUsage] = Field(default_factory=dict[str, RoleUsage])
    """The share of every role that asked a model."""


class Seconds(Frozen):
    """Where a run's time went."""

    training: float = 0.0
    timing: float = 0.0
    advisor: float = 0.0
    agents: float = 0.0
    total: float = 0.0


class FrontPoint(BaseModel):
    """One member of the claimed front.

    In JSON the metric's own name stands for `value` and `test_value` (`accuracy_pct` and
    `test_accuracy_pct`); what does not apply is null. The test value is looked up or measured
    after the search.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    arch: Arch
    niche: str
    value: float
    test_value: float | None = None
    latency_ms: float
    latency_low_ms: float | None = None
    latency_high_ms: float | None = None
    params_m: float | None = None
    macs_m: float | None = None
    onnx: str | None = None
    """Path of the exported file, relative to the run's folder."""

    @property
    def accuracy_pct(self) -> float:
        """Validation accuracy in %; `AttributeError` for a task that measures something else."""
        if self.metric != ACCURACY.name:
            raise AttributeError(f"this task measures {self.metric}, read `value`")
        return self.value

    @property
    def test_accuracy_pct(self) -> float | None:
        """Test accuracy in %; `AttributeError` for a task that measures something else."""
        if self.metric != ACCURACY.name:
            raise AttributeError(f"this task measures {self.metric}, read `test_value`")
        return self.test_value

    @model_serializer
    def _named(self) -> dict[str, Any]:
        return {
            "arch": self.arch,
            "niche": self.niche,
            self.metric: self.value,
            f"test_{self.metric}": self.test_value,
            "latency_ms": self.latency_ms,
            "latency_low_ms": self.latency_low_ms,
            "latency_high_ms": self.latency_high_ms,
            "params_m": self.params_m,
            "macs_m": self.macs_m,
            "onnx": self.onnx,
        }

    @model_validator(mode="before")
    @classmethod
    def _unnamed(cls, data: Any) -> Any:
        fields: dict[str, Any] = dict(cast("dict[str, Any]", data))
        if "metric" in fields:
            return fields
        (tested,) = [name for name in fields if name.startswith("test_")]
        metric = tested.removeprefix("test_")
        return fields | {
            "metric": metric,
            "value": fields.pop(metric),
            "test_value": fields.pop(tested),
        }


class SourceVerdict(Frozen):
    """Whether a search believes what another place taught, and on what evidence."""

    source: str
    """`SPACE/TASK/DEVICE`, or the name of a zero-cost score."""
    kept: bool
    cells: int
    """Measured architectures of this run it was checked on."""
    rank_correlation: float | None = None
    """Spearman's, of its scores and the errors of those; None when they decide nothing."""
    reason: str


class SearchReport(Frozen):
    """The answer to a request, with everything needed to doubt it: `result.json`."""

    protocol: int
    run: str
    request: SearchRequest
    space: str
    task: str
    device: str
    metric: str
    data_source: str
    seed: int
    model: str
    trainings: float
    """Trainings this run paid for; what was reused is not among them."""
    reused_trainings: float = 0.0
    front: tuple[FrontPoint, ...]
    hv: float | None = None
    """Hypervolume over that of the reference front; None where no truth is known."""
    hv_at: dict[str, float] = Field(default_factory=dict[str, float])
    igd_plus: float | None = None
    optimism: float | None = None
    """Mean test error less validation error of the front, in the metric's unit."""
    reference: str = ""
    """What `hv` is a share of, and the digest of the frozen front."""
    failures: tuple[Failure, ...] = ()
    seconds: Seconds = Seconds()
    cost: Cost = Cost()
    proposals: ProposalCounts = ProposalCounts()
    proposals_by: dict[str, ProposalCounts] = Field(default_factory=dict[str, ProposalCounts])
    """The same by origin."""
    sources: tuple[SourceVerdict, ...] = ()
    notes: tuple[str, ...] = ()
    """What people should know: a small pool, noise, a score that misled."""
    baselines: tuple[dict[str, Any], ...] = ()
    hv_baselines: float | None = None
    baseline_trainings: float = 0.0
    speedup_at_equal_accuracy: float | None = None
    gain_at_equal_latency_pct: float | None = None
    predictor: dict[str, Any] | None = None
    """`--accuracy predicted` only: features, labels, interval method, drift."""
    versions: dict[str, str] = Field(default_factory=dict[str, str])
    out: Path


class TraceEvent(Frozen):
    """One line of `trace.jsonl`; `data` depends on `event` (see docs/reference/files.md)."""

    ts: str
    run: str
    generation: int
    niche: str
    role: str
    event: str
    seq: int
    data: dict[str, Any] = Field(default_factory=dict[str, Any])
