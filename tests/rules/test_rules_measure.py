"""Rules measured on labelled objects."""

import numpy as np
import pytest

from segcritic.errors import UserError
from segcritic.graph import build_graph
from segcritic.graph.objects import measure
from segcritic.rules import PolarityRule, Rules, Scorer, measure_rules, needed_descriptors


def disks(radii=(9, 10, 11, 10), size=128, bright=True):
    """Return an image of disks, the first cut by the image border, and its labels."""
    rows, cols = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    centres = [(2, 20), (30, 70), (70, 30), (90, 90), (30, 104)]
    for number, (radius, (row, col)) in enumerate(zip(radii, centres, strict=False), start=1):
        labels[(rows - row) ** 2 + (cols - col) ** 2 <= radius**2] = 3 * number
    image = np.where(labels > 0, 0.8, 0.1) if bright else np.where(labels > 0, 0.2, 0.9)
    return image + np.random.default_rng(0).normal(0, 0.01, image.shape), labels


def test_measured_rules_describe_the_examples():
    image, labels = disks(radii=(9, 10, 11, 10, 12))
    rules = measure_rules([image], [labels], "disks")
    assert rules.name == "disks"
    assert "4 whole objects in 1 image (1 cut by the border left out)" in rules.description
    assert "annotations" in rules.description
    areas = np.bincount(labels.ravel())[[6, 9, 12, 15]]
    assert rules.descriptors["area"].expect == pytest.approx(np.exp(np.median(np.log(areas))), rel=0.01)
    assert rules.descriptors["area"].scale == "log"
    assert rules.descriptors["solidity"].expect is None
    assert rules.descriptors["solidity"].at_least > 0.85  # pyright: ignore[reportOptionalOperand]
    assert isinstance(rules.intensity, PolarityRule)
    assert rules.polarity == 1
    assert Rules.loads(rules.to_yaml()) == rules


def test_measured_rules_prefer_the_examples():
    image, labels = disks()
    rules = measure_rules([image], [labels], "disks")
    merged = np.where((labels == 6) | (labels == 9), 6, labels)  # two disks as one object
    superpixels = np.unique(merged, return_inverse=True)[1].reshape(labels.shape)
    graph = build_graph(image, superpixels)
    objects = measure(graph, np.arange(graph.n_nodes), needed_descriptors(rules))
    scores = Scorer(rules).object_scores(objects)[objects.node_object[0]]
    background, _, pair, single = scores
    assert single > 0.6
    assert pair < 0.01
    assert background < 0.01


def test_identical_objects_leave_some_tolerance():
    image, labels = disks(radii=(9, 10, 10, 10))
    rules = measure_rules([image], [labels])
    assert rules.descriptors["area"].tolerance == pytest.approx(np.log(1.1), rel=0.01)
    assert rules.descriptors["eccentricity"].tolerance == 0.1


def test_dark_objects():
    image, labels = disks(bright=False)
    rules = measure_rules([image], [labels])
    assert rules.polarity == -1
    bright = measure_rules([1 - image], [labels])  # as dark objects are measured for training
    assert bright.polarity == 1
    assert rules.descriptors == bright.descriptors
    assert rules.intensity.by == bright.intensity.by  # pyright: ignore[reportOptionalMemberAccess]
    assert rules.descriptors["contrast"].at_least > 0  # pyright: ignore[reportOptionalOperand]


def test_several_images_and_one_without_objects():
    image, labels = disks()
    rules = measure_rules([image, image, image], [labels, labels.astype(np.uint16), np.zeros_like(labels)])
    assert "6 whole objects in 3 images (2 cut" in rules.description
    assert rules.descriptors == measure_rules([image], [labels]).descriptors


def test_pieces_of_one_label_are_one_object():
    image, labels = disks(radii=(9, 10, 10, 10))
    labels[80:100, 88:91] = 0  # a dark line parts the third whole disk
    rules = measure_rules([image], [np.where(labels == 12, labels, 0)])
    assert rules.descriptors["area"].expect == pytest.approx((labels == 12).sum(), rel=0.01)


def test_no_objects_to_measure():
    image, labels = disks()
    with pytest.raises(UserError, match="no object is labelled"):
        measure_rules([image], [0 * labels])
    with pytest.raises(UserError, match="no object is labelled"):
        measure_rules([], [])
    with pytest.raises(UserError, match="every labelled object touches the image border"):
        measure_rules([image], [np.where(labels == 3, labels, 0)])


def test_images_and_labels_that_do_not_belong_together():
    image, labels = disks()
    with pytest.raises(UserError, match="2 images, but 1 label images"):
        measure_rules([image, image], [labels])
    with pytest.raises(UserError, match=r"image 1 has shape \(128, 128\), but its labels have shape \(127, 128\)"):
        measure_rules([image], [labels[1:]])
    with pytest.raises(UserError, match="give integers"):
        measure_rules([image], [labels / 2])  # pyright: ignore[reportArgumentType]
