"""The graph as an API: schemas, what its streams carry, one line for a wrong request."""

import json
from pathlib import Path
from typing import Any

import pytest

from llm_nas.domain import SearchRequest
from llm_nas.errors import RequestError
from llm_nas.graph import build_graph, graph
from tests.agents.openai_server import Answer, Asked, OpenAIServer, valid_nonsense
from tests.graph.conftest import RequestMaker


def told(request: SearchRequest, *modes: Any, **more: Any) -> list[tuple[Any, str, Any]]:
    fields = request.model_dump(mode="json")
    parts: Any = graph.stream(fields, stream_mode=list(modes), subgraphs=True, **more)
    return list(parts)


def test_schemas_are_described_to_the_last_field() -> None:
    form = graph.get_input_jsonschema()["properties"]
    assert set(SearchRequest.model_fields) < set(form)
    assert [name for name, field in form.items() if not field.get("description")] == []
    assert form["space"]["default"] is None
    context = graph.get_context_jsonschema()
    assert context is not None
    assert not context.get("required")


def test_every_update_says_what_its_step_did(request_of: RequestMaker) -> None:
    """In plain data, so that any server can send it; the last word is the output alone."""
    events = told(request_of(trainings=12), "updates", "custom", context={})
    json.dumps([data for _, _, data in events])
    updates = [
        (step, did) for _, mode, data in events if mode == "updates" for step, did in data.items()
    ]
    assert [step for step, did in updates if not did] == []
    plans = [did["did"]["run"]["plan"] for step, did in updates if step == "plan"]
    assert [plan["generation"] for plan in plans] == [0, 1, 2]
    assert all(why["reason"] for plan in plans[:2] for why in plan["why"])
    assert all(why["gain"] > 0 for why in plans[1]["why"])
    verdicts = [
        v
        for step, did in updates
        if step == "validator"
        for steps in did["did"].values()
        for v in steps["validator"]
    ]
    assert {v["decision"] for v in verdicts} == {"accepted"}
    progress = [data for _, mode, data in events if mode == "custom"]
    assert sum("training" in p for p in progress) == 12 == sum("answer" in p for p in progress)


def test_the_output_is_what_is_promised(request_of: RequestMaker) -> None:
    output = build_graph().invoke(request_of(trainings=12).model_dump(mode="json"))
    assert set(output) == {"run_dir", "front", "hv", "hv_at", "trainings", "failures"}
    assert not (Path(output["run_dir"]) / "now.json").exists()


def in_pieces(asked: Asked) -> Answer:
    """A valid answer, streamed as the protocol wants it when asked to."""
    whole = valid_nonsense(asked)
    if not asked.body.get("stream"):
        return whole
    document = json.loads(whole.body)
    text = document["choices"][0]["message"]["content"]
    deltas = [{"role": "assistant", "content": text[:9]}, {"content": text[9:]}, {}]
    chunks = [
        {"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}
        for delta in deltas
    ]
    kept = {"id": "c", "created": 1, "model": "stub", "object": "chat.completion.chunk"}
    lines = [kept | {"choices": [chunk]} for chunk in chunks]
    lines.append(kept | {"choices": [], "usage": document["usage"]})
    body = "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + "data: [DONE]\n\n"
    return Answer(body=body.encode(), headers={"X-Accel-Buffering": "no"})


def test_messages_carry_what_models_say(
    request_of: RequestMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_NAS_API_KEY", "none")
    with OpenAIServer(in_pieces) as server:
        request = request_of(trainings=12, model="openai:small", base_url=server.base_url)
        events = told(request, "messages")
    spoken = [data for _, mode, data in events if mode == "messages"]
    assert spoken
    assert {meta["langgraph_node"] for _, meta in spoken} <= {"analyst", "designer", "plan"}
    assert any(chunk.content for chunk, _ in spoken)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"trainings": 0}, "trainings 0: input should be greater than or equal to 1"),
        ({"accuracy": "guessed"}, "accuracy 'guessed': input should be 'trained' or 'predicted'"),
        ({"device": "toaster"}, "toaster"),
    ],
)
def test_a_wrong_request_is_one_line_and_leaves_nothing(
    request_of: RequestMaker, wrong: dict[str, Any], line: str
) -> None:
    request = request_of("refused")
    with pytest.raises(RequestError, match=line) as refused:
        graph.invoke(request.model_dump(mode="json") | wrong)
    assert "\n" not in str(refused.value)
    assert request.out is not None
    assert not request.out.exists()
