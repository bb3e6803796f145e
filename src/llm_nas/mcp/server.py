"""The MCP server: searches as jobs, fronts, claims, answers and explanations.

Over standard input and output, so nobody but the client that started it can reach it. Answers
are plain data; a wrong question is answered by the line that the shell would print.
"""

from collections.abc import Callable
from functools import wraps
from inspect import getdoc
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from mcp.server.fastmcp import FastMCP
from mcp.server.fastmcp.exceptions import ToolError
from pydantic import ValidationError

from llm_nas.errors import LlmNasError, RequestError, first_problem
from llm_nas.graph.record import run_dir
from llm_nas.mcp.jobs import Jobs
from llm_nas.tools.contexts import resolve
from llm_nas.tools.registry import known

P = ParamSpec("P")
R = TypeVar("R")
_MOST_LINES = 60
_ABOUT = (
    "Finds neural networks that are accurate and fast on a device. Start a search, watch its "
    "status, then ask for its front, and why a network is in it. A search may take hours."
)


def build_server(root: Path, *, trust: bool = False) -> tuple[FastMCP, Jobs]:
    """The server of the searches below a folder."""
    server = FastMCP("llm-nas", instructions=_ABOUT)
    jobs = Jobs(root, trust=trust)
    for tool in (*_searching(jobs), *_reading(jobs), *_knowing(jobs)):
        server.add_tool(tool, description=getdoc(tool), structured_output=False)
    return server, jobs


def one_line(tool: Callable[P, R]) -> Callable[P, R]:
    """Answer a wrong question with one line."""

    @wraps(tool)
    def told(*args: P.args, **more: P.kwargs) -> R:
        try:
            return tool(*args, **more)
        except ValidationError as error:
            raise ToolError(first_problem(error)) from None
        except LlmNasError as error:
            raise ToolError(" ".join(str(error).split())) from None

    return told


def _searching(jobs: Jobs) -> tuple[Callable[..., Any], ...]:
    @one_line
    def start_search(
        space: str | None = None,
        task: str | None = None,
        device: str | None = None,
        trainings: int = 60,
        seed: int = 0,
        more: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Start a search as a job and return its name, to ask `status` with.

        `more` holds further fields of a request, such as max_latency_ms, hours or epochs.
        """
        asked = {"space": space, "task": task, "device": device, "trainings": trainings}
        return {"job": jobs.start({**asked, "seed": seed, **(more or {})})}

    @one_line
    def status(job: str) -> dict[str, Any]:
        """What a job does: trainings, what is being timed or trained, the last lines of its log.

        Its state is starting, running, finished, stopped or failed.
        """
        return jobs.status(job)

    @one_line
    def stop_search(job: str) -> str:
        """Stop a job between two steps; it can be gone on with."""
        return jobs.stop(job)

    return start_search, status, stop_search


def _reading(jobs: Jobs) -> tuple[Callable[..., Any], ...]:
    from llm_nas.watch import reading

    @one_line
    def front(job: str) -> dict[str, Any]:
        """The front of a job: the networks no other one beats in both, fastest first.

        Of a job that is under way: the front so far, by validation values.
        """
        seen = reading.snapshot(jobs.folder(job))
        result = seen["result"]
        if result is not None:
            return {"state": seen["state"], "hv": result["hv"], "front": result["front"]}
        return {"state": seen["state"], "hv": None, "front": _so_far(seen)}

    @one_line
    def explain(job: str, arch: str) -> list[str]:
        """Why a network was tried in a job and what came of it, line by line."""
        return reading.story(jobs.folder(job), arch)[:_MOST_LINES]

    @one_line
    def claims(job: str) -> list[dict[str, Any]]:
        """Design rules the job put to the test, with status and evidence from its trainings."""
        return list(reading.snapshot(jobs.folder(job))["claims"][:_MOST_LINES])

    return front, explain, claims


def _so_far(seen: dict[str, Any]) -> list[dict[str, Any]]:
    """Non-dominated networks of a snapshot, fastest first."""
    higher = seen["metric"] is None or seen["metric"]["higher_is_better"]
    sign = 1.0 if higher else -1.0
    kept: list[dict[str, Any]] = []
    for network in sorted(seen["networks"], key=lambda n: (n["latency_ms"], -sign * n["value"])):
        if not kept or sign * network["value"] > sign * kept[-1]["value"]:
            kept.append(network)
    return kept


def _knowing(jobs: Jobs) -> tuple[Callable[..., Any], ...]:
    @one_line
    def ask(question: str, job: str | None = None) -> Any:
        """Ask in plain words what a job learnt ("fast and above 90 %").

        Without a job: what all past searches learnt.
        """
        from llm_nas.knowledge.store import HeuristicStore, default_store_dir
        from llm_nas.tools.spaces import open_space

        if job is None:
            with HeuristicStore.open(default_store_dir(), readonly=True) as shared:
                return shared.ask(question).model_dump(mode="json")
        folder = jobs.folder(job)
        named = run_dir.read_json(folder / run_dir.REQUEST)["request"]
        space = open_space(resolve(named["space"], named["task"], named["device"]).space)
        with HeuristicStore.open(folder / run_dir.STORE, space=space, readonly=True) as own:
            return own.ask(question).model_dump(mode="json")

    @one_line
    def check_space(space: str) -> dict[str, Any]:
        """Open a search space by name and tell what it holds."""
        from llm_nas.tools.spaces import open_space

        if space not in known() and not jobs.trust:
            raise RequestError(f"space {space!r}: not one of {', '.join(known())}")
        opened = open_space(space)
        choices = [{"name": c.name, "values": list(c.values)} for c in opened.choices]
        size = round(opened.log10_size, 2)
        return {"name": opened.name, "log10_size": size, "choices": choices[:_MOST_LINES]}

    @one_line
    def devices(space: str) -> dict[str, Any]:
        """Devices whose latencies are known for a space, and its tasks; `host` is this machine."""
        if space not in known():
            raise RequestError(f"space {space!r}: not one of {', '.join(known())}")
        return {"devices": list(known()[space].devices), "tasks": list(known()[space].tasks)}

    return ask, check_space, devices
