"""Downloads of pinned public files: resumed, retried, checked and put in place atomically."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_base, wait_exponential

from llm_nas.errors import DataError, FetchError
from llm_nas.tools.data.npz import sha256_of
from llm_nas.tools.data.public.upstream import BASE_URL, UPSTREAM, UpstreamFile

Progress = Callable[[UpstreamFile, int], None]
"""Called with a file and the bytes of it that are on disk."""

ATTEMPTS = 5
_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 16


class _Unfinished(Exception):
    """An attempt that may succeed when repeated: a cut body, a server error, no connection."""


class _NotThere(Exception):
    """The server answered 404."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """How to download: from where, into which directory, how patiently."""

    folder: Path
    base_url: str = BASE_URL
    wait: wait_base = field(default_factory=lambda: wait_exponential(multiplier=0.5, max=8))
    progress: Progress = lambda file, have: None

    def fetch_all(self, files: Sequence[UpstreamFile] = UPSTREAM) -> list[Path]:
        """Download the files that are not there yet.

        Returns:
            Their paths in `folder`, in order.

        Raises:
            FetchError: a file cannot be had, or has the wrong hash. What was received of it
                stays as `<name>.part` and is gone on from next time, unless its hash was wrong.
            DataError: the directory cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with httpx.Client(timeout=_TIMEOUT_S, follow_redirects=True) as client:
                return [self._fetch(client, file) for file in files]
        except OSError as error:
            raise DataError(f"{self.folder}: cannot be written ({error.strerror})") from error

    def _fetch(self, client: httpx.Client, file: UpstreamFile) -> Path:
        target = self.folder / file.name
        if target.is_file() and sha256_of(target) == file.sha256:
            self.progress(file, file.size_bytes)
            return target
        part = target.with_name(f"{file.name}.part")
        self._first_that_exists(client, file, part)
        found = sha256_of(part)
        if found != file.sha256:
            part.unlink()
            raise FetchError(
                f"{file.name}: wrong SHA-256 {found[:12]}..., expected {file.sha256[:12]}...; "
                "nothing was kept"
            )
        os.replace(part, target)
        return target

    def _first_that_exists(self, client: httpx.Client, file: UpstreamFile, part: Path) -> None:
        for url in file.urls(self.base_url):
            try:
                self._with_retries(client, file, url, part)
            except _NotThere:
                continue
            return
        raise FetchError(f"{file.name}: not found below {self.base_url} (404)")

    def _with_retries(
        self, client: httpx.Client, file: UpstreamFile, url: str, part: Path
    ) -> None:
        def give_up(state: RetryCallState) -> None:
            reason = state.outcome.exception() if state.outcome else None
            raise FetchError(f"{url}: {reason}; gave up after {ATTEMPTS} attempts, run it again")

        Retrying(
            retry=retry_if_exception_type(_Unfinished),
            stop=stop_after_attempt(ATTEMPTS),
            wait=self.wait,
            retry_error_callback=give_up,
        )(self._attempt, client, file, url, part)

    def _attempt(self, client: httpx.Client, file: UpstreamFile, url: str, part: Path) -> None:
        """Go on from what is on disk; start over when the server ignores the range."""
        have = part.stat().st_size if part.is_file() else 0
        if have > file.size_bytes:
            have = 0
        if have == file.size_bytes:
            return
        headers = {"Range": f"bytes={have}-"} if have else {}
        try:
            with client.stream("GET", url, headers=headers) as response:
                _check_status(response)
                mode = (
                    "ab" if have and response.status_code == HTTPStatus.PARTIAL_CONTENT else "wb"
                )
                self._write(response.iter_bytes(_CHUNK_BYTES), file, part, mode)
        except httpx.HTTPError as error:
            raise _Unfinished(str(error) or type(error).__name__) from error
        if part.stat().st_size < file.size_bytes:
            raise _Unfinished(f"cut short at {part.stat().st_size} of {file.size_bytes} bytes")

    def _write(self, chunks: Iterable[bytes], file: UpstreamFile, part: Path, mode: str) -> None:
        with part.open(mode) as stream:
            for chunk in chunks:
                stream.write(chunk)
                self.progress(file, stream.tell())


def _check_status(response: httpx.Response) -> None:
    if response.status_code == HTTPStatus.NOT_FOUND:
        raise _NotThere
    if response.is_server_error or response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        raise _Unfinished(f"HTTP {response.status_code}")
    if not response.is_success:
        raise FetchError(f"{response.url}: HTTP {response.status_code}")
