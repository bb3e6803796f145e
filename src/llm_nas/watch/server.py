"""The server of the live page: a few addresses over the folders of runs.

It holds no state of its own, so it can be killed and started again at any moment.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse

from llm_nas.errors import LlmNasError, RequestError
from llm_nas.graph.steps.steer import wish
from llm_nas.watch import reading
from llm_nas.watch.guard import Guard, new_token, wish_token

LOOPBACK = ("127.0.0.1", "localhost")
_POLL_S = 0.4
_ALIVE_S = 10.0
_TYPES = {"page.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}


def serve(root: Path, chosen: str, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve the runs below a folder until Ctrl-C; `say` is told the address.

    Raises:
        RequestError: When the address cannot be used.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise RequestError(f"--host {host} --port {port}: {error.strerror or error}") from None
    port = int(listener.getsockname()[1])
    token = new_token()
    app = build_app(root, chosen, token, port, loopback=host in LOOPBACK)
    say(f"watch: http://{host}:{port}/?token={token}")
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


def build_app(root: Path, chosen: str, token: str, port: int, *, loopback: bool) -> Any:
    """The application, behind its guard."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(LlmNasError, _refused)

    def page() -> Response:
        text = _part("page.html").replace("@@WISH@@", wish_token(token).decode())
        return Response(text, media_type=_TYPES["page.html"])

    def part(name: str) -> Response:
        if name not in _TYPES:
            return Response(status_code=404)
        return Response(_part(name), media_type=_TYPES[name])

    def runs() -> dict[str, Any]:
        found = reading.runs_in(root)
        return {"chosen": chosen or (found[0]["run"] if found else ""), "runs": found}

    def run(name: str) -> dict[str, Any]:
        return reading.snapshot(reading.run_in(root, name))

    def events(name: str) -> Response:
        told = _events(reading.run_in(root, name))
        return StreamingResponse(told, media_type="text/event-stream")

    def story(name: str, arch: str) -> list[str]:
        return reading.story(reading.run_in(root, name), arch)

    async def steer(name: str, request: Request) -> dict[str, Any]:
        try:
            fields = json.loads(await request.body())
        except ValueError:
            raise RequestError("wish: is not JSON") from None
        asked = await run_in_threadpool(wish, reading.run_in(root, name), fields)
        return asked.model_dump(exclude_none=True)

    app.get("/")(page)
    app.get("/api/runs")(runs)
    app.get("/api/run/{name}")(run)
    app.get("/api/events/{name}")(events)
    app.get("/api/story/{name}")(story)
    app.post("/api/wish/{name}")(steer)
    app.get("/{name}")(part)
    hosts = frozenset(f"{name}:{port}" for name in LOOPBACK) if loopback else None
    return Guard(app, token, port, hosts)


def _part(name: str) -> str:
    return (files("llm_nas.watch") / name).read_text(encoding="utf-8")


def _refused(request: Request, error: Exception) -> Response:
    del request
    return JSONResponse({"error": " ".join(str(error).split())}, 400)


async def _events(folder: Path) -> AsyncIterator[str]:
    """The run's snapshot now and whenever it changes (server-sent events)."""
    seen: object = None
    quiet = 0.0
    while True:
        stamp = reading.stamp(folder)
        if stamp != seen or quiet >= _ALIVE_S:
            seen, quiet = stamp, 0.0
            told = await run_in_threadpool(reading.snapshot, folder)
            yield f"data: {json.dumps(told, allow_nan=False)}\n\n"
        await asyncio.sleep(_POLL_S)
        quiet += _POLL_S
