"""Counter-measures: planted troubles, and what the next generation does about them."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from llm_nas.agents.mixed_designer import MixedDesigner
from llm_nas.claims import Heuristic
from llm_nas.domain import CountsBy, IntArray, Proposal, SourceCounts, TraceEvent, Verdict
from llm_nas.evaluation.remedies import REST, Remedy
from llm_nas.evaluation.signatures import PATIENCE
from llm_nas.graph import rundir
from llm_nas.graph.build import build_graph
from llm_nas.graph.context import Inputs, SearchContext, open_context
from llm_nas.graph.ledger import Outcome
from llm_nas.graph.nodes import deal
from llm_nas.graph.remedies import Remedies, signatures_after
from llm_nas.graph.trace import read_trace
from llm_nas.graph.views import niche_view
from llm_nas.ports import NicheView, Pick
from tests.graph.requests import RequestMaker

NICHE = "S2"


@pytest.fixture
def context(inputs: Inputs, request_of: RequestMaker) -> Generator[SearchContext]:
    request = request_of(budget=120, generations=10)
    run, folder = rundir.create(request)
    with closing(open_context(run, folder, request, inputs)) as opened:
        yield opened


def fastest(context: SearchContext, count: int) -> IntArray:
    """The fastest cells of the niche: a crowd at one end of its latencies."""
    members = context.partition.members(NICHE)
    order = np.argsort(context.latency.values_ms[members], kind="stable")
    return np.asarray(members[order[:count]], dtype=np.int64)


def plant(
    context: SearchContext, generation: int, cells: IntArray, accuracy_pct: float = 80.0
) -> None:
    """Put measured cells of one niche and generation into the ledger."""
    archs = [context.space.format(context.space.cell(int(i))) for i in cells]
    latency_ms = context.latency.values_ms[cells].tolist()
    answers = [(accuracy_pct, ms) for ms in latency_ms]
    context.ledger.measure(generation, NICHE, archs, lambda new: answers[: len(new)])


def proposed(raw: int) -> CountsBy:
    return {"source": {"offline": SourceCounts(raw=raw)}}


def record(context: SearchContext, generation: int, *remedies: Remedy) -> None:
    outcome = Outcome(niche=NICHE, counts_by=proposed(4), remedies=remedies)
    context.ledger.record(generation, outcome)


def measures(
    context: SearchContext, generation: int, picks: Sequence[Pick] = (), slots: int = 12
) -> tuple[Remedy, ...]:
    measured = context.ledger.measured(before=generation)
    found = signatures_after(context, generation - 1)
    return Remedies(context, generation, measured, picks, slots).against(found)


def inside(remedy: Remedy, latency_ms: float) -> bool:
    return any(low <= latency_ms <= high for low, high in remedy.aims_ms)


def test_a_crowded_niche_gets_a_slot_where_nobody_looked(context: SearchContext) -> None:
    plant(context, 0, fastest(context, 14))
    record(context, 0)
    (remedy,) = measures(context, 1)
    assert (remedy.kind, remedy.niche) == ("clustering", NICHE)
    assert inside(remedy, context.scout.latency_ms(remedy.probe))
    (plan,) = [p for p in deal((), 12, ["S1", NICHE], [remedy]) if p["niche"] == NICHE]
    assert plan["slots"] == 1 + 11 // 2
    view = niche_view(context, 1, plan)
    assert view.probes == (remedy.probe,)
    assert view.gaps_ms[: len(remedy.aims_ms)] == view.aims_ms == remedy.aims_ms
    first, *others = context.agents.designer.propose(view, (), np.random.default_rng(0))
    assert first.arch == remedy.probe
    slowest = max(m.latency_ms for m in view.archive)
    parents = {p for child in others for p in child.parents}
    assert {m.arch for m in view.archive if m.latency_ms == slowest} & parents


def test_the_same_slot_is_not_given_again_at_once(context: SearchContext) -> None:
    plant(context, 0, fastest(context, 14))
    record(context, 0)
    (first,) = measures(context, 1)
    record(context, 1, first)
    for generation in range(2, 3 + REST):
        (again,) = measures(context, generation)
        assert (again.aims_ms, bool(again.probe)) == (first.aims_ms, generation == 2 + REST)
        record(context, generation)


def test_the_advisor_decides_where_it_has_a_choice(context: SearchContext) -> None:
    plant(context, 0, fastest(context, 14))
    record(context, 0)
    (fresh,) = measures(context, 1)
    there = Pick(fresh.probe, NICHE, 0.1)
    elsewhere = Pick(context.space.format(context.space.cell(0)), "S0", 1.0)
    (reserve,) = measures(context, 1, [elsewhere, there], slots=1)
    assert reserve.probe == ""
    (reserve,) = measures(context, 1, [*[elsewhere] * 4, there], slots=4)
    assert reserve.probe == there.arch
    (by_itself,) = measures(context, 1, [there] * 4, slots=4)
    assert (by_itself.probe, by_itself.taken.split("; ")[1]) == (
        "",
        "the Advisor goes there by itself",
    )


def test_a_standstill_gets_one_fresh_cell_and_a_resumed_run_the_same(
    context: SearchContext,
) -> None:
    spread = context.partition.members(NICHE)[:: len(context.partition.members(NICHE)) // 24]
    plant(context, 0, spread)
    record(context, 0)
    for generation in range(1, PATIENCE + 1):
        record(context, generation)
        plant(context, generation, fastest(context, 200)[-generation:][:1], accuracy_pct=20.0)
    found = [r for r in measures(context, PATIENCE + 1) if r.kind == "stagnation"]
    (remedy,) = found
    assert remedy.probe not in {m.arch for m in context.ledger.measured()}
    assert found == [r for r in measures(context, PATIENCE + 1) if r.kind == "stagnation"]
    record(context, PATIENCE + 1, remedy)
    assert not [r for r in measures(context, PATIENCE + 2) if r.probe]


def test_operators_that_repeat_draw_fresh_cells(context: SearchContext) -> None:
    plant(context, 0, fastest(context, 3))
    proposal = Proposal(arch="x", operator="mutation", source="offline")
    same = Verdict(proposal=proposal, decision="rejected", kind="evaluated", reason="seen")
    context.ledger.record(0, Outcome(niche=NICHE, counts_by=proposed(8), rejected=(same,) * 8))
    (remedy,) = measures(context, 1)
    assert (remedy.kind, remedy.source) == ("repetition", "offline")
    (plan,) = [p for p in deal((), 4, [NICHE], [remedy])]
    view = niche_view(context, 1, plan)
    children = context.agents.designer.propose(view, (), np.random.default_rng(0))
    assert [c.operator for c in children] == ["sample"] * 4


class Stubborn:
    """A source that never stays in its niche."""

    source = "stubborn"

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Proposal, ...]:
        del heuristics, rng
        other = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
        arch = other if view.niche.id != "S0" else other.replace("none", "nor_conv_3x3")
        return (Proposal(arch=arch, operator="model", source=self.source),) * view.slots


class Eager(MixedDesigner):
    """Lets the model begin, so that there is something to notice."""

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Proposal, ...]:
        rest = super().propose(view, heuristics, rng)
        first = self.model.propose(view, heuristics, rng) if view.generation == 0 else ()
        return (*first, *rest)


def test_a_source_that_leaves_its_niche_gets_one_slot(context: SearchContext) -> None:
    designer = Eager(Stubborn(), context.agents.offline_designer)
    request = context.request.model_copy(update={"generations": 2, "budget": 96})
    build_graph().invoke(
        {"request": request.model_dump(mode="json"), "run_dir": str(context.run_dir)},
        context=replace(
            context, request=request, agents=replace(context.agents, designer=designer)
        ),
    )
    events = read_trace(context.run_dir)
    bad = {e.data["where"] for e in named(events, "signature") if e.generation == 0}
    taken = [e for e in named(events, "remedy") if e.data["kind"] == "out_of_niche"]
    assert bad
    assert taken
    assert {e.niche for e in taken} <= bad
    assert {(e.generation, e.data["source"]) for e in taken} == {(1, "stubborn")}
    for event in taken:
        asked = [
            e
            for e in named(events, "proposal")
            if (e.generation, e.niche, e.data["source"]) == (1, event.niche, "stubborn")
        ]
        assert len(asked) <= 1
    assert len(named(events, "measurement")) == request.budget


def named(events: Sequence[TraceEvent], name: str) -> list[TraceEvent]:
    return [e for e in events if e.event == name]
