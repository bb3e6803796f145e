"""The ledger: paid once, read in a fixed order, whole after any kill."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from llm_nas.domain import Failure, Measurement, Timing
from llm_nas.graph.record.ledger import RUN, Ledger, Outcome
from llm_nas.graph.record.trace import Trace, read_trace

NICHES = ("Q0", "Q1", "Q2")


def row(arch: str, niche: str = "Q0", generation: int = 0, value: float = 50.0) -> Measurement:
    return Measurement(
        arch=arch,
        niche=niche,
        generation=generation,
        value=value,
        latency_ms=1.0,
        latency_low_ms=1.0,
        latency_high_ms=1.0,
        seconds=2.0,
    )


def test_a_training_is_paid_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "a.sqlite", NICHES)
    ledger.pay(row("k=3"))
    ledger.pay(row("k=3", value=99.0))
    assert [m.value for m in ledger.measured()] == [50.0]
    assert ledger.spent() == 1.0
    ledger.close()


@given(order=st.permutations([(g, n, i) for g in range(2) for n in NICHES for i in range(2)]))
def test_rows_come_by_generation_niche_and_time_whatever_finished_first(
    order: list[tuple[int, str, int]],
) -> None:
    ledger = Ledger(Path(":memory:"), NICHES)
    for generation, niche, i in order:
        ledger.pay(row(f"{generation} {niche} {i}", niche, generation))
    places = [(m.generation, NICHES.index(m.niche)) for m in ledger.measured()]
    assert places == sorted(places)
    within = [m.arch for m in ledger.measured_in(1, "Q2")]
    assert within == [f"{g} {n} {i}" for g, n, i in order if (g, n) == (1, "Q2")]
    assert len(ledger.measured(before=1)) == 6
    ledger.close()


def test_a_reopened_ledger_holds_what_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    first = Ledger(path, NICHES)
    first.pay(row("a", "Q1"))
    first.pay(row("b", "Q0"))
    first.fail(Failure(arch="c", stage="train", reason="NaN", trainings=0.5, seconds=3.0), 0, "Q0")
    first.time(Timing(arch="a", median_ms=1, low_ms=1, high_ms=1, seconds=0.5), 0)
    first.add_seconds({"total": 4.0})
    again = Ledger(path, NICHES)
    assert [m.arch for m in again.measured()] == ["b", "a"]
    assert again.spent() == 2.5
    assert again.seconds() == {"training": 7.0, "timing": 0.5, "total": 4.0}
    assert again.timing_of("a") == first.timing_of("a")
    assert [f.arch for f in again.failures_in(0, "Q0")] == ["c"]
    again.close()
    first.close()


def test_the_first_outcome_of_a_niche_stays(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "a.sqlite", NICHES)
    ledger.record(0, Outcome(niche="Q0", keep=("first",)), [])
    ledger.record(0, Outcome(niche="Q0", keep=("second",)), [])
    ledger.record(0, Outcome(niche=RUN), [])
    assert [o.keep for o in ledger.outcomes()] == [("first",)]
    assert ledger.recorded(0, RUN)
    assert not ledger.recorded(1, "Q0")
    ledger.close()


def test_a_trace_is_made_whole_from_the_ledger(tmp_path: Path) -> None:
    """Killed between ledger and trace, or in the middle of a write, the trace lacks a block."""
    ledger = Ledger(tmp_path / "a.sqlite", NICHES)
    trace = Trace(tmp_path / "trace.jsonl", "r")
    blocks = [[trace.event(0, niche, "train", "measurement", arch=niche)] for niche in NICHES]
    for niche, block in zip(NICHES, blocks, strict=True):
        ledger.record(0, Outcome(niche=niche), block)
    trace.append(blocks[0])
    trace.close()
    assert ledger.blocks() == []  # niches are told in order, when all of a generation are done
    ledger.record(0, Outcome(niche=RUN), [])
    with (tmp_path / "trace.jsonl").open("ab") as file:
        file.write(b'{"ts": "torn')
    again = Trace(tmp_path / "trace.jsonl", "r", ledger.blocks())
    again.close()
    told = [e.data["arch"] for e in read_trace(tmp_path) if e.event == "measurement"]
    assert told == list(NICHES)
    ledger.close()
