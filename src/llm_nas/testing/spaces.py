"""What every search space promises."""

import numpy as np

from llm_nas.conditions import AllOf, Bound, Condition, Count, Is, Quantity, matches
from llm_nas.domain import Arch, TaskShape
from llm_nas.errors import RequestError
from llm_nas.ports import Buildable, Enumerable, SearchSpace


def refused(space: SearchSpace, text: str) -> str:
    """The error that a text meets; AssertionError where it is accepted."""
    try:
        space.parse(text)
    except RequestError as error:
        return str(error)
    raise AssertionError(f"{text!r} was accepted")


class SpaceContract:
    """Give a fixture `space`; set `builds` to 0 where building takes too long for a test."""

    members = 40
    """Random members that are looked at."""
    builds = 2
    shape = TaskShape()
    crosses_choice_by_choice = True
    """False for pools, where a crossing is the nearest row."""

    def drawn(self, space: SearchSpace) -> list[Arch]:
        """Some members, the same at every call."""
        rng = np.random.default_rng(7)
        return [space.sample(rng) for _ in range(self.members)]

    def test_texts_are_canonical(self, space: SearchSpace) -> None:
        for arch in self.drawn(space):
            assert space.parse(arch) == arch
            assert space.parse(f"  {arch} \n") == arch
            assert space.arch(space.values(arch)) == arch

    def test_values_are_legal_and_in_order(self, space: SearchSpace) -> None:
        allowed = {choice.name: choice.values for choice in space.choices}
        for arch in self.drawn(space):
            names = [name for name in allowed if name in space.values(arch)]
            assert list(space.values(arch)) == names
            assert all(value in allowed[n] for n, value in space.values(arch).items())

    def test_what_is_no_member_is_refused_in_one_line(self, space: SearchSpace) -> None:
        arch = self.drawn(space)[0]
        for text in ("", "nonsense", f"{arch} nonsense=1", arch[: len(arch) // 2], arch * 2000):
            assert "\n" not in refused(space, text)

    def test_equal_generators_draw_equal_members(self, space: SearchSpace) -> None:
        assert self.drawn(space) == self.drawn(space)
        assert len(set(self.drawn(space))) > 1

    def test_samples_meet_the_condition(self, space: SearchSpace) -> None:
        rng = np.random.default_rng(3)
        for condition in self.conditions(space):
            for _ in range(5):
                assert matches(condition, space.facts(space.sample(rng, condition)))

    def conditions(self, space: SearchSpace) -> list[Condition]:
        """Conditions that some of the drawn members meet."""
        archs = self.drawn(space)
        facts = space.facts(archs[0])
        found: list[Condition] = []
        for name, column in space.quantities(archs).items():
            low, middle = float(column.min()), float(np.median(column))
            found.append(Quantity(name=name, low=low, high=max(middle, low + 1e-9)))
            found.append(Quantity(name=name, low=middle))
        held = list(facts.values.items())
        for name, value in held[:6]:
            found.append(Is(choice=name, values=(value,)))
            if not isinstance(value, str):
                found.append(Bound(choice=name, relation="ge", value=value))
        for group, members in facts.groups.items():
            active = [facts.values[m] for m in members if m in facts.values]
            if active:
                value, times = active[0], min(active.count(active[0]), 64)
                found.append(Count(group=group, values=(value,), relation="eq", count=times))
        name, value = held[-1]
        return [AllOf(parts=(found[0], Is(choice=name, values=(value,)))), *found][:24]

    def test_nothing_is_drawn_from_an_empty_part(self, space: SearchSpace) -> None:
        try:
            space.sample(np.random.default_rng(0), Quantity(name="draw", low=2.0))
        except RequestError:
            return
        raise AssertionError("a draw of at least 2 was found")

    def test_neighbours_are_other_members_each_once(self, space: SearchSpace) -> None:
        for arch in self.drawn(space)[:5]:
            near = list(space.neighbours(arch))
            assert near
            assert near == list(space.neighbours(arch))
            assert arch not in near
            assert len(set(near)) == len(near)
            assert [space.parse(a) for a in near] == near

    def test_crossings_take_every_choice_from_a_parent(self, space: SearchSpace) -> None:
        rng = np.random.default_rng(5)
        archs = self.drawn(space)
        for first, second in zip(archs[:10], archs[10:20], strict=True):
            child = space.cross(first, second, rng)
            assert space.parse(child) == child
            if self.crosses_choice_by_choice:
                a, b = space.values(first), space.values(second)
                both = [n for n in space.values(child) if n in a or n in b]
                assert all(space.values(child)[n] in (a.get(n), b.get(n)) for n in both)

    def test_numbers_depend_on_the_architecture_alone(self, space: SearchSpace) -> None:
        archs = self.drawn(space)
        together, alone = space.features(archs), space.features(archs[-1:])
        assert together.shape[0] == len(archs)
        assert np.isfinite(together).all()
        np.testing.assert_array_equal(together[-1:], alone)
        np.testing.assert_array_equal(space.features(archs[::-1])[::-1], together)
        known, one = space.quantities(archs), space.quantities(archs[-1:])
        assert set(known) == {q.name for q in space.quantities_info}
        assert all(known[name][-1] == one[name][0] for name in known)
        assert space.features([]).shape[0] == 0

    def test_features_have_comparable_scales(self, space: SearchSpace) -> None:
        deviations = space.features(self.drawn(space)).std(axis=0)
        assert deviations.max() < 10
        assert (deviations > 0.01).any()

    def test_quantities_are_what_they_say(self, space: SearchSpace) -> None:
        known = space.quantities(self.drawn(space))
        assert all(np.isfinite(column).all() for column in known.values())
        assert ((known["draw"] >= 0) & (known["draw"] < 1)).all()
        for info in space.quantities_info:
            assert not info.whole or (known[info.name] % 1 == 0).all()

    def test_facts_agree_with_values_and_quantities(self, space: SearchSpace) -> None:
        arch = self.drawn(space)[0]
        facts = space.facts(arch)
        assert facts.values == space.values(arch)
        assert facts.groups == space.groups
        assert facts.quantities == {n: c[0] for n, c in space.quantities([arch]).items()}

    def test_a_twin_is_one_name_for_one_network(self, space: SearchSpace) -> None:
        twins = [space.twin(arch) for arch in self.drawn(space)]
        assert [space.twin(twin) for twin in twins] == twins
        np.testing.assert_allclose(space.features(twins), space.features(self.drawn(space)))

    def test_the_size_and_the_words_are_told(self, space: SearchSpace) -> None:
        assert space.log10_size > np.log10(len(set(self.drawn(space)))) - 1e-9
        assert len(space.describe()) > len(space.name)

    def test_a_space_that_can_be_listed_lists_its_members_once(self, space: SearchSpace) -> None:
        if isinstance(space, Enumerable):
            listed = list(space)
            assert len(listed) == len(set(listed)) == len(space)
            assert set(self.drawn(space)) <= set(listed)

    def test_built_networks_take_images_to_classes(self, space: SearchSpace) -> None:
        if not isinstance(space, Buildable):
            return
        import torch

        shape = self.shape
        images = torch.zeros(2, shape.channels, shape.height, shape.width)
        for arch in self.drawn(space)[: self.builds]:
            assert space.build(arch, shape).eval()(images).shape == (2, shape.classes)
