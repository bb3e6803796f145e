"""Counter-measures in words and ranges."""

from llm_nas.evaluation.remedies import in_words, joined, restrain
from llm_nas.evaluation.signatures import Signature


def test_ranges_that_touch_are_one_and_the_widest_comes_first() -> None:
    assert joined([(1.0, 2.0), (3.0, 4.0), (4.0, 6.0)]) == ((3.0, 6.0), (1.0, 2.0))
    assert joined([]) == ()
    assert in_words([(3.0, 6.0), (1.25, 2.0)]) == "3-6 ms, 1.25-2 ms"


def test_the_source_at_fault_decides_what_is_done() -> None:
    bad = Signature(kind="invalid", niche="S1", source="model", reason="", measure="")
    assert (
        restrain(bad, "offline").taken
        == "operators instead of model, which is asked for one child"
    )
    own = bad.model_copy(update={"source": "offline"})
    assert restrain(own, "offline").taken.startswith("fresh draws")
