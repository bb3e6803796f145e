"""Prices with their date and source, and the estimate before a run."""

import re
from pathlib import Path

import pytest

from llm_nas.agents.budget.estimate import estimate_lines, estimate_run, estimated_calls
from llm_nas.agents.budget.prices import load_prices, price_rows, user_table
from llm_nas.agents.chat.options import ModelOptions
from llm_nas.agents.model.prompts import TOKEN_LIMITS
from llm_nas.domain import ACCURACY, SearchRequest
from llm_nas.errors import RequestError
from llm_nas.ports import Partition, SearchSpace

OWN = "model,usd_per_million_in,usd_per_million_out\nmine,0,0\nopenai:gpt-4.1,1,2\n"
REQUEST = SearchRequest(task="digits", device="pixel3", model="openai:gpt-4.1")


def test_every_shipped_price_has_a_date_and_the_vendors_page() -> None:
    rows = {
        m: row
        for m, row in price_rows().items()
        if m.partition(":")[0] not in ("control", "manual")
    }
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


def test_calls_follow_the_request() -> None:
    assert estimated_calls(REQUEST, 6, 12) == {"opener": 2, "analyst": 48, "designer": 15}
    quiet = REQUEST.model_copy(update={"open": "zero-cost", "model_share": 0.0})
    assert estimated_calls(quiet, 3, 12) == {"opener": 0, "analyst": 24, "designer": 0}
    wide = REQUEST.model_copy(update={"opening": 60})
    assert estimated_calls(wide, 6, 12) == {"opener": 6, "analyst": 0, "designer": 0}


def test_a_run_of_sixty_trainings_costs_less_than_a_dollar(
    space: SearchSpace, partition: Partition
) -> None:
    roles = {r.role: r for r in estimate_run(REQUEST, space, partition, ACCURACY)}
    assert set(roles) == {"opener", "analyst", "designer"}
    for role, part in roles.items():
        assert 0 < part.tokens_in <= part.calls * TOKEN_LIMITS[role]
    usd = sum(part.usd or 9.0 for part in roles.values())
    assert 0.05 < usd < 1.0


def test_the_estimate_tells_every_role_and_how_old_its_price_is(
    space: SearchSpace, partition: Partition
) -> None:
    options = ModelOptions(analyst_model="openai:gpt-4.1-mini", designer_model="acme:one")
    lines = estimate_lines(estimate_run(REQUEST, space, partition, ACCURACY, options))
    text = "\n".join(lines)
    assert re.search(r"analyst, openai:gpt-4.1-mini: 24 calls, \d+\+\d+ tokens, 0\.\d\d USD", text)
    assert re.search(r"designer, acme:one: 15 calls, \d+\+\d+ tokens, price unknown", text)
    assert "price of openai:gpt-4.1-mini: as of 2026-03, https://openai.com/api/pricing" in text
    assert f"no price is known for acme:one; add a row to {user_table()}" in text
    assert "price unknown" in lines[0]


def test_a_server_by_url_has_no_vendors_price(space: SearchSpace, partition: Partition) -> None:
    options = ModelOptions(base_url="http://127.0.0.1:1/v1")
    roles = estimate_run(REQUEST, space, partition, ACCURACY, options)
    assert {part.usd for part in roles} == {None}


def test_people_and_controls_cost_nothing(space: SearchSpace, partition: Partition) -> None:
    request = REQUEST.model_copy(update={"model": "manual:/nowhere"})
    roles = estimate_run(request, space, partition, ACCURACY, ModelOptions(max_usd=0.1))
    assert {(part.model, part.usd) for part in roles} == {("manual", 0.0)}
