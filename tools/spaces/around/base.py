"""The network that a space is built around: made, filled with weights, fitted to a task."""
# torch tells little of its modules' types, torch-pruning nothing.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportPrivateUsage=false

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from llm_nas.domain import TaskShape
from llm_nas.errors import RequestError
from llm_nas.tools.spaces.around.address import Address
from llm_nas.tools.spaces.around.fitted import FORMS, Fitted, example, run
from llm_nas.tools.spaces.around.state import fill, read_state

_SEED = 0
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
Normalisation = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Base:
    """A network of the user's own, ready for a task."""

    label: str
    network: nn.Module
    """From `(n, channels, height, width)` to `(n, classes)`; `Fitted` where it needs that."""
    head: str
    """Name of the layer that gives the classes."""
    normalisation: Normalisation | None
    """Mean and deviation per channel of the base's card; None: the task's own."""
    side: int | None
    """Side of images the base was trained on, by its card; None: the task's own."""
    inherits: bool
    """Whether its weights were read from somewhere."""
    new_head: bool
    """Whether the task's classes are not those it was trained on."""
    notes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Of weights and names: trainings of another base are never taken for this one's."""
        digest = hashlib.sha256()
        for name, tensor in self.network.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()[:8]


def open_base(address: Address, shape: TaskShape) -> Base:
    """Make the network, load its weights, find its form and give it the task's classes.

    Raises:
        RequestError: It cannot be made, filled or run, in one line.
    """
    network, card, notes, inherits = _made(address)
    card = {**card, **_card_of(network)}
    if address.weights is not None:
        extra = fill(network, read_state(address.weights), str(address.weights))
        card, inherits = {**card, **extra}, True
    side = _side(card, shape)
    fitted = _fitted(network.eval(), shape, side, address.label)
    head, told = _headed(fitted, shape, address.label)
    if not inherits:
        notes = (*notes, f"{address.label}: no weights were given: candidates start from those "
                 "that its function makes")  # fmt: skip
    normalisation = _normalisation(card, shape)
    return Base(
        label=address.label,
        network=fitted,
        head=head,
        normalisation=normalisation,
        side=side,
        inherits=inherits,
        new_head=bool(told),
        notes=(*notes, *told),
    )


def _made(address: Address) -> tuple[nn.Module, dict[str, Any], tuple[str, ...], bool]:
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(_SEED)
        if address.library:
            return (*_from_library(address.library, address.name), (), True)
        if address.folder is not None:
            return _from_finished(address.folder)
        return _from_file(address), {}, (), False


def _from_file(address: Address) -> nn.Module:
    from llm_nas.plugins import run_file

    assert address.file is not None
    held = vars(run_file(address.file))
    make = held.get(address.function)
    if make is None:
        raise RequestError(f"{address.file}: no function {address.function!r}")
    try:
        network = make() if callable(make) and not isinstance(make, nn.Module) else make
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise RequestError(f"{address.file}: {address.function}() failed: {text}") from error
    if not isinstance(network, nn.Module):
        kind = type(network).__name__
        raise RequestError(f"{address.file}: {address.function}() gave a {kind}, no torch module")
    return network


def _from_library(library: str, name: str) -> tuple[nn.Module, dict[str, Any]]:
    try:
        found: Any = import_module(library)
    except ImportError as error:
        raise RequestError(f"around:{library}:{name}: {library} is not installed") from error
    try:
        if library == "timm":
            return found.create_model(name, pretrained=True), {}
        network = found.models.get_model(name, weights="DEFAULT")
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise RequestError(f"around:{library}:{name}: {text}") from error
    return network, {"mean": _IMAGENET[0], "std": _IMAGENET[1], "input_size": (3, 224, 224)}


def _from_finished(folder: Path) -> tuple[nn.Module, dict[str, Any], tuple[str, ...], bool]:
    """The network of a `finish` folder: its space is opened again, its weights are read."""
    from llm_nas.tools.spaces import open_space

    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        asked = (folder.resolve().parents[1] / "request.json").read_text(encoding="utf-8")
        request = json.loads(asked)["request"]
        shape = TaskShape(height=card["height"], width=card["width"], classes=len(card["classes"]))
        arch = card["arch"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"around:{folder}: no finished network of a run: {error}") from error
    state = read_state(folder / "weights.safetensors")
    if "mean" in state:
        shape = shape.model_copy(update={"channels": state["mean"].numel()})
    space = open_space(request.get("space") or card["space"], shape)
    network: nn.Module = space.build(arch, shape)  # type: ignore[attr-defined]
    extra = fill(network, state, str(folder))
    return network, extra, (f"{folder.name}: {arch}",), True


def _card_of(network: nn.Module) -> dict[str, Any]:
    """What a network says of its images, in the words that timm uses."""
    for name in ("pretrained_cfg", "default_cfg"):
        card: Any = getattr(network, name, None)
        if isinstance(card, Mapping):
            given = cast(Mapping[str, Any], card)
            return {k: given[k] for k in ("mean", "std", "input_size") if given.get(k)}
    return {}


def _side(card: Mapping[str, Any], shape: TaskShape) -> int | None:
    size = card.get("input_size")
    side = int(size[-1]) if size is not None else None
    return None if side in (None, shape.height) and shape.height == shape.width else side


def _normalisation(card: Mapping[str, Any], shape: TaskShape) -> Normalisation | None:
    if "mean" not in card or "std" not in card:
        return None
    mean, deviation = (tuple(float(x) for x in card[key]) for key in ("mean", "std"))
    fits = len(mean) == len(deviation) == shape.channels and min(deviation) > 0
    return (mean, deviation) if fits else None


def _fitted(network: nn.Module, shape: TaskShape, side: int | None, label: str) -> nn.Module:
    """The network in the first form in which it gives one row an image."""
    size = None if side is None else (side, side)
    reason = ""
    for form in FORMS:
        if form == "series" and shape.height != 1:
            continue
        fitted = Fitted(network, form, (shape.height, shape.width), size)
        try:
            logits = run(fitted, example(shape))
        except Exception as error:  # noqa: BLE001 - a network of the person's own may raise anything
            reason = reason or " ".join(f"{type(error).__name__}: {error}".split())[:160]
            continue
        if getattr(logits, "ndim", 0) == 2 and len(logits) == 2:
            return network if form == "image" and size is None else fitted
        reason = reason or "it does not give one row of logits an image"
    given = f"({shape.channels}, {shape.height}, {shape.width})"
    raise RequestError(f"{label}: {type(network).__name__} does not take images {given}: {reason}")


def _headed(network: nn.Module, shape: TaskShape, label: str) -> tuple[str, tuple[str, ...]]:
    """The layer that gives the classes, renewed where the task has other ones."""
    order: list[str] = []
    names = {module: name for name, module in network.named_modules()}
    layers = [m for m in names if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d)]
    hooks = [m.register_forward_hook(lambda m, *_: order.append(names[m])) for m in layers]
    try:
        classes = run(network, example(shape)).shape[1]
    finally:
        for hook in hooks:
            hook.remove()
    head = order[-1] if order else ""
    if classes == shape.classes:
        return head, ()
    layer = network.get_submodule(head) if head else None
    if layer is None or _outputs(layer) != classes or order.count(head) > 1:
        raise RequestError(f"{label}: its {classes} classes cannot be made {shape.classes}: its "
                           "last layer is no linear layer or convolution")  # fmt: skip
    _replace(network, head, _renewed(cast("nn.Linear | nn.Conv2d", layer), shape.classes))
    if (got := run(network, example(shape)).shape[1]) != shape.classes:
        raise RequestError(f"{label}: with a new head it gives {got} classes, not {shape.classes}")
    return head, (f"{label}: new head for {shape.classes} classes, the base has {classes}",)


def _renewed(layer: nn.Linear | nn.Conv1d | nn.Conv2d, classes: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        bias = layer.bias is not None
        if isinstance(layer, nn.Linear):
            return nn.Linear(layer.in_features, classes, bias=bias)
        kind = type(layer)
        return kind(layer.in_channels, classes, layer.kernel_size, bias=bias)  # type: ignore[arg-type]


def _outputs(layer: nn.Module) -> int:
    return int(getattr(layer, "out_features", getattr(layer, "out_channels", 0)))


def _replace(network: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, layer)
