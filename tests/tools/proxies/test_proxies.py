"""Proxies agree with closed forms and with slow twins, and fail with reasons."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llm_nas.choices import Choice
from llm_nas.conditions import Value
from llm_nas.domain import FloatArray, TaskShape
from llm_nas.errors import RequestError
from llm_nas.ports import Buildable
from llm_nas.tools.proxies.batch import ImageBatch, synthetic_batch
from llm_nas.tools.proxies.compute import ProxyVector, compute_proxies, draw_weights, place, score
from llm_nas.tools.proxies.convolution import Scope
from llm_nas.tools.proxies.measures import epe_score, jacov_score, nwot_score
from llm_nas.tools.proxies.names import PROXIES
from llm_nas.tools.proxies.run import measure
from llm_nas.tools.proxies.second_derivatives import CheapSecondDerivatives
from llm_nas.tools.proxies.settings import ProxySettings
from llm_nas.tools.proxies.table import PROXY_TABLE
from llm_nas.tools.proxies.watching import Scales
from llm_nas.tools.spaces import Space, open_space

NB201 = open_space("nb201")
SHAPE = TaskShape(height=16, width=16, classes=10)
SMALL = ProxySettings(batch_size=8, zen_batch_size=4, image_size=8)
MIXED = "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


def _built(values: Mapping[str, Value], shape: TaskShape) -> nn.Module:
    width = int(values["width"])
    return nn.Sequential(
        nn.Conv2d(shape.channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, shape.classes),
    )


assert isinstance(NB201, Buildable)
NB201_NETWORK = NB201.build(MIXED, TaskShape()).train().requires_grad_()
OWN = Space("own", [Choice("width", (4, 8), ordered=True)], build=_built)


def _small(arch: str, seed: int = 0) -> ProxyVector:
    batch = synthetic_batch(SHAPE, 8, 0)
    return compute_proxies(NB201, arch, batch, seed=seed, settings=SMALL, device="cpu")


def _batch() -> ImageBatch:
    return synthetic_batch(TaskShape(), 8, 1)


def test_the_table_lists_the_proxies_in_their_order() -> None:
    assert tuple(proxy.name for proxy in PROXY_TABLE) == PROXIES


def test_one_seed_gives_the_same_thirteen_bits_and_another_does_not() -> None:
    first, again, other = _small(MIXED), _small(MIXED), _small(MIXED, seed=1)
    assert first.missing == {}
    assert list(first.values) == list(PROXIES)
    assert first.batch == "synthetic"
    assert first.values == again.values
    assert other.values["snip"] != first.values["snip"]
    assert other.values["flops"] == first.values["flops"]


def test_sizes_are_those_of_the_whole_network_at_full_images() -> None:
    """Closed form for the user's space: 8 wide, 16 x 16 images, though proxies see 8 x 8."""
    batch = synthetic_batch(SHAPE, 8, 0)
    vector = compute_proxies(OWN, "width=8", batch, settings=SMALL, device="cpu")
    assert vector.missing == {}
    params = 27 * 8 + 16 + 9 * 64 + 8 + 8 * 10 + 10
    assert vector.values["params"] == pytest.approx(params / 1e6)
    first = 256 * 8 * 27 + 256 * 8 * 3
    second = 196 * 8 * (72 + 1) + 196 * 8
    assert vector.values["flops"] == pytest.approx((first + second + 8 * 15 * 15 + 80) / 1e6)


def test_weights_come_from_seed_and_place_whatever_the_builder_drew() -> None:
    first, second = (_built({"width": 4}, SHAPE) for _ in range(2))
    for module in (first, second):
        draw_weights(module, 3)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    convolution = first[3]  # type: ignore[index]
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.weight.abs().max().item() <= 36**-0.5


def test_shared_passes_give_the_values_of_single_calls() -> None:
    batch, together = synthetic_batch(SHAPE, 8, 0), _small(MIXED).values
    for name in PROXIES:
        alone = compute_proxies(NB201, MIXED, batch, settings=SMALL, names=[name], device="cpu")
        assert alone.values[name] == pytest.approx(together[name], rel=1e-4), name


@pytest.mark.parametrize(
    "arch",
    [
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|nor_conv_3x3~1|+|none~0|nor_conv_3x3~1|skip_connect~2|",
    ],
)
def test_a_network_without_a_path_reports_why(arch: str) -> None:
    vector = _small(arch)
    assert set(vector.values) == {"flops", "params", "l2_norm"}
    assert set(vector.missing) == set(PROXIES) - set(vector.values)
    assert all(vector.missing.values())


@pytest.mark.parametrize("op", ["skip_connect", "avg_pool_3x3"])
def test_a_network_without_weights_in_its_cells_still_has_values(op: str) -> None:
    vector = _small(f"|{op}~0|+|{op}~0|{op}~1|+|{op}~0|{op}~1|{op}~2|")
    assert set(vector.values) | set(vector.missing) == set(PROXIES)
    assert all(math.isfinite(value) for value in vector.values.values())


class _Moved(nn.Module):
    """Remembers where it was sent; this machine need not have that device."""

    where: torch.device

    def to(self, device: torch.device) -> "_Moved":  # type: ignore[override]
        self.where = device
        return self


@pytest.mark.parametrize(
    ("has_gpu", "asked", "where"),
    [(True, None, "cuda"), (False, None, "cpu"), (True, "cpu", "cpu")],
)
def test_a_gpu_is_used_when_there_is_one_and_no_other_wish(
    monkeypatch: pytest.MonkeyPatch, has_gpu: bool, asked: str | None, where: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    module = _Moved()
    place(module, asked)
    assert module.where == torch.device(where)


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(RequestError, match="expected some of"):
        compute_proxies(OWN, "width=4", _batch(), names=["magic"])
    drawing = Space("drawing", [Choice("width", (4, 8))])
    with pytest.raises(RequestError, match="cannot be built"):
        compute_proxies(drawing, "width=4", _batch())


class _Linear(nn.Module):
    """Flatten and one linear layer: every gradient has a closed form."""

    def __init__(self) -> None:
        super().__init__()
        self.flat = nn.Flatten()
        self.head = nn.Linear(3 * 32 * 32, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.flat(x))
        return out


def test_gradient_proxies_of_a_linear_model_match_the_closed_form() -> None:
    module, batch = _Linear(), _batch()
    x = batch.images.reshape(8, -1).astype(np.float64)
    weight = module.head.weight.detach().double().numpy()
    logits = x @ weight.T + module.head.bias.detach().double().numpy()
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    delta = (p - np.eye(10)[batch.labels]) / 8
    gradient = delta.T @ x
    tangent = x @ gradient.T
    curved = (p * tangent - p * (p * tangent).sum(1, keepdims=True)) / 8
    values = score(module, batch, device="cpu").values
    assert values["snip"] == pytest.approx(np.abs(weight * gradient).sum(), rel=1e-4)
    assert values["plain"] == pytest.approx((weight * gradient).sum(), rel=1e-3)
    assert values["grad_norm"] == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
    assert values["l2_norm"] == pytest.approx(np.linalg.norm(weight), rel=1e-5)
    assert values["grasp"] == pytest.approx(-(weight * (curved.T @ x)).sum(), rel=1e-3)
    assert values["fisher"] == pytest.approx(
        3072 * 0.5 * ((logits * delta) ** 2).mean(0).sum(), rel=1e-4
    )
    assert values["params"] == pytest.approx((3072 * 10 + 10) / 1e6)


def test_synflow_of_a_linear_model_is_the_log_of_its_absolute_weights() -> None:
    module = _Linear()
    values = score(module, _batch(), names=["synflow"], device="cpu").values
    total = module.head.weight.detach().abs().double().sum().item()
    assert values["synflow"] == pytest.approx(math.log(total))


def test_what_a_module_does_not_support_is_missing_with_a_reason() -> None:
    vector = score(_Linear(), _batch(), device="cpu")
    assert "ReLU" in vector.missing["nwot"]
    assert "adaptive_avg_pool2d" in vector.missing["zen"]
    # All images have the same input gradient, the column sums of the weight.
    assert {"jacov"} <= set(vector.missing) | set(vector.values)


class _Functional(nn.Module):
    """A convolutional network that calls functions where others have layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.second(F.relu(self.norm(self.first(x)))))
        out: Tensor = self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return out


class _Transformer(nn.Module):
    """Patches, one encoder layer with dropout and GELU, the mean of its tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, 8)
        self.encoder = nn.TransformerEncoderLayer(16, 2, 32, activation="gelu", batch_first=True)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.encoder(self.patches(x).flatten(2).transpose(1, 2))
        out: Tensor = self.head(tokens.mean(1))
        return out


def test_functions_count_like_layers() -> None:
    module = _Functional()
    layered = nn.Sequential(
        *(module.first, module.norm, nn.ReLU(), module.second, nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), module.head),
    )
    ours, twin = (score(m, _batch(), device="cpu").values for m in (module, layered))
    assert set(ours) == set(PROXIES)
    for name in set(PROXIES) - {"flops"}:
        assert ours[name] == pytest.approx(twin[name], rel=1e-5), name


def test_a_transformer_lacks_relus_and_a_pooling_layer_only() -> None:
    module = _Transformer()
    first, second = (score(module, _batch(), seed=3, device="cpu") for _ in range(2))
    assert set(first.missing) == {"nwot", "zen"}
    assert first.values == second.values, "dropout follows the seed"


class _Bare(nn.Module):
    """A matrix that is no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.ones(3 * 32 * 32, 10))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.matrix


def test_modules_no_measure_fits_report_why() -> None:
    bare = score(_Bare(), _batch(), device="cpu").missing
    assert {"snip", "synflow", "l2_norm", "grasp"} <= set(bare)
    assert "no convolution or linear layer" in bare["synflow"]
    few = score(nn.Sequential(nn.Flatten(), nn.Linear(3072, 1)), _batch(), device="cpu").missing
    assert "has no logit" in few["snip"]
    with pytest.raises(RequestError, match="no parameters"):
        score(nn.Flatten(), _batch())


def test_score_leaves_the_module_as_it_was() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 10),
    ).eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    vector = score(module, _batch(), device="cpu")
    assert vector.missing == {}
    assert not module.training
    for name, value in module.state_dict().items():
        assert torch.equal(before[name], value)


def _twin_codes(kernel_inputs: list[Tensor]) -> float:
    total = np.zeros((8, 8))
    for given in kernel_inputs:
        on = (given.flatten(1) > 0).numpy()
        for i in range(8):
            for j in range(8):
                total[i, j] += (on[i] == on[j]).sum()
    return float(np.linalg.slogdet(total)[1])


def test_nwot_counts_agreeing_relu_codes() -> None:
    rng = torch.Generator().manual_seed(0)
    first, second = (torch.randn(8, 5, 3, generator=rng) for _ in range(2))
    assert nwot_score((first, second, first)) == pytest.approx(_twin_codes([first, second, first]))


def test_jacov_of_uncorrelated_rows_is_minus_the_number_of_images() -> None:
    rows: FloatArray = np.kron(np.eye(6), [1.0, -1.0]).astype(np.float64)
    value = jacov_score(rows)
    assert value == pytest.approx(-6 * (math.log(1 + 1e-5) + 1 / (1 + 1e-5)))


def test_epe_nas_sums_few_classes_and_compares_many() -> None:
    rows = np.array([[1.0, -1, 0, 0], [0, 0, 1.0, -1], [1.0, -1, 0, 0], [1.0, -1, 0, 0]])
    labels = np.array([0, 0, 1, 1])
    apart, same = 2 * math.log(1 + 1e-5) + 2 * math.log(1e-5), 4 * math.log(1 + 1e-5)
    assert epe_score(rows, labels, 10) == pytest.approx(abs(apart) + abs(same))
    assert epe_score(rows, labels, 120) == pytest.approx(abs(apart - same) / 2)


@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_derivatives_match_torch(stride: int) -> None:
    rng = torch.Generator().manual_seed(0)
    layer = nn.Conv2d(4, 6, 3, stride=stride, padding=1, groups=2).double()
    x = torch.randn(2, 4, 8, 8, generator=rng, dtype=torch.float64, requires_grad=True)

    def second(run: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        loss = run(x).pow(3).sum()
        grads = torch.autograd.grad(loss, (x, layer.weight), create_graph=True)
        return torch.autograd.grad(
            grads[0].pow(2).sum() + grads[1].pow(2).sum(), (x, layer.weight)
        )

    plain = second(layer)
    with CheapSecondDerivatives(Scope()):
        ours = second(layer)
    for a, b in zip(ours, plain, strict=True):
        assert torch.allclose(a, b, rtol=1e-9)


def test_batch_norm_derivatives_match_torch() -> None:
    rng = torch.Generator().manual_seed(0)
    layer = nn.BatchNorm2d(3).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.5, -1.0, 2.0]))
    x = torch.randn(4, 3, 5, 5, generator=rng, dtype=torch.float64, requires_grad=True)
    turn = torch.randn(4, 3, 5, 5, generator=rng, dtype=torch.float64)

    def derivatives() -> tuple[Tensor, Tensor, Tensor]:
        (first,) = torch.autograd.grad((layer(x) * turn).sin().sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.pow(3).sum(), x)
        assert layer.running_var is not None
        return first, second, layer.running_var.clone()

    plain = derivatives()
    layer.reset_running_stats()
    with CheapSecondDerivatives(Scope()):
        ours = derivatives()
    for a, b in zip(ours, plain, strict=True):
        assert torch.allclose(a, b, rtol=1e-9)
    assert type(plain[0].grad_fn) is not type(ours[0].grad_fn)


def test_grasp_matches_torchs_own_double_backward() -> None:
    network, batch = NB201_NETWORK, _batch()
    weights = [m.weight for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    loss = F.cross_entropy(network(torch.tensor(batch.images)), torch.tensor(batch.labels))
    grads = torch.autograd.grad(loss, weights, create_graph=True)
    product = torch.stack([(g.detach() * g).sum() for g in grads]).sum()
    curved = torch.autograd.grad(product, weights)
    twin = -sum((w * h).sum().item() for w, h in zip(weights, curved, strict=True))
    ours = score(network, batch, names=["grasp"], device="cpu").values["grasp"]
    # Batch norm's epsilon makes the identity for layers without a scale approximate.
    assert ours == pytest.approx(twin, rel=5e-3)


def test_leaving_scales_out_changes_no_value_of_grasp() -> None:
    wanted = [proxy for proxy in PROXY_TABLE if proxy.name == "grasp"]
    exact, quick = (
        measure(NB201_NETWORK, _batch(), wanted, seed=0, zen_batch_size=2, use_scales=use)
        for use in (False, True)
    )
    assert quick.values["grasp"] == pytest.approx(exact.values["grasp"], rel=5e-3)


class _Forked(nn.Module):
    """One convolution feeds a batch norm alone, one a batch norm and a sum, one a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.alone, self.shared, self.bare = (nn.Conv2d(3, 3, 1) for _ in range(3))
        self.norm, self.other = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.alone(x))
        y = self.shared(x)
        out: Tensor = F.relu(self.bare(self.other(y) + y))
        return out


@pytest.mark.parametrize("training", [True, False])
def test_scale_free_layers_are_found_by_watching(training: bool) -> None:
    module = _Forked().train(training)
    with Scales() as scales:
        module(torch.randn(4, 3, 5, 5))
    expected = {id(module.alone.weight)} if training else set[int]()
    assert scales.free == expected


def test_the_benchmarks_network_has_as_many_as_its_author_knows() -> None:
    with Scales() as scales:
        NB201_NETWORK(torch.randn(2, 3, 16, 16))
    convolutions = [m for m in NB201_NETWORK.modules() if isinstance(m, nn.Conv2d)]
    assert len(scales.free) == len(convolutions) - 2  # all but the two shortcuts
