"""The recipe: how a network is trained on images, the same way every time.

One training is a function of the network, the images, the number of epochs and the seed. Every
epoch draws from a stream of its own, so a training that was cut off goes on from its last
checkpoint as if nothing had happened.
"""

import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from llm_nas.errors import ToolError
from llm_nas.tools.tasks.augment import changed
from llm_nas.tools.tasks.labelled import FitData, Labelled

if TYPE_CHECKING:
    from torch import Tensor

_CHECKPOINT_SECONDS = 20.0
"""Epochs are saved when the last save is this long ago: short trainings never are."""
_EVALUATION_BATCH = 500
_CHECKED_STEPS = 10
"""How often the loss is looked at on a GPU, where looking makes it wait."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What does not depend on the network; `key` names it where trainings are reused."""

    batch: int = 64
    learning_rate: float = 0.05
    """Peak of the one-cycle schedule; Nesterov momentum .9."""
    weight_decay: float = 5e-4
    """On weights of convolutions and linear layers only."""
    smoothing: float = 0.1
    warm_up: float = 0.25
    """Share of the steps before the peak."""

    @property
    def key(self) -> str:
        """Short text that changes when the recipe does."""
        return (
            f"sgd{self.learning_rate:g}-wd{self.weight_decay:g}-b{self.batch}"
            f"-ls{self.smoothing:g}-oc{self.warm_up:g}"
        )


TUNING = Recipe(learning_rate=0.05)
"""For networks that start from trained weights, which great steps would wash out."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training is; given to a callback after every epoch."""

    epoch: int
    epochs: int
    loss: float
    seconds_left: float


Tell = Callable[[Progress], None]


def learning_rate_at(share: float, recipe: Recipe) -> float:
    """One cycle: up in a straight line, down along a cosine to nothing; `share` of the steps."""
    if share < recipe.warm_up:
        return recipe.learning_rate * (0.04 + 0.96 * share / recipe.warm_up)
    down = (share - recipe.warm_up) / (1 - recipe.warm_up)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * down))


def fit(
    network: nn.Module,
    data: FitData,
    epochs: int,
    seed: int,
    *,
    recipe: Recipe | None = None,
    checkpoint: Path | None = None,
    tell: Tell | None = None,
) -> None:
    """Train `network` in place; it is left on the processor.

    Args:
        network: Untrained logits `(n, classes)` of images in 0..1.
        data: Training images, and whether they may be mirrored.
        epochs: How often every image is seen.
        seed: Of order, changes of images and dropout.
        recipe: None: the default.
        checkpoint: A file to go on from and to save epochs in; deleted at the end.
        tell: Called after every epoch.

    Raises:
        ToolError: when the loss is not a number.
    """
    run = _Run(network, data, epochs, seed, recipe or Recipe())
    first = run.load(checkpoint)
    started = saved = time.monotonic()
    for epoch in range(first, epochs):
        loss = run.epoch(epoch)
        now = time.monotonic()
        if tell is not None:
            left = (now - started) / (epoch + 1 - first) * (epochs - epoch - 1)
            tell(Progress(epoch + 1, epochs, loss, left))
        if checkpoint is not None and now - saved > _CHECKPOINT_SECONDS:
            run.save(checkpoint, epoch + 1)
            saved = now
    network.to("cpu")
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)


def accuracy_pct(network: nn.Module, images: Labelled) -> float:
    """Share of images that a network names rightly, in %."""
    device = _device()
    network = network.eval().to(device)
    right = 0
    with torch.no_grad(), _mixed(device):
        for first in range(0, len(images), _EVALUATION_BATCH):
            part = slice(first, first + _EVALUATION_BATCH)
            pixels = torch.from_numpy(images.pixels[part]).to(device).float() / 255
            labels = torch.from_numpy(images.labels[part]).to(device)
            right += int((network(pixels).argmax(1) == labels).sum())
    network.to("cpu")
    return 100.0 * right / len(images)


class _Run:
    """One training in progress."""

    def __init__(
        self, network: nn.Module, data: FitData, epochs: int, seed: int, recipe: Recipe
    ) -> None:
        self._device = _device()
        self._network = network.to(self._device)
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self._recipe = recipe
        self._seed = seed
        self._mirrored = data.mirrored
        self._pixels = torch.from_numpy(data.train.pixels).to(self._device)
        self._labels = torch.from_numpy(data.train.labels).to(self._device)
        self._batch = min(recipe.batch, len(data.train))
        self._steps = max(1, len(data.train) // self._batch)
        self._all_steps = epochs * self._steps
        self._key = f"{recipe.key}-e{epochs}-s{seed}-n{len(data.train)}"
        self._optimiser = torch.optim.SGD(
            _groups(network, recipe.weight_decay), lr=0.0, momentum=0.9, nesterov=True, fused=True
        )
        self._scaler = torch.amp.GradScaler(enabled=self._device.type == "cuda")

    def epoch(self, number: int) -> float:
        """See every image once; the mean loss."""
        generator = torch.Generator().manual_seed(_stream(self._seed, number))
        with _seeded(_stream(self._seed, number) + 1, self._device):
            self._network.train()
            order = torch.randperm(len(self._labels), generator=generator)
            total = torch.zeros((), device=self._device)
            for step in range(self._steps):
                rows = order[step * self._batch : (step + 1) * self._batch].to(self._device)
                loss = self._step(rows, generator, number * self._steps + step)
                if self._device.type == "cpu" or step % _CHECKED_STEPS == 0:
                    _finite(loss, number, step)
                total += loss
        mean = float(total / self._steps)
        if not math.isfinite(mean):
            raise ToolError(f"the loss is {mean} in epoch {number + 1}")
        return mean

    def _step(self, rows: "Tensor", generator: torch.Generator, done: int) -> "Tensor":
        rate = learning_rate_at(done / self._all_steps, self._recipe)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        images = changed(self._pixels[rows].float() / 255, self._mirrored, generator)
        images = images.contiguous(memory_format=torch.channels_last)
        with _mixed(self._device):
            logits = self._network(images)
            loss = functional.cross_entropy(
                logits, self._labels[rows], label_smoothing=self._recipe.smoothing
            )
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self._optimiser)
        nn.utils.clip_grad_norm_(self._network.parameters(), 5.0)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        return loss.detach()

    def save(self, path: Path, epochs_done: int) -> None:
        """Write the state after an epoch, whole or not at all."""
        state = {
            "key": self._key,
            "epochs_done": epochs_done,
            "network": self._network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
        }
        partial = path.with_name(path.name + ".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path | None) -> int:
        """Epochs that are done already: of a checkpoint of the same training, else none."""
        if path is None or not path.is_file():
            return 0
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True, map_location=self._device)
            if state["key"] != self._key:
                return 0
            self._network.load_state_dict(state["network"])
            self._optimiser.load_state_dict(state["optimiser"])
            self._scaler.load_state_dict(state["scaler"])
            return int(state["epochs_done"])
        except Exception:  # noqa: BLE001 - a broken checkpoint means starting anew
            return 0


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    parameters = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _finite(loss: "Tensor", epoch: int, step: int) -> None:
    if not bool(torch.isfinite(loss)):
        raise ToolError(f"the loss is {float(loss)} in epoch {epoch + 1}, step {step + 1}")


def _stream(seed: int, epoch: int) -> int:
    """A seed of the epoch's own, apart from those of all other trainings."""
    return (seed * 1_000_003 + epoch * 7919 + 17) % (2**62)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _mixed(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.float16, enabled=device.type == "cuda")


@contextmanager
def _seeded(seed: int, device: torch.device) -> Generator[None]:
    """Dropout and the like draw from `seed`; the caller's stream goes on as it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
