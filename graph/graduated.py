"""`--model graduated`: trusted claims compiled to distributions drive the search.

No language model is asked and no model of accuracy is fitted in the run: niches get equal shares,
and the offline Designer draws first cells and children by the compiled distributions.
"""

from llm_nas.agents.offline_designer import OfflineDesigner
from llm_nas.agents.preference import ByGraduates
from llm_nas.claims import Heuristic
from llm_nas.domain import SearchRequest
from llm_nas.errors import RequestError
from llm_nas.knowledge.graduation import graduate
from llm_nas.ports import Designer, Moves, SearchSpace

LATENCY_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weights of latency against accuracy, one distribution each: together they cover a front."""


def graduated_designer(
    request: SearchRequest,
    heuristics: tuple[Heuristic, ...],
    space: SearchSpace,
    moves: Moves,
) -> Designer:
    """A Designer that prefers what trusted claims say, and reads no heuristic while it runs.

    Raises:
        RequestError: When there is no store, or none of its claims can be compiled.
    """
    if request.store is None:
        raise RequestError("--model graduated: needs --store DIR with trusted claims")
    made = [graduate(space, heuristics, latency_share=share) for share in LATENCY_SHARES]
    if not any(graduated.claims for graduated in made):
        raise RequestError(
            f"--model graduated: {request.store} holds no trusted claim about one operation for "
            f"{request.dataset} on {request.device.partition('=')[0]}; claims are trusted once "
            "two runs with that --store support them"
        )
    return OfflineDesigner(moves, ByGraduates(moves, [g.named(space) for g in made]))
