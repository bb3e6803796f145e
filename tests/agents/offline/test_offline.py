from dataclasses import replace

import numpy as np
import pytest
from llm_nas.agents.offline_analyst import OfflineAnalyst
from llm_nas.agents.offline_designer import OfflineDesigner

from llm_nas.agents import offline_analyst
from llm_nas.claims import (
    Claim,
    Effect,
    Evidence,
    Heuristic,
    OpAt,
    OpCount,
    Origin,
    Scope,
    matches,
)
from llm_nas.domain import Measurement
from llm_nas.knowledge.archive import ParetoArchive
from llm_nas.ports import NicheView
from llm_nas.tools.moves import NicheMoves
from llm_nas.tools.partition import make_partition
from llm_nas.tools.space import OPERATIONS, nas_bench_201

SPACE = nas_bench_201()
PARTITION = make_partition(SPACE)
MOVES = NicheMoves(SPACE, PARTITION)
PRICE = np.array([0.1, 0.0, 3.0, 1.0, 0.5])


def measured(niche: str, n: int, seed: int = 0) -> tuple[Measurement, ...]:
    rng = np.random.default_rng(seed)
    cells = rng.choice(PARTITION.members(niche), n, replace=False)
    return tuple(
        Measurement(
            arch=SPACE.format(SPACE.cell(int(i))),
            niche=niche,
            generation=0,
            predicted_accuracy_pct=70.0 + 2.0 * float(np.sum(SPACE.codes()[i] == 3)),
            latency_ms=1.0 + float(PRICE[SPACE.codes()[i]].sum()),
        )
        for i in cells
    )


def view(
    cells: tuple[Measurement, ...], slots: int = 5, suggestions: tuple[str, ...] = ()
) -> NicheView:
    niche = next(n for n in PARTITION.niches if n.id == "S2")
    own = [m for m in cells if m.niche == "S2"]
    return NicheView(
        dataset="cifar10",
        device="toy",
        niche=niche,
        generation=1,
        generations=3,
        slots=slots,
        archive=ParetoArchive().add(own).archive.cells,
        measured=cells,
        gaps_ms=(),
        failures=(),
        suggestions=suggestions,
    )


def test_the_analyst_finds_what_was_put_in() -> None:
    cells = measured("S2", 60) + measured("S1", 40)
    claims = OfflineAnalyst(MOVES, SPACE.name).study(view(cells), ()).claims
    assert claims
    found = {(c.effect.objective, c.effect.direction) for c in claims}
    assert ("latency", "raises") in found
    for claim in claims:
        assert claim.scope.datasets == ("cifar10",)
        assert bool(claim.scope.devices) == (claim.effect.objective == "latency")
        if isinstance(claim.condition, OpCount) and claim.condition.op == "nor_conv_1x1":
            assert (claim.effect.objective, claim.effect.direction) in {
                ("accuracy", "raises"),
                ("latency", "raises"),
                ("latency", "lowers"),
            }


def test_the_analyst_is_silent_on_too_little() -> None:
    analysis = OfflineAnalyst(MOVES, SPACE.name).study(view(measured("S2", 5)), ())
    assert analysis.claims == ()
    assert "too few" in analysis.note


def test_known_claims_are_not_proposed_again() -> None:
    analyst = OfflineAnalyst(MOVES, SPACE.name)
    cells = measured("S2", 60)
    first = analyst.study(view(cells), ()).claims
    known = [Heuristic(id=c.key, claim=c, status="supported", evidence=Evidence()) for c in first]
    second = analyst.study(view(cells), known).claims
    assert not {c.key for c in first} & {c.key for c in second}


def test_energies_are_studied_where_they_are_known() -> None:
    cells = measured("S2", 60)
    analyst = OfflineAnalyst(MOVES, SPACE.name)
    seen = replace(view(cells), energy_mj={m.arch: 2.0 * m.latency_ms for m in cells})
    energy = [c for c in analyst.study(seen, ()).claims if c.effect.objective == "energy"]
    assert energy
    assert all(c.scope.devices == ("toy",) and c.effect.unit == "mJ" for c in energy)
    without = analyst.study(view(cells), ()).claims
    assert not [c for c in without if c.effect.objective == "energy"]


def test_what_was_put_to_the_test_makes_room_for_the_next_clearest() -> None:
    cells = measured("S2", 60) + measured("S1", 40)
    analyst = OfflineAnalyst(MOVES, SPACE.name)
    known: set[str] = set()
    for _ in range(3):
        claims = analyst.study(replace(view(cells), known_claims=frozenset(known)), ()).claims
        assert not known & {c.key for c in claims}
        known |= {c.key for c in claims}
    assert len(known) > len(analyst.study(view(cells), ()).claims)


def test_the_designer_takes_suggestions_first_and_names_their_parents() -> None:
    cells = measured("S2", 20)
    parent = view(cells).archive[0].arch
    near = MOVES.mutations("S2", parent)
    child = next(c for c in near if MOVES.twin(c) != MOVES.twin(parent))
    proposals = OfflineDesigner(MOVES).propose(
        view(cells, slots=3, suggestions=(child,)), (), np.random.default_rng(0)
    )
    assert proposals[0].arch == child
    assert proposals[0].parents[0] in {m.arch for m in view(cells).archive}
    assert proposals[0].operator == "mutation"
    assert len(proposals) == 3


@pytest.mark.parametrize("seed", range(5))
def test_children_are_new_in_the_niche_and_follow_the_seed(seed: int) -> None:
    cells = measured("S2", 20, seed)
    propose = OfflineDesigner(MOVES).propose
    proposals = propose(view(cells, slots=8), (), np.random.default_rng(seed))
    assert proposals == propose(view(cells, slots=8), (), np.random.default_rng(seed))
    twins = [MOVES.twin(p.arch) for p in proposals]
    assert len(set(twins)) == len(twins) == 8
    assert not set(twins) & {MOVES.twin(m.arch) for m in cells}
    assert {PARTITION.niche_of(SPACE.parse(p.arch)) for p in proposals} == {"S2"}


def test_an_empty_niche_is_sampled() -> None:
    proposals = OfflineDesigner(MOVES).propose(view((), slots=4), (), np.random.default_rng(0))
    assert {p.operator for p in proposals} == {"sample"}


def test_supported_heuristics_draw_children_their_way() -> None:
    condition = OpAt(edge="1>2", op=OPERATIONS[0])
    claim = Claim(
        condition=condition,
        effect=Effect(objective="accuracy", direction="raises"),
        scope=Scope(),
        origin=Origin(source="test"),
    )

    def share(status: str) -> float:
        heuristic = Heuristic.model_validate(
            {"id": "x", "claim": claim, "status": status, "evidence": Evidence()}
        )
        hits = 0
        for seed in range(40):
            rng = np.random.default_rng(seed)
            cells = measured("S2", 12, seed)
            made = OfflineDesigner(MOVES).propose(view(cells, slots=6), 6 * [heuristic], rng)
            hits += sum(matches(condition, MOVES.facts(p.arch)) for p in made)
        return hits / 240

    assert share("supported") > share("proposed") + 0.1


def test_effects_agree_with_ordinary_least_squares() -> None:
    rng = np.random.default_rng(0)
    meets = (rng.random((40, 3)) < 0.4).astype(np.float64)
    covariates = rng.integers(0, 4, (40, 2)).astype(np.float64)
    first = meets @ [2.0, 0.0, -1.0] + covariates @ [1.0, 0.5] + rng.normal(size=40)
    values = np.column_stack([first, rng.normal(size=40)])
    effects, clarity = offline_analyst.least_squares_effects(meets, covariates, values)
    for column, target in np.ndindex(3, 2):
        design = np.column_stack([meets[:, column], np.ones(40), covariates])
        solution, residual, _, _ = np.linalg.lstsq(design, values[:, target], rcond=None)
        spread = np.linalg.inv(design.T @ design)[0, 0] * float(residual[0]) / 36
        assert effects[column, target] == pytest.approx(solution[0])
        assert clarity[column, target] == pytest.approx(abs(solution[0]) / np.sqrt(spread))
