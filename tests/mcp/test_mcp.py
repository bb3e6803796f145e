"""The MCP server with the official client over standard input and output."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import write_world

pytestmark = pytest.mark.slow
pytest.importorskip("mcp", reason="needs the extra: pip install 'llm-nas[mcp]'")

Ask = Callable[..., Awaitable[Any]]


def talk(home: Path, session: Callable[[Ask], Awaitable[None]], *flags: str) -> None:
    """Run a conversation with `llm-nas mcp` in a process of its own."""
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    words = ["-m", "llm_nas", "mcp", "--in", str(home / "runs"), *flags]
    server = StdioServerParameters(
        command=sys.executable, args=words, env=dict(os.environ), cwd=home
    )

    async def conversation() -> None:
        async with stdio_client(server) as streams, ClientSession(*streams) as client:
            await client.initialize()
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert all(tool.description for tool in tools.values())

            async def ask(name: str, **arguments: Any) -> Any:
                assert name in tools
                answer = await client.call_tool(name, arguments)
                texts = [getattr(part, "text", "") for part in answer.content]
                if answer.isError:
                    return "error: " + " ".join(texts)
                return [json.loads(t) if t[:1] in '{["' else t for t in texts]

            await session(ask)

    asyncio.run(conversation())


async def until(ask: Ask, job: str, state: str) -> dict[str, Any]:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        (seen,) = await ask("status", job=job)
        if seen["state"] == state:
            return dict(seen)
        assert seen["state"] != "failed", seen
        await asyncio.sleep(0.5)
    raise AssertionError(f"{job} never was {state}")


def test_a_client_starts_a_search_watches_it_and_asks_why(tmp_path: Path) -> None:
    world = write_world(tmp_path)

    async def session(ask: Ask) -> None:
        more = {"opening": 8, "batch": 4}
        (started,) = await ask("start_search", **world, trainings=12, more=more)
        job = started["job"]
        seen = await until(ask, job, "finished")
        assert (seen["trainings"], seen["of"]) == (12, 12)
        (found,) = await ask("front", job=job)
        assert found["hv"] > 0
        lines = await ask("explain", job=job, arch=found["front"][0]["arch"])
        assert any("proposes" in str(line) for line in lines)
        (answer,) = await ask("ask", question="something fast and accurate", job=job)
        assert answer["understood"]
        (devices,) = await ask("devices", space="anb")
        assert "a100" in devices["devices"]
        (space,) = await ask("check_space", space="anb")
        assert space["log10_size"] > 10

    talk(tmp_path, session, "--trust")


def test_a_search_is_stopped_and_wrong_questions_are_one_line(tmp_path: Path) -> None:
    world = write_world(tmp_path)

    async def session(ask: Ask) -> None:
        refused = await ask("start_search", **world, trainings=12)
        assert "runs code or calls a server" in refused
        for wrong, line in (
            ({"device": "x=cmd:rm -rf /"}, "--trust"),
            ({"trainings": 0}, "trainings 0: input should be greater"),
            ({"more": {"out": "/etc"}}, "out: is chosen by the server"),
            ({"more": {"base_url": "http://evil.example"}}, "--trust"),
        ):
            answer = await ask("start_search", **wrong)
            assert answer.startswith("error: "), answer
            assert line in answer
            assert "\n" not in answer
        assert "not below" in await ask("status", job="../..")
        (started,) = await ask("start_search", space="anb", trainings=1000)
        job = started["job"]
        await until(ask, job, "running")
        assert "go on with" in (await ask("stop_search", job=job))[0]
        seen = await until(ask, job, "stopped")
        assert seen["trainings"] < 1000

    talk(tmp_path, session)
