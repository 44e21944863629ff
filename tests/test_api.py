import subprocess
import sys

import numpy as np
import pytest
import tifffile

import segcritic
import segcritic.stateless.train
from segcritic.errors import InputWarning, UserError
from segcritic.io.images import write_labels
from segcritic.rules import load_builtin
from small_model import RULES, disks, trained, write_disks


def _train(images, rules=None, **options):
    return segcritic.train(images, rules or segcritic.Rules.loads(RULES), steps=2, **options)


# Importing


def test_importing_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys, time; start = time.perf_counter(); import segcritic; print(time.perf_counter() - start);"
        "print([m for m in ('torch', 'numba', 'skimage', 'scipy', 'numpy', 'cyclopts') if m in sys.modules])"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    seconds, heavy = zip(*(run.stdout.splitlines() for run in runs), strict=True)
    assert heavy == ("[]", "[]")
    assert min(map(float, seconds)) < 0.3


def test_the_public_names_are_there():
    for name in segcritic.__all__:
        assert getattr(segcritic, name).__name__ == name
    assert set(segcritic.__all__) < set(dir(segcritic))
    assert segcritic.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'segmentation'"):
        segcritic.segmentation  # noqa: B018


# Training


def test_training_finds_the_disks():
    image, truth = disks()
    labels = trained().segment(image)
    assert segcritic.evaluate(labels, truth)["AP50"] == 1
    assert trained().actor.curve[-1]["step"] == 20


def test_images_may_be_paths_arrays_or_lists_and_give_the_same_model(tmp_path):
    image = disks()[0]
    folder = write_disks(tmp_path / "images", "a")
    models = [_train(images) for images in (image, [image], folder, str(folder / "a.tif"), [folder / "a.tif"])]
    for model in models[1:]:
        for name, weights in models[0].actor.weights.items():
            np.testing.assert_array_equal(weights, model.actor.weights[name])


def test_rules_may_be_a_file_a_name_or_rules(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text(RULES)
    rules = segcritic.Rules.loads(RULES)
    assert segcritic.load_rules(tmp_path / "mine.yaml") == segcritic.load_rules(rules) == rules
    assert segcritic.load_rules("nuclei") == load_builtin("nuclei")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nuclei").write_text(RULES)  # a file of the user's comes before a built-in of its name
    assert segcritic.load_rules("nuclei") == rules
    with pytest.raises(UserError, match=r"no rules file nucleus, and no built-in rules of that name \(circles, "):
        segcritic.load_rules("nucleus")
    with pytest.raises(UserError, match="is a folder; give a rules file"):
        segcritic.load_rules(tmp_path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 0}, "number of steps is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"minutes": 0}, "minutes is 0; give a number above 0"),
        ({"minutes": float("nan")}, "minutes is nan"),
        ({"preset": "fast"}, "no preset 'fast'; choose default or paper"),
    ],
)
def test_senseless_settings_are_refused(options, sentence):
    with pytest.raises(UserError, match=sentence):
        segcritic.train(disks()[0], "coins", **options)


def test_constant_images_are_left_out_of_training():
    image = disks()[0]
    flat = np.full_like(image, 3)
    with pytest.warns(InputWarning, match="left out of training, all pixels being equal: image 1$"):
        model = _train([image, flat])
    assert "on 1 image," in model.card
    with pytest.raises(UserError, match="nothing can be seen in image 0: all its pixels are equal"):
        _train([flat, flat])


@pytest.mark.parametrize("python", [False, True])
def test_training_holds_no_more_pixels_than_it_reads(monkeypatch, python):
    held = []
    real = segcritic.stateless.train.train

    def train(states, *arguments, **options):
        held.extend(states)
        return real(states, *arguments, **options)

    monkeypatch.setattr("segcritic.models.fit.train_actor", train)
    text = RULES + "python: test_api:one_for_each_superpixel\n" if python else RULES
    _train([disks()[0]], segcritic.Rules.loads(text))
    [state] = held
    assert state.prior is None
    assert state.graph.shape == state.image.shape == disks()[0].shape
    if python:  # which may look at the superpixels
        assert state.graph.superpixels.max() == state.graph.n_nodes - 1
    else:
        assert state.image.strides == state.graph.superpixels.strides == (0, 0)


def one_for_each_superpixel(objects, graph):
    assert graph.superpixels.max() == graph.n_nodes - 1
    return np.ones(len(objects))


def test_boundaries_reach_the_graph_and_are_needed_again(tmp_path):
    image, truth = disks()
    maps = tmp_path / "maps"
    maps.mkdir()
    probability = np.zeros(image.shape, np.uint8)
    probability[:, 45:] = 255
    tifffile.imwrite(maps / "a.tif", probability)
    images = write_disks(tmp_path / "images", "a")
    model = _train(images, boundaries=maps)
    assert model.needs.boundaries
    with pytest.raises(UserError, match="trained with boundary maps"):
        model.segment(images / "a.tif")
    found = model.analyse(images / "a.tif", boundaries=maps / "a.tif", superpixels=truth)
    left = found.graph.node_sums[:, 2] / found.graph.node_sums[:, 0] < 40
    mean = found.graph.edge_sums[:, -1] / found.graph.edge_length
    disk_on_the_left = left[found.graph.edges].any(axis=1)
    assert set(mean[disk_on_the_left]) == {0.0}
    assert set(mean[~disk_on_the_left]) == {1.0}


def test_superpixels_of_the_users_own(tmp_path):
    image, truth = disks()
    model = _train(image, superpixels=truth)
    assert model.needs.superpixels
    found = model.analyse(image, superpixels=truth)
    assert found.graph.n_nodes == 5
    method = _train(image, superpixels="watershed")
    assert not method.needs.superpixels
    assert method.rules.superpixels.method == "watershed"


# Inputs


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((1, 1)), "image 0 is an image of one pixel"),
        (np.zeros((1, 9)), "image 0 is an image of 1 x 9 pixels"),
        (np.full((9, 9), np.nan), "image 0 has 81 pixels that are NaN or infinite"),
        (np.full((9, 9), np.inf), "image 0 has 81 pixels that are NaN or infinite"),
        (np.array([["a", "b"], ["c", "d"]]), "image 0 has the shape .* one channel at a time"),
    ],
)
def test_unusable_arrays_are_refused(array, sentence):
    with pytest.raises(UserError, match=sentence):
        trained().segment(array)


def test_a_colour_array_is_refused():
    with pytest.raises(UserError, match=r"image 0 has the shape \(9, 9, 3\)"):
        trained().segment([np.zeros((9, 9, 3))])


# Evaluating and measuring


def test_evaluate_takes_arrays_lists_and_paths(tmp_path):
    truth = disks()[1]
    half = np.where(truth > 2, 0, truth)
    for name, labels in (("labels", half), ("truth", truth)):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", labels)
    (tmp_path / "labels" / "measurements.csv").write_text("image\n")
    for scores in (
        segcritic.evaluate(half, truth),
        segcritic.evaluate([half], [truth]),
        segcritic.evaluate(tmp_path / "labels", str(tmp_path / "truth")),
        segcritic.evaluate(tmp_path / "labels" / "a.tif", tmp_path / "truth" / "a.tif"),
    ):
        assert scores["AP50"] == 0.5
        assert scores["DiC"] == -2
    with pytest.raises(UserError, match="must both be paths, or both be arrays"):
        segcritic.evaluate(half, tmp_path / "truth")


def test_evaluate_pairs_folders_by_stem(tmp_path):
    first, second = np.array([[1, 1, 0]]), np.array([[0, 2, 2]])
    for name, folder, labels in (
        ("a.tif", "out", first), ("b.tif", "out", second), ("a.ome.tif", "truth", first), ("b.tiff", "truth", first),
    ):  # fmt: skip
        write_labels(tmp_path / folder / name, labels)
    scores = segcritic.evaluate(tmp_path / "out", tmp_path / "truth")
    assert scores.names == ("a", "b")
    assert [row["AP50"] for row in scores.rows] == [1, 0]
    assert scores["AP50"] == 0.5
    assert segcritic.evaluate(tmp_path / "out" / "b.tif", tmp_path / "truth" / "a.ome.tif")["AP50"] == 0

    write_labels(tmp_path / "out" / "b.tif", second.T)
    with pytest.raises(UserError, match=r"b: the segmentation has the shape \(3, 1\)"):
        segcritic.evaluate(tmp_path / "out", tmp_path / "truth")
    (tmp_path / "out" / "b.tif").unlink()
    with pytest.raises(UserError, match=r"out has no segmentation for .*b\.tiff"):
        segcritic.evaluate(tmp_path / "out", tmp_path / "truth")


def test_measured_rules_fit_the_measured_objects(tmp_path):
    image, truth = disks()
    rules = segcritic.measure_rules(image, truth, name="disks")
    area = (truth == 1).sum()
    assert rules.descriptors["area"].expect == pytest.approx(area, rel=0.01)
    assert rules.polarity == 1
    images, labels = write_disks(tmp_path / "images", "a", "b"), tmp_path / "labels"
    labels.mkdir()
    tifffile.imwrite(labels / "b.tif", truth)  # a few examples: not every image has labels
    assert segcritic.measure_rules(images, labels, name="disks") == rules
    tifffile.imwrite(labels / "c.tif", truth)
    with pytest.raises(UserError, match=r"images has no image for .*c\.tif"):
        segcritic.measure_rules(images, labels)
    with pytest.raises(UserError, match=r"has the shape \(50, 90\), but its image \(84, 90\)"):
        segcritic.measure_rules(image, truth[:50])


@pytest.mark.parametrize("shape", [(40, 50, 3), (3, 40, 50), (2000,)])
def test_an_array_of_several_channels_is_not_taken_for_a_list_of_images(shape):
    with pytest.raises(UserError, match=r"shape \(.*one channel at a time"):
        segcritic.train(np.random.default_rng(0).random(shape), "nuclei", steps=1)
