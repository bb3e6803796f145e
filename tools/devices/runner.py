"""Times ONNX files where it runs: one file, needs Python 3.8, onnxruntime and numpy only.

Reads one JSON request a line from standard input and answers one JSON line each on standard
output, until the input ends. Copy it anywhere; it knows nothing of the program that asks.

    {"op": "hello"}
    {"op": "time", "id": "a", "model": BASE64, "threads": 1, "batch": 1, "sessions": 5, "runs": 50}
    {"op": "run", "id": "b", "model": BASE64, "images": BASE64 float32, "shape": [n, c, h, w]}

Answers carry the request's `id` and either what was asked for or `error`.
"""

from __future__ import annotations

import base64
import json
import os
import platform
import sys
import time
from typing import Any

PROTOCOL = 1
WARM_UP = 10
SESSION_SECONDS = 0.15
"""A session of a fast network runs at least this long: short ones see one scheduler slice only."""
SLOW_SESSION_SECONDS = 4.0
"""A session of a slow network stops here, after `LEAST_RUNS` at the earliest."""
LEAST_RUNS = 10
MOST_RUNS = 20_000


def hello(request: dict[str, Any]) -> dict[str, Any]:
    """Who answers: versions, machine and cores."""
    import onnxruntime  # type: ignore[import-untyped]

    return {
        "protocol": PROTOCOL,
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "machine": platform.machine() or "unknown",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
    }


def open_session(model: bytes, threads: int) -> tuple[Any, str, list[Any]]:
    """An ONNX Runtime session on the processor, and the name and shape of its input."""
    import onnxruntime

    library: Any = onnxruntime
    options = library.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = library.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    wanted = session.get_inputs()[0]
    return session, wanted.name, wanted.shape


def images_for(shape: list[Any], batch: int) -> Any:
    """The same random images in 0..1 every time; free axes become `batch` or 1."""
    import numpy

    sizes = [batch] + [size if isinstance(size, int) else 1 for size in shape[1:]]
    return numpy.random.RandomState(0).rand(*sizes).astype("float32")


def times_of(session: Any, feed: dict[str, Any], runs: int) -> list[float]:
    """Milliseconds of every run of one session, warmed up."""
    first = time.perf_counter()
    for _ in range(WARM_UP):
        session.run(None, feed)
        if time.perf_counter() - first > SLOW_SESSION_SECONDS / 4:
            break
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < MOST_RUNS:
        before = time.perf_counter()
        session.run(None, feed)
        after = time.perf_counter()
        times.append((after - before) * 1000.0)
        spent = after - started
        if len(times) >= runs and spent >= SESSION_SECONDS:
            break
        if len(times) >= LEAST_RUNS and spent >= SLOW_SESSION_SECONDS:
            break
    return times


def quantile(values: list[float], share: float) -> float:
    """The value at a share of the sorted values, interpolated."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def time_model(request: dict[str, Any]) -> dict[str, Any]:
    """Median milliseconds of each of several sessions, and the spread inside them."""
    model = base64.b64decode(request["model"])
    medians: list[float] = []
    lows: list[float] = []
    highs: list[float] = []
    runs = 0
    for _ in range(int(request.get("sessions", 5))):
        session, name, shape = open_session(model, int(request.get("threads", 1)))
        feed = {name: images_for(shape, int(request.get("batch", 1)))}
        times = times_of(session, feed, int(request.get("runs", 50)))
        medians.append(quantile(times, 0.5))
        lows.append(quantile(times, 0.1))
        highs.append(quantile(times, 0.9))
        runs += len(times)
    return {"medians_ms": medians, "p10_ms": lows, "p90_ms": highs, "runs": runs}


def run_model(request: dict[str, Any]) -> dict[str, Any]:
    """Outputs of a model for images, as base64 of float32."""
    import numpy

    images = numpy.frombuffer(base64.b64decode(request["images"]), dtype="float32")
    session, name, _ = open_session(
        base64.b64decode(request["model"]), int(request.get("threads", 1))
    )
    outputs = session.run(None, {name: images.reshape(request["shape"])})[0]
    payload = numpy.ascontiguousarray(outputs, dtype="float32").tobytes()
    return {"outputs": base64.b64encode(payload).decode(), "shape": list(outputs.shape)}


OPERATIONS = {"hello": hello, "time": time_model, "run": run_model}


def answer(line: str) -> dict[str, Any]:
    """One request's answer; whatever goes wrong becomes its `error`."""
    identity = None
    try:
        request = json.loads(line)
        identity = request.get("id")
        result = OPERATIONS[request["op"]](request)
    except Exception as error:  # noqa: BLE001 - the asker is told, whatever it was
        text = " ".join((type(error).__name__ + ": " + str(error)).split())
        return {"id": identity, "error": text[:500]}
    result["id"] = identity
    return result


def main() -> None:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with answers
    for line in sys.stdin:
        if line.strip():
            answers.write(json.dumps(answer(line)) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
