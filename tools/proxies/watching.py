"""Seeing and changing what a network calls while it runs, by layers or by functions."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

RELUS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU)
_RELU_FUNCTIONS: frozenset[Callable[..., Any]] = frozenset(
    [F.relu, F.relu6, F.leaky_relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_]
)
Arguments: TypeAlias = Mapping[str, Any]


class CallWatcher(TorchFunctionMode):
    """Inside this context, every call of a torch function goes through `called`."""

    def called(self, func: Callable[..., Any], args: Sequence[Any], options: Arguments) -> Any:
        """The call's value; as it was asked for unless a subclass says otherwise."""
        return func(*args, **options)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return self.called(func, args, kwargs or {})


class WithoutBatchNorm(CallWatcher):
    """Inside this context, batch norm passes its input through."""

    def called(self, func: Callable[..., Any], args: Sequence[Any], options: Arguments) -> Any:
        """The input of a batch norm, the value of any other call."""
        return args[0] if func is F.batch_norm else func(*args, **options)


def is_relu(func: Callable[..., Any], options: Arguments) -> bool:
    """Whether this is a call of a ReLU; `nn.ReLU6` makes one of `hardtanh` from 0 on."""
    return func in _RELU_FUNCTIONS or (func is F.hardtanh and options.get("min_val") == 0)


def is_pool(func: Callable[..., Any], options: Arguments) -> bool:
    """Whether this is a call of an adaptive average pooling."""
    return func is F.adaptive_avg_pool2d


class Inputs(CallWatcher):
    """Inside this context, keeps what every call of some functions is given, detached.

    Layers call the same functions, so both ways to write a network are seen.
    """

    def __init__(self, matches: Callable[[Callable[..., Any], Arguments], bool]) -> None:
        super().__init__()
        self._matches = matches
        self.seen: list[Tensor] = []

    def called(self, func: Callable[..., Any], args: Sequence[Any], options: Arguments) -> Any:
        """The call's value, its first argument kept where it matches."""
        if self._matches(func, options):
            self.seen.append(args[0].detach())
        return func(*args, **options)


class Scales(CallWatcher):
    """Inside this context, finds convolutions whose output goes to one batch norm and no further.

    Batch norm in training mode divides by the deviation of its batch, so the scale of such a
    convolution's weight has no effect (but for batch norm's epsilon).
    """

    def __init__(self) -> None:
        super().__init__()
        self._outputs: dict[int, tuple[Tensor, int]] = {}
        """By `id`: outputs of convolutions, kept so that ids stay theirs, and their weight's."""
        self._fate: dict[int, list[bool]] = {}
        """By output: whether each call that read it was a batch norm."""

    def called(self, func: Callable[..., Any], args: Sequence[Any], options: Arguments) -> Any:
        """The call's value; notes where outputs of convolutions go."""
        value = func(*args, **options)
        if any(isinstance(part, Tensor) for part in _flat(value)):  # others only ask for sizes
            normalises = func is F.batch_norm and bool(options.get("training"))
            for position, given in enumerate((*args, *options.values())):
                for part in _flat(given):
                    if id(part) in self._outputs:
                        self._fate[id(part)].append(normalises and position == 0)
        if func is F.conv2d and len(args) > 1:
            self._outputs[id(value)] = value, id(args[1])
            self._fate[id(value)] = []
        return value

    @property
    def free(self) -> frozenset[int]:
        """`id` of the weights of which every use was like that."""
        known = {weight for _, weight in self._outputs.values()}
        bound = {w for key, (_, w) in self._outputs.items() if self._fate[key] != [True]}
        return frozenset(known - bound)


def _flat(value: Any) -> tuple[Any, ...]:
    """The parts of a tuple or list, or the value alone."""
    return tuple(cast("Sequence[Any]", value)) if isinstance(value, (tuple, list)) else (value,)


@contextmanager
def hooked(
    module: nn.Module, kinds: tuple[type[nn.Module], ...], hook: Callable[..., None]
) -> Generator[None]:
    """Call `hook(layer, inputs, output)` after every layer of these kinds runs."""
    handles = [
        layer.register_forward_hook(hook) for layer in module.modules() if isinstance(layer, kinds)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
