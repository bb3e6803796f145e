"""Downloads from a loopback server that behaves well, badly, and then well again."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from tenacity import wait_none

from llm_nas.errors import DataError, FetchError
from llm_nas.tools.data.nb201.tables import REQUIRED, PublishedTables
from llm_nas.tools.data.public import anb
from llm_nas.tools.data.public.fetch import ATTEMPTS, Fetcher
from llm_nas.tools.data.public.nb201 import convert
from llm_nas.tools.data.public.upstream import UPSTREAM, UpstreamFile
from llm_nas.tools.data.rows import load
from llm_nas.tools.data.truth.nb201 import published_test_pct

CONTENT = bytes(np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8))
FILE = UpstreamFile(
    repository="owner/name",
    commit="c" * 40,
    path="folder/table.bin",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size_bytes=len(CONTENT),
)

Behaviour = Callable[[BaseHTTPRequestHandler, bytes], None]


def _start(asked: str) -> int:
    """First byte of a `Range` header."""
    return int(asked.removeprefix("bytes=").rstrip("-"))


def whole(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """200, or 206 from where the client asks."""
    start = _start(handler.headers.get("Range", "bytes=0-"))
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Length", str(len(body) - start))
    handler.end_headers()
    handler.wfile.write(body[start:])


def without_ranges(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """200 and everything, whatever was asked for."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def cut(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Promises everything, sends a third of what is left, hangs up."""
    start = _start(handler.headers.get("Range", "bytes=0-"))
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Length", str(len(body) - start))
    handler.end_headers()
    handler.wfile.write(body[start : start + (len(body) - start) // 3])
    handler.close_connection = True


def error(status: int) -> Behaviour:
    """Only ever this status."""

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@dataclass
class Server:
    """Files by URL path, and how to answer the first requests; after those, well."""

    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    script: list[Behaviour] = field(default_factory=list[Behaviour])
    otherwise: Behaviour = whole
    seen: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.seen.append((handler.path, handler.headers.get("Range")))
        if handler.path not in self.files:
            error(404)(handler, b"")
            return
        behave = self.script.pop(0) if self.script else self.otherwise
        behave(handler, self.files[handler.path])


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server(files={f"/owner/name/{'c' * 40}/folder/table.bin": CONTENT})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{http.server_port}"
        yield state
        http.shutdown()
        thread.join()


def _fetch(server: Server, folder: Path) -> Path:
    return Fetcher(folder, server.url, wait=wait_none()).fetch_all([FILE])[0]


def test_a_file_arrives_and_progress_is_told(server: Server, tmp_path: Path) -> None:
    told: list[int] = []

    def note(file: UpstreamFile, have: int) -> None:
        told.append(have)

    fetcher = Fetcher(tmp_path / "new", server.url, progress=note)
    assert fetcher.fetch_all([FILE])[0].read_bytes() == CONTENT
    assert told == sorted(told)
    assert told[-1] == len(CONTENT)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["table.bin"]


def test_nothing_is_fetched_twice(server: Server, tmp_path: Path) -> None:
    _fetch(server, tmp_path)
    _fetch(server, tmp_path)
    assert len(server.seen) == 1


def test_a_cut_body_is_gone_on_from(server: Server, tmp_path: Path) -> None:
    server.script = [cut, cut]
    assert _fetch(server, tmp_path).read_bytes() == CONTENT
    first, second, third = (asked for _, asked in server.seen)
    assert first is None
    assert second is not None
    assert third is not None
    assert 0 < _start(second) < _start(third) < len(CONTENT)


def test_a_later_run_goes_on_too(server: Server, tmp_path: Path) -> None:
    (tmp_path / "table.bin.part").write_bytes(CONTENT[:1000])
    assert _fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.seen[0][1] == "bytes=1000-"


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.script, server.otherwise = [cut], without_ranges
    assert _fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_500_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.script = [error(500), error(503)]
    assert _fetch(server, tmp_path).read_bytes() == CONTENT
    assert len(server.seen) == 3


def test_a_lasting_500_gives_up_with_one_line(server: Server, tmp_path: Path) -> None:
    server.otherwise = error(500)
    with pytest.raises(FetchError, match="HTTP 500; gave up after") as caught:
        _fetch(server, tmp_path)
    assert "\n" not in str(caught.value)
    assert len(server.seen) == ATTEMPTS
    assert not (tmp_path / "table.bin").exists()


def test_a_wrong_hash_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    server.files = dict.fromkeys(server.files, CONTENT[:-1] + b"!")
    with pytest.raises(FetchError, match=r"table\.bin: wrong SHA-256 .* nothing was kept"):
        _fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_part_does_not_poison_the_next_run(server: Server, tmp_path: Path) -> None:
    (tmp_path / "table.bin.part").write_bytes(b"x" * 1000)
    with pytest.raises(FetchError, match="wrong SHA-256"):
        _fetch(server, tmp_path)
    assert _fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_plain_mirror_is_found_after_a_404(server: Server, tmp_path: Path) -> None:
    server.files = {"/name/table.bin": CONTENT}
    assert _fetch(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 403])
def test_refusals_are_not_repeated(server: Server, tmp_path: Path, status: int) -> None:
    server.otherwise = error(status)
    with pytest.raises(FetchError, match=str(status)):
        _fetch(server, tmp_path)
    assert max(Counter(path for path, _ in server.seen).values()) == 1


def test_no_server_at_all(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="gave up after"):
        Fetcher(tmp_path, "http://127.0.0.1:9", wait=wait_none()).fetch_all([FILE])


def test_a_folder_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        _fetch(server, tmp_path / "file" / "below")


def test_public_files_become_the_published_tables(
    server: Server, tmp_path: Path, upstream: Path, tables: Path
) -> None:
    server.files = {
        f"/{p.relative_to(upstream).as_posix()}": p.read_bytes() for p in upstream.glob("*/*.*")
    }
    server.script = [cut, error(500)]
    Fetcher(tmp_path / "public", server.url, wait=wait_none()).fetch_all(UPSTREAM)
    written = convert(tmp_path / "public", tmp_path)
    assert sorted(p.name for p in written) == sorted(REQUIRED)

    published, converted = PublishedTables(tables), PublishedTables(tmp_path)
    for task in ("cifar10", "ImageNet16-120"):
        np.testing.assert_array_equal(
            published_test_pct(tmp_path, task), published_test_pct(tables, task)
        )
        np.testing.assert_array_equal(
            converted.latency_ms(task, "edgetpu"), published.latency_ms(task, "edgetpu")
        )
        ours, theirs = converted.proxies(task), published.proxies(task)
        known = ~np.isnan(ours)
        np.testing.assert_allclose(ours[known], theirs[known])
        # Only zen of non-canonical cells is in no pinned file.
        assert np.flatnonzero((known != ~np.isnan(theirs)).any(axis=0)).tolist() == [12]

    rows = load(anb.convert(tmp_path / "public", tmp_path))
    same = anb.measured_rows(tables)
    of_text = {arch: position for position, arch in enumerate(same.archs)}
    order = [of_text[arch] for arch in rows.archs]
    assert sorted(order) == list(range(len(same.archs)))
    for name, values in rows.quantities.items():
        np.testing.assert_array_equal(values, same.quantities[name][order])
