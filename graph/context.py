"""The run's dependencies: everything the nodes call, opened once from a request.

Truth is not among them: test accuracies are opened by `llm_nas.graph.report` after the search.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from llm_nas.agents.chat import ChatTransport
from llm_nas.agents.chat_agents import model_agents
from llm_nas.agents.chat_estimate import estimate_lines, estimate_run
from llm_nas.agents.chat_options import GRADUATED, OFFLINE, ModelOptions, refuse_without_model
from llm_nas.agents.governor import Governor
from llm_nas.agents.mixed_designer import MixedDesigner
from llm_nas.agents.offline_analyst import OfflineAnalyst
from llm_nas.agents.offline_designer import OfflineDesigner
from llm_nas.agents.validator import CellValidator
from llm_nas.claims import Heuristic
from llm_nas.domain import DATASETS, Drift, FloatArray, Measurement, SearchRequest
from llm_nas.errors import RequestError
from llm_nas.evaluation.front import ABOVE_CHANCE, CHANCE_PCT
from llm_nas.graph import rundir
from llm_nas.graph.graduated import graduated_designer
from llm_nas.graph.inheritance import inherit
from llm_nas.graph.ledger import Ledger
from llm_nas.graph.trace import Trace
from llm_nas.knowledge.store import HeuristicStore, default_store_dir
from llm_nas.ports import (
    Advisor,
    Analyst,
    Benchmark,
    Designer,
    Moves,
    Partition,
    SearchSpace,
    Source,
    Validator,
)
from llm_nas.tools.advisor import GaussianAdvisor, NoAdvisor
from llm_nas.tools.conformal import Intervals, intervals_of
from llm_nas.tools.data import open_benchmark
from llm_nas.tools.drift import TrainingRange
from llm_nas.tools.latency import LatencyTable, open_energy, open_latency
from llm_nas.tools.measure import BudgetedEvaluator
from llm_nas.tools.moves import NicheMoves
from llm_nas.tools.partition_auto import open_partition
from llm_nas.tools.predictor import TrainedPredictor, train_predictor
from llm_nas.tools.scout import Scout
from llm_nas.tools.space import nas_bench_201


@dataclass(frozen=True)
class Agents:
    """Who studies and proposes; the offline pair stands in when a model fails."""

    analyst: Analyst
    designer: Designer
    offline_analyst: Analyst
    offline_designer: Designer
    validator: Validator
    governor: Governor | None
    """Counts and caps model calls; None when no model is used."""
    moves: Moves
    """How cells of a niche are made."""


@dataclass(frozen=True)
class Inputs:
    """What a run is opened from beside its request; comparisons share the costly parts."""

    options: ModelOptions | None = None
    """How models are used; None: the defaults, or what a resumed run was started with."""
    transport: ChatTransport | None = None
    """Replaces the providers (scripted models in tests)."""
    benchmark: Benchmark | None = None
    predicted_pct: FloatArray | None = None
    """`(size,)`; trained from the request when None."""
    predictor: str = "given"
    """What made `predicted_pct`, for the report."""
    progress: Callable[[int, int], None] = lambda generation, evaluations: None
    """Called with (generations done, cells measured)."""
    note: Callable[[str], None] = lambda line: None
    """Called with lines people should see before the search starts."""
    picture: bool = True
    """Whether the report draws the front; experiments keep none."""
    drain: Callable[[str], None] = lambda reason: None
    """Asks the run to stop between two steps."""


@dataclass(frozen=True)
class SearchContext:
    """The ports of one run; see `open_context`."""

    run: str
    run_dir: Path
    request: SearchRequest
    inputs: Inputs
    benchmark: Benchmark
    space: SearchSpace
    partition: Partition
    latency: LatencyTable
    energy_mj: FloatArray | None
    """`(size,)`; None on a device without an energy table."""
    predicted_pct: FloatArray
    """`(size,)`: for the report; nodes ask `evaluator`."""
    predictor: str
    """What made them: features, model and label scheme."""
    trained: TrainedPredictor | None
    """The predictor itself; None when predictions were given."""
    evaluator: BudgetedEvaluator
    advisor: Advisor
    scout: Scout
    """Draws the cells that counter-measures ask for."""
    agents: Agents
    knowledge: HeuristicStore
    """The run's own working store."""
    inherited: tuple[Heuristic, ...]
    """What the run took over from `request.store` when it started."""
    sources: Mapping[str, Source]
    """What the cells of that store say of accuracy, by `dataset/device`."""
    ledger: Ledger
    trace: Trace
    opened_s: float
    """Monotonic time of opening."""

    def energies(self, measured: Iterable[Measurement]) -> dict[str, float]:
        """Energies in mJ of measured cells, by cell; empty without an energy table."""
        if self.energy_mj is None:
            return {}
        space = self.space
        return {m.arch: float(self.energy_mj[space.index(space.parse(m.arch))]) for m in measured}

    @cached_property
    def training(self) -> TrainingRange | None:
        """Where predictions can be trusted."""
        return None if self.trained is None else TrainingRange(self.trained)

    @cached_property
    def intervals(self) -> Intervals | None:
        """Intervals of all cells; they take some seconds and only the report needs them."""
        if self.trained is None:
            return None
        return intervals_of(self.trained, self.benchmark, self.request.dataset)

    def drift(self, measured: Iterable[Measurement]) -> Drift | None:
        """How far measured cells lie from what the predictor was trained on; None without one."""
        if self.training is None:
            return None
        space = self.space
        return self.training.drift([space.index(space.parse(m.arch)) for m in measured])

    def close(self) -> None:
        """Keep what models cost so far, and release files and connections."""
        if self.agents.governor is not None:
            self.ledger.keep_usage(self.agents.governor.snapshot())
        self.knowledge.close()
        self.ledger.close()
        self.trace.close()


def open_context(
    run: str, run_dir: Path, request: SearchRequest, inputs: Inputs | None = None
) -> SearchContext:
    """Open every port of a run, new or resumed.

    Raises:
        RequestError, DataError, StoreError: One line saying what is wrong and what is allowed.
    """
    opened_s = time.monotonic()
    inputs = inputs or Inputs()
    if request.dataset not in DATASETS:
        allowed = ", ".join(DATASETS)
        raise RequestError(f"--dataset {request.dataset!r}: expected one of {allowed}")
    space = nas_bench_201()
    benchmark = inputs.benchmark or open_benchmark(request.data_dir)
    latency = open_latency(benchmark, request.dataset, request.device, space)
    partition = open_partition(
        request.partition, space, benchmark, request.dataset, latency.values_ms, request.seed
    )
    predicted_pct, predictor = inputs.predicted_pct, inputs.predictor
    trained: TrainedPredictor | None = None
    if predicted_pct is None:
        trained = train_predictor(benchmark, request.dataset, request.labels, request.seed)
        predicted_pct, predictor = trained.predict_all(), trained.description
    chance_pct = ABOVE_CHANCE * CHANCE_PCT[request.dataset]
    advisor: Advisor = GaussianAdvisor(space, partition, latency.values_ms, chance_pct)
    inheritance = inherit(run_dir, request)
    if request.model == GRADUATED:
        advisor, inheritance = NoAdvisor(), replace(inheritance, sources={})
    ledger = Ledger(run_dir / rundir.CHECKPOINT, [n.id for n in partition.niches])
    agents = _open_agents(
        request, inputs, space, partition, latency, ledger, inheritance.heuristics
    )
    known = [space.index(space.parse(m.arch)) for m in ledger.measured()]
    evaluator = BudgetedEvaluator(space, predicted_pct, latency.values_ms, request.budget, known)
    return SearchContext(
        run=run,
        run_dir=run_dir,
        request=request,
        inputs=inputs,
        benchmark=benchmark,
        space=space,
        partition=partition,
        latency=latency,
        energy_mj=open_energy(benchmark, request.dataset, request.device),
        predicted_pct=predicted_pct,
        predictor=predictor,
        trained=trained,
        evaluator=evaluator,
        advisor=advisor,
        scout=Scout(space, partition, latency.values_ms),
        agents=agents,
        knowledge=HeuristicStore.open(run_dir / rundir.STORE, space=space, partition=partition),
        inherited=inheritance.heuristics,
        sources=inheritance.sources,
        ledger=ledger,
        trace=Trace(run_dir / rundir.TRACE, run),
        opened_s=opened_s,
    )


def _open_agents(
    request: SearchRequest,
    inputs: Inputs,
    space: SearchSpace,
    partition: Partition,
    latency: LatencyTable,
    ledger: Ledger,
    inherited: tuple[Heuristic, ...],
) -> Agents:
    moves = NicheMoves(space, partition, latency.values_ms)
    offline = OfflineAnalyst(moves, space.name), OfflineDesigner(moves)
    analyst: Analyst = offline[0]
    designer: Designer = offline[1]
    governor: Governor | None = None
    if request.model in (OFFLINE, GRADUATED):
        refuse_without_model(request.model, inputs.options or ModelOptions())
    if request.model == GRADUATED:
        designer = graduated_designer(request, inherited, space, moves)
    elif request.model != OFFLINE:
        analyst, designer, governor = model_agents(
            request,
            space,
            partition,
            options=inputs.options,
            spent=ledger.usage(),
            transport=inputs.transport,
        )
        designer = MixedDesigner(designer, offline[1])
        if inputs.options is None or inputs.options.replay is None:
            for line in estimate_lines(estimate_run(request, space, partition, inputs.options)):
                inputs.note(line)
    validator = CellValidator(space, partition, latency.values_ms, latency.name)
    return Agents(analyst, designer, *offline, validator, governor, moves)


def shared_store(request: SearchRequest) -> Path:
    """Where a run's heuristics go when it ends."""
    return request.store if request.store is not None else default_store_dir()
