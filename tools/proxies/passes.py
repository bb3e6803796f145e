"""The forward and backward passes that proxies share.

Each pass runs at most once per network, when a proxy that was asked for needs it, and none
changes the module: passes on other weights (absolute, Gaussian) go through `functional_call`.
All passes use training-mode batch norm, i.e. the statistics of the batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from llm_nas.tools.proxies.convolution import Scope
from llm_nas.tools.proxies.second_derivatives import CheapSecondDerivatives
from llm_nas.tools.proxies.watching import (
    Inputs,
    Scales,
    WithoutBatchNorm,
    hooked,
    is_pool,
    is_relu,
)

PassName: TypeAlias = Literal["forward", "loss_gradient", "jacobian", "hessian", "synflow", "zen"]
PASS_ORDER: tuple[PassName, ...] = (
    "forward",
    "loss_gradient",
    "jacobian",
    "hessian",
    "synflow",
    "zen",
)
"""`hessian` comes after `jacobian`, so that it can free the graph both walk through."""
ZEN_GAMMA = 0.01
"""Size of the input perturbation in the Zen-score."""
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class ProxyMissing(Exception):
    """A proxy has no value for this network; the message says why."""


@dataclass(frozen=True, slots=True)
class Forward:
    """What the forward pass leaves behind."""

    images: Tensor
    """`(n, c, h, w)`; tracks gradients when the Jacobian is wanted."""
    logits: Tensor
    """`(n, classes)`."""
    layers: tuple[nn.Module, ...]
    """The convolution and linear layers in the order they ran."""
    outputs: tuple[Tensor, ...]
    """Their outputs."""
    relu_inputs: tuple[Tensor, ...]
    """The input of every ReLU that ran."""
    scale_free: frozenset[int]
    """`id` of convolution weights whose scale batch norm removes."""


@dataclass(frozen=True, slots=True)
class LossGradient:
    """Gradients of the mean cross-entropy."""

    weights: tuple[Tensor, ...]
    """One per weight in `Passes.weights`."""
    outputs: tuple[Tensor, ...]
    """One per layer output, or none when nobody asked."""


@dataclass(frozen=True, slots=True)
class ZenPass:
    """Two forward passes with Gaussian weights, on x and on x + gamma * e."""

    distance: Tensor
    """Scalar: mean over images of the L1 distance of the features before global pooling."""
    running_variances: tuple[Tensor, ...]
    """Of every batch norm afterwards, `(channels,)` each."""


class Passes:
    """Runs and keeps the passes over one module and one batch.

    Args:
        module: A classifier in training mode whose parameters all require gradients.
        images: `(n, c, h, w)`, on the module's device.
        labels: `(n,)`.
        wanted: The passes that will be asked for; they decide what is recorded.
        keep_outputs: Whether gradients of layer outputs are wanted (Fisher).
        use_scales: Whether layers whose scale batch norm removes make the Hessian cheaper.
        zen_batch_size: Gaussian images of the Zen-score.
        seed: Seeds the Gaussian weights and inputs of the Zen-score.
    """

    def __init__(
        self,
        module: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        wanted: frozenset[PassName],
        keep_outputs: bool,
        use_scales: bool,
        zen_batch_size: int,
        seed: int,
    ) -> None:
        self.module = module
        self.images = images
        self.labels = labels
        self.seed = seed
        self._wanted = wanted
        self._keep_outputs = keep_outputs
        self._zen_batch_size = zen_batch_size
        self._scope = Scope()
        self._use_scales = use_scales

    @cached_property
    def layers(self) -> tuple[nn.Conv2d | nn.Linear, ...]:
        """All convolution and linear layers, whether they run or not; missing without any."""
        found = tuple(m for m in self.module.modules() if isinstance(m, (nn.Conv2d, nn.Linear)))
        if not found:
            raise ProxyMissing("the module has no convolution or linear layer")
        return found

    @cached_property
    def weights(self) -> tuple[Tensor, ...]:
        """Their weights."""
        return tuple(layer.weight for layer in self.layers)

    @cached_property
    def forward(self) -> Forward:
        """Run the network once, recording layer outputs and ReLU inputs."""
        layers: list[nn.Module] = []
        outputs: list[Tensor] = []
        relus, scales = Inputs(is_relu), Scales()

        def on_layer(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
            layers.append(layer)
            outputs.append(output)

        images = self.images.detach().requires_grad_("jacobian" in self._wanted)
        learns = bool(self._wanted & {"loss_gradient", "jacobian", "hessian"})
        kinds = (nn.Conv2d, nn.Linear) if self._keep_outputs else ()
        with (
            torch.set_grad_enabled(learns),
            hooked(self.module, kinds, on_layer),
            relus,
        ):
            logits = self._logits_of(images, scales)
        if logits.ndim != 2:
            raise ProxyMissing(f"expected logits (n, classes), got shape {tuple(logits.shape)}")
        free = scales.free if self._use_scales else frozenset[int]()
        return Forward(images, logits, tuple(layers), tuple(outputs), tuple(relus.seen), free)

    def _logits_of(self, images: Tensor, scales: Scales) -> Tensor:
        if "hessian" not in self._wanted:
            return _logits(self.module(images))
        # Of torch's ways to compute attention, only this one can be differentiated twice.
        with sdpa_kernel(SDPBackend.MATH), CheapSecondDerivatives(self._scope), scales:
            return _logits(self.module(images))

    @cached_property
    def loss_gradient(self) -> LossGradient:
        """Gradients of the loss in weights and, if wanted, layer outputs; 0 when unreachable."""
        ran = self.forward
        label, logits = int(self.labels.max()), ran.logits.shape[1]
        if label >= logits:
            raise ProxyMissing(f"label {label} has no logit: the module has {logits}")
        loss = F.cross_entropy(ran.logits, self.labels)
        twice = "hessian" in self._wanted
        grads = torch.autograd.grad(
            loss,
            self.weights + ran.outputs,
            create_graph=twice,
            retain_graph=twice or "jacobian" in self._wanted,
            materialize_grads=True,
        )
        count = len(self.weights)
        return LossGradient(grads[:count], tuple(g.detach() for g in grads[count:]))

    @cached_property
    def jacobian(self) -> Tensor:
        """`(n, c*h*w)`: gradient of the sum of all logits in each image."""
        ran = self.forward
        self._scope.weights = False
        (grad,) = torch.autograd.grad(
            ran.logits.sum(),
            ran.images,
            retain_graph="hessian" in self._wanted,
            materialize_grads=True,
        )
        self._scope.weights = True
        return grad.flatten(1)

    @cached_property
    def hessian(self) -> tuple[Tensor, ...]:
        """The Hessian of the loss times the weights, one tensor per weight.

        A layer whose scale does not matter has a gradient that is inversely proportional to its
        weights, so its share of the product is minus its own gradient. Only the shares of the
        other layers have to be differentiated.
        """
        grads = self.loss_gradient.weights
        free = [id(weight) in self.forward.scale_free for weight in self.weights]
        terms = [
            (w.detach() * g).sum()
            for w, g, f in zip(self.weights, grads, free, strict=True)
            if not f
        ]
        if not terms:
            return tuple(-g.detach() for g in grads)
        product = torch.stack(terms).sum()
        if not product.requires_grad:
            raise ProxyMissing("the loss has no second derivative in the weights")
        curved = torch.autograd.grad(product, self.weights, materialize_grads=True)
        return tuple(
            h - g.detach() if f else h for h, g, f in zip(curved, grads, free, strict=True)
        )

    @cached_property
    def synflow(self) -> tuple[Tensor, ...]:
        """|weight x gradient| of the summed output for input 1, in float64.

        With absolute weights and batch norm switched off.
        """
        state = {
            name: value.detach().abs().double() if value.is_floating_point() else value.clone()
            for name, value in [*self.module.named_parameters(), *self.module.named_buffers()]
        }
        names = [f"{place}.weight".lstrip(".") for place, m in self._places if m in self._set]
        weights = [state[name].requires_grad_() for name in names]
        ones = torch.ones(
            (1, *self.images.shape[1:]), dtype=torch.float64, device=self.images.device
        )
        with WithoutBatchNorm():
            total = _logits(functional_call(self.module, state, (ones,))).sum()
        grads = torch.autograd.grad(total, weights, materialize_grads=True)
        return tuple((w * g).abs().detach() for w, g in zip(weights, grads, strict=True))

    @cached_property
    def _places(self) -> list[tuple[str, nn.Module]]:
        return list(cast("Iterator[tuple[str, nn.Module]]", self.module.named_modules()))

    @cached_property
    def _set(self) -> frozenset[nn.Module]:
        return frozenset(self.layers)

    @cached_property
    def zen(self) -> ZenPass:
        """Perturb Gaussian inputs of a network with Gaussian weights and fresh batch norms."""
        generator = torch.Generator(self.images.device).manual_seed(self.seed)
        state = self._gaussian_state(generator)
        pools = Inputs(is_pool)
        like = self.images.new_empty(self._zen_batch_size, *self.images.shape[1:])
        x = self._normal(like, generator)
        moved = x + ZEN_GAMMA * self._normal(like, generator)
        with torch.no_grad(), pools:
            functional_call(self.module, state, (x,))
            functional_call(self.module, state, (moved,))
        if len(pools.seen) != 2:
            raise ProxyMissing("needs exactly one adaptive_avg_pool2d before the classifier")
        distance = (pools.seen[0] - pools.seen[1]).abs().flatten(1).sum(1).mean()
        variances = tuple(v for name, v in state.items() if name.endswith("running_var"))
        return ZenPass(distance, variances)

    @staticmethod
    def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
        drawn = torch.randn(like.shape, generator=generator, device=like.device)
        return drawn.contiguous(memory_format=torch.channels_last) if like.ndim == 4 else drawn

    def _gaussian_state(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Parameters and buffers as Zen-NAS sets them, without touching the module's own."""
        state: dict[str, Tensor] = {}
        for prefix, layer in self._places:
            owned = [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]
            for short, value in owned:
                name = f"{prefix}.{short}".lstrip(".")
                state[name] = self._zen_value(layer, short, value.detach(), generator)
        return state

    def _zen_value(
        self, layer: nn.Module, short: str, value: Tensor, generator: torch.Generator
    ) -> Tensor:
        if layer in self._set:
            return self._normal(value, generator) if short == "weight" else torch.zeros_like(value)
        if isinstance(layer, BATCH_NORMS):
            fresh = torch.ones_like if short in ("weight", "running_var") else torch.zeros_like
            return fresh(value)
        return value.clone()


def _logits(output: Any) -> Tensor:
    """The logits of a module that returns them alone."""
    if not isinstance(output, Tensor):
        raise ProxyMissing(f"the module returns {type(output).__name__}, expected logits")
    return output
