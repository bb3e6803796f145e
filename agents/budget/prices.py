"""What tokens cost: a dated table with its sources, and the user's own rows over it."""

import csv
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from llm_nas.agents.budget.usage import PriceUsd
from llm_nas.agents.chat.options import model_label
from llm_nas.errors import RequestError

PRICES_VARIABLE = "LLM_NAS_PRICES"
"""Names a CSV to read instead of the user's table."""
_MODEL, _IN, _OUT = _COLUMNS = ("model", "usd_per_million_in", "usd_per_million_out")


def user_table() -> Path:
    """Where a user's own prices are looked for; the file need not exist."""
    from platformdirs import user_config_path

    return user_config_path("llm-nas") / "prices.csv"


def price_rows(path: Path | None = None) -> dict[str, dict[str, str]]:
    """Rows by model: the shipped table, then the user's.

    The user's table is `path`, else the file that LLM_NAS_PRICES names, else `user_table()` where
    there is one. It needs the columns model, usd_per_million_in and usd_per_million_out; the
    shipped one adds `as_of` (when the price was read) and `source` (the vendor's page).
    """
    shipped = resources.files("llm_nas.agents.budget").joinpath("prices.csv")
    rows = _parse(shipped.read_text("utf-8"), "the shipped price table")
    own = path or _named_by_user()
    if own is not None:
        try:
            rows |= _parse(own.read_text("utf-8"), str(own))
        except OSError as error:
            raise RequestError(f"price table {own}: {error.strerror}") from None
    return rows


def load_prices(path: Path | None = None) -> dict[str, PriceUsd]:
    """Prices by model name; a model without a row has an unknown price (see `price_rows`)."""
    return {model: _price(row) for model, row in price_rows(path).items()}


def _named_by_user() -> Path | None:
    if PRICES_VARIABLE in os.environ:
        return Path(os.environ[PRICES_VARIABLE])
    return user_table() if user_table().exists() else None


def _parse(text: str, source: str) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for line, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        try:
            model, price = row[_MODEL], _price(row)
        except (KeyError, TypeError, ValueError):
            columns = ",".join(_COLUMNS)
            raise RequestError(f"{source}, line {line}: expected columns {columns}") from None
        if not all(0 <= p < 1e6 for p in price):
            raise RequestError(f"{source}, line {line}: price {price} out of range")
        rows[model] = row
    return rows


def _price(row: dict[str, str]) -> PriceUsd:
    return float(row[_IN]), float(row[_OUT])


def role_prices(models: Mapping[str, str], base_url: str | None) -> dict[str, PriceUsd | None]:
    """Price by role; None for a model the table does not know, and for a server by URL.

    A server by URL may charge whatever it likes, unless the table names its model exactly.
    """
    prices = load_prices()
    return {
        role: None if base_url and model.startswith("openai:") else prices.get(model_label(model))
        for role, model in models.items()
    }
