"""Requests for graph tests."""

from pathlib import Path

from llm_nas.domain import SearchRequest


class RequestMaker:
    """Requests whose runs and stores lie in the test's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str = "run", **changes: object) -> SearchRequest:
        fields: dict[str, object] = {
            "dataset": "cifar10",
            "device": "fpga",
            "budget": 30,
            "generations": 3,
            "out": self.folder / name,
        }
        return SearchRequest.model_validate(fields | changes)
