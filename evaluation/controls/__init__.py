"""Controls: the searches that every claim of this project has to beat on the same footing.

Each asks for one architecture at a time and is told its error and latency. None of them trains:
`run` holds the budget and the only door to labels. All know latencies for nothing, as the
project's own search does; those that begin with `zc-` also start from its zero-cost opening.
"""

from collections.abc import Mapping
from importlib import import_module

from llm_nas.domain import Failure
from llm_nas.errors import RequestError
from llm_nas.evaluation.controls.control import Control, Point, Problem
from llm_nas.evaluation.controls.door import Door

__all__ = ["CONTROLS", "Control", "Door", "Point", "Problem", "make_control", "run"]

_HOMES: Mapping[str, str] = {
    "random": "random_search:RandomSearch",
    "niche-random": "random_search:NicheRandomSearch",
    "nsga2": "nsga2:Nsga2",
    "niche-nsga2": "nsga2:NicheNsga2",
    "regularized-evolution": "regularized_evolution:RegularizedEvolution",
    "local-search": "local_search:ParetoLocalSearch",
    "optuna-tpe": "optuna_samplers:OptunaTpe",
    "optuna-gp": "optuna_samplers:OptunaGp",
    "zc-nsga2": "nsga2:OpenedNsga2",
    "zc-optuna-gp": "optuna_samplers:OpenedOptunaGp",
}

CONTROLS = tuple(_HOMES)
"""Names of all controls."""


def make_control(name: str, problem: Problem, seed: int) -> Control:
    """The control of this name, with its default settings.

    Raises:
        RequestError: For an unknown name.
    """
    if name not in _HOMES:
        raise RequestError(f"control {name!r}: expected one of {', '.join(CONTROLS)}")
    module, _, cls = _HOMES[name].partition(":")
    home = import_module(f"llm_nas.evaluation.controls.{module}")
    made: Control = getattr(home, cls)(problem, seed)
    return made


def run(control: Control, problem: Problem, door: Door) -> None:
    """Train what a control asks for until the budget is spent or nothing is left to ask for."""
    while door.remaining >= 1:
        arch = control.ask()
        if arch is None:
            return
        problem.take(arch)
        outcome = door.train(arch)
        point: Point | None = None
        if not isinstance(outcome, Failure):
            point = (door.metric.error(outcome.value), outcome.latency_ms)
        control.tell(arch, point)
