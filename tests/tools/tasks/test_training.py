"""Real trainings: the same seed gives the same network, faults are values, nothing is lost."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from llm_nas.domain import Arch, Failure, Label, TaskShape
from llm_nas.errors import RequestError, ToolError
from llm_nas.tools.export.network import build as build_network
from llm_nas.tools.spaces import open_space
from llm_nas.tools.tasks.labelled import Labelled, fit_data
from llm_nas.tools.tasks.real import RealTask, default_epochs, open_real_task
from llm_nas.tools.tasks.sources import open_source
from llm_nas.tools.tasks.training import Progress, Recipe, fit, learning_rate_at
from tests.tools.small_space import BROKEN, EXPLODES, GOOD, WIDE, small_space

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> RealTask:
    """Digits, 600 of them, three epochs."""
    folder = tmp_path_factory.mktemp("weights")
    task = open_real_task("digits", small_space(), epochs=3, folder=folder, isolated=False)
    few = task.data.train.rows(np.arange(600, dtype=np.int64))
    task.data = replace(task.data, train=few)
    return task


def test_a_network_learns_and_its_weights_are_kept(task: RealTask) -> None:
    told: list[tuple[Arch, Progress]] = []

    def tell(arch: Arch, progress: Progress) -> None:
        told.append((arch, progress))

    task.tell = tell
    label = task.train(GOOD, 1.0, 0)
    task.tell = None
    assert isinstance(label, Label)
    assert label.value > 1.5 * task.chance
    assert (label.trainings, label.epochs) == (1.0, 3)
    assert [(p.epoch, p.epochs) for _, p in told] == [(1, 3), (2, 3), (3, 3)]
    assert told[-1][1].seconds_left == 0
    again = task.trained(GOOD, 0)
    with torch.no_grad():
        images = torch.from_numpy(task.data.validation.scaled())
        right = again(images).argmax(1).numpy() == task.data.validation.labels
    assert 100 * right.mean() == pytest.approx(label.value)
    with pytest.raises(ToolError, match="no weights"):
        task.trained(GOOD, 1)


def test_the_seed_decides(task: RealTask) -> None:
    def weights(seed: int) -> torch.Tensor:
        network = task.build(GOOD, seed)
        fit(network, task.data, 1, seed)
        return torch.cat([p.flatten() for p in network.parameters()]).detach()

    torch.manual_seed(123)
    first = weights(0)
    torch.manual_seed(321)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))


def test_a_cut_training_goes_on_as_if_nothing_had_happened(
    task: RealTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_nas.tools.tasks.training._CHECKPOINT_SECONDS", -1.0)

    class Cut(Exception):
        pass

    def cut(progress: Progress) -> None:
        if progress.epoch == 3:
            raise Cut

    whole, parts = task.build(GOOD, 7), task.build(GOOD, 7)
    fit(whole, task.data, 4, 7)
    path = tmp_path / "x.checkpoint"
    with pytest.raises(Cut):
        fit(parts, task.data, 4, 7, checkpoint=path, tell=cut)
    epochs: list[int] = []
    resumed = task.build(GOOD, 99)
    fit(resumed, task.data, 4, 7, checkpoint=path, tell=lambda p: epochs.append(p.epoch))
    assert epochs == [3, 4]
    assert not path.exists()
    for mine, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_broken_checkpoint_means_starting_anew(task: RealTask, tmp_path: Path) -> None:
    path = tmp_path / "x.checkpoint"
    path.write_bytes(b"no checkpoint")
    epochs: list[int] = []
    fit(task.build(GOOD, 0), task.data, 2, 0, checkpoint=path,
        tell=lambda p: epochs.append(p.epoch))  # fmt: skip
    assert epochs == [1, 2]


def test_what_goes_wrong_is_a_failure_with_its_reason(task: RealTask) -> None:
    built, poisoned = task.train(BROKEN, 1.0, 0), task.train(EXPLODES, 1.0, 0)
    assert isinstance(built, Failure)
    assert isinstance(poisoned, Failure)
    assert (built.stage, built.trainings) == ("build", 0.0)
    assert "no such layer" in built.reason
    assert (poisoned.stage, poisoned.trainings) == ("train", 1.0)
    assert "loss is nan in epoch 1, step 1" in poisoned.reason
    assert poisoned.seconds > 0
    with pytest.raises(RequestError, match="fidelity"):
        task.train(GOOD, 0.0, 0)


def test_a_full_disk_is_a_failure(task: RealTask, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("llm_nas.tools.tasks.weights.save_file", full)
    failure = task.train(WIDE, 0.4, 5)
    assert isinstance(failure, Failure)
    assert "No space left" in failure.reason
    assert failure.trainings == pytest.approx(1 / 3)


def test_a_wrong_number_of_logits_is_no_network() -> None:
    class Narrow:
        name = "narrow"

        def build(self, arch: Arch, shape: TaskShape) -> torch.nn.Module:
            return small_space().build(GOOD, shape.model_copy(update={"classes": 3}))  # type: ignore[attr-defined, no-any-return]

    with pytest.raises(ToolError, match="gives \\(2, 3\\)"):
        build_network(Narrow(), GOOD, TaskShape())  # type: ignore[arg-type]


def test_no_test_image_can_be_reached_through_the_task(task: RealTask) -> None:
    test = {pixels.tobytes() for pixels in open_source("digits").test().pixels}
    seen, stack = set[int](), [vars(task)]
    while stack:
        for value in list(stack.pop().values()):
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, Labelled):
                assert not test & {pixels.tobytes() for pixels in value.pixels}
            fields = getattr(value, "__dict__", None) or {
                name: getattr(value, name) for name in getattr(value, "__slots__", ())
            }
            stack.append(fields)


def test_the_recipe_names_what_makes_labels_comparable() -> None:
    data = fit_data(open_source("digits"), 0)
    space = small_space()
    first = RealTask("digits", space, data, 3, Path("x")).recipe
    assert first == RealTask("digits", space, data, 3, Path("y")).recipe
    assert first != RealTask("digits", space, data, 4, Path("x")).recipe
    assert default_epochs("photos", 4000) == 7
    assert default_epochs("photos", 100) == 20


def test_one_cycle_rises_and_ends_at_nothing() -> None:
    recipe = Recipe()
    rates = [learning_rate_at(step / 100, recipe) for step in range(101)]
    assert rates[25] == max(rates) == recipe.learning_rate
    assert rates[100] == pytest.approx(0, abs=1e-9)
    assert rates[0] > 0


@pytest.mark.slow
def test_a_trainer_ends_with_the_search_that_started_it(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""
        import os, pathlib, signal
        from llm_nas.domain import TaskShape
        from llm_nas.tools.spaces import open_space
        from llm_nas.tools.tasks.real import open_real_task
        space = open_space("mobile", TaskShape(height=8, width=8))
        task = open_real_task("digits", space, epochs=9, folder=pathlib.Path({str(tmp_path)!r}))
        with task.trainer.children.borrowed() as link:
            print(link.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    pid = int(done.stdout)
    for _ in range(600):
        if (
            not Path(f"/proc/{pid}").exists()
            or "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
        ):
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the trainer outlived its search")


@pytest.mark.slow
def test_a_killed_trainer_is_one_failure_and_the_next_training_works(tmp_path: Path) -> None:
    space = open_space("mobile", TaskShape(height=8, width=8))
    task = open_real_task("digits", space, epochs=2, folder=tmp_path)
    rng = np.random.default_rng(0)
    arch = min(
        (space.sample(rng) for _ in range(200)), key=lambda a: space.quantities([a])["macs_m"]
    )
    trainer = task.trainer
    assert trainer is not None

    def kill() -> None:
        while not trainer.children.pids:
            time.sleep(0.01)
        os.kill(trainer.children.pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    lost = task.train(arch, 1.0, 0)
    killer.join()
    assert isinstance(lost, Failure)
    assert "SIGKILL" in lost.reason
    assert lost.trainings == 1.0
    label = task.train(arch, 1.0, 0)
    here = open_real_task("digits", space, epochs=2, folder=tmp_path / "b", isolated=False)
    same = here.train(arch, 1.0, 0)
    task.close()
    assert isinstance(label, Label)
    assert isinstance(same, Label)
    assert label.value == same.value
