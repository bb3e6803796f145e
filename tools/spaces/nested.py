"""Spaces as a tree of choices and a model that picks from it (the idea is Archai's).

    tree = {"depth": (1, 2, 3), **{f"block{i}": {"kernel": (3, 5)} for i in range(3)}}

    def model(pick):
        return [pick(f"block{i}")("kernel") for i in range(pick("depth"))]

    space = NestedSpace("mine", tree, model, build=module_of_kernels)

What the model does not read is inactive: nothing else says when a choice matters.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from llm_nas.choices import Choice
from llm_nas.conditions import Value
from llm_nas.domain import Arch, TaskShape
from llm_nas.errors import RequestError
from llm_nas.tools.spaces.legal import INACTIVE, Codes, nearest
from llm_nas.tools.spaces.space import Space, Take

if TYPE_CHECKING:
    from torch import nn

Tree: TypeAlias = Mapping[str, Any]
"""Sequences of values, a `Choice` or a deeper tree by name; increasing numbers are ordered."""


class Pick:
    """`pick(name)`: the value of a choice, or another `Pick` for a branch of the tree."""

    def __init__(self, read: Callable[[str], Value], names: Sequence[str], stem: str = "") -> None:
        self._read, self._names, self._stem = read, names, stem

    def __call__(self, name: str) -> Any:
        """Read a choice, which makes it active, or go down a branch."""
        full = self._stem + name
        if full in self._names:
            return self._read(full)
        if any(known.startswith(full + ".") for known in self._names):
            return Pick(self._read, self._names, full + ".")
        raise RequestError(f"the tree has no {full!r}; there are {nearest(full, self._names)}")


class NestedSpace(Space):
    """A space whose active choices are those that a model picks.

    Args:
        name: Short name.
        tree: Choices by name, nested; a choice is called `branch.name` in texts.
        model: Reads what it needs from a `Pick` and returns a description; called often.
        build: `build(description, shape)` gives the untrained torch module.
        rest: As for `Space`, except `choices`, `build`.
    """

    def __init__(
        self,
        name: str,
        tree: Tree,
        model: Callable[[Pick], Any],
        *,
        build: "Callable[[Any, TaskShape], nn.Module] | None" = None,
        **rest: Any,
    ) -> None:
        self._model = model
        super().__init__(name, _flat(tree), **rest)
        self._names = list(self._place)
        self._always_active = False
        if build is not None:
            self.__dict__["build"] = partial(self._built_from, build)

    def _built_from(
        self, build: "Callable[[Any, TaskShape], nn.Module]", arch: Arch, shape: TaskShape
    ) -> "nn.Module":
        return build(self.described_by(arch), shape)

    def described_by(self, arch: Arch) -> Any:
        """What the model returns for an architecture."""
        values = self.values(arch)
        return self._model(Pick(values.__getitem__, self._names))

    def _settle(self, take: Take) -> Codes:
        codes = [INACTIVE] * len(self.choices)

        def read(name: str) -> Value:
            place = self._place[name]
            if codes[place] == INACTIVE:
                codes[place] = self._legal(place, take(place, codes))
            return self.choices[place].values[codes[place]]

        self._model(Pick(read, self._names))
        return tuple(codes)


def _flat(tree: Tree, stem: str = "") -> Iterator[Choice]:
    for name, held in tree.items():
        if isinstance(held, Mapping):
            yield from _flat(cast(Tree, held), f"{stem}{name}.")
        elif isinstance(held, Choice):
            yield Choice(f"{stem}{name}", held.values, held.ordered, None, held.words)
        else:
            values = tuple(held)
            numbers = [v for v in values if not isinstance(v, str)]
            ordered = len(values) > 1 and len(numbers) == len(values) == len(set(values))
            yield Choice(f"{stem}{name}", values, ordered and numbers == sorted(numbers))
