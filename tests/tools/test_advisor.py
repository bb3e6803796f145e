import numpy as np
import pytest

from llm_nas.domain import FloatArray, Measurement
from llm_nas.errors import RequestError
from llm_nas.evaluation.indicators import hypervolume
from llm_nas.ports import Prior
from llm_nas.tools.advisor import GaussianAdvisor, fastest_twins
from llm_nas.tools.features import connected, live_paths, structure_features
from llm_nas.tools.moves import NicheMoves
from llm_nas.tools.partition import make_partition
from llm_nas.tools.space import OPERATIONS, nas_bench_201

SPACE = nas_bench_201()
PARTITION = make_partition(SPACE)


def cost() -> FloatArray:
    """A made-up latency: what the operations of a cell add up to, and a little of each edge."""
    price = {"skip_connect": 0.1, "none": 0.0, "nor_conv_3x3": 3.0, "nor_conv_1x1": 1.0}
    each = np.array([price.get(op, 0.5) for op in OPERATIONS])
    total = (each[SPACE.codes()] * np.linspace(1.0, 1.2, 6)).sum(axis=1)
    return np.asarray(1.0 + total, dtype=np.float64)


def accuracy() -> FloatArray:
    value = np.array([1.0, 0.0, 8.0, 5.0, 0.5])
    worth = value[SPACE.codes()[SPACE.canonical_index()]].sum(axis=1)
    good = 50.0 + 45.0 * (1.0 - np.exp(-worth / 15.0))
    return np.asarray(np.where(connected(SPACE), good, 10.0), dtype=np.float64)


def measured(cells: list[int]) -> list[Measurement]:
    table, latency = accuracy(), cost()
    return [
        Measurement(
            arch=SPACE.format(SPACE.cell(i)),
            niche=PARTITION.niche_of(SPACE.cell(i)),
            generation=0,
            predicted_accuracy_pct=float(table[i]),
            latency_ms=float(latency[i]),
        )
        for i in cells
    ]


def prior() -> Prior:
    """120 cells measured elsewhere, with the score of one who knows all."""
    cells = np.random.default_rng(0).choice(np.flatnonzero(connected(SPACE)), 120, replace=False)
    targets = np.log(100.0 - accuracy()[cells])
    return Prior(accuracy(), cells, targets - targets.mean())


def index(arch: str) -> int:
    return SPACE.index(SPACE.parse(arch))


def advisor() -> GaussianAdvisor:
    return GaussianAdvisor(SPACE, PARTITION, cost(), 15.0)


def test_the_first_batch_visits_every_niche_and_follows_the_seed() -> None:
    picks = advisor().plan([], None, 12, np.random.default_rng(5))
    assert sorted(p.niche for p in picks) == sorted(2 * [f"S{i}" for i in range(6)])
    again = advisor().plan([], None, 12, np.random.default_rng(5))
    assert picks == again
    assert picks != advisor().plan([], None, 12, np.random.default_rng(6))


def test_later_batches_propose_new_networks_that_beat_random_ones() -> None:
    rng = np.random.default_rng(0)
    start = [index(p.arch) for p in advisor().plan([], None, 24, rng)]
    picks = advisor().plan(measured(start), None, 12, rng)
    twins = SPACE.canonical_index()
    chosen = [index(p.arch) for p in picks]
    assert len({int(twins[i]) for i in chosen}) == 12
    assert not {int(twins[i]) for i in chosen} & {int(twins[i]) for i in start}
    assert all(a.gain > 0.0 for a in picks)
    error, latency = 100.0 - accuracy(), cost()

    def on_front(cells: list[int]) -> int:
        def beaten(i: int) -> bool:
            return bool(((error < error[i]) & (latency < latency[i]))[start].any())

        return sum(not beaten(i) for i in cells)

    assert on_front(chosen) > on_front(rng.choice(SPACE.size, 12).tolist())


def test_cells_without_latency_or_path_are_never_picked() -> None:
    latency = cost()
    latency[::2] = np.nan
    picks = GaussianAdvisor(SPACE, PARTITION, latency, 15.0).plan(
        [], None, 600, np.random.default_rng(0)
    )
    cells = [index(p.arch) for p in picks]
    assert np.isfinite(latency[cells]).all()
    assert connected(SPACE)[cells].all()


def test_a_prior_orders_the_first_cells() -> None:
    picks = advisor().plan([], prior(), 12, np.random.default_rng(1))
    plain = advisor().plan([], None, 12, np.random.default_rng(1))
    assert len(picks) == 12
    assert len(set(picks) & set(plain)) >= 6
    table, latency = accuracy(), cost()

    def ratio(archs: list[str]) -> float:
        cells = [index(a) for a in archs]
        return float(np.mean(table[cells] / latency[cells]))

    assert ratio([p.arch for p in picks]) > ratio([p.arch for p in plain])


def test_cells_measured_elsewhere_lead_to_better_fronts() -> None:
    """Four batches of six, over three seeds."""

    def front_after(known: Prior | None, seed: int) -> float:
        cells: list[int] = []
        for batch in range(4):
            rng = np.random.default_rng([seed, batch])
            cells += [index(p.arch) for p in advisor().plan(measured(cells), known, 6, rng)]
        points = np.stack([(100.0 - accuracy())[cells] / 60.0, cost()[cells] / cost().max()], 1)
        return hypervolume(points, (1.1, 1.1))

    gains = [front_after(prior(), seed) - front_after(None, seed) for seed in (2, 3, 4)]
    assert np.mean(gains) > 0.005


def test_cells_that_mislead_change_nothing_once_there_are_cells() -> None:
    start = [index(p.arch) for p in advisor().plan([], None, 24, np.random.default_rng(2))]
    right = prior()
    wrong = Prior(right.score, right.cells, -right.log_error)
    cold, warm = (
        advisor().plan(measured(start), known, 6, np.random.default_rng(3))
        for known in (None, wrong)
    )
    assert cold == warm


def test_a_device_without_any_latency_is_refused() -> None:
    with pytest.raises(RequestError):
        GaussianAdvisor(SPACE, PARTITION, cost() * np.nan, 15.0)


def test_fastest_twins_are_the_fastest_of_their_network() -> None:
    latency, usable = cost(), connected(SPACE)
    chosen = fastest_twins(SPACE.canonical_index(), latency, usable)
    canonical = SPACE.canonical_index()
    assert len(np.unique(canonical[chosen])) == len(chosen)
    for i in chosen[::501].tolist():
        family = np.flatnonzero((canonical == canonical[i]) & usable)
        assert latency[i] == latency[family].min()


def test_twins_look_the_same_and_paths_match_the_facts() -> None:
    features = structure_features(SPACE)
    np.testing.assert_array_equal(features, features[SPACE.canonical_index()])
    live = live_paths(SPACE.codes())
    for i in range(0, SPACE.size, 977):
        assert bool(live[i].any()) == (SPACE.facts(SPACE.cell(i)).dead_edges < 6)


def test_moves_on_strings_agree_with_moves_on_indices() -> None:
    moves = NicheMoves(SPACE, PARTITION)
    rng = np.random.default_rng(0)
    first, second = moves.sample("S3", rng), moves.sample("S3", rng)
    for child in (*moves.mutations("S3", first), *moves.crossings("S3", first, second)):
        assert PARTITION.niche_of(SPACE.parse(child)) == "S3"
    assert moves.twin(moves.twin(first)) == moves.twin(first)
    assert moves.facts(first) == SPACE.facts(SPACE.parse(first))


def test_features_tell_shortcuts_and_weights_of_hand_made_cells() -> None:
    def last_four(arch: str) -> list[float]:
        return [float(value) for value in structure_features(SPACE)[index(arch), -4:]]

    residual = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    assert last_four(residual) == pytest.approx([0.0, 1.0, 1.0, np.log(20.0)])
    pooled = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
    assert last_four(pooled) == pytest.approx([0.0, 1.0, 0.0, np.log(20.0)])
    chain = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_1x1~2|"
    assert last_four(chain) == pytest.approx([3.0 / 1.5, 0.0, 0.0, np.log(20.0)])
    assert last_four("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|") == [0.0] * 4
