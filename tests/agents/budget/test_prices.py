"""Prices with their date and source, and the estimate before a run."""

import re
from pathlib import Path

import pytest

from llm_nas.agents.budget.estimate import estimate_lines, estimate_role, estimate_run, total
from llm_nas.agents.budget.prices import load_prices, price_rows, user_table
from llm_nas.agents.chat.options import ModelOptions
from llm_nas.domain import SearchRequest
from llm_nas.errors import RequestError
from llm_nas.ports import Partition, SearchSpace

OWN = "model,usd_per_million_in,usd_per_million_out\nmine,0,0\nopenai:gpt-4.1,1,2\n"
REQUEST = SearchRequest(dataset="cifar10", device="edgegpu", model="openai:gpt-4.1")


def test_every_shipped_price_has_a_date_and_the_vendors_page() -> None:
    rows = {m: row for m, row in price_rows().items() if not m.startswith("control:")}
    assert load_prices()["openai:gpt-4.1"] == (2.0, 8.0)
    for row in rows.values():
        assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", row["as_of"])
        assert row["source"].startswith("https://")


def test_the_users_own_table_lies_over_the_shipped_one() -> None:
    user_table().parent.mkdir(parents=True)
    user_table().write_text(OWN)
    prices = load_prices()
    assert (prices["mine"], prices["openai:gpt-4.1"]) == ((0.0, 0.0), (1.0, 2.0))
    assert prices["openai:gpt-4.1-mini"] == (0.4, 1.6)


def test_a_variable_names_another_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.csv").write_text(OWN)
    monkeypatch.setenv("LLM_NAS_PRICES", str(tmp_path / "other.csv"))
    assert load_prices()["mine"] == (0.0, 0.0)
    monkeypatch.setenv("LLM_NAS_PRICES", str(tmp_path / "absent.csv"))
    with pytest.raises(RequestError, match="No such file"):
        load_prices()


@pytest.mark.parametrize(
    "text",
    ["model,usd_per_million_in\nmine,1\n", "model,a,b\nmine,1,2\n", "x\n1\n"]
    + [f"model,usd_per_million_in,usd_per_million_out\nmine,{v},1\n" for v in ("nan", "-1", "?")],
)
def test_a_broken_price_table_is_a_bad_request(tmp_path: Path, text: str) -> None:
    own = tmp_path / "prices.csv"
    own.write_text(text)
    with pytest.raises(RequestError, match="line 2"):
        load_prices(own)
    with pytest.raises(RequestError, match="No such file"):
        load_prices(tmp_path / "absent.csv")


def test_an_estimate_multiplies_and_adds_up() -> None:
    known = estimate_role("designer", "m", 10, (1000, 100), (2000, 500), (1.0, 10.0))
    assert (known.calls, known.tokens_in, known.tokens_out) == (10, 10_000, 1_000)
    assert known.usd == pytest.approx(0.02)
    assert known.usd_limit == pytest.approx(0.07)
    both = total((known, known))
    assert (both.calls, both.tokens_in_limit, both.tokens_out_limit) == (20, 40_000, 10_000)
    assert both.usd == pytest.approx(0.04)
    assert both.unpriced == ()


def test_one_unknown_price_makes_the_whole_unknown() -> None:
    known = estimate_role("designer", "m", 10, (1000, 100), (2000, 500), (1.0, 10.0))
    other = estimate_role("analyst", "x", 10, (1000, 100), (2000, 500), None)
    assert (other.usd, total((known, other)).usd) == (None, None)
    assert total((known, other)).unpriced == ("x",)


def test_the_published_setting_costs_about_a_dollar(
    space: SearchSpace, partition: Partition
) -> None:
    run = estimate_run(REQUEST, space, partition)
    assert run.calls == 120
    assert run.tokens_in <= run.tokens_in_limit == 120 * 2600
    assert run.usd is not None
    assert run.usd_limit is not None
    assert 0.1 < run.usd < run.usd_limit < 3


def test_the_estimate_tells_every_role_and_how_old_its_price_is(
    space: SearchSpace, partition: Partition
) -> None:
    options = ModelOptions(analyst_model="openai:gpt-4.1-mini", designer_model="acme:one")
    lines = estimate_lines(estimate_run(REQUEST, space, partition, options))
    text = "\n".join(lines)
    assert re.search(r"analyst, openai:gpt-4.1-mini: 60 calls, \d+\+\d+ tokens, 0\.\d\d USD", text)
    assert re.search(r"designer, acme:one: 60 calls, \d+\+\d+ tokens, price unknown", text)
    assert "price of openai:gpt-4.1-mini: as of 2026-03, https://openai.com/api/pricing" in text
    assert f"no price is known for acme:one; add a row to {user_table()}" in text
    assert "price unknown" in lines[0]


def test_a_server_by_url_has_no_vendors_price(space: SearchSpace, partition: Partition) -> None:
    options = ModelOptions(base_url="http://127.0.0.1:1/v1")
    assert estimate_run(REQUEST, space, partition, options).usd is None
