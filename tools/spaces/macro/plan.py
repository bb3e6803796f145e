"""Networks as plans: layers without weights, whose size and work are closed forms.

A block of the catalogue is a sequence of these nodes; `cost` adds up what they hold and do,
`network` makes torch modules of them. Work counts multiply-adds of convolutions, linear layers
and attention; norms, activations, pools and sums count nothing.
"""

from typing import NamedTuple, TypeAlias, assert_never


class Conv(NamedTuple):
    """A convolution that pads by half its kernel: sizes shrink by the stride alone."""

    c_in: int
    c_out: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    bias: bool = False


class Norm(NamedTuple):
    """Batch norm, or with `layer` a norm over each image's channels and places."""

    channels: int
    layer: bool = False


class Act(NamedTuple):
    """An activation function by name."""

    name: str


class SqueezeExcite(NamedTuple):
    """Channel weights from the pooled image through a bottleneck (Hu et al., CVPR 2018)."""

    channels: int
    hidden: int
    activation: str


class Attention(NamedTuple):
    """Multi-head self-attention between all places of the image."""

    channels: int
    heads: int


class Shuffle(NamedTuple):
    """Channels dealt anew over groups (Zhang et al., CVPR 2018)."""

    groups: int


class Add(NamedTuple):
    """The sum of branches; an empty branch is the input itself."""

    branches: tuple["Plan", ...]


class Cat(NamedTuple):
    """Branches side by side; with `split` each sees its share of the input's channels."""

    branches: tuple["Plan", ...]
    split: tuple[int, ...] = ()


class Grow(NamedTuple):
    """`first`, and beside its output what `more` makes of it (Han et al., CVPR 2020)."""

    first: "Plan"
    more: "Plan"


class Resize(NamedTuple):
    """The image at another size."""

    height: int
    width: int


class Classifier(NamedTuple):
    """Mean over all places, then a linear layer."""

    channels: int
    classes: int


Node: TypeAlias = (
    Conv
    | Norm
    | Act
    | SqueezeExcite
    | Attention
    | Shuffle
    | Add
    | Cat
    | Grow
    | Resize
    | Classifier
)
Plan: TypeAlias = tuple[Node, ...]


class Cost(NamedTuple):
    """Parameters, multiply-adds and output elements of layers, and the image they end with."""

    params: int
    macs: int
    activations: int
    height: int
    width: int


def cost(plan: Plan, height: int, width: int) -> Cost:
    """What a plan holds and does for one image of `height` x `width` at its input."""
    params = macs = activations = 0
    for node in plan:
        held = _cost(node, height, width)
        params, macs = params + held.params, macs + held.macs
        activations += held.activations
        height, width = held.height, held.width
    return Cost(params, macs, activations, height, width)


def _cost(node: Node, height: int, width: int) -> Cost:
    places = height * width
    match node:
        case Conv():
            return _convolution(node, height, width)
        case Norm(channels=c):
            return Cost(2 * c, 0, 0, height, width)
        case Act() | Shuffle():
            return Cost(0, 0, 0, height, width)
        case Resize():
            return Cost(0, 0, 0, node.height, node.width)
        case SqueezeExcite(channels=c, hidden=h):
            return Cost(2 * c * h + h + c, 2 * c * h, h + c, height, width)
        case Attention(channels=c):
            work = 4 * c * c * places + 2 * c * places * places
            return Cost(4 * c * c + 4 * c, work, 4 * c * places, height, width)
        case Add(branches=branches) | Cat(branches=branches):
            return _together([cost(b, height, width) for b in branches])
        case Grow(first=first, more=more):
            return cost((*first, *more), height, width)
        case Classifier(channels=c, classes=n):
            return Cost((c + 1) * n, c * n, n, 1, 1)
        case _:
            assert_never(node)


def _convolution(conv: Conv, height: int, width: int) -> Cost:
    height, width = -(-height // conv.stride), -(-width // conv.stride)
    weights = conv.c_in // conv.groups * conv.c_out * conv.kernel**2
    params = weights + (conv.c_out if conv.bias else 0)
    places = height * width
    return Cost(params, weights * places, conv.c_out * places, height, width)


def _together(branches: list[Cost]) -> Cost:
    return Cost(
        sum(b.params for b in branches),
        sum(b.macs for b in branches),
        sum(b.activations for b in branches),
        branches[0].height,
        branches[0].width,
    )
