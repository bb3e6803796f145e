"""A context in which layers have cheap second derivatives, with the same values."""

from collections.abc import Callable, Sequence
from typing import Any

import torch.nn.functional as F

from llm_nas.tools.proxies.batch_norm import twice_differentiable_batch_norm
from llm_nas.tools.proxies.convolution import Scope, twice_differentiable_conv2d
from llm_nas.tools.proxies.watching import Arguments, CallWatcher


class CheapSecondDerivatives(CallWatcher):
    """Inside this context, two-dimensional convolutions and batch norms use this package's.

    Nothing can be differentiated in a batch norm's own scale and shift there.
    """

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope

    def called(self, func: Callable[..., Any], args: Sequence[Any], options: Arguments) -> Any:
        """Replace calls as torch's layers spell them, with padding in numbers."""
        if func is F.conv2d and not options and len(args) == 7 and not isinstance(args[4], str):
            x, weight, bias, stride, padding, dilation, groups = args
            return twice_differentiable_conv2d(
                x, weight, bias, stride, padding, dilation, groups, self._scope
            )
        if func is F.batch_norm and options and options["training"]:
            named = {name: value for name, value in options.items() if name != "training"}
            return twice_differentiable_batch_norm(*args, **named)
        return func(*args, **options)
