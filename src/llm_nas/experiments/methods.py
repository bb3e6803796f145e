"""Methods of a comparison by name: an order in, the ledger's rows out.

Controls ask through the harness's door; the system runs its own graph in a folder of its own.
Neither is given truth.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from llm_nas.domain import Failure, Measurement, SearchReport, SearchRequest
from llm_nas.errors import RequestError
from llm_nas.evaluation.controls import CONTROLS, Control, Problem, make_control, run
from llm_nas.experiments.sample import sampled
from llm_nas.experiments.setting import Order, open_place
from llm_nas.experiments.variants import VARIANTS, WHOLE, Variant
from llm_nas.plugins import find, is_plugin, made, names

OFFLINE = "offline"
DESIGNER = "designer"
"""`designer:NAME`: the system with somebody else's Designer."""
MODEL_KINDS = {
    "model": "the whole system with a language model",
    "sample": "what the language model proposes when it is asked plainly, no loop",
    "alone": "the language model alone in the loop, without the advisor",
}
"""Methods `KIND:NAME` that ask a language model."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a method trained, in order, and the seconds it took in all."""

    rows: tuple[Measurement | Failure, ...]
    seconds: float


Method: TypeAlias = Callable[[Order], Trained]


def control_method(make: Callable[[Problem, int], Control]) -> Method:
    """A control, made from what it may know and a seed."""

    def trained(order: Order) -> Trained:
        start = time.perf_counter()
        problem, door = open_place(order)
        run(make(problem, order.seed), problem, door)
        return Trained(tuple(door.rows), time.perf_counter() - start)

    return trained


def system_method(variant: Variant = WHOLE, model: str = OFFLINE, kind: str = "") -> Method:
    """The system itself, from request to report; `kind` is one of `MODEL_KINDS`."""

    def trained(order: Order) -> Trained:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="llm-nas-compare-") as folder:
            request = request_of(order, variant, Path(folder), model, kind)
            rows = searched(request, variant)
        return Trained(tuple(rows), time.perf_counter() - start)

    return trained


def sample_method(model: str) -> Method:
    """Plain sampling from a language model."""

    def trained(order: Order) -> Trained:
        start = time.perf_counter()
        rows = sampled(model, order)
        return Trained(tuple(rows), time.perf_counter() - start)

    return trained


def request_of(
    order: Order, variant: Variant, folder: Path, model: str = OFFLINE, kind: str = ""
) -> SearchRequest:
    """The search of an order, in a folder with a store of its own."""
    request = SearchRequest(
        **order.context.model_dump(),
        **order.model_dump(exclude={"context", "partition"}),
        model=model,
        open=variant.open,
        partition=variant.partition or order.partition,
        store=folder / "store",
        out=folder / "run",
    )
    if kind == DESIGNER:
        return request.model_copy(update={"designer": model, "model": OFFLINE})
    return request.model_copy(update={"model_share": 1.0}) if kind == "alone" else request


def searched(request: SearchRequest, variant: Variant) -> Sequence[Measurement | Failure]:
    """Run a search and read what its ledger paid for."""
    from llm_nas.graph.record import run_dir
    from llm_nas.graph.record.ledger import Ledger

    report = run_search(request, variant)
    ledger = Ledger(report.out / run_dir.CHECKPOINT, [])
    try:
        return ledger.rows()
    finally:
        ledger.close()


def run_search(
    request: SearchRequest, variant: Variant = WHOLE, keep: bool = False
) -> SearchReport:
    """Run a search without a picture; `keep` adds what it learned to its store."""
    from llm_nas.graph.run import Inputs
    from llm_nas.graph.search import search

    return search(request, Inputs(switches=variant.switches, picture=False, keep=keep))


def make_method(name: str) -> Method:
    """A method by the name the command line gives it.

    Raises:
        RequestError: For an unknown name.
    """
    kind, _, model = name.partition(":")
    if name in CONTROLS:
        return control_method(partial(make_control, name))
    if name == OFFLINE:
        return system_method()
    if name in VARIANTS:
        return system_method(VARIANTS[name])
    if kind == "sample" and model:
        return sample_method(model)
    if kind in MODEL_KINDS and model:
        alone = replace(WHOLE, switches=replace(WHOLE.switches, advisor=False))
        return system_method(alone if kind == "alone" else WHOLE, model, kind)
    if kind == DESIGNER and model:
        find("designers", model)
        return system_method(WHOLE, model, DESIGNER)
    if is_plugin("methods", name):
        return control_method(partial(made, "methods", find("methods", name), name))
    known = (OFFLINE, *CONTROLS, *names("methods"))
    raise RequestError(
        f"--methods: unknown {name!r}; use {', '.join(known)}, "
        f"{', '.join(f'{k}:NAME' for k in (*MODEL_KINDS, DESIGNER))}, module:NAME "
        f"or an ablation ({', '.join(VARIANTS)})"
    )
