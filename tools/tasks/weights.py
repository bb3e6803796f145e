"""Trained weights on disk, by architecture, epochs and seed."""

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from torch import nn

from llm_nas.domain import Arch
from llm_nas.errors import ToolError


class WeightStore:
    """A folder of `.safetensors` files; nothing in them is ever executed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, arch: Arch, epochs: int, seed: int) -> Path:
        """Where the weights of one training are, or would be."""
        digest = hashlib.sha256(f"{arch}|{epochs}|{seed}".encode()).hexdigest()[:24]
        return self.folder / f"{digest}.safetensors"

    def checkpoint(self, arch: Arch, epochs: int, seed: int) -> Path:
        """Where a training that is not done yet keeps its last epoch."""
        return self.path(arch, epochs, seed).with_suffix(".checkpoint")

    def save(self, network: nn.Module, arch: Arch, epochs: int, seed: int) -> Path:
        """Write a trained network's weights, whole or not at all."""
        path = self.path(arch, epochs, seed)
        partial = path.with_suffix(".part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
            save_file(state, partial, metadata={"arch": arch[:4000], "epochs": str(epochs)})
            partial.replace(path)
        except (OSError, SafetensorError) as error:
            partial.unlink(missing_ok=True)
            raise ToolError(f"weights cannot be written to {path}: {error}") from error
        return path

    def load(self, network: nn.Module, arch: Arch, epochs: int, seed: int) -> None:
        """Fill a network with the weights of its training.

        Raises:
            ToolError: when there are none, or they are another network's.
        """
        path = self.path(arch, epochs, seed)
        try:
            network.load_state_dict(load_file(path))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ToolError(f"no weights of {arch} in {path}: {str(error)[:200]}") from error
