"""Counts of proposals: in all, and by who made them."""

from hypothesis import given
from hypothesis import strategies as st

from llm_nas.domain import Measurement, Proposal, SourceCounts, Verdict
from llm_nas.graph.tally import count, count_by, total

KINDS = ("ok", "repaired", "illegal", "out_of_niche", "duplicate", "evaluated", "no_latency")


def verdict(number: int, kind: str, source: str = "m", *, shown: bool = False) -> Verdict:
    decision = {"ok": "accepted", "repaired": "repaired"}.get(kind, "rejected")
    arch = f"cell{number}"
    proposal = Proposal(
        arch=arch, operator="mutation", source=source, heuristics=("h",) if shown else ()
    )
    return Verdict.model_validate(
        {
            "proposal": proposal,
            "decision": decision,
            "kind": kind,
            "reason": "",
            "arch": None if decision == "rejected" else arch,
        }
    )


def measured(*numbers: int) -> list[Measurement]:
    return [
        Measurement(
            arch=f"cell{n}", niche="S0", generation=0, predicted_accuracy_pct=90.0, latency_ms=1.0
        )
        for n in numbers
    ]


def test_every_fate_is_counted_for_its_source() -> None:
    verdicts = [verdict(i, kind) for i, kind in enumerate(KINDS)]
    verdicts += [verdict(10, "ok"), verdict(11, "ok", "offline", shown=True)]
    found = count_by(verdicts, measured(0, 1, 11))
    assert found["source"]["m"] == SourceCounts(
        raw=8, valid=4, repaired=1, duplicate=2, novel=2, spare=1, rejected=5
    )
    assert found["source"]["offline"] == SourceCounts(raw=1, valid=1, novel=1)
    assert found["heuristics"]["shown"] == found["source"]["offline"]
    assert found["operator"]["mutation"].raw == 9
    rates = found["source"]["m"].rates()
    assert (rates.raw_valid, rates.repaired, rates.duplicate) == (0.5, 0.125, 0.25)
    assert (rates.novel, rates.rejected) == (0.375, 0.625)


def test_a_source_without_proposals_has_no_rates_to_divide_by() -> None:
    assert set(SourceCounts().rates().model_dump().values()) == {0.0}


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from("abc")), max_size=12))
def test_groups_add_up_to_the_whole(fates: list[tuple[str, str]]) -> None:
    verdicts = [verdict(i, kind, source) for i, (kind, source) in enumerate(fates)]
    taken = measured(*(i for i, (kind, _) in enumerate(fates) if kind == "ok" and i % 2))
    whole = count(verdicts, taken)
    found = count_by(verdicts, taken)
    for groups in found.values():
        for name in type(whole).model_fields:
            assert sum(getattr(c, name) for c in groups.values()) == getattr(whole, name)
        assert all(c.raw == c.novel + c.spare + c.rejected for c in groups.values())
        assert all(c.valid + c.repaired <= c.raw for c in groups.values())
    halves = [count_by(verdicts[:5], taken), count_by(verdicts[5:], taken)]
    assert total(halves) == found
