"""Training of many small perceptrons at once, some of them for a held-out check."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_nas.domain import BoolArray, FloatArray, IntArray
from llm_nas.tools.data.networks import Networks


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the networks of one quantity are trained; stored in the model's card."""

    members: int = 4
    width: int = 128
    layers: int = 2
    epochs: int = 60
    batch: int = 128
    rate: float = 5e-3
    decay: float = 0.3
    folds: int = 5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Fit:
    """The networks of one quantity."""

    networks: Networks
    """Fitted on every row."""
    held_out: FloatArray
    """`(n,)`: standardised predictions by networks that never saw the row's fold."""


def folds_of(n: int, recipe: Recipe) -> IntArray:
    """`(n,)`: the fold of every row, drawn by the recipe's seed."""
    shuffled = np.random.default_rng(recipe.seed).permutation(n)
    return np.asarray(shuffled % recipe.folds, dtype=np.int64)


def fit(
    x: npt.NDArray[np.float32], y: FloatArray, recipe: Recipe, say: Callable[[str], None]
) -> Fit:
    """Fit one standardised quantity `(n,)` (NaN: unknown) from inputs `(n, d)`.

    One batch of networks is trained together: `members` on all rows, and as many for every fold
    on the rows outside it.
    """
    folds, known = folds_of(len(y), recipe), np.isfinite(y)
    sets = [known, *(known & (folds != fold) for fold in range(recipe.folds))]
    networks = train(x, y[:, None], np.repeat(sets, recipe.members, axis=0), recipe, say)
    held_out = np.zeros(len(y))
    for fold in range(recipe.folds):
        first = (fold + 1) * recipe.members
        rows = folds == fold
        held_out[rows] = networks.part(first, recipe.members).mean(x[rows])[:, 0]
    return Fit(networks.part(0, recipe.members), held_out)


def train(
    x: npt.NDArray[np.float32],
    y: FloatArray,
    uses: BoolArray,
    recipe: Recipe,
    say: Callable[[str], None] = lambda line: None,
) -> Networks:
    """One perceptron per row of `uses` `(m, n)`, which says which rows it may learn from.

    AdamW on the squared error of known entries of `y` `(n, outputs)`, with a one-cycle rate.
    """
    torch: Any = import_module("torch")  # its annotations are partial
    torch.manual_seed(recipe.seed)
    inputs = torch.from_numpy(x)
    targets = torch.from_numpy(np.nan_to_num(y).astype(np.float32))
    known = torch.from_numpy(np.isfinite(y).astype(np.float32))
    counted = torch.from_numpy(uses.astype(np.float32))
    weights, biases = _fresh(torch, len(uses), x.shape[1], y.shape[1], recipe)
    groups = [{"params": weights}, {"params": biases, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=recipe.rate, weight_decay=recipe.decay)
    batches = len(x) // recipe.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.rate, total_steps=recipe.epochs * batches
    )
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(x))
        for start in range(0, batches * recipe.batch, recipe.batch):
            rows = order[start : start + recipe.batch]
            wrong = (_forward(torch, weights, biases, inputs[rows]) - targets[rows]) * known[rows]
            loss = ((wrong * counted[:, rows, None]) ** 2).mean((1, 2)).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        say(f"epoch {epoch + 1} of {recipe.epochs}")
    return Networks(
        tuple(weight.detach().numpy() for weight in weights),
        tuple(bias.detach().numpy() for bias in biases),
    )


def _fresh(
    torch: Any, count: int, inputs: int, outputs: int, recipe: Recipe
) -> tuple[list[Any], list[Any]]:
    """Uniform weights of the usual spread for `count` networks, ready for gradients."""
    sizes = [inputs, *[recipe.width] * recipe.layers, outputs]
    weights: list[Any] = []
    biases: list[Any] = []
    for fan_in, fan_out in pairwise(sizes):
        spread = min(fan_in, 64) ** -0.5  # most of the first layer's inputs are zero
        for parameters, rows in ((weights, fan_in), (biases, 1)):
            drawn = (torch.rand(count, rows, fan_out) * 2 - 1) * spread
            parameters.append(drawn.requires_grad_())
    return weights, biases


def _forward(torch: Any, weights: Sequence[Any], biases: Sequence[Any], x: Any) -> Any:
    """Outputs `(m, batch, outputs)` of all networks for one batch `(batch, d)`."""
    hidden = x.expand(len(weights[0]), -1, -1)
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        hidden = torch.nn.functional.silu(torch.baddbmm(bias, hidden, weight))
    return torch.baddbmm(biases[-1], hidden, weights[-1])
