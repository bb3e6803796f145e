"""The system with one part removed or replaced, for ablations.

A variant swaps ports of a run's context; graph, budget, predictor and seeds stay the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from llm_nas.agents.chat_options import GRADUATED
from llm_nas.agents.deciding import DecidingDesigner
from llm_nas.agents.mixed_designer import MixedDesigner
from llm_nas.claims import Heuristic
from llm_nas.domain import FloatArray, Proposal, Verdict
from llm_nas.errors import RequestError
from llm_nas.graph.context import SearchContext
from llm_nas.graph.rundir import STORE
from llm_nas.knowledge.devices import Likeness
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson, SearchSpace
from llm_nas.tools.advisor import NoAdvisor


class SilentStore(HeuristicStore):
    """A store that neither learns nor recalls; what a run inherited is not its business."""

    def learn(self, lesson: Lesson) -> tuple[Heuristic, ...]:
        """Forget the lesson."""
        del lesson
        return ()

    def retrieve(
        self,
        text: str = "",
        *,
        dataset: str | None = None,
        device: str | None = None,
        niche: str | None = None,
        k: int = 8,
        token_budget: int | None = None,
        similarity: Mapping[str, Likeness] | None = None,
    ) -> tuple[Heuristic, ...]:
        """Recall nothing."""
        del text, dataset, device, niche, k, token_budget, similarity
        return ()


class OpenDoor:
    """A validator that only asks whether a cell can be measured at all.

    Duplicates, twins and cells of other niches pass; they cost their place in the generation.
    """

    def __init__(self, space: SearchSpace, latency_ms: FloatArray) -> None:
        self._space = space
        self._known = np.isfinite(latency_ms)

    def check(
        self, niche: str, proposals: Sequence[Proposal], evaluated: Sequence[str]
    ) -> tuple[Verdict, ...]:
        """Accept whatever parses and has a latency."""
        del niche, evaluated
        return tuple(self._judge(proposal) for proposal in proposals)

    def _judge(self, proposal: Proposal) -> Verdict:
        try:
            index = self._space.index(self._space.parse(proposal.arch))
        except RequestError as error:
            reason = str(error)
            return Verdict(proposal=proposal, decision="rejected", kind="illegal", reason=reason)
        if not self._known[index]:
            reason = "the device has no latency for this cell"
            return Verdict(
                proposal=proposal, decision="rejected", kind="no_latency", reason=reason
            )
        return Verdict(
            proposal=proposal, decision="accepted", kind="ok", reason="", arch=proposal.arch
        )


Change = Callable[[SearchContext], SearchContext]


def unchanged(context: SearchContext) -> SearchContext:
    """The whole system."""
    return context


def without_knowledge(context: SearchContext) -> SearchContext:
    """Neither learns nor recalls, within the run or from before."""
    silent = without_learning(context)
    return replace(silent, inherited=(), sources={})


def without_learning(context: SearchContext) -> SearchContext:
    """Uses what it inherited, and learns nothing in the run."""
    context.knowledge.close()
    store = SilentStore.open(
        context.run_dir / STORE, space=context.space, partition=context.partition
    )
    return replace(context, knowledge=store)


def without_advisor(context: SearchContext) -> SearchContext:
    """Heuristic-weighted crossover and mutation of Pareto parents, with no model of accuracy."""
    return replace(context, advisor=NoAdvisor())


def operators_only(context: SearchContext) -> SearchContext:
    """Crossover and mutation of Pareto parents, drawn uniformly."""
    return without_knowledge(without_advisor(context))


def deciding(context: SearchContext) -> SearchContext:
    """One child of a niche and generation decides proposed heuristics."""
    designer = DecidingDesigner(context.agents.designer)
    return replace(context, agents=replace(context.agents, designer=designer))


def without_validator(context: SearchContext) -> SearchContext:
    """Nothing checks novelty or niche membership."""
    door = OpenDoor(context.space, context.latency.values_ms)
    return replace(context, agents=replace(context.agents, validator=door))


def model_alone(context: SearchContext) -> SearchContext:
    """As published: every niche gets equal shares, and the language model makes all children."""
    equal = without_advisor(context)
    designer = context.agents.designer
    if isinstance(designer, MixedDesigner):
        designer = designer.model
    return replace(equal, agents=replace(context.agents, designer=designer))


Memory = Literal["datasets", "devices"]
"""The other datasets of a run's device, or three other devices of its dataset."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One ablation."""

    what: str
    """What differs from the whole system, in words."""
    partition: str | None = None
    """Replaces the request's partition."""
    change: Change = unchanged
    memory: Memory | None = None
    """Where runs with other seeds filled the store it starts from."""
    model: str | None = None
    """Replaces the request's model."""


PUBLISHED = Variant("the model alone, equal shares for niches", change=model_alone)

VARIANTS: Mapping[str, Variant] = {
    "no-partition": Variant("one niche", partition="none"),
    "random-partition": Variant("six niches dealt at random", partition="random"),
    "auto-partition": Variant("six niches learned from the device", partition="auto"),
    "auto-3": Variant("three niches learned from the device", partition="auto:3"),
    "auto-10": Variant("ten niches learned from the device", partition="auto:10"),
    "axis-3x3": Variant("niches by the number of 3x3 alone", partition="count:nor_conv_3x3"),
    "axis-1x1": Variant("niches by the number of 1x1", partition="count:nor_conv_1x1"),
    "axis-flops": Variant("six equal parts by FLOPs", partition="flops:6"),
    "axis-params": Variant("six equal parts by parameters", partition="params:6"),
    "axis-latency": Variant("six equal parts by latency", partition="latency:6"),
    "no-knowledge": Variant("no heuristics", change=without_knowledge),
    "memory": Variant("starts from heuristics of the other datasets", memory="datasets"),
    "frozen": Variant(
        "starts from heuristics of the other datasets, learns none",
        change=without_learning,
        memory="datasets",
    ),
    GRADUATED: Variant(
        "operators by claims that runs on three other devices made trusted, no model",
        memory="devices",
        model=GRADUATED,
    ),
    "deciding": Variant("a child a niche decides proposed heuristics", change=deciding),
    "no-advisor": Variant("heuristics and operators, no model", change=without_advisor),
    "operators-only": Variant("crossover and mutation only", change=operators_only),
    "no-validator": Variant("no check of novelty and niche", change=without_validator),
}
"""Ablations by the name the command line gives them."""
