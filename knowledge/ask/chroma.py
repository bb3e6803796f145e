"""Chroma clients that can be closed: files in a store's folder, or a server by URL."""

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_nas.errors import RequestError, StoreError

if TYPE_CHECKING:
    from chromadb.api.client import Client

URL_VARIABLE = "LLM_NAS_CHROMA_URL"
ANSWER_SECONDS = 5.0
"""A server that says nothing for this long counts as dead."""


def server_url(given: str | None) -> str | None:
    """The server to use: the one given, else the environment's; None for files.

    Raises:
        RequestError: It is no plain http(s) address.
    """
    url = given or os.environ.get(URL_VARIABLE) or None
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise RequestError(f"--chroma-url {url!r}: expected http(s)://host[:port]")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 8000)
    except ValueError:
        raise RequestError(f"--chroma-url {url!r}: impossible port") from None
    return f"{parts.scheme}://{parts.hostname}:{port}"


def open_files(folder: Path) -> "Client":
    """A client over files, as `PersistentClient` makes it."""
    from chromadb.api.client import Client
    from chromadb.config import Settings

    return Client(
        settings=Settings(
            anonymized_telemetry=False, is_persistent=True, persist_directory=str(folder)
        )
    )


def open_server(url: str) -> "Client":
    """A client of a server, as `HttpClient` makes it.

    Raises:
        StoreError: Nobody answers there, or it is no Chroma server.
    """
    import httpx
    from chromadb.api.client import Client
    from chromadb.config import Settings

    parts = urlsplit(url)
    try:
        # Chroma's own client would wait for ever.
        httpx.get(f"{url}/api/v2/heartbeat", timeout=ANSWER_SECONDS).raise_for_status()
        return Client(
            settings=Settings(
                anonymized_telemetry=False,
                chroma_api_impl="chromadb.api.fastapi.FastAPI",
                chroma_server_host=str(parts.hostname),
                chroma_server_http_port=parts.port,
                chroma_server_ssl_enabled=parts.scheme == "https",
            )
        )
    except (httpx.HTTPError, ValueError) as error:
        why = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise StoreError(f"Chroma server {url} does not answer ({why})") from error


def close(client: "Client") -> None:
    """Release a client's files or connections; Chroma itself leaves connections open."""
    import httpx

    admin = getattr(client, "_admin_client", None)
    servers = [getattr(owner, "_server", None) for owner in (client, admin)]
    client.close()
    for server in servers:
        session = getattr(server, "_session", None)
        shared = getattr(server, "_running", False)
        if isinstance(session, httpx.Client) and not shared:
            session.close()
