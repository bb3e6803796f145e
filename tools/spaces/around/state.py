"""Weights from files: tensors and nothing else."""
# torch tells little of its modules' types, torch-pruning nothing.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportPrivateUsage=false

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from llm_nas.errors import RequestError

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "network.", "_orig_mod.")


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors by name from `.safetensors`, or from a state dict that torch saved.

    Raises:
        RequestError: It cannot be read, or holds more than tensors; nothing in it is executed.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        found: Any = torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise RequestError(
            f"{path}: it holds more than tensors, and code in files is never run; save "
            "model.state_dict() or a .safetensors file"
        ) from error
    except Exception as error:
        text = " ".join(str(error).split())[:160]
        raise RequestError(f"{path}: weights cannot be read: {text}") from error
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping) or not all(isinstance(t, Tensor) for t in found.values()):
        raise RequestError(f"{path}: it is no state dict of tensors")
    return dict(cast(Mapping[str, Tensor], found))


def fill(network: nn.Module, state: Mapping[str, Tensor], where: str) -> dict[str, Any]:
    """Put weights into a network; a head of other classes is left as it is.

    Returns:
        The card's part of the state: normalisation that `finish` saves beside the weights.

    Raises:
        RequestError: Weights are missing, or fit another network.
    """
    own = network.state_dict()
    given = _plain(state, own)
    missing = [name for name in own if name not in given]
    if missing:
        raise RequestError(f"{where}: no weights for {missing[0]} and {len(missing) - 1} others")
    wrong = [n for n in own if own[n].shape != given[n].shape]
    if any(own[n].shape[1:] != given[n].shape[1:] for n in wrong) or len(wrong) > 2:
        shapes = f"{tuple(given[wrong[0]].shape)}, not {tuple(own[wrong[0]].shape)}"
        raise RequestError(f"{where}: {wrong[0]} is {shapes}")
    network.load_state_dict({n: given[n] for n in own if n not in wrong}, strict=False)
    if "mean" in state and "deviation" in state and "mean" not in own:
        return {
            "mean": state["mean"].flatten().tolist(),
            "std": state["deviation"].flatten().tolist(),
        }
    return {}


def _plain(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names without what wrappers put before them."""
    given = dict(state)
    for _ in _PREFIXES:
        if any(name in given for name in own):
            break
        for prefix in _PREFIXES:
            if any(name.startswith(prefix) for name in given):
                given = {n.removeprefix(prefix): t for n, t in given.items()}
    return given
