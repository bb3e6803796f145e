"""One run's ports: everything the nodes call, opened once from a request.

Truth is not among them: test data are opened by `llm_nas.graph.ending.report` after the search.
Nodes find the run by the folder in their state, so that a graph started by LangGraph's server,
which brings no objects, works like one started from Python.
"""

import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from langgraph.runtime import RunControl

from llm_nas.agents.chat.options import ModelOptions
from llm_nas.domain import Arch, ContextName, FloatArray, Limits, SearchRequest
from llm_nas.errors import RequestError
from llm_nas.graph.ending.baselines import read_baselines
from llm_nas.graph.record import run_dir
from llm_nas.graph.record.ledger import Ledger
from llm_nas.graph.record.now import Now
from llm_nas.graph.record.trace import Trace
from llm_nas.graph.record.trace import now as moment
from llm_nas.graph.roles import Agents, open_agents
from llm_nas.graph.steps.bounds import searched_within
from llm_nas.graph.steps.recalled import Recalled, Sources, recall
from llm_nas.graph.steps.steer import steered, stop_wished
from llm_nas.graph.steps.trainer import Trainer
from llm_nas.graph.streams import send_progress
from llm_nas.knowledge.memory.builtin import is_builtin
from llm_nas.knowledge.memory.reuse import prior_of
from llm_nas.knowledge.store import HeuristicStore, default_store_dir
from llm_nas.ports import Advisor, LatencyModel, Partition
from llm_nas.tools.contexts import Context, open_context, resolve

if TYPE_CHECKING:
    from llm_nas.agents.chat.transport import ChatTransport
    from llm_nas.tools.accuracy.predicted import PredictedTask


STOPPED = "stopped by a person"


def no_answer(seconds: float) -> bool | None:
    """Nobody is there to be asked."""
    time.sleep(seconds)
    return None


_HEDGED_MEASURED = 0.5
"""Share of an opening that does not trust sizes, where networks are trained and timed here: on
small images and in short trainings the largest networks are seldom the best."""


@dataclass(frozen=True)
class Switches:
    """Parts of the system that an ablation takes out; the defaults leave everything in."""

    advisor: bool = True
    """Without it every niche gets the same slots and the Designer is on its own."""
    opening: Literal["model", "zero-cost", "random"] | None = None
    """Replaces the request's opening."""
    prior: bool = True
    """Whether zero-cost scores enter the Advisor's process."""
    knowledge: bool = True
    """Whether claims are proposed, tested and recalled."""
    validator: bool = True
    """Whether the Validator repairs; without it a wrong proposal is lost."""


@dataclass(frozen=True)
class Inputs:
    """What a run is given beside its request."""

    options: ModelOptions | None = None
    """How models are used; None: the defaults, or what a resumed run was started with."""
    transport: "ChatTransport | None" = None
    """Replaces the providers (scripted models in tests)."""
    switches: Switches = Switches()
    progress: Callable[[Mapping[str, Any]], None] = lambda told: None
    """Called after every training and generation with what happened."""
    note: Callable[[str], None] = lambda line: None
    """Called with lines people should see before the search starts."""
    answer: Callable[[float], bool | None] = no_answer
    """Waits so many seconds for a person's yes or no; None: nobody said anything."""
    picture: bool = True
    """Whether the report draws the front; experiments keep none."""
    keep: bool = True
    """Whether the run's claims and trainings are added to the shared store at its end."""


@dataclass(frozen=True)
class Run:
    """The ports of one run; see `open_run`."""

    id: str
    folder: Path
    request: SearchRequest
    inputs: Inputs
    context: Context
    partition: Partition
    latency: LatencyModel
    advisor: Advisor
    agents: Agents
    trainer: Trainer
    knowledge: HeuristicStore
    """The run's own working store."""
    recalled: Recalled
    """What the run took over from `request.store` when it started."""
    sources: Sources
    """How far that is believed."""
    ledger: Ledger
    trace: Trace
    predicted: "PredictedTask | None"
    """The accuracy model of `--accuracy predicted`; None where networks are trained."""
    now: Now
    """What goes on, for whoever watches."""
    span_ms: float | None = None
    """Networks slower than this lie beyond all baselines and are not trained."""
    served: bool = False
    """Whether a graph opened it by itself, so that nobody but the graph will close it."""
    control: RunControl = field(default_factory=RunControl)
    """Asks the run to stop between two steps."""
    opened_s: float = field(default_factory=time.monotonic)
    opened_at: str = field(default_factory=moment)

    @property
    def name(self) -> ContextName:
        """Space, task and device by their short names."""
        return self.context.label

    @property
    def limits(self) -> Limits:
        """The request's hard limits."""
        return self.request.limits

    def say(self, line: str) -> None:
        """Tell a person something."""
        self.inputs.note(line)

    def tell(self, told: Mapping[str, Any]) -> None:
        """Tell of progress: the caller, whoever watches, and LangGraph's stream `custom`."""
        self.now.tell(told)
        if stop_wished(self.folder, self.opened_at):
            self.control.request_drain(STOPPED)
        self.inputs.progress(told)
        send_progress(told)

    @contextmanager
    def clocked(self, part: str) -> Generator[None]:
        """Add the time inside to one part of the run's clock."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.ledger.add_seconds({part: time.monotonic() - start})

    def close(self) -> None:
        """Keep what models cost and how long it took, and release files and connections."""
        if self.agents.governor is not None:
            self.ledger.keep_usage(self.agents.governor.snapshot())
        self.ledger.add_seconds({"total": time.monotonic() - self.opened_s})
        for port in (self.context.task, self.context.device):
            getattr(port, "close", lambda: None)()  # processes and connections, where it has any
        self.knowledge.close(assess=False)
        self.ledger.close()
        self.trace.close()
        self.now.close()
        with _LOCK:
            _OPENED.pop(str(self.folder), None)


_LOCK = threading.RLock()
_OPENED: dict[str, Run] = {}


def opened(folder: str, inputs: Inputs | None = None) -> Run:
    """The open run of a folder; opened from its request where this process has not done so."""
    with _LOCK:
        if folder not in _OPENED:
            body = run_dir.read_json(Path(folder) / run_dir.REQUEST)
            request = SearchRequest.model_validate(body["request"])
            options = ModelOptions.model_validate(body.get("options", {}))
            inputs = replace(inputs or Inputs(), options=options)
            found = open_run(body["run"], Path(folder), request, inputs)
            _OPENED[folder] = replace(found, served=True)
        return _OPENED[folder]


def open_run(run: str, folder: Path, request: SearchRequest, inputs: Inputs) -> Run:
    """Open every port of a run, new or resumed, and register it under its folder.

    Raises:
        RequestError, DataError, StoreError: One line saying what is wrong and what is allowed.
    """
    from llm_nas.tools.devices.latency_model import open_latency_model

    context, predicted = _open_context(request, folder, inputs.note)
    space = context.space
    partition = open_partition_of(request, context)
    ledger = Ledger(folder / run_dir.CHECKPOINT, [n.id for n in partition.niches])
    request = steered(request, ledger.wishes_of())
    latency = open_latency_model(context.device, space)
    recalled = recall(folder, request, context, latency, partition)
    span_ms = read_baselines(folder).span_ms
    advisor = _open_advisor(
        request, inputs.switches, context, partition, latency, recalled, span_ms
    )
    opened_run = Run(
        id=run,
        folder=folder,
        request=request,
        inputs=inputs,
        context=context,
        partition=partition,
        latency=latency,
        advisor=advisor,
        agents=open_agents(request, inputs, context, partition, ledger),
        trainer=Trainer(context.task, ledger, request.seed, workers=request.workers),
        knowledge=HeuristicStore.open(
            folder / run_dir.STORE, space=space, partition=partition, device=context.device
        ),
        recalled=recalled,
        sources=Sources(recalled, context.task.metric, space),
        ledger=ledger,
        trace=Trace(folder / run_dir.TRACE, run, ledger.blocks()),
        predicted=predicted,
        now=Now(folder),
        span_ms=span_ms,
    )
    with _LOCK:
        _OPENED[str(folder)] = opened_run
    return opened_run


def change(run: Run, request: SearchRequest) -> Run:
    """The same run under other limits, bans and pins."""
    return run if request == run.request else _changed(run, request, run.span_ms)


def within_span(run: Run, span_ms: float | None) -> Run:
    """The same run, looking no farther than the baselines' latencies."""
    return run if span_ms == run.span_ms else _changed(run, run.request, span_ms)


def with_recalled(run: Run, recalled: Recalled) -> Run:
    """The same run with other latencies of earlier runs' trainings."""
    sources = Sources(recalled, run.context.task.metric, run.context.space)
    changed = replace(run, recalled=recalled, sources=sources)
    with _LOCK:
        _OPENED[str(run.folder)] = changed
    return changed


def _changed(run: Run, request: SearchRequest, span_ms: float | None) -> Run:
    advisor = run.advisor
    if (request.limits, span_ms) != (run.request.limits, run.span_ms):
        switches = run.inputs.switches
        advisor = _open_advisor(
            request, switches, run.context, run.partition, run.latency, run.recalled, span_ms
        )
    changed = replace(run, request=request, advisor=advisor, span_ms=span_ms)
    with _LOCK:
        _OPENED[str(run.folder)] = changed
    return changed


def _open_context(
    request: SearchRequest, folder: Path, say: Callable[[str], None]
) -> tuple[Context, "PredictedTask | None"]:
    if request.engine == "ray":
        raise RequestError("--engine ray: trainings run on this computer; use --workers N")
    name = resolve(request.space, request.task, request.device)
    context = open_context(
        name,
        data_dir=request.data_dir,
        seed=request.seed,
        epochs=request.epochs,
        folder=folder,
        precision=None if request.precision == "fp32" else request.precision,
        workers=request.workers,
        say=say,
    )
    if request.accuracy == "trained":
        return context, None
    from llm_nas.tools.accuracy.predicted import open_predicted_task

    task = open_predicted_task(
        name.task, context.space, request.labels, request.seed, data_dir=request.data_dir
    )
    return replace(context, task=task), task


def open_partition_of(request: SearchRequest, context: Context) -> Partition:
    """The niches a request asks for."""
    from llm_nas.tools.niches import open_partition

    return open_partition(request.partition, context.space)


def _open_advisor(
    request: SearchRequest,
    switches: Switches,
    context: Context,
    partition: Partition,
    latency: LatencyModel,
    recalled: Recalled,
    span_ms: float | None,
) -> Advisor:
    from llm_nas.tools.advisor import NoAdvisor, ParetoAdvisor
    from llm_nas.tools.zero_cost import open_zero_cost

    opening = switches.opening or request.open or "zero-cost"
    advisor = ParetoAdvisor(
        context.space,
        partition,
        latency,
        context.task.metric,
        context.task.chance,
        open_zero_cost(context.space, context.name.task, data_dir=request.data_dir),
        searched_within(request, span_ms),
        opening="random" if opening == "random" else "zero-cost",
        hedged=None if context.device.exact else _HEDGED_MEASURED,
        prior=_claimed(switches, context, partition, recalled) or switches.prior,
    )
    return advisor if switches.advisor else NoAdvisor(advisor)


def _claimed(
    switches: Switches, context: Context, partition: Partition, recalled: Recalled
) -> Callable[[Sequence[Arch]], FloatArray] | None:
    """What claims from elsewhere expect of architectures; its weight is for the data to say.

    Where there are trainings of the task itself, they hold all that its claims could say.
    """
    if recalled.trainings or not (switches.prior and switches.knowledge):
        return None
    return prior_of(recalled.claims, context.space, partition)


def shared_store(request: SearchRequest) -> Path:
    """Where a run's claims and trainings go when it ends."""
    own = request.store is not None and not is_builtin(request.store)
    return request.store if request.store and own else default_store_dir()
