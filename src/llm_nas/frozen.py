"""The base of every value that crosses a folder."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Immutable, without unknown fields, infinities or NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
