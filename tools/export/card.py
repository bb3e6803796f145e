"""What is known of a finished network: `card.json`, `card.md`, and a script that runs it."""

from pathlib import Path
from typing import Any

from llm_nas.frozen import Frozen


class FileFigures(Frozen):
    """Figures of one exported file, measured on that file."""

    precision: str
    file_mb: float
    test_accuracy_pct: float
    test_low_pct: float
    test_high_pct: float
    """Wilson's 95 % interval."""
    test_images: int
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    """Least and greatest median of the sessions."""
    timed_runs: int
    notes: tuple[str, ...]
    exporter: str
    opset: int
    difference: float | None
    """Greatest difference to torch's logits on real images, in shares of their spread."""
    versions: dict[str, str]


class Card(Frozen):
    """A finished network; `files[0]` is `model.onnx`."""

    arch: str
    space: str
    task: str
    device: str
    run: str
    classes: tuple[str, ...]
    height: int
    width: int
    epochs: int
    seed: int
    recipe: str
    training_seconds: float
    validation_accuracy_pct: float
    search_accuracy_pct: float
    search_latency_ms: float
    params_m: float | None
    macs_m: float | None
    files: tuple[FileFigures, ...]
    lineage: dict[str, Any]
    notes: tuple[str, ...]


def write_card(card: Card, folder: Path) -> None:
    """Write `card.json`, `card.md` and `predict.py` beside `model.onnx`."""
    (folder / "card.json").write_text(card.model_dump_json(indent=2), encoding="utf-8")
    (folder / "card.md").write_text(in_markdown(card), encoding="utf-8")
    (folder / "predict.py").write_text(script(card), encoding="utf-8")


def in_markdown(card: Card) -> str:
    """The card for people."""
    sizes = [
        f"{number:.3g} M {what}"
        for number, what in ((card.params_m, "parameters"), (card.macs_m, "multiply-adds"))
        if number is not None
    ]
    made = card.files[0]
    lines = [
        f"# {card.space} network for {card.task}",
        "",
        f"`{card.arch}`",
        "",
        f"{', '.join(sizes) or 'size unknown'}; input `image`: RGB in 0..1, "
        f"(n, 3, {card.height}, {card.width}); output `logits`: {len(card.classes)} classes.",
        "",
        "| file | accuracy on test images | latency | size |",
        "|---|---|---|---|",
        *(_row(figures) for figures in card.files),
        "",
        f"Latency: {card.device}. Intervals: 95 % (Wilson) of {made.test_images} images; least "
        "and greatest median of the sessions.",
        f"Trained for {card.epochs} epochs, seed {card.seed}, recipe {card.recipe}, "
        f"{card.training_seconds:.0f} s; validation accuracy "
        f"{card.validation_accuracy_pct:.2f} %. In the search: {card.search_accuracy_pct:.2f} %, "
        f"{card.search_latency_ms:.3g} ms.",
        f"Exported by torch's {made.exporter} exporter, opset {made.opset}, "
        + ", ".join(f"{name} {version}" for name, version in made.versions.items())
        + "; " + _difference(made),
        "",
        "## Where it comes from",
        "",
        f"Run {card.run}.",
        *(f"- {name}: {value}" for name, value in card.lineage.items()),
        *(["", "## Notes", "", *(f"- {note}" for note in card.notes)] if card.notes else []),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _row(figures: FileFigures) -> str:
    return (
        f"| {figures.precision} | {figures.test_accuracy_pct:.2f} % "
        f"({figures.test_low_pct:.1f} to {figures.test_high_pct:.1f}) | {figures.latency_ms:.4g} "
        f"ms ({figures.latency_low_ms:.4g} to {figures.latency_high_ms:.4g}) | "
        f"{figures.file_mb:.3g} MB |"
    )


def _difference(figures: FileFigures) -> str:
    if figures.difference is None:
        return "not compared with torch."
    return f"differs from torch by at most {figures.difference:.1g} of the logits' spread."


def script(card: Card) -> str:
    """Fifteen lines that name the classes of one image; needs onnxruntime, numpy and Pillow."""
    return f"""import sys  # python predict.py IMAGE
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

CLASSES = {list(card.classes)!r}
image = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
pixels = np.asarray(ImageOps.fit(image, ({card.width}, {card.height}))) / np.float32(255)
session = onnxruntime.InferenceSession(Path(__file__).with_name("model.onnx"))
logits = session.run(None, {{"image": pixels.transpose(2, 0, 1)[None].astype("float32")}})[0][0]
shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
for place in shares.argsort()[::-1][:5]:
    print(f"{{shares[place]:6.1%}}  {{CLASSES[place]}}")
"""
