"""The network has the published shape, starts reproducibly and survives odd cells."""

import numpy as np
import pytest
import torch

from llm_nas.domain import TaskShape
from llm_nas.errors import RequestError
from llm_nas.tools.spaces.nb201 import NasBench201
from llm_nas.tools.spaces.nb201.network import CellNetwork

SPACE = NasBench201()
BEST = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
)
NONE = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def _network(arch: str, seed: int = 0, **size: int) -> CellNetwork:
    operations = [str(operation) for operation in SPACE.values(arch).values()]
    return CellNetwork(operations, 10, seed=seed, **size)


def test_the_full_network_has_the_published_number_of_parameters() -> None:
    # 1.073466 M: NAS-Bench-201's own figure for its best cifar10 cell.
    assert sum(p.numel() for p in _network(BEST).parameters()) == 1_073_466


def test_torch_seeds_the_weights_of_a_built_network() -> None:
    shape = TaskShape(channels=1, height=8, width=8, classes=4)
    built: list[torch.Tensor] = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        built.append(next(SPACE.build(NONE, shape).parameters()))
    assert torch.equal(built[0], built[1])
    assert not torch.equal(built[0], built[2])


def test_logits_have_one_row_per_image() -> None:
    network = _network(BEST, channels=4, cells_per_stage=1)
    assert network(torch.zeros(3, 3, 16, 16)).shape == (3, 10)


def test_a_cell_without_a_path_ignores_its_input() -> None:
    network = _network(NONE, channels=4, cells_per_stage=1)
    images = torch.linspace(-1, 1, 2 * 3 * 64).reshape(2, 3, 8, 8)
    logits = network(images)
    assert torch.equal(logits[0], logits[1])


def test_nodes_are_sums_of_their_edges() -> None:
    skip = (
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|"
    )
    block = _network(skip, channels=4, cells_per_stage=1)[2]
    x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    # Node 2 is x, node 3 is 2x, node 4 is node 2 + node 3.
    assert torch.allclose(block(x), 3 * x)


def test_one_seed_gives_the_same_weights_and_leaves_torch_alone() -> None:
    before = torch.random.get_rng_state()
    first, second = _network(BEST, seed=7), _network(BEST, seed=7)
    other = _network(BEST, seed=8)
    assert torch.equal(before, torch.random.get_rng_state())
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first[0].weight, other[0].weight)  # type: ignore[arg-type]


def test_shared_layers_share_weights_across_cells() -> None:
    a, b = _network(BEST, seed=3), _network(NONE, seed=3)
    assert torch.equal(a[-1].weight, b[-1].weight)  # type: ignore[arg-type]


def test_weights_follow_the_default_spread() -> None:
    layer = _network(BEST)[7].first[1]  # type: ignore[index]
    assert isinstance(layer, torch.nn.Conv2d)
    values = layer.weight.detach().numpy()
    bound = 1 / np.sqrt(16 * 9)
    assert np.abs(values).max() <= bound
    assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.02)


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(RequestError, match="no layer"):
        CellNetwork(["max_pool_3x3"] + ["none"] * 5, classes=10, seed=0)
