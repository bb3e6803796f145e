"""Device cards: what a device is and how networks are timed there, as TOML."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from llm_nas.errors import RequestError
from llm_nas.frozen import Frozen


class DeviceCard(Frozen):
    """How a device times networks, and what a designer of networks should know of it."""

    kind: str = "processor"
    runtime: Literal["onnxruntime"] = "onnxruntime"
    precision: Literal["fp32", "int8"] = "fp32"
    batch: Annotated[int, Field(ge=1, le=1024)] = 1
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    sessions: Annotated[int, Field(ge=5, le=50)] = 5
    runs: Annotated[int, Field(ge=50, le=2000)] = 50
    """Timed runs of a session; slow networks are timed in fewer, at least 50 in all."""
    notes: str = ""


def open_card(name: str, folder: Path = Path("devices")) -> DeviceCard:
    """The card `NAME.toml` of a folder of the person's own, else the one that ships, else blank.

    Raises:
        RequestError: for a card that cannot be read, naming its file and first fault.
    """
    own = folder / f"{name}.toml"
    shipped = resources.files("llm_nas.tools.devices").joinpath("cards", f"{name}.toml")
    if own.is_file():
        return read_card(own.read_text(encoding="utf-8"), str(own))
    if shipped.is_file():
        return read_card(shipped.read_text(encoding="utf-8"), shipped.name)
    return DeviceCard()


def read_card(text: str, where: str) -> DeviceCard:
    """A card from its text; `where` is named in errors."""
    try:
        return DeviceCard.model_validate(tomllib.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise RequestError(f"device card {where}: {field}: {first['msg']}") from error
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"device card {where} is not TOML: {error}") from error
