"""Where runners are: on this computer, behind a command of the person's, behind OpenSSH."""

import hashlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

from llm_nas.errors import RequestError
from llm_nas.tools.devices.client import Connect
from llm_nas.tools.devices.link import Link, LinkBroken

RUNNER = Path(__file__).with_name("runner.py")
"""The one file that the other side needs."""
_SSH = re.compile(r"(?:(?P<user>[\w.-]+)@)?(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\])(?::(?P<port>\d+))?")
_COPY_SECONDS = 60.0


def connector(where: str) -> Connect:
    """How to start the runner that `host`, `cmd:COMMAND` or `ssh://[USER@]HOST[:PORT]` names.

    Raises:
        RequestError: for anything else, and for a malformed address.
    """
    if where == "host":
        return lambda: Link((sys.executable, "-I", str(RUNNER)))
    if where.startswith("cmd:"):
        return _by_command(where.removeprefix("cmd:"))
    if where.startswith("ssh://"):
        return _by_ssh(where.removeprefix("ssh://"))
    raise RequestError(f"{where!r} is no device: expected host, cmd:COMMAND or ssh://USER@HOST")


def _by_command(text: str) -> Connect:
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise RequestError(f"the device command {text!r} cannot be read: {error}") from error
    if not parts:
        raise RequestError("cmd: needs a command that runs the runner, e.g. cmd:python3 {runner}")
    command = [part.replace("{runner}", str(RUNNER)) for part in parts]
    return lambda: Link(command)


def _by_ssh(address: str) -> Connect:
    found = _SSH.fullmatch(address)
    if found is None or found["host"].startswith("-") or (found["user"] or "").startswith("-"):
        raise RequestError(f"{address!r} is no address: expected ssh://USER@HOST or with :PORT")
    host = found["host"].strip("[]")
    login = f"{found['user']}@{host}" if found["user"] else host
    base = ("ssh", *_options(found["port"]), "--", login)
    source = RUNNER.read_bytes()
    name = f".cache/llm-nas/runner-{hashlib.sha256(source).hexdigest()[:12]}.py"

    def connect() -> Link:
        _copy(base, name, source)
        return Link((*base, f"exec python3 {name}"))

    return connect


def _options(port: str | None) -> tuple[str, ...]:
    settings = (
        "BatchMode=yes",  # never ask for a password
        "ConnectTimeout=10",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "LogLevel=ERROR",
    )
    options = tuple(part for setting in settings for part in ("-o", setting))
    return (*options, "-p", port) if port else options


def _copy(base: tuple[str, ...], name: str, source: bytes) -> None:
    """Put the runner there, whole or not at all; a copy that is there already is kept."""
    script = (
        f"test -s {name} || {{ mkdir -p .cache/llm-nas && cat > {name}.$$ && "
        f"mv {name}.$$ {name}; }}"
    )
    try:
        done = subprocess.run(
            (*base, script), input=source, capture_output=True, timeout=_COPY_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LinkBroken(f"ssh: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise LinkBroken(said[-1][:200] if said else f"ssh ended with {done.returncode}")
