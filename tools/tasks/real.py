"""Tasks that train: images, a recipe, and networks of a space that can be built."""

import hashlib
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_nas.domain import ACCURACY, Arch, Failure, Label, Metric, TaskShape
from llm_nas.errors import RequestError, ToolError
from llm_nas.ports import Buildable, SearchSpace
from llm_nas.tools.tasks.labelled import FitData, fit_data
from llm_nas.tools.tasks.sources import DIGITS, EXPECTED, is_real, open_source

if TYPE_CHECKING:
    from llm_nas.tools.export.network import Normalised
    from llm_nas.tools.tasks.trainer import Trainer
    from llm_nas.tools.tasks.training import Progress

Tell = Callable[[Arch, "Progress"], None]

_DIGITS_EPOCHS = 6
_TUNING_EPOCHS = 2
_IMAGES_A_TRAINING = 25_000
"""Images that a training sees by default, in 5 to 20 epochs."""


class RealTask:
    """A `Task` of the ports that trains; it holds no test image and knows of none."""

    metric: Metric = ACCURACY

    def __init__(
        self,
        name: str,
        space: SearchSpace,
        data: FitData,
        epochs: int,
        folder: Path,
        tell: Tell | None = None,
        trainer: "Trainer | None" = None,
    ) -> None:
        from llm_nas.tools.tasks.training import TUNING, Recipe
        from llm_nas.tools.tasks.weights import WeightStore

        self.name = name
        self.epochs = epochs
        self.data = data
        self.space = space
        self.weights = WeightStore(folder)
        self._recipe = TUNING if inherits(space) else Recipe()
        self.tell = tell
        self.trainer = trainer

    @property
    def chance(self) -> float:
        """Accuracy in % of always naming the commonest class of the validation images."""
        labels = self.data.validation.labels
        return 100.0 * max(float((labels == label).mean()) for label in set(labels.tolist()))

    @property
    def source(self) -> str:
        """How labels come about."""
        train, validation = len(self.data.train), len(self.data.validation)
        return (
            f"trained here for {self.epochs} epochs on {train} images, accuracy on {validation} "
            "others"
        )

    @property
    def about(self) -> str:
        """The task in words, for prompts."""
        shape = self.shape
        what = f"{shape.height} x {shape.width} RGB images"
        what = f"series of {shape.width} values" if shape.height == 1 else what
        return f"Task {self.name}: {what} of {shape.classes} classes, {self.source}."

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out of the images, one line each."""
        return self.data.notes

    @property
    def recipe(self) -> str:
        """Text that is the same where trainings may be reused: images, epochs and recipe."""
        digest = hashlib.sha256(self.data.train.labels.tobytes())
        digest.update(self.data.train.pixels[::17].tobytes())
        size = f"{self.shape.height}x{self.shape.width}"
        return f"{self._recipe.key}-e{self.epochs}-{size}-{digest.hexdigest()[:12]}"

    @property
    def shape(self) -> TaskShape:
        """What networks of this task take and give."""
        return self.data.shape

    def epochs_at(self, fidelity: float) -> int:
        """Epochs of a share of the schedule, at least one."""
        return max(1, round(fidelity * self.epochs))

    def train(self, arch: Arch, fidelity: float, seed: int) -> Label | Failure:
        """Build, train and validate once; what goes wrong is a `Failure` with its reason."""
        if not 0 < fidelity <= 1:
            raise RequestError(f"a fidelity of {fidelity} was asked for, it lies in (0, 1]")
        epochs = self.epochs_at(fidelity)
        share = epochs / self.epochs
        if self.trainer is not None:
            return self.trainer.train(arch, fidelity, seed, share, self.tell)
        started = time.perf_counter()
        try:
            network = self.build(arch, seed)
        except ToolError as error:
            return self._failure(arch, "build", error, 0.0, started)
        try:
            value = self._trained(network, arch, epochs, seed)
        except Exception as error:  # noqa: BLE001 - out of memory, not a number, a network's own fault
            return self._failure(arch, "train", error, share, started)
        return Label(
            arch=arch,
            value=value,
            trainings=share,
            seconds=time.perf_counter() - started,
            epochs=epochs,
        )

    def build(self, arch: Arch, seed: int) -> "Normalised":
        """The untrained network with weights drawn by `seed`, normalisation inside."""
        import torch

        from llm_nas.tools.export.network import build

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build(self.space, arch, self.shape, self.data.mean, self.data.deviation)

    def trained(self, arch: Arch, seed: int, fidelity: float = 1.0) -> "Normalised":
        """The network with the weights that `train` left on disk."""
        network = self.build(arch, seed)
        self.weights.load(network, arch, self.epochs_at(fidelity), seed)
        return network.eval()

    def of(self, space: SearchSpace, reference: str) -> "RealTask":
        """The same images, recipe and epochs for another space, which opens as `reference`."""
        folder = self.weights.folder.with_name(space.name) / self.weights.folder.name
        trainer = None if self.trainer is None else self.trainer.of(reference, folder.parent)
        return RealTask(self.name, space, self.data, self.epochs, folder, self.tell, trainer)

    def close(self) -> None:
        """End the processes that train, where there are any."""
        if self.trainer is not None:
            self.trainer.close()

    def _trained(self, network: "Normalised", arch: Arch, epochs: int, seed: int) -> float:
        from llm_nas.tools.tasks.training import accuracy_pct, fit

        if inherits(self.space):
            self.space.prepare(network, self.data)  # type: ignore[attr-defined]
        tell = self.tell
        fit(
            network,
            self.data,
            epochs,
            seed,
            recipe=self._recipe,
            checkpoint=self.weights.checkpoint(arch, epochs, seed),
            tell=None if tell is None else lambda progress: tell(arch, progress),
        )
        value = accuracy_pct(network, self.data.validation)
        self.weights.save(network, arch, epochs, seed)
        return value

    def _failure(
        self, arch: Arch, stage: str, error: Exception, trainings: float, started: float
    ) -> Failure:
        text = str(error) if isinstance(error, ToolError) else f"{type(error).__name__}: {error}"
        values: dict[str, Any] = {"arch": arch, "stage": stage, "trainings": trainings}
        reason = " ".join(text.split())[:300]
        return Failure.model_validate(
            values | {"reason": reason, "seconds": time.perf_counter() - started}
        )


def inherits(space: SearchSpace) -> bool:
    """Whether a space's networks start from trained weights."""
    return bool(getattr(space, "inherits", False))


def default_epochs(name: str, images: int, *, tuned: bool = False) -> int:
    """Epochs of a training where the person names none; networks that inherit need few."""
    if tuned:
        return _TUNING_EPOCHS
    if name == DIGITS:
        return _DIGITS_EPOCHS
    return max(5, min(20, math.ceil(_IMAGES_A_TRAINING / images)))


def open_real_task(
    name: str,
    space: SearchSpace,
    *,
    seed: int = 0,
    epochs: int | None = None,
    folder: Path | None = None,
    tell: Tell | None = None,
    isolated: bool = True,
    threads: int = 1,
    workers: int = 1,
) -> RealTask:
    """The task `digits`, a folder of class folders, an `.npz` or `series:FILE.csv`.

    Args:
        name: As on the command line.
        space: Whose networks are trained; it must be able to build them.
        seed: Of the split into training and validation images.
        epochs: Of a training at full fidelity; None: by the number of images.
        folder: `weights/` in there gets weights and checkpoints; None: a temporary one.
        tell: Called with the architecture and its progress after every epoch.
        isolated: Train in a process of its own, where the space can be opened there by name.
        threads: Processor threads of a training. One is the default: small networks gain
            little from more, and lose tenfold where others want the same cores.
        workers: Trainings at the same time, each in a process of its own.

    Raises:
        RequestError: for an unknown name or a space that cannot build.
        DataError: when the images cannot be used, in one line.
    """
    if not is_real(name):
        raise RequestError(f"task {name}: expected {EXPECTED}")
    if not isinstance(space, Buildable):
        raise RequestError(f"the space {space.name} cannot build networks, so {name} trains none")
    data = fit_data(open_source(name), seed)
    wanted = epochs or default_epochs(name, len(data.train), tuned=inherits(space))
    kept = (folder or Path(tempfile.mkdtemp(prefix="llm-nas-"))) / "weights"
    trainer = None
    if isolated:
        trainer = _trainer(name, space, data.shape, seed, wanted, kept, threads, workers)
    return RealTask(name, space, data, wanted, kept, tell, trainer)


def _trainer(
    name: str,
    space: SearchSpace,
    shape: TaskShape,
    seed: int,
    epochs: int,
    folder: Path,
    threads: int,
    workers: int,
) -> "Trainer | None":
    """Processes of their own for trainings; None where they could not open the same space."""
    from llm_nas.tools.spaces import open_space
    from llm_nas.tools.tasks.trainer import Children, Place, Setting, Trainer

    reference = str(getattr(space, "opened_as", space.name))
    try:
        same = open_space(reference, shape).choices == space.choices
    except RequestError:
        same = False
    if not same:
        return None
    setting = Setting(task=name, seed=seed, epochs=epochs, threads=threads)
    return Trainer(Place(space=reference, folder=folder.parent), Children(setting, workers))


def shape_of_real(name: str) -> TaskShape:
    """What networks for a real task take and give."""
    return fit_data(open_source(name), 0).shape
