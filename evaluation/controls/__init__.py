"""Controls: the searches every claim of this project has to beat on the same footing.

All go through one door, `Evaluator.accuracy_pct`, and get the same table of latencies for free.
Their default settings are the best of those tried on seeds that no reported figure uses
(docs/protocol.md).
"""

from collections.abc import Mapping
from importlib import import_module

from llm_nas.errors import RequestError
from llm_nas.evaluation.controls.control import Control

_HOMES: Mapping[str, str] = {
    "random": "random_search:RandomSearch",
    "niche-random": "random_search:NicheRandomSearch",
    "nsga2": "nsga2:Nsga2",
    "niche-nsga2": "nsga2:NicheNsga2",
    "regularized-evolution": "regularized_evolution:RegularizedEvolution",
    "local-search": "local_search:ParetoLocalSearch",
}

CONTROLS = tuple(_HOMES)
"""Names of all controls."""


def make_control(name: str) -> Control:
    """The control of this name, with its default settings.

    Raises:
        RequestError: For an unknown name.
    """
    if name not in _HOMES:
        raise RequestError(f"control {name!r}: expected one of {', '.join(CONTROLS)}")
    module, _, cls = _HOMES[name].partition(":")
    made: Control = getattr(import_module(f"llm_nas.evaluation.controls.{module}"), cls)()
    return made
