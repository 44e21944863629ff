"""Rules alone: superpixels that suit the images, bounds on size, and what is told rather than silently wrong."""

import warnings

import numpy as np
import pytest

from segcritic.errors import InputWarning
from segcritic.io.samples import Sample
from segcritic.models import RulesOnly
from segcritic.models.rules_only import largest_object, superpixel_choices
from segcritic.rules import Rules
from segcritic.stateless.state import make_state
from small_model import RULES, disks


def cells() -> tuple[np.ndarray, np.ndarray]:
    """Squares of 16 pixels, parted by dark lines; all equally bright."""
    labels = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((16, 16), int))
    image = np.ones((64, 64))
    image[15::16], image[:, 15::16] = 0, 0
    return image + np.random.default_rng(0).normal(0, 0.05, image.shape), labels


def test_lines_are_chosen_where_lines_part_objects():
    image, labels = cells()
    rules = Rules.loads("area: {expect: 256, tolerance: 30%}\nborder: keep")
    chosen = RulesOnly(rules).suited_to([Sample("cells", image.astype(np.float32))])
    assert chosen.rules.superpixels is not None
    assert chosen.rules.superpixels.settings["lines"] == "dark"
    found = chosen.segment(image)
    assert found.max() == 16
    majority = [np.bincount(labels[found == number]).max() / (found == number).sum() for number in range(1, 17)]
    assert min(majority) > 0.9


def test_one_image_chooses_for_itself_what_a_folder_of_it_would():
    image = disks()[0]
    model = RulesOnly(Rules.loads(RULES))
    sample = Sample("a", image.astype(np.float32))
    np.testing.assert_array_equal(model.segment(image), model.suited_to([sample]).segment(image))


def test_nothing_is_chosen_where_rules_samples_or_images_leave_no_choice():
    named = RulesOnly(Rules.loads(RULES + "superpixels: mutex\n"))
    sample = Sample("a", disks()[0].astype(np.float32))
    assert named.suited_to([sample]) is named
    model = RulesOnly(Rules.loads(RULES))
    assert model.suited_to([]) is model
    assert model.suited_to([Sample("flat", np.ones((9, 9), np.float32))]) is model
    own = Sample("a", sample.pixels, superpixels=disks()[1].astype(np.int32))
    assert model.suited_to([own]) is model
    assert len(np.unique(model.apply(own).graph.superpixels)) == 5


def test_pieces_follow_the_smallest_kind_of_objects():
    text = "classes:\n  big: {area: {expect: 2400}}\n  small: {area: {expect: 240}}\n"
    sizes = [choice.settings["mean_size"] for choice in superpixel_choices(Rules.loads(text))]
    assert sizes == [20, 20, 20]


@pytest.mark.parametrize(
    ("text", "largest"),
    [
        ("area: {expect: 100}", 1600),
        ("area: {at_least: 10, at_most: 300}", 4800),
        ("area: {expect: 100, at_most: 300}", 4800),
        ("pixel_size: 0.5\narea: {expect: 25, unit: um2}", 1600),
        ("equivalent_diameter: {expect: 10}", 400 * np.pi),
        ("area: {expect: 100}\nmajor_axis: {at_most: 8}", 256 * np.pi),
        ("classes:\n  one: {area: {expect: 10}}\n  two: {area: {expect: 50}}", 800),
        ("classes:\n  one: {area: {expect: 10}}\n  two: {solidity: {at_least: 0.9}}", 7560 / 4),
        ("minor_axis: {expect: 5}", 7560 / 4),  # how long a fibre is, its width does not say
        ("solidity: {at_least: 0.9}", 7560 / 4),
    ],
)
def test_the_largest_object_is_what_the_rules_say(text, largest):
    rules = Rules.loads(text)
    state = make_state(disks()[0].astype(float), rules, given=disks()[1].astype(int))
    assert largest_object(rules, state) == pytest.approx(largest)


def test_a_rough_size_bounds_too():
    rules = Rules.loads("area: {expect: rough}\nintensity: {brighter_than: background}")
    state = make_state(disks()[0].astype(float), rules)
    assert 16 * 150 < largest_object(rules, state) < 16 * 400


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("count: {expect: 4, tolerance: 1}\n", "the rule on count cannot be followed without training"),
        ("", None),
    ],
)
def test_a_rule_that_is_not_followed_is_told(line, sentence):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        RulesOnly(Rules.loads(RULES + line)).segment(disks()[0])
    assert [str(each.message).split(";")[0] for each in told] == ([sentence] if sentence else [])


def test_rules_without_a_size_do_not_label_the_whole_image():
    with pytest.warns(InputWarning, match="do not say how large objects are"):
        found = RulesOnly(Rules.loads("solidity: {at_least: 0.9}")).segment(disks()[0])
    assert np.bincount(found.ravel())[1:].max() <= found.size / 4
