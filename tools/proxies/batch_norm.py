"""Batch norm whose second derivative costs one more pass of its first.

Torch composes the second derivative of training-mode batch norm from dozens of elementwise
steps, which takes half of the time of GraSP. With x^ the normalised input, s its deviation, m
the elements per channel, P v = v - mean(v) - x^ mean(v x^) and weight w, the gradient is
g(dy) = w/s P dy, and for an adjoint u of it

    d<u, g>/d(dy) = g(u)
    d<u, g>/dx    = -1 / (m s) (<dy, x^> g(u) + <u, x^> g(dy) + <u, g(dy)> x^),

where g(u) and both inner products with x^ come out of torch's own fused gradient.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from llm_nas.tools.proxies.convolution import apply


@dataclass(frozen=True, slots=True)
class _Statistics:
    """What the forward pass knows about each channel, `(channels,)`."""

    mean: Tensor
    inverse_deviation: Tensor
    eps: float


def _gradient(
    grad: Tensor, x: Tensor, weight: Tensor | None, known: _Statistics
) -> tuple[Tensor, Tensor]:
    """dL/dx, and `(channels,)` sums of grad x normalised input."""
    found = torch.ops.aten.native_batch_norm_backward.default(
        grad,
        x,
        weight,
        None,
        None,
        known.mean,
        known.inverse_deviation,
        True,
        known.eps,
        (True, True, False),
    )
    return found[0], found[1]


class _BatchNorm(torch.autograd.Function):
    """x to y, with gradients in x alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *rest: Any) -> Tensor:
        weight, bias, running_mean, running_var, momentum, eps = rest
        y, mean, inverse = torch.ops.aten.native_batch_norm.default(
            x, weight, bias, running_mean, running_var, True, momentum, eps
        )
        ctx.save_for_backward(x, weight)
        ctx.known = _Statistics(mean, inverse, eps)
        return cast("Tensor", y)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needed = ctx.needs_input_grad[0]
        grad = apply(_Gradient, grads[0], x, weight, ctx.known) if needed else None
        return grad, None, None, None, None, None, None


class _Gradient(torch.autograd.Function):
    """(dL/dy, x) to dL/dx."""

    @staticmethod
    def forward(
        ctx: Any, grad: Tensor, x: Tensor, weight: Tensor | None, known: _Statistics
    ) -> Tensor:
        result, along = _gradient(grad, x, weight, known)
        ctx.save_for_backward(x, weight, result, along)
        ctx.known = known
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, result, along = ctx.saved_tensors
        again, across = _gradient(grads[0], x, weight, ctx.known)
        if not ctx.needs_input_grad[1]:
            return again, None, None, None
        curved = _in_input(x, grads[0], (result, along), (again, across), ctx.known)
        return again, curved, None, None


def _in_input(
    x: Tensor,
    adjoint: Tensor,
    first: tuple[Tensor, Tensor],
    second: tuple[Tensor, Tensor],
    known: _Statistics,
) -> Tensor:
    """The formula's second line; `first`: g(dy) and <dy, x^>, `second`: g(u) and <u, x^>."""
    shape = [1, -1] + [1] * (x.ndim - 2)
    rest = [d for d in range(x.ndim) if d != 1]
    scale = known.inverse_deviation * (-x.shape[1] / x.numel())
    overlap = (adjoint * first[0]).sum(rest) * scale * known.inverse_deviation
    out = second[0] * (first[1] * scale).view(shape)
    out.addcmul_(first[0], (second[1] * scale).view(shape))
    out.addcmul_(x, overlap.view(shape))
    return out.sub_((overlap * known.mean).view(shape))


def twice_differentiable_batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
) -> Tensor:
    """`torch.nn.functional.batch_norm` in training mode, constant in `weight` and `bias`.

    Args:
        x: `(n, channels, ...)`.
        running_mean: `(channels,)`, updated in place, as is `running_var`; or none.
        running_var: See above.
        weight: `(channels,)` or none; no gradient flows into it, nor into `bias`.
        bias: See above.
        momentum: Share of the batch in the running statistics.
        eps: Added to the variance.
    """
    return apply(_BatchNorm, x, weight, bias, running_mean, running_var, momentum, eps)
