"""A person is asked before a hopeless run is paid for: on the page, in code, or nobody answers."""

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from llm_nas.errors import RunStopped
from llm_nas.graph import build_graph
from llm_nas.graph.run import Inputs
from llm_nas.graph.search import resume, search
from llm_nas.graph.steps.steer import wish
from tests.graph.conftest import RequestMaker

HOPELESS: dict[str, Any] = {"max_latency_ms": 0.01, "approve": True, "trainings": 12}


@pytest.mark.parametrize("said", ["approve", "decline"])
def test_a_hopeless_limit_is_asked_about_and_heard_from_the_page(
    request_of: RequestMaker, said: str
) -> None:
    request = request_of("asked", **HOPELESS)
    assert request.out is not None
    notes: list[str] = []

    def answer(seconds: float) -> bool | None:
        del seconds
        assert request.out is not None
        assert "0.01" in (request.out / "now.json").read_text()
        wish(request.out, {"kind": said})
        return None

    inputs = Inputs(picture=False, note=notes.append, answer=answer)
    if said == "decline":
        with pytest.raises(RunStopped, match=r"a person said no: no network .* 0\.01.*--resume"):
            search(request, inputs)
        inputs = Inputs(picture=False, note=notes.append, answer=lambda seconds: True)
        assert resume(request.out, inputs).trainings == 0
    else:
        assert search(request, inputs).trainings == 0
    assert any("max_latency_ms 0.01" in note and "[Y/n]" in note for note in notes)


def test_nobody_s_answer_means_yes(request_of: RequestMaker) -> None:
    notes: list[str] = []
    request = request_of("silent", **HOPELESS, approve_wait_s=0.2)
    search(request, Inputs(picture=False, note=notes.append))
    assert "nobody answered: going on" in notes


def test_what_is_not_hopeless_asks_nobody(request_of: RequestMaker) -> None:
    request = request_of("fine", trainings=12, approve=True, max_latency_ms=3.0)

    def answer(seconds: float) -> bool | None:
        raise AssertionError(f"asked for {seconds} s")

    assert search(request, Inputs(picture=False, answer=answer)).trainings == 12


def test_it_is_an_interrupt_of_the_graph(request_of: RequestMaker) -> None:
    graph = build_graph(InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    state = graph.invoke(request_of("graph", **HOPELESS).model_dump(mode="json"), config)
    (asked,) = state["__interrupt__"]
    assert asked.value["concern"] == "limits"
    assert graph.get_state(config).next == ("approve",)
    output = graph.invoke(Command(resume=False), config)
    assert output["trainings"] == 0
    assert output["front"] == []
