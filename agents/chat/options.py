"""How a run uses language models: one frozen value the shell fills in."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from llm_nas.errors import RequestError
from llm_nas.frozen import Frozen

OFFLINE = "offline"
"""The model name that means: no language model."""
MANUAL = "manual"
"""`manual:DIR`: requests are files in DIR, answered by files."""
_ONLY_WITH_A_MODEL = (
    "analyst_model",
    "designer_model",
    "base_url",
    "max_usd",
    "max_tokens",
    "max_calls",
    "max_seconds",
    "record",
    "replay",
)


class ModelOptions(Frozen):
    """Models per role, limits, caps and the record.

    `analyst_model` and `designer_model` override the request's model. Caps left at None do
    not bind; on reaching one, `when_spent` says whether the run stops (resumable) or goes
    on offline. Keys never travel here: they come from the environment.
    """

    analyst_model: str | None = None
    designer_model: str | None = None
    base_url: str | None = None
    max_usd: Annotated[float, Field(gt=0)] | None = None
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    max_calls: Annotated[int, Field(gt=0)] | None = None
    max_seconds: Annotated[float, Field(gt=0)] | None = None
    """Time spent waiting for models, over all attempts of a run."""
    when_spent: Literal["stop", "offline"] = "stop"
    record: Path | None = None
    replay: Path | None = None
    concurrency: Annotated[int, Field(ge=1, le=256)] = 12
    """Calls at the same time; a generation of six niches makes twelve, two roles each."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.7
    timeout_s: Annotated[float, Field(gt=0)] = 120.0
    manual_wait_s: Annotated[float, Field(gt=0)] = 7 * 86_400.0
    """Longest wait for an answer file; then the run stops and can be resumed."""
    retries: Annotated[int, Field(ge=0, le=20)] = 4
    """Further attempts after a failure that waiting may cure."""
    backoff_s: Annotated[float, Field(gt=0)] = 1.0
    """Wait before the first retry; doubles each time, unless the server says how long."""
    max_wait_s: Annotated[float, Field(gt=0)] = 60.0
    """Longest wait obeyed; a server that asks for more has failed the call."""
    repairs: Annotated[int, Field(ge=0, le=5)] = 2
    """Times a model is shown what was wrong with its answer and asked again."""
    max_reply_tokens: Annotated[int, Field(ge=64)] = 4000

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = urlsplit(value)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise RequestError(f"--base-url {value!r}: expected http(s)://host[:port]/v1")
        if url.username or url.password or url.query:
            raise RequestError(
                f"--base-url {url.hostname}: no key in the URL; set LLM_NAS_API_KEY instead"
            )
        return value

    @model_validator(mode="after")
    def _record_or_replay(self) -> "ModelOptions":
        if self.record is not None and self.replay is not None:
            raise RequestError("--record and --replay exclude each other; give one")
        return self


def refuse_without_model(model: str, options: ModelOptions) -> None:
    """`RequestError` for options that only a language model could follow, where there is none."""
    for name in _ONLY_WITH_A_MODEL:
        if getattr(options, name) is not None:
            option = name.replace("_", "-")
            raise RequestError(f"--{option}: --model is {model}, which asks no language model")


def role_models(default: str, options: ModelOptions) -> dict[str, str]:
    """Model name by role, the request's model where a role has none of its own.

    The one who opens is the Designer under another name.
    """
    designer = options.designer_model or default
    return {
        "analyst": options.analyst_model or default,
        "designer": designer,
        "opener": designer,
    }


def is_manual(name: str) -> bool:
    """Whether a model's name says that people or other programs answer by files."""
    return name.partition(":")[0] == MANUAL


def model_label(name: str) -> str:
    """The name that records and reports carry: a folder of this machine is no part of it."""
    return MANUAL if is_manual(name) else name
