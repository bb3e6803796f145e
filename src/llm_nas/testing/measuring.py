"""What every task, device and latency model promises."""

import numpy as np

from llm_nas.domain import Arch, Failure, Label, Timing
from llm_nas.ports import Device, LatencyModel, SearchSpace, Task


def _drawn(space: SearchSpace, count: int) -> list[Arch]:
    rng = np.random.default_rng(11)
    return [space.sample(rng) for _ in range(count)]


class TaskContract:
    """Give fixtures `space` and `task`."""

    trained = 4
    fidelity = 1.0

    def test_equal_trainings_give_equal_answers(self, space: SearchSpace, task: Task) -> None:
        for arch in _drawn(space, self.trained):
            first, again = (task.train(arch, self.fidelity, 0) for _ in range(2))
            assert type(first) is type(again)
            assert first.arch == arch
            if isinstance(first, Label) and isinstance(again, Label):
                assert first.value == again.value
                assert 0 < first.trainings <= 1
            else:
                assert isinstance(first, Failure)
                assert first.reason

    def test_labels_are_values_of_the_metric(self, space: SearchSpace, task: Task) -> None:
        for arch in _drawn(space, self.trained):
            label = task.train(arch, self.fidelity, 1)
            if isinstance(label, Label):
                error = task.metric.error(label.value)
                assert np.isfinite(error)
                assert abs(task.metric.value(error) - label.value) < 1e-9

    def test_it_says_what_it_is(self, task: Task) -> None:
        assert task.name
        assert task.source
        assert task.chance is None or np.isfinite(task.chance)

    def test_truth_is_out_of_reach(self, task: Task) -> None:
        assert not [name for name in dir(task) if "truth" in name or "test_acc" in name]


class DeviceContract:
    """Give fixtures `space` and `device`."""

    timed = 4

    def test_one_answer_an_architecture_in_order(self, space: SearchSpace, device: Device) -> None:
        archs = _drawn(space, self.timed)
        answers = device.measure(archs)
        assert [answer.arch for answer in answers] == archs
        assert device.measure([]) == []

    def test_timings_are_times(self, space: SearchSpace, device: Device) -> None:
        for answer in device.measure(_drawn(space, self.timed)):
            if isinstance(answer, Timing):
                assert 0 < answer.low_ms <= answer.median_ms <= answer.high_ms
                assert answer.n >= 1
            else:
                assert answer.stage in ("build", "time", "export")
                assert answer.reason

    def test_exact_devices_repeat_themselves(self, space: SearchSpace, device: Device) -> None:
        archs = _drawn(space, self.timed)
        if device.exact:
            assert device.measure(archs) == device.measure(archs)

    def test_what_it_does_not_support_fails(self, space: SearchSpace, device: Device) -> None:
        archs = _drawn(space, self.timed)
        for arch, answer in zip(archs, device.measure(archs), strict=True):
            if device.supports(arch) is not None:
                assert isinstance(answer, Failure)

    def test_it_says_what_it_is(self, device: Device) -> None:
        assert device.name
        assert device.source


class LatencyModelContract:
    """Give fixtures `space`, `device` and `latency_model`."""

    timed = 12

    def test_predictions_are_finite_and_positive(
        self, space: SearchSpace, device: Device, latency_model: LatencyModel
    ) -> None:
        archs = _drawn(space, 2 * self.timed)
        timings = [t for t in device.measure(archs[: self.timed]) if isinstance(t, Timing)]
        latency_model.add(timings)
        mean, deviation = latency_model.predict(archs)
        assert mean.shape == deviation.shape == (len(archs),)
        known = np.isfinite(mean)
        assert (mean[known] > 0).all()
        assert (deviation[known] >= 0).all()
        if device.exact:
            assert not deviation[known].any()
