"""Convolution whose second derivatives run at the speed of its first.

Torch differentiates a convolution's gradient by convolving with kernels as large as the images,
which takes most of the time of GraSP. A convolution is bilinear in input and weight, and so are
its two gradients; the derivative of each of the three maps is made of the other two. Written
that way, every derivative is one of torch's fast kernels and the values stay exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor


@dataclass(slots=True)
class Scope:
    """What backward passes want at the moment; torch does not tell Python functions."""

    weights: bool = True
    """Whether anybody asked for gradients in the weights."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a two-dimensional convolution does besides its two operands."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    scope: Scope


def _convolve(x: Tensor, weight: Tensor, shape: _Shape) -> Tensor:
    return cast(
        "Tensor",
        torch.ops.aten.convolution.default(
            x,
            weight,
            None,
            shape.stride,
            shape.padding,
            shape.dilation,
            False,
            (0, 0),
            shape.groups,
        ),
    )


def _gradients(
    grad: Tensor, x: Tensor, weight: Tensor, shape: _Shape, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    both = torch.ops.aten.convolution_backward.default(
        grad,
        x,
        weight,
        None,
        shape.stride,
        shape.padding,
        shape.dilation,
        False,
        (0, 0),
        shape.groups,
        (*wanted, False),
    )
    return both[0], both[1]


def apply(function: type[torch.autograd.Function], *args: object) -> Tensor:
    """Torch leaves `Function.apply` untyped."""
    return cast("Tensor", cast("Any", function).apply(*args))


class _Convolution(torch.autograd.Function):
    """(x, weight) to y."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, shape: _Shape) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.shape = shape
        return _convolve(x, weight, shape)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        need_x, need_weight = ctx.needs_input_grad[:2]
        need_weight = need_weight and ctx.shape.scope.weights
        return (
            apply(_InputGradient, grads[0], weight, x, ctx.shape) if need_x else None,
            apply(_WeightGradient, grads[0], x, weight, ctx.shape) if need_weight else None,
            None,
        )


class _InputGradient(torch.autograd.Function):
    """(dL/dy, weight) to dL/dx; `x` only lends its shape."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, weight: Tensor, x: Tensor, shape: _Shape) -> Tensor:
        ctx.save_for_backward(grad, weight, x)
        ctx.shape = shape
        return _gradients(grad, x, weight, shape, (True, False))[0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad, weight, _ = ctx.saved_tensors
        need_grad, need_weight = ctx.needs_input_grad[:2]
        return (
            apply(_Convolution, grads[0], weight, ctx.shape) if need_grad else None,
            apply(_WeightGradient, grad, grads[0], weight, ctx.shape) if need_weight else None,
            None,
            None,
        )


class _WeightGradient(torch.autograd.Function):
    """(dL/dy, x) to dL/dweight; `weight` only lends its shape."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, x: Tensor, weight: Tensor, shape: _Shape) -> Tensor:
        ctx.save_for_backward(grad, x)
        ctx.shape = shape
        return _gradients(grad, x, weight, shape, (False, True))[1]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad, x = ctx.saved_tensors
        need_grad, need_x = ctx.needs_input_grad[:2]
        return (
            apply(_Convolution, x, grads[0], ctx.shape) if need_grad else None,
            apply(_InputGradient, grad, grads[0], x, ctx.shape) if need_x else None,
            None,
            None,
        )


def twice_differentiable_conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
    scope: Scope | None = None,
) -> Tensor:
    """`torch.nn.functional.conv2d` with the same values and cheap second derivatives.

    Args:
        x: `(n, c_in, h, w)`.
        weight: `(c_out, c_in / groups, kh, kw)`.
        bias: `(c_out,)` or none.
        stride: Two numbers, as are `padding` and `dilation`.
        padding: Zeros added on each side.
        dilation: Spacing of the kernel.
        groups: Groups of channels.
        scope: Lets the caller skip gradients in the weights; everything when absent.
    """
    shape = _Shape(
        tuple(stride), tuple(padding), tuple(dilation), groups, Scope() if scope is None else scope
    )
    y = apply(_Convolution, x, weight, shape)
    return y if bias is None else y + bias.view(1, -1, 1, 1)
