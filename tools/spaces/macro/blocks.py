"""The catalogue: kinds of blocks that a stage can repeat, by name.

Every block turns `c_in` channels into `c_out` and divides the image's sides by `stride`. What
else it asks for stands beside it in `USES`; what a block does not use has no effect there.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from llm_nas.tools.spaces.macro.plan import (
    Act,
    Add,
    Attention,
    Cat,
    Conv,
    Grow,
    Norm,
    Plan,
    Shuffle,
    SqueezeExcite,
)


class Wanted(NamedTuple):
    """One block: its place in the network and the options of its stage."""

    c_in: int
    c_out: int
    stride: int
    kernel: int
    expansion: float
    se: int
    groups: int
    heads: int
    activation: str

    @property
    def reshapes(self) -> bool:
        """Whether output and input differ in shape."""
        return self.stride > 1 or self.c_in != self.c_out


def _conv_norm(
    c_in: int, c_out: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: str = ""
) -> Plan:
    """Convolution and batch norm, then an activation where one is named."""
    plan: Plan = (Conv(c_in, c_out, kernel, stride, math.gcd(groups, c_in, c_out)), Norm(c_out))
    return (*plan, Act(act)) if act else plan


def _excite(w: Wanted, channels: int) -> Plan:
    """Squeeze-and-excitation with a quarter of the block's input channels, where wanted."""
    return (SqueezeExcite(channels, max(w.c_in // 4, 1), w.activation),) if w.se else ()


def _shortcut(w: Wanted) -> Plan:
    """The input, brought to the output's shape by a 1x1 convolution where they differ."""
    return _conv_norm(w.c_in, w.c_out, 1, w.stride) if w.reshapes else ()


def _reduced(w: Wanted) -> Plan:
    """A 3x3 convolution to the output's shape before blocks that keep shapes."""
    return _conv_norm(w.c_in, w.c_out, 3, w.stride) if w.reshapes else ()


def _middle(w: Wanted, channels: int) -> int:
    """Channels inside a block that widens `channels` by its expansion."""
    return max(round(channels * w.expansion), 1)


def _plain(w: Wanted) -> Plan:
    """One convolution, batch norm and activation."""
    return _conv_norm(w.c_in, w.c_out, w.kernel, w.stride, w.groups, w.activation)


def _residual(w: Wanted) -> Plan:
    """Two convolutions around a shortcut (He et al., CVPR 2016: basic block)."""
    first = _conv_norm(w.c_in, w.c_out, w.kernel, w.stride, act=w.activation)
    body = (*first, *_conv_norm(w.c_out, w.c_out, w.kernel), *_excite(w, w.c_out))
    return (Add((body, _shortcut(w))), Act(w.activation))


def _bottleneck(w: Wanted) -> Plan:
    """1x1, k x k, 1x1 around a shortcut; expansion is below 1 (He et al., CVPR 2016)."""
    middle = _middle(w, w.c_out)
    body = (
        *_conv_norm(w.c_in, middle, act=w.activation),
        *_conv_norm(middle, middle, w.kernel, w.stride, w.groups, w.activation),
        *_excite(w, middle),
        *_conv_norm(middle, w.c_out),
    )
    return (Add((body, _shortcut(w))), Act(w.activation))


def _mbconv(w: Wanted) -> Plan:
    """Widen, depthwise convolution, narrow (Sandler et al., CVPR 2018)."""
    return _inverted(w, always_widen=False)


def _mixing(w: Wanted) -> Plan:
    """MBConv that mixes channels first even where it widens nothing (Wu et al., CVPR 2019)."""
    return _inverted(w, always_widen=True)


def _inverted(w: Wanted, *, always_widen: bool) -> Plan:
    """MBConv; with groups, channels are shuffled after the first convolution."""
    middle = _middle(w, w.c_in)
    widen = _conv_norm(w.c_in, middle, groups=w.groups, act=w.activation)
    body = (
        *(widen if always_widen or middle != w.c_in or w.groups > 1 else ()),
        *((Shuffle(math.gcd(w.groups, middle)),) if w.groups > 1 else ()),
        *_conv_norm(middle, middle, w.kernel, w.stride, middle, w.activation),
        *_excite(w, middle),
        *_conv_norm(middle, w.c_out, groups=w.groups),
    )
    return body if w.reshapes else (Add((body, ())),)


def _fused(w: Wanted) -> Plan:
    """MBConv whose widening and depthwise steps are one convolution (Tan & Le, ICML 2021)."""
    middle = _middle(w, w.c_in)
    if middle == w.c_in:
        body = _conv_norm(w.c_in, w.c_out, w.kernel, w.stride, act=w.activation)
        body = (*body, *_excite(w, w.c_out))
    else:
        body = (
            *_conv_norm(w.c_in, middle, w.kernel, w.stride, act=w.activation),
            *_excite(w, middle),
            *_conv_norm(middle, w.c_out),
        )
    return body if w.reshapes else (Add((body, ())),)


def _convnext(w: Wanted) -> Plan:
    """Depthwise convolution, layer norm, a wide MLP (Liu et al., CVPR 2022)."""
    c, middle = w.c_out, _middle(w, w.c_out)
    body = (
        Conv(c, c, w.kernel, 1, c, bias=True),
        Norm(c, layer=True),
        Conv(c, middle, bias=True),
        Act("gelu"),
        *_excite(w, middle),
        Conv(middle, c, bias=True),
    )
    return (*_reduced(w), Add((body, ())))


def _ghost_module(c_in: int, c_out: int, act: str = "") -> Plan:
    """Half of the channels by a 1x1 convolution, the others from those by a depthwise 3x3."""
    half = -(-c_out // 2)
    first = _conv_norm(c_in, half, act=act)
    if half == c_out:
        return first
    more = _conv_norm(half, c_out - half, 3, 1, c_out - half, act)
    return (Grow(first, more),)


def _ghost(w: Wanted) -> Plan:
    """Bottleneck of two ghost modules (Han et al., CVPR 2020)."""
    middle = 2 * -(-_middle(w, w.c_in) // 2)
    depthwise = _conv_norm(middle, middle, w.kernel, w.stride, middle) if w.stride > 1 else ()
    body = (
        *_ghost_module(w.c_in, middle, w.activation),
        *depthwise,
        *_excite(w, middle),
        *_ghost_module(middle, 2 * (w.c_out // 2)),
        *(_conv_norm(2 * (w.c_out // 2), w.c_out) if w.c_out % 2 else ()),
    )
    aside = _conv_norm(w.c_in, w.c_in, w.kernel, w.stride, w.c_in)
    return (Add((body, (*aside, *_conv_norm(w.c_in, w.c_out)) if w.reshapes else ())),)


def _shuffled(w: Wanted) -> Plan:
    """ShuffleNet V2's unit: half of the channels pass, half work, then mix (Ma et al., 2018)."""
    left, right = w.c_out // 2, w.c_out - w.c_out // 2
    source = w.c_in if w.reshapes else right
    work = (
        *_conv_norm(source, right, act=w.activation),
        *_conv_norm(right, right, w.kernel, w.stride, right),
        *_excite(w, right),
        *_conv_norm(right, right, act=w.activation),
    )
    mixed = Shuffle(math.gcd(2, w.c_out))
    if not w.reshapes:
        return (Cat(((), work), split=(left, right)), mixed) if left else work
    aside = (
        *_conv_norm(w.c_in, w.c_in, w.kernel, w.stride, w.c_in),
        *_conv_norm(w.c_in, left, act=w.activation),
    )
    return (Cat((aside, work)), mixed) if left else work


def _attention(w: Wanted) -> Plan:
    """A transformer block on the image's places; a depthwise convolution tells them apart."""
    c, middle = w.c_out, _middle(w, w.c_out)
    look = (Norm(c, layer=True), Attention(c, math.gcd(w.heads, c)))
    think = (
        Norm(c, layer=True),
        Conv(c, middle, bias=True),
        Act("gelu"),
        Conv(middle, c, bias=True),
    )
    place = (Conv(c, c, w.kernel, 1, c, bias=True),)
    return (*_reduced(w), Add((place, ())), Add((look, ())), Add((think, ())))


def _skip(w: Wanted) -> Plan:
    """Nothing; a 1x1 convolution where the shape changes."""
    return _shortcut(w)


Block: TypeAlias = Callable[[Wanted], Plan]

CATALOGUE: Mapping[str, Block] = {
    "conv": _plain,
    "residual": _residual,
    "bottleneck": _bottleneck,
    "mbconv": _mbconv,
    "mixing": _mixing,
    "fused": _fused,
    "convnext": _convnext,
    "ghost": _ghost,
    "shuffle": _shuffled,
    "attention": _attention,
    "skip": _skip,
}
USES: Mapping[str, frozenset[str]] = {
    "conv": frozenset({"kernel", "groups", "activation"}),
    "residual": frozenset({"kernel", "se", "activation"}),
    "bottleneck": frozenset({"kernel", "expansion", "se", "groups", "activation"}),
    "mbconv": frozenset({"kernel", "expansion", "se", "groups", "activation"}),
    "mixing": frozenset({"kernel", "expansion", "se", "groups", "activation"}),
    "fused": frozenset({"kernel", "expansion", "se", "activation"}),
    "convnext": frozenset({"kernel", "expansion", "se"}),
    "ghost": frozenset({"kernel", "expansion", "se", "activation"}),
    "shuffle": frozenset({"kernel", "se", "activation"}),
    "attention": frozenset({"kernel", "expansion", "heads"}),
    "skip": frozenset(),
}
"""Options a block asks for beside width, depth and stride."""
ACTIVATIONS = ("relu", "relu6", "swish", "hswish", "gelu")
