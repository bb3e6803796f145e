"""What claims need of a process, and the one they get: the advisor's."""

from typing import Protocol

from llm_nas.domain import FloatArray


class Posterior(Protocol):
    """Beliefs after some trainings."""

    def joint(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean `(m,)` and covariance `(m, m)` of the noise-free values at `(m, d)` features."""
        ...


class Fit(Protocol):
    """Learns from `(n, d)` features and `(n,)` noisy values."""

    def __call__(self, features: FloatArray, values: FloatArray, /) -> Posterior:
        """The process after these trainings."""
        ...


class _Fitted:
    def __init__(self, features: FloatArray, values: FloatArray) -> None:
        from llm_nas.tools.accuracy.process import Process, points

        self._points = points
        self._process = Process(points(features), values)

    def joint(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        at = self._points(features)
        return self._process.posterior(at).mean, self._process.covariance(at, at)


def fit_process(features: FloatArray, values: FloatArray, /) -> Posterior:
    """The Gaussian process of `llm_nas.tools.accuracy.process`, fitted."""
    return _Fitted(features, values)
