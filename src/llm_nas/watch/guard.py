"""Who may see the page, and who may steer: everybody else gets a refusal.

Another page in the same browser can send requests here, but it cannot read the token, set the
header that wishes need, or forge `Origin`; a name of its own that points to this machine fails at
`Host`.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-llm-nas-wish"
_MOST_BYTES = 20_000
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Checks every request before the application sees it."""

    def __init__(self, app: ASGIApp, token: str, port: int, hosts: frozenset[str] | None) -> None:
        """Let in who knows `token`, by one of the `hosts` (`name:port`); None: by any."""
        self._app = app
        self._token = token
        self._cookie = f"llm-nas-{port}"
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._hosts is not None and host not in self._hosts:
            refusal = PlainTextResponse("unknown host\n", 421)
            await refusal(scope, receive, guarded)
            return
        if self._knows(parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
            await answer(scope, receive, guarded)
            return
        reason = self._refusal(scope["method"], headers, host)
        if reason:
            await PlainTextResponse(f"{reason}\n", 403)(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    def _refusal(self, method: str, headers: Headers, host: str) -> str:
        """Why a request is refused; empty when it is not."""
        if not self._knows(_cookies(headers).get(self._cookie, "")):
            return "open the address that llm-nas watch printed"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "another page may not ask"
        if method in ("GET", "HEAD"):
            return ""
        if headers.get("origin") != f"http://{host}":
            return "another page may not ask"
        if not hmac.compare_digest(headers.get(HEADER, "").encode(), wish_token(self._token)):
            return "another page may not ask"
        if headers.get("content-type", "").split(";")[0] != "application/json":
            return "expected JSON"
        length = headers.get("content-length", "")
        return "" if length.isdigit() and int(length) <= _MOST_BYTES else "too long"

    def _knows(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


def wish_token(token: str) -> bytes:
    """What a wish carries beside the cookie; the page alone can read it."""
    return hmac.new(token.encode(), b"wish", hashlib.sha256).hexdigest().encode()


def _cookies(headers: Headers) -> Mapping[str, str]:
    try:
        return {name: m.value for name, m in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}
