"""What a finished run is told about the figures of its result."""

from dataclasses import replace
from pathlib import Path

import pytest

from llm_nas.domain import ContextName
from llm_nas.evaluation.truth import Truth, open_truth
from llm_nas.graph.ending import judged
from llm_nas.graph.search import search
from llm_nas.ports import SearchSpace
from tests.graph.conftest import RequestMaker


def _without_the_best(
    context: ContextName, space: SearchSpace, data_dir: Path | None = None
) -> Truth | None:
    """A truth whose front was frozen before anybody found the better half of it."""
    found = open_truth(context, space, data_dir)
    assert found is not None
    front = found.reference
    short = replace(found)
    vars(short)["_reference"] = replace(front, error=front.error + 5.0)
    return short


def test_a_run_beyond_the_reference_front_says_so(
    request_of: RequestMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search(request_of("whole"))
    assert not [note for note in whole.notes if "beyond" in note]
    monkeypatch.setattr(judged, "open_truth", _without_the_best)
    (told,) = [note for note in search(request_of("short")).notes if "beyond" in note]
    assert "make it anew" in told
