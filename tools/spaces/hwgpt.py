"""HW-GPT-Bench's small family: GPT-2-like language models (Sukthanker et al., NeurIPS 2024).

Width, depth and bias of the whole, heads and MLP ratio of every layer. Weights in the benchmark
are inherited from a supernet whose heads are 64 wide whatever the width, whose MLPs are gated
(three matrices) and whose vocabulary has 50,254 entries.
"""

from collections.abc import Iterator

from llm_nas.choices import Choice
from llm_nas.conditions import Bound
from llm_nas.domain import TaskShape
from llm_nas.ports import QuantityInfo
from llm_nas.tools.spaces.space import Space, Values

LAYERS = (10, 11, 12)
HEAD_SIZE = 64
VOCABULARY = 50_254
TOKENS = 8 * 1024
"""Tokens that the published multiply-adds count: eight sequences of 1,024."""

_ABOUT = """hwgpt-s: GPT-2-like decoders of HW-GPT-Bench, small family, 1.9e12 networks.
embed: width of the residual stream (192 < 384 < 768). layers: decoder blocks (10 < 11 < 12).
bias: 1 if linear layers have biases. Per layer i: headsI attention heads of 64 channels
(4 < 8 < 12) and mlpI, the MLP's width as a multiple of embed (2 < 3 < 4; gated, three matrices).
heads11 mlp11 only with layers of at least 11, heads12 mlp12 with 12.
Text: embed=384 layers=10 bias=0 heads1=8 mlp1=3 ... in this order."""


def hwgpt_s(_shape: TaskShape | None = None) -> Space:
    """The space; parameters and multiply-adds agree with the benchmark's columns."""
    choices = [
        Choice("embed", (192, 384, 768), ordered=True, words="width of the residual stream"),
        Choice("layers", LAYERS, ordered=True, words="decoder blocks"),
        Choice("bias", (0, 1), words="whether linear layers have biases"),
    ]
    for layer in range(1, max(LAYERS) + 1):
        there = Bound(choice="layers", relation="ge", value=layer) if layer > LAYERS[0] else None
        heads, mlp = f"attention heads of layer {layer}", f"MLP ratio of layer {layer}"
        choices.append(Choice(f"heads{layer}", (4, 8, 12), True, there, heads))
        choices.append(Choice(f"mlp{layer}", (2, 3, 4), True, there, mlp))
    work = f"million multiply-adds of {TOKENS} tokens"
    return Space(
        "hwgpt-s",
        choices,
        quantities={
            QuantityInfo("params_m", "M", "parameters"): params_m,
            QuantityInfo("macs_m", "M", work): macs_m,
            QuantityInfo("heads_in_all", "", "attention heads of all layers", True): heads_in_all,
            QuantityInfo("mlp_in_all", "", "sum of all MLP ratios", True): mlp_in_all,
        },
        describe=_ABOUT,
    )


def _numbers(values: Values, stem: str) -> Iterator[int]:
    for layer in range(1, int(values["layers"]) + 1):
        yield int(values[f"{stem}{layer}"])


def heads_in_all(values: Values) -> int:
    """Attention heads of all layers."""
    return sum(_numbers(values, "heads"))


def mlp_in_all(values: Values) -> int:
    """Sum of the MLP ratios of all layers."""
    return sum(_numbers(values, "mlp"))


def _matrices(values: Values) -> int:
    """Weights of attention and MLPs of all layers."""
    embed = int(values["embed"])
    return 4 * HEAD_SIZE * embed * heads_in_all(values) + 3 * embed**2 * mlp_in_all(values)


def params_m(values: Values) -> float:
    """Parameters in millions: two vocabulary matrices, layers, norms and biases."""
    embed, layers, mlps = int(values["embed"]), int(values["layers"]), mlp_in_all(values)
    norms = 2 * embed * (2 * layers + 1)
    biases = 2 * embed * layers + 3 * HEAD_SIZE * heads_in_all(values) + 2 * embed * mlps
    every = 2 * VOCABULARY * embed + _matrices(values) + norms + int(values["bias"]) * biases
    return every / 1e6


def macs_m(values: Values) -> float:
    """Multiply-adds in millions of `TOKENS` tokens: weights alone, as the benchmark counts."""
    return TOKENS * (VOCABULARY * int(values["embed"]) + _matrices(values)) / 1e6
