"""The formulas of the 13 proxies, on passes that were run once.

Every measure returns a finite float, larger meaning a better network unless said otherwise, or
raises `ProxyMissing` with the reason. Conventions follow NAS-Bench-Suite-Zero (Krishnakumar et
al., NeurIPS 2022, arXiv:2210.03230), whose published values they rank like.
"""

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from llm_nas.domain import FloatArray, IntArray
from llm_nas.tools.proxies.passes import Passes, ProxyMissing
from llm_nas.tools.proxies.watching import RELUS

_EPSILON = 1e-5
_MANY_CLASSES = 100
"""EPE-NAS compares classes with each other above this number, and sums over them below."""


def _total(parts: Iterable[Tensor]) -> float:
    """Sum of all elements; partial sums per tensor in its own precision."""
    return math.fsum(part.sum().item() for part in parts)


def _norm(tensor: Tensor) -> Tensor:
    return tensor.square().sum().sqrt()


def _rows(passes: Passes) -> FloatArray:
    """Input gradients `(n, c*h*w)`, in float64; missing when one of them is constant."""
    rows = passes.jacobian.detach().cpu().double().numpy()
    if not np.isfinite(rows).all():
        raise ProxyMissing("an input gradient is not finite")
    if (np.ptp(rows, axis=1) == 0).any():
        raise ProxyMissing("the output does not depend on some input image")
    return rows


def _reached(passes: Passes) -> tuple[Tensor, ...]:
    """Weight gradients, detached; missing when the loss reaches no weight."""
    grads = tuple(g.detach() for g in passes.loss_gradient.weights)
    if not any(bool(g.any()) for g in grads):
        raise ProxyMissing("no gradient of the loss reaches any weight")
    return grads


def epe_nas(passes: Passes) -> float:
    """Within-class correlation of input gradients (Lopes et al., ICANN 2021, arXiv:2102.08099).

    Up to 100 classes: sum over classes of |sum log(|corr| + 1e-5)|. Above: mean difference
    between the classes' scores per correlation row.
    """
    labels = passes.labels.cpu().numpy()
    return epe_score(_rows(passes), labels, passes.forward.logits.shape[1])


def epe_score(rows: FloatArray, labels: IntArray, classes: int) -> float:
    """EPE-NAS of input gradients `(n, d)` and labels `(n,)` among `classes` classes."""
    scores: list[float] = []
    for label in np.unique(labels):
        own = rows[labels == label]
        if len(own) > 1:
            score = float(np.log(np.abs(np.corrcoef(own)) + _EPSILON).sum())
            scores.append(score / len(own) if classes > _MANY_CLASSES else score)
    if not scores:
        raise ProxyMissing("no two images of the batch share a class")
    if classes <= _MANY_CLASSES:
        return float(np.abs(scores).sum())
    spread = np.abs(np.subtract.outer(scores, scores)).sum()
    return float(spread / len(np.unique(labels)))


def fisher(passes: Passes) -> float:
    """Fisher information of activations (Theis et al. 2018, arXiv:1801.05787; Turner et al. 2020).

    Per output channel: half the mean over images of (sum over pixels or tokens of
    activation x gradient)^2, counted once per weight of the channel.
    """
    _reached(passes)
    ran, grads = passes.forward, passes.loss_gradient.outputs
    total = 0.0
    for layer, output, grad in zip(ran.layers, ran.outputs, grads, strict=True):
        if not isinstance(layer, (nn.Conv2d, nn.Linear)):
            continue
        channels = output.detach() * grad
        first = 2 if isinstance(layer, nn.Conv2d) else 1
        places = tuple(range(first, first + grad.ndim - 2))
        channels = channels.sum(places) if places else channels
        total += channels.square().mean(0).sum().item() / 2 * layer.weight[0].numel()
    return total


def grad_norm(passes: Passes) -> float:
    """Sum over layers of the gradient's L2 norm (Abdelfattah et al. 2021, arXiv:2101.08134)."""
    return _total(_norm(g) for g in _reached(passes))


def grasp(passes: Passes) -> float:
    """Minus the sum of weight x (Hessian x gradient) (Wang et al., ICLR 2020, arXiv:2002.07376).

    With the sign of Abdelfattah et al.; batch norm in training mode, temperature 1. The Hessian
    is symmetric, so gradient x (Hessian x weight) is the same sum.
    """
    grads = _reached(passes)
    return -_total(g * h for g, h in zip(grads, passes.hessian, strict=True))


def jacov(passes: Passes) -> float:
    """Spread of correlations between input gradients (Mellor et al. 2020, arXiv:2006.04647v1).

    -sum(log(v + k) + 1 / (v + k)) over the eigenvalues v of the correlation matrix, k = 1e-5.
    """
    return jacov_score(_rows(passes))


def jacov_score(rows: FloatArray) -> float:
    """The jacov score of input gradients `(n, d)`."""
    values = np.linalg.eigvalsh(np.corrcoef(rows)) + _EPSILON
    if (values <= 0).any():
        raise ProxyMissing("the correlation matrix has a negative eigenvalue")
    return float(-(np.log(values) + 1 / values).sum())


def l2_norm(passes: Passes) -> float:
    """Sum over layers of the L2 norm of the initial weights (Abdelfattah et al., ICLR 2021)."""
    return _total(_norm(w.detach()) for w in passes.weights)


def nwot(passes: Passes) -> float:
    """Log |K| of ReLU codes (Mellor et al., ICML 2021, arXiv:2006.04647v3).

    K[i, j] counts the ReLU units that are on for both images or off for both.
    """
    inputs = passes.forward.relu_inputs
    if not inputs:
        raise ProxyMissing("the module runs no ReLU")
    return nwot_score(inputs)


def nwot_score(relu_inputs: tuple[Tensor, ...]) -> float:
    """The nwot score from each ReLU's input `(n, ...)`; one that feeds k ReLUs comes k times."""
    times: dict[int, int] = {}
    distinct: dict[int, Tensor] = {}
    for tensor in relu_inputs:
        distinct[tensor.data_ptr()] = tensor
        times[tensor.data_ptr()] = times.get(tensor.data_ptr(), 0) + 1
    count = len(relu_inputs[0])
    kernel = torch.zeros((count, count), dtype=torch.float64)
    for key, tensor in distinct.items():
        # Codes of +1 and -1: their product counts agreements minus disagreements, exactly.
        code = (_as_stored(tensor) > 0).to(torch.float32).mul_(2).sub_(1)
        agree = (code @ code.T).double().cpu().add(code.shape[1]).div(2)
        kernel += times[key] * agree
    sign, logdet = np.linalg.slogdet(kernel.numpy())
    if sign <= 0:
        raise ProxyMissing("two images have the same ReLU codes")
    return float(logdet)


def _as_stored(tensor: Tensor) -> Tensor:
    """`(n, units)`, units in the order of memory where that needs no copy."""
    last = tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return (tensor.permute(0, 2, 3, 1) if last else tensor).flatten(1)


def plain(passes: Passes) -> float:
    """Sum of weight x loss gradient (Mozer & Smolensky 1989; Abdelfattah et al., ICLR 2021).

    Zero for layers followed by batch norm, which do not care about scale: what remains is noisy.
    """
    grads = _reached(passes)
    return _total(w.detach() * g for w, g in zip(passes.weights, grads, strict=True))


def snip(passes: Passes) -> float:
    """Sum of |weight x loss gradient| (Lee et al., ICLR 2019, arXiv:1810.02340)."""
    grads = _reached(passes)
    return _total((w.detach() * g).abs() for w, g in zip(passes.weights, grads, strict=True))


def synflow(passes: Passes) -> float:
    """Log of the summed synaptic flow (Tanaka et al., NeurIPS 2020, arXiv:2006.05467)."""
    total = _total(passes.synflow)
    if total <= 0:
        raise ProxyMissing("no synaptic flow from input to output")
    return math.log(total)


def zen(passes: Passes) -> float:
    """Zen-score (Lin et al., ICCV 2021, arXiv:2102.01063).

    Log of the mean feature change under a small input change, plus half the log of the mean
    running variance of every batch norm.
    """
    ran = passes.zen
    distance = ran.distance.item()
    if distance <= 0:
        raise ProxyMissing("the features do not depend on the input")
    return math.log(distance) + math.fsum(
        0.5 * math.log(v.double().mean().item()) for v in ran.running_variances
    )


def _layer_flops(layer: nn.Module, given: Tensor, out: Tensor) -> float:
    """Operations of one layer on one image, by NASLib's convention."""
    match layer:
        case nn.Conv2d():
            per_output = layer.weight[0].numel() + (layer.bias is not None)
            return out.numel() * per_output
        case nn.Linear():
            return given.numel() * layer.out_features
        case nn.BatchNorm2d():
            return given.numel() * (2 if layer.affine else 1)
        case nn.AvgPool2d() | nn.MaxPool2d():
            side = layer.kernel_size
            return out.numel() * (side * side if isinstance(side, int) else side[0] * side[1])
        case nn.AdaptiveAvgPool2d():
            high, wide = (given.shape[d] // out.shape[d] + 1 for d in (-2, -1))
            return out.numel() * high * wide
        case _:
            return given.numel() if isinstance(layer, RELUS) else 0


def count_flops_m(module: nn.Module, image: Tensor) -> float:
    """Millions of operations on one image `(1, c, h, w)`, by NASLib's convention.

    A multiply-add counts once; batch norm 2, ReLU 1, pooling one per kernel element (a global
    pool's kernel taken one wider than its input); sums of branches and flattening 0.
    """
    counts: list[float] = []

    def count(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        counts.append(_layer_flops(layer, given[0], out))

    handles = [m.register_forward_hook(count) for m in module.modules()]
    was_training = module.training
    try:
        # Evaluation mode: batch norm then accepts one image and keeps its statistics.
        with torch.no_grad():
            module.eval()(image)
    finally:
        module.train(was_training)
        for handle in handles:
            handle.remove()
    return sum(counts) / 1e6


def count_params_m(module: nn.Module) -> float:
    """Millions of trainable parameters."""
    return sum(p.numel() for p in module.parameters()) / 1e6


def flops(passes: Passes) -> float:
    """Operations per image in millions, see `count_flops_m`."""
    return count_flops_m(passes.module, passes.images[:1])


def params(passes: Passes) -> float:
    """Trainable parameters in millions."""
    return count_params_m(passes.module)
