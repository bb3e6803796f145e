"""Devices that measure: real runners, and ones that lie, die, are slow or noisy."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from llm_nas.domain import Failure, TaskShape, Timing
from llm_nas.errors import RequestError, RunStopped, ToolError
from llm_nas.tools.devices.card import open_card, read_card
from llm_nas.tools.devices.check import check
from llm_nas.tools.devices.client import Sessions
from llm_nas.tools.devices.real import RealDevice, is_real, open_real_device
from llm_nas.tools.devices.remote import RUNNER, connector
from llm_nas.tools.devices.timing import steady
from llm_nas.tools.export.onnx_file import export, logits_of
from tests.tools.small_space import BROKEN, GOOD, WIDE, small_space

SHAPE = TaskShape(height=8, width=8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 10))
    export(network, SHAPE, path, "trace")
    return path


@pytest.fixture
def fake(tmp_path: Path) -> Iterator["Fake"]:
    made = Fake(tmp_path)
    yield made
    for device in made.devices:
        device.close()


class Fake:
    """Devices whose runner is a script: the real one with a few lines before its `main()`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.devices: list[RealDevice] = []
        self.said: list[str] = []

    def device(self, changes: str, patience: float = 5.0) -> RealDevice:
        script = self._folder / "fake.py"
        head = f"import sys; sys.path.insert(0, {str(RUNNER.parent)!r}); import runner\n"
        script.write_text(head + textwrap.dedent(changes) + "\nrunner.main()\n")
        made = open_real_device(
            f"fake=cmd:{sys.executable} {script}",
            small_space(),
            SHAPE,
            patience_seconds=patience,
            say=self.said.append,
        )
        self.devices.append(made)
        return made


def runner_of(device: RealDevice) -> int:
    """Process id of the runner that answers now."""
    device.client.hello()
    pid = device.client.pid
    assert pid is not None
    return pid


def test_the_host_times_builds_and_names_what_fails() -> None:
    device = open_real_device("host", small_space(), SHAPE)
    good, broken, wide = device.measure([GOOD, BROKEN, WIDE])
    device.close()
    assert isinstance(good, Timing)
    assert isinstance(wide, Timing)
    assert good.low_ms <= good.median_ms <= good.high_ms
    assert good.n == 5
    assert isinstance(broken, Failure)
    assert (broken.stage, broken.trainings) == ("build", 0.0)
    assert "no such layer" in broken.reason
    assert "ONNX Runtime" in device.source


def test_threads_take_turns() -> None:
    device = open_real_device("host", small_space(), SHAPE)
    with ThreadPoolExecutor(4) as pool:
        answers = [answer[0] for answer in pool.map(device.measure, [[GOOD], [WIDE]] * 3)]
    device.close()
    assert all(isinstance(answer, Timing) for answer in answers)
    assert [answer.arch for answer in answers] == [GOOD, WIDE] * 3


def test_a_runner_elsewhere_computes_what_is_computed_here(model: Path) -> None:
    device = open_real_device(f"copy=cmd:{sys.executable} {{runner}}")
    images = np.random.default_rng(0).random((5, 3, 8, 8), dtype=np.float32)
    outputs = device.client.run(model.read_bytes(), images)
    found = check(device)
    device.close()
    assert np.allclose(outputs, logits_of(model, images), atol=1e-5)
    assert found["median_ms"] > 0
    assert device.name == "copy"


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"no network")
    device = open_real_device("host")
    with pytest.raises(ToolError, match="InvalidProtobuf"):
        device.time_file(path)
    device.close()


def test_eight_times_slower_is_eight_times_slower(fake: Fake, model: Path) -> None:
    slow = """
        times = runner.times_of
        runner.times_of = lambda *a: [8 * t for t in times(*a)]
    """
    here = open_real_device("host")
    ratio = fake.device(slow).time_file(model).median_ms / here.time_file(model).median_ms
    here.close()
    assert 4 < ratio < 16


def test_noise_of_thirty_percent_is_tried_again_and_said(fake: Fake, model: Path) -> None:
    noisy = """
        from itertools import cycle
        factors = cycle((1.0, 1.1, 1.3, 1.2, 1.05))
        runner.times_of = lambda *a: [next(factors)] * 60
    """
    latency = fake.device(noisy).time_file(model)
    assert any("timed 3 times" in note for note in latency.notes)
    assert any("27 % of the median wide" in note for note in latency.notes)
    assert (latency.low_ms, latency.median_ms, latency.high_ms) == (1.0, 1.1, 1.3)


def test_a_connection_cut_five_times_loses_nothing(fake: Fake, model: Path) -> None:
    device = fake.device("")
    for _ in range(5):
        pid = runner_of(device)
        cutter = threading.Timer(0.2, os.kill, (pid, signal.SIGKILL))
        cutter.start()
        assert device.time_file(model).runs >= 250
        cutter.join()
    assert sum("connection lost" in line for line in fake.said) == 5


def test_a_network_that_kills_the_runner_is_to_blame_itself(fake: Fake) -> None:
    deadly = """
        import os
        def time_model(request):
            os.kill(os.getpid(), 9)
        runner.OPERATIONS["time"] = time_model
    """
    failure = fake.device(deadly).measure([GOOD])[0]
    assert isinstance(failure, Failure)
    assert failure.stage == "time"
    assert "3 connections lost" in failure.reason


def test_a_device_that_vanishes_stops_the_run_so_that_it_can_be_resumed(model: Path) -> None:
    said: list[str] = []
    device = open_real_device("gone=cmd:false", patience_seconds=1.0, say=said.append)
    started = time.monotonic()
    with pytest.raises(RunStopped, match="gone cannot be reached"):
        device.time_file(model)
    assert 1.0 <= time.monotonic() - started < 10
    assert said
    with pytest.raises(RunStopped, match="No such file"):
        open_real_device("none=cmd:/no/such/program", patience_seconds=0).time_file(model)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"medians_ms": [], "runs": 1}', "medians_ms"),
        ('{"medians_ms": [-1.0], "runs": 1}', "greater than 0"),
        ('{"medians_ms": [float("nan")], "runs": 1}', "finite"),
        ('{"medians_ms": ["x"], "runs": 1}', "number"),
        ('{"medians_ms": [1.0] * 99, "runs": 1}', "at most 50"),
        ('{"error": "no\\nmemory" * 999}', "no"),
    ],
)
def test_answers_are_not_believed_unchecked(
    fake: Fake, model: Path, answer: str, said: str
) -> None:
    device = fake.device(f'runner.OPERATIONS["time"] = lambda request: {answer}')
    with pytest.raises(ToolError, match=said) as caught:
        device.time_file(model)
    assert len(str(caught.value)) < 500


def test_banners_are_skipped_and_another_protocol_is_refused(fake: Fake, model: Path) -> None:
    banner = 'print("Welcome!\\n{\\"id\\": \\"1\\"\\n[1]", flush=True)'
    assert fake.device(banner).time_file(model).runs >= 250
    with pytest.raises(ToolError, match="protocol 9"):
        fake.device("runner.PROTOCOL = 9").client.hello()
    flood = 'print("no answer\\n" * 300, flush=True)'
    with pytest.raises(RunStopped, match="answer nothing"):
        fake.device(flood, patience=0).client.hello()


def test_silence_is_a_lost_connection(fake: Fake, model: Path) -> None:
    device = fake.device('import time; runner.OPERATIONS["time"] = lambda r: time.sleep(60)')
    device.client.request_seconds = 0.2
    with pytest.raises(ToolError, match="no answer in time"):
        device.time_file(model)


def test_throttling_is_said() -> None:
    slower = Sessions(medians_ms=(1.0, 1.03, 1.06, 1.09, 1.12), runs=250)
    assert any("throttling" in note for note in steady(lambda: slower).notes)
    quiet = Sessions(medians_ms=(1.0, 1.05, 1.01, 1.02, 1.03), runs=250)
    latency = steady(lambda: quiet)
    assert (latency.low_ms, latency.median_ms, latency.high_ms) == (1.0, 1.02, 1.05)
    assert latency.notes == ()


def test_names_and_cards(tmp_path: Path) -> None:
    assert is_real("host")
    assert is_real("pi=ssh://pi@board")
    assert not is_real("pi=table.csv")
    for bad in ("x=ssh://-oProxyCommand=x", "x=ssh://a b", "x=cmd:", "../x=cmd:true", "x=cmd:'"):
        with pytest.raises(RequestError):
            open_real_device(bad)
    with pytest.raises(RequestError):
        connector("ftp://x")
    (tmp_path / "board.toml").write_text('kind = "board"\nthreads = 4\n')
    assert open_card("board", tmp_path).threads == 4
    assert open_card("host").threads == 1
    for text in ("threads = 0", "colour = 1", "= x"):
        with pytest.raises(RequestError, match="device card x"):
            read_card(text, "x")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Port of an OpenSSH server on loopback, and the home of who logs in."""
    server = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"])
    if server is None or shutil.which("ssh") is None:
        pytest.skip("needs OpenSSH's server and client")
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True
        )
    (tmp_path / "authorized").write_bytes((tmp_path / "user.pub").read_bytes())
    port = 20_000 + os.getpid() % 20_000
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python3").symlink_to(sys.executable)
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": tmp_path / "host",
        "AuthorizedKeysFile": tmp_path / "authorized",
        "PidFile": "none",
        "UsePAM": "no",
        "StrictModes": "no",
        "PermitRootLogin": "yes",
        "SetEnv": f"HOME={home} PATH={Path(sys.executable).parent}:/usr/bin:/bin",
        "ForceCommand": f'cd {home} && sh -c "$SSH_ORIGINAL_COMMAND"',
    }
    config = tmp_path / "sshd_config"
    config.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([server, "-D", "-e", "-f", config], stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    if process.poll() is not None:
        pytest.skip("the OpenSSH server does not start here")
    yield port, home
    process.terminate()
    process.wait()


@pytest.fixture
def ssh_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An `ssh` first on the path that knows the test's key and server."""
    folder = tmp_path / "path"
    folder.mkdir()
    real = shutil.which("ssh")
    options = f"-F none -i {tmp_path}/user -o StrictHostKeyChecking=no"
    hosts = f"-o UserKnownHostsFile={tmp_path}/known"
    (folder / "ssh").write_text(f'#!/bin/sh\nexec {real} {options} {hosts} "$@"\n')
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.slow
@pytest.mark.usefixtures("ssh_client")
def test_ssh_copies_the_runner_and_survives_five_cuts(sshd: tuple[int, Path], model: Path) -> None:
    port, home = sshd
    said: list[str] = []
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    device = open_real_device(
        f"pi=ssh://{user}@127.0.0.1:{port}", small_space(), SHAPE, say=said.append
    )
    for _ in range(5):
        pid = runner_of(device)
        cutter = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
        cutter.start()
        assert device.time_file(model).runs >= 250
        cutter.join()
    assert isinstance(device.measure([GOOD])[0], Timing)
    device.close()
    assert sum("connection lost" in line for line in said) == 5
    assert [p.read_bytes() for p in (home / ".cache/llm-nas").iterdir()] == [RUNNER.read_bytes()]
    wrong = open_real_device(f"pi=ssh://{user}@127.0.0.1:{port + 1}", patience_seconds=0)
    with pytest.raises(RunStopped, match="refused"):
        wrong.time_file(model)
