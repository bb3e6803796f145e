"""What `around:...` names: a file's function, a library's network, or a finished network."""

import re
from dataclasses import dataclass
from pathlib import Path

from llm_nas.errors import RequestError

LIBRARIES = ("timm", "torchvision")
EXPECTED = "around:FILE.py:make_model[?weights=FILE], around:timm:NAME, around:torchvision:NAME " \
    "or around:FOLDER of a finished network"  # fmt: skip

_FILE = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)(?:\?weights=(?P<weights>.+))?")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a base comes from; exactly one of `file`, `library` and `folder` is set."""

    text: str
    file: Path | None = None
    function: str = ""
    weights: Path | None = None
    library: str = ""
    name: str = ""
    folder: Path | None = None

    @property
    def label(self) -> str:
        """A short name without path: `resnet.make_model`, `timm.resnet18`."""
        if self.file is not None:
            return f"{self.file.stem}.{self.function}"
        return f"{self.library}.{self.name}" if self.library else f"finished.{_run(self.folder)}"


def read_address(text: str) -> Address:
    """The parts of `around:...`.

    Raises:
        RequestError: It is spelled otherwise, or a file is missing.
    """
    rest = text.removeprefix("around:")
    kind, _, name = rest.partition(":")
    if kind in LIBRARIES:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise RequestError(f"space {text!r}: {name!r} is no name of a {kind} network")
        return Address(text, library=kind, name=name)
    if match := _FILE.fullmatch(rest):
        file = _existing(text, match["file"])
        weights = _existing(text, match["weights"]) if match["weights"] else None
        return Address(text, file=file, function=match["function"], weights=weights)
    folder = Path(rest).expanduser()
    if (folder / "card.json").is_file() and (folder / "weights.safetensors").is_file():
        return Address(text, folder=folder)
    raise RequestError(f"space {text!r}: expected {EXPECTED}")


def _existing(text: str, name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise RequestError(f"space {text!r}: no file {name}")
    return path


def _run(folder: Path | None) -> str:
    return "" if folder is None else re.sub(r"[^A-Za-z0-9_-]+", "-", folder.resolve().name)
