"""The verbs, called as `segcritic.cli.main` with their arguments; a few through the installed command itself."""

import csv
import errno
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from unittest.mock import Mock

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from safetensors import SafetensorError

from segcritic import models
from segcritic.cli import main
from segcritic.io.images import read_image, read_labels
from segcritic.stateless.sampled import SampledLearner
from segcritic.training import folder as model_folder
from small_model import RULES, disks, trained, write_disks

MAIN = "import sys; from segcritic.cli import main; sys.exit(main())"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with images a and b, rules.yaml and a trained model."""
    monkeypatch.chdir(tmp_path)
    write_disks(tmp_path / "images", "a", "b")
    (tmp_path / "rules.yaml").write_text(RULES)
    trained().save(tmp_path / "model")
    return tmp_path


@pytest.fixture
def refused(run):
    """Run a command line that must be refused: exactly one sentence on stderr, exit code 2. Returns the sentence."""

    def _refused(line):
        code, _, err = run(line)
        assert code == 2
        assert err.startswith("segcritic: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        return err.strip()

    return _refused


def _table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# Help, usage, start-up


def test_help_is_quick():
    def seconds():
        start = time.perf_counter()
        said = subprocess.run([sys.executable, "-c", MAIN, "--help"], capture_output=True, text=True, check=True).stdout
        assert all(verb in said for verb in ("demo", "train", "segment", "evaluate", "rules", "models"))
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < 1


def test_help_and_version_load_nothing_heavy():
    code = (
        "import sys; from segcritic.cli import main; codes = [main(a.split()) for a in"
        " ('--version', '', 'train --help', 'segment --help', 'evaluate --help', 'rules --help', 'rules init --help',"
        " 'models --help', 'demo --help', 'combine --help')]; print(codes);"
        "print([m for m in ('torch', 'numba', 'skimage', 'scipy', 'numpy') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[-2:] == [str([0] * 10), "[]"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("trian", 'Unknown command "trian". Did you mean "train"?'),
        ("train", "IMAGES requires an argument; see segcritic train --help"),
        ("train images --rules rules.yaml", "--out requires an argument; see segcritic train --help"),
        ("train images --rules rules.yaml --out m --seed x", 'Invalid value for --seed: unable to convert "x"'),
        ("train images --rules rules.yaml --out m --preset x", 'Choose from: "default", "paper"'),
        ("segment images more --model m --out o", "Unused Tokens: ['more']"),
        ("evaluate a b --jsn x", "Unknown option: --jsn. Did you mean --json?"),
        ("rules init", "segcritic rules init --help"),
    ],
)
def test_usage_errors_are_one_sentence(here, refused, line, sentence):
    assert sentence in refused(line)


# Train


def test_train_segment_evaluate(here, run):
    code, out, err = run("train images --rules rules.yaml --out new --steps 20 --seed 0")
    assert (code, err) == (0, "")
    assert "Saved the model (reward 0." in out
    assert main(["segment", "images", "--model", "new", "--out", "labels", "--overlay"]) == 0
    names = sorted(str(path.relative_to(here)) for path in (here / "labels").rglob("*.*"))
    assert names == [
        "labels/a.tif",
        "labels/b.tif",
        "labels/measurements.csv",
        "labels/overlays/a.png",
        "labels/overlays/b.png",
    ]
    with tifffile.TiffFile(here / "labels" / "a.tif") as file:
        assert file.pages[0].dtype == np.uint16
    (here / "truth").mkdir()
    for name in "ab":
        tifffile.imwrite(here / "truth" / f"{name}.tif", disks()[1])
    code, out, err = run("evaluate labels truth --json scores.json")
    assert (code, err) == (0, "")
    scores = json.loads((here / "scores.json").read_text())
    promised = "mAP AP50 AP75 SBD DiC abs_dic VI VI_split VI_merge MUCov MWCov AvgFP AvgFN"
    assert list(scores)[:13] == promised.split()
    assert scores["AP50"] == scores["images"]["a"]["AP50"] == 1
    assert f"mAP  {scores['mAP']:.4f}" in out


def test_the_same_seed_gives_the_same_model(here):
    weights = []
    for name in ("one", "two"):
        assert main(["train", "images", "--rules", "rules.yaml", "--out", name, "--steps", "3", "--seed", "5"]) == 0
        weights.append((here / name / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("nowhere --rules rules.yaml --out m", "nowhere does not exist; give an image file or a folder"),
        ("empty --rules rules.yaml --out m", "the folder empty holds no images"),
        ("broken.tif --rules rules.yaml --out m", "cannot read broken.tif: it is damaged or no valid TIFF"),
        ("pixel.tif --rules rules.yaml --out m", "pixel.tif is an image of one pixel"),
        ("nan.tif --rules rules.yaml --out m", "nan.tif has 64 pixels that are NaN or infinite"),
        ("flat.tif --rules rules.yaml --out m", "nothing can be seen in flat.tif: all its pixels are equal"),
        ("images --rules nowhere.yaml --out m", "there is no rules file nowhere.yaml"),
        ("images --rules unknown.yaml --out m", "unknown.yaml, line 1: unknown rule 'arae'; did you mean 'area'?"),
        ("images --rules contrary.yaml --out m", "contrary.yaml, line 1: 'at_least' of 'area' (9) is above"),
        ("images --rules rules.yaml --out images", "images holds files that are no segcritic model"),
        ("images --rules rules.yaml --out model", "model holds a model; go on with it by --resume, replace it by"),
        ("images --rules rules.yaml --out rules.yaml", "rules.yaml is a file; give the name of a new folder"),
        ("images --rules rules.yaml --out rules.yaml/m", "rules.yaml/m: "),
        ("images --rules rules.yaml --out /dev/full", "/dev/full is a file"),
        ("images --rules rules.yaml --out m --resume --overwrite", "give one of the two"),
        ("images --rules rules.yaml --out model --resume", "has no folder 'checkpoint' to go on from"),
        ("images --rules rules.yaml --out m --steps 0", "number of steps is 0"),
        ("images --rules rules.yaml --out m --boundaries empty", "the folder empty holds no images"),
        ("images --rules rules.yaml --out m --superpixels shels", "'shels' is neither a method"),
        ("images --rules rules.yaml --out m --channel red", "a.tif has no channel 'red'"),
    ],
)
def test_train_refuses(here, refused, options, sentence):
    (here / "empty").mkdir()
    (here / "broken.tif").write_bytes(b"II*\0nonsense")
    tifffile.imwrite(here / "pixel.tif", np.ones((1, 1), np.uint8))
    tifffile.imwrite(here / "nan.tif", np.full((8, 8), np.nan, np.float32))
    tifffile.imwrite(here / "flat.tif", np.ones((8, 8), np.uint8))
    (here / "unknown.yaml").write_text("arae: {expect: 3}\n")
    (here / "contrary.yaml").write_text("area: {at_least: 9, at_most: 5}\n")
    before = sorted(here.rglob("*"))
    assert sentence in refused(f"train {options}")
    assert sorted(here.rglob("*")) == before  # and nothing is left behind


def test_training_goes_on_where_it_stopped(here, run):
    train = "train images --rules rules.yaml --out new --steps 8"
    real = SampledLearner.update
    done = []

    def interrupted(self, *arguments):
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(arguments)
        return real(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SampledLearner, "update", interrupted)
        code, out, _ = run(train)
    assert code == 0
    assert "Stopped early; what was learned so far is kept. Saved the model" in out
    models.load(here / "new")
    assert main(train.split()) == 2
    assert main([*train.split(), "--resume"]) == 0
    assert models.load(here / "new").actor.curve[-1]["step"] == 8
    assert main([*train.split()[:5], "straight", *train.split()[6:]]) == 0
    resumed, straight = (models.load(here / name).actor.weights for name in ("new", "straight"))
    for name, weights in straight.items():
        np.testing.assert_array_equal(weights, resumed[name])


def test_overwrite_replaces_a_model(here):
    before = (here / "model" / "weights.safetensors").read_bytes()
    assert main(["train", "images", "--rules", "rules.yaml", "--out", "model", "--overwrite", "--steps", "2"]) == 0
    assert (here / "model" / "weights.safetensors").read_bytes() != before
    assert models.load("model").actor.curve[-1]["step"] == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_keeps_the_model(here):
    command = [sys.executable, "-c", MAIN, "train", "images", "--rules", "rules.yaml", "--out", "new"]
    command += ["--steps", "1000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=180)
    assert first.startswith("step 1: reward 0.")
    assert (process.returncode, err) == (0, "")
    assert "Stopped early" in out
    assert models.load(here / "new").actor.curve


def test_ctrl_c_before_training_leaves_nothing(here, run, monkeypatch):
    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("segcritic.models.stateless.make_state", interrupt)
    code, _, err = run("train images --rules rules.yaml --out new")
    assert (code, err) == (130, "segcritic: stopped; nothing was left half written\n")
    assert not (here / "new").exists()


# Segment


def test_segment_writes_labels_and_measurements(here, run):
    code, out, err = run("segment images --model model --out labels")
    assert (code, err) == (0, "")
    expected = trained().analyse(disks()[0])
    count = len(expected.table["label"])
    assert out == f"2 images, {2 * count} objects: labels\n"
    np.testing.assert_array_equal(read_labels(here / "labels" / "b.tif"), expected.labels)
    rows = _table(here / "labels" / "measurements.csv")
    assert [row["image"] for row in rows] == ["a"] * count + ["b"] * count
    assert [int(row["label"]) for row in rows] == [*range(1, count + 1)] * 2
    for name in ("score", "score_area", "score_circularity", "score_intensity", "area", "centroid_row"):
        np.testing.assert_allclose([float(row[name]) for row in rows[:count]], expected.table[name], rtol=1e-5)


def test_segment_by_rules_alone_finds_what_training_would(here, run):
    code, out, err = run("segment images --rules rules.yaml --out labels")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "Choosing superpixels by what the rules like most"
    assert out.splitlines()[1] in ("Superpixels: shells", "Superpixels: watershed, mean_size 20.8")
    found = read_labels(here / "labels" / "b.tif")
    assert found.max() == len(trained().analyse(disks()[0]).table["label"])
    rows = _table(here / "labels" / "measurements.csv")
    assert len(rows) == 2 * found.max()
    assert all(0 < float(row["score"]) <= 1 for row in rows)
    assert run("segment images --rules rules.yaml --out again")[0] == 0
    np.testing.assert_array_equal(read_labels(here / "again" / "b.tif"), found)


def test_segment_one_image_into_a_file(here, run):
    code, out, _ = run("segment images/a.tif --model model --out deep/one.tif --overlay")
    assert code == 0
    assert out.endswith("deep/one.tif\n")
    assert sorted(path.name for path in (here / "deep").iterdir()) == ["one.csv", "one.tif", "overlays"]
    assert iio.imread(here / "deep" / "overlays" / "one.png").shape == (84, 90, 3)


def test_segment_keeps_the_pixel_size(here):
    scale = {"resolution": (4, 4), "resolutionunit": "NONE", "description": "ImageJ=1.11a\nunit=um\n"}
    tifffile.imwrite(here / "scaled.tif", disks()[0], metadata=None, **scale)
    assert main(["segment", "scaled.tif", "--model", "model", "--out", "labels"]) == 0
    assert read_image(here / "labels" / "scaled.tif").pixel_size == pytest.approx(0.25)


def test_segment_goes_past_broken_files_and_says_so(here, run):
    whole = (here / "images" / "a.tif").read_bytes()
    (here / "images" / "b.tif").write_bytes(whole[:2000])
    (here / "images" / "c.tif").write_bytes(whole)
    tifffile.imwrite(here / "images" / "d.tif", np.full((4, 4), np.nan, np.float32))
    code, out, err = run("segment images --model model --out labels")
    assert code == 2
    assert out.startswith("2 images, ")
    lines = err.splitlines()
    assert len(lines) == 3
    assert "cannot read images/b.tif: it is cut off" in lines[0]
    assert "images/d.tif has 16 pixels that are NaN" in lines[1]
    assert lines[2] == "segcritic: 2 of 4 images could not be segmented"
    names = sorted(path.name for path in (here / "labels").iterdir())
    assert names == ["a.tif", "c.tif", "measurements.csv"]
    assert {row["image"] for row in _table(here / "labels" / "measurements.csv")} == {"a", "c"}


def test_a_constant_image_gives_empty_labels_and_a_warning(here, run):
    tifffile.imwrite(here / "flat.tif", np.full((20, 30), 9, np.uint8))
    code, out, err = run("segment flat.tif --model model --out labels")
    assert (code, out) == (0, "1 image, 0 objects: labels\n")
    assert err == "segcritic: warning: flat: all pixels are equal; there are no objects\n"
    labels = read_labels(here / "labels" / "flat.tif")
    assert labels.shape == (20, 30)
    assert not labels.any()
    assert _table(here / "labels" / "measurements.csv") == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            "images --model model --out images",
            "the labels would replace images/a.tif, which is read; give another",
        ),
        ("images/a.tif --model model --out images/a.tif", "the labels would replace images/a.tif"),
        ("images --model model --out used", "used/b.tif exists already; give another folder, or replace it by --ov"),
        ("images --model model --out one.tif", "one.tif is one file, but images holds 2 images; give a folder"),
        ("images --model model --out rules.yaml", "rules.yaml is not a folder"),
        ("images --model model --out /dev/full", "/dev/full is not a folder"),
        ("images --model model --out rules.yaml/labels", "cannot write rules.yaml/labels/"),
        ("images --model nowhere --out o", "there is no model folder nowhere"),
        ("images --out o", "segment needs one of the two: --model, a trained model, or --rules, a rules file"),
        ("images --model model --rules rules.yaml --out o", "segment needs one of the two"),
        ("images --rules nowhere.yaml --out o", "nowhere.yaml"),
        (
            "images --rules rules.yaml --out o --device cpu",
            "--device cpu is for a model's network, and --rules",
        ),
        ("images --rules around.yaml --out o", "the rule on neighbours cannot be judged before all objects are chosen"),
        ("images --rules rules.yaml --out used", "used/b.tif exists already; give another folder"),
        ("images --rules rules.yaml --out o --adapt 5", "--adapt goes on training a model, and --rules has none"),
        ("images --model images --out o", "images is no segcritic model"),
        ("nowhere --model model --out o", "nowhere does not exist"),
        ("images --model model --out o --boundaries used", "used has no boundary map for images/a.tif"),
        ("images --model model --out o --superpixels shels", "'shels' is neither a method"),
    ],
)
def test_segment_refuses(here, refused, options, sentence):
    (here / "used").mkdir()
    (here / "used" / "b.tif").write_bytes(b"mine")
    (here / "around.yaml").write_text("area: {expect: 250}\nneighbours: {at_most: 3}\n")
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert sentence in refused(f"segment {options}")
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


def test_overwrite_replaces_labels(here):
    assert main(["segment", "images", "--model", "model", "--out", "labels"]) == 0
    (here / "labels" / "a.tif").write_bytes(b"changed")
    assert main(["segment", "images", "--model", "model", "--out", "labels"]) == 2
    assert (here / "labels" / "a.tif").read_bytes() == b"changed"
    assert main(["segment", "images", "--model", "model", "--out", "labels", "--overwrite"]) == 0
    assert read_labels(here / "labels" / "a.tif").any()


def test_a_model_may_not_run_python_unasked(here, refused):
    rules = here / "model" / "rules.yaml"
    rules.write_text(rules.read_text() + "python: os:getcwd\n")
    assert "(python: os:getcwd)" in (sentence := refused("segment images --model model --out labels"))
    assert "--allow-python" in sentence
    ran = refused("segment images/a.tif --model model --out labels --allow-python")
    assert ran.endswith("the rule python: os:getcwd failed: TypeError: posix.getcwd() takes no arguments (2 given)")


# Full disks


@pytest.fixture
def full_disk(monkeypatch):
    """Every file that is written fails as on a full disk."""

    def fail(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("write_bytes", "write_text"):
        monkeypatch.setattr(pathlib.Path, name, fail)
    monkeypatch.setattr(tifffile, "imwrite", fail)
    hidden = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    monkeypatch.setattr("segcritic.training.checkpoint.save_file", Mock(side_effect=hidden), raising=False)


@pytest.mark.parametrize(
    "line",
    [
        "train images --rules rules.yaml --out new --steps 1",
        "segment images --model model --out labels",
        "segment images --model model --out labels/a.tif --overwrite",
        "demo --out coins",
    ],
)
def test_a_full_disk_is_told_and_leaves_no_half_files(here, refused, full_disk, line):
    line = line.replace("images --model model --out labels/a", "images/a.tif --model model --out labels/a")
    sentence = refused(line)
    assert "No space left on device; free space or write elsewhere" in sentence
    assert not [path for path in here.rglob(".*") if path.is_file()]
    assert not [path for name in ("new", "labels", "coins") for path in (here / name).rglob("*") if path.is_file()]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_evaluate_into_a_full_device(here, refused):
    assert "cannot write /dev/full: No space left on device" in refused("evaluate images images --json /dev/full")


# Evaluate


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("nowhere images", "nowhere does not exist"),
        ("images empty", "the folder empty holds no images"),
        ("images images --json model", "model is a folder; give the name of a JSON file"),
        ("images images --json images/a.tif", "images/a.tif exists and is no JSON file"),
        ("images small", "a: the segmentation has the shape (84, 90) but the truth (8, 8)"),
        ("images some", "some has no true label image for images/b.tif"),
        ("images/a.tif float.tif", "float.tif holds fractions"),
    ],
)
def test_evaluate_refuses(here, refused, options, sentence):
    for name, stems in (("empty", ""), ("small", "ab"), ("some", "a")):
        (here / name).mkdir()
        for stem in stems:
            tifffile.imwrite(here / name / f"{stem}.tif", np.zeros((8, 8), np.uint8))
    tifffile.imwrite(here / "float.tif", np.full((84, 90), 0.5, np.float32))
    assert sentence in refused(f"evaluate {options}")


def test_evaluate_replaces_its_own_json(here, run):
    for _ in range(2):
        code, out, _ = run("evaluate images/a.tif images/b.tif --json scores.json")
        assert code == 0
    assert "mAP  1.0000" in out
    assert json.loads((here / "scores.json").read_text())["VI"] == 0


# Rules, models


def test_rules_init(here, run, refused):
    code, out, _ = run("rules init nuclei --out mine.yaml")
    assert code == 0
    assert "mine.yaml" in out
    assert "tolerance" in (here / "mine.yaml").read_text()
    assert "mine.yaml exists already" in refused("rules init nuclei --out mine.yaml")
    assert "did you mean 'nuclei'?" in refused("rules init nucleus --out other.yaml")


def test_rules_measure(here, run, refused):
    (here / "labels").mkdir()
    tifffile.imwrite(here / "labels" / "a.tif", disks()[1])
    code, out, _ = run("rules measure images labels --out mine.yaml")
    assert code == 0
    assert "4 whole objects in 1 image" in out
    assert main(["train", "images", "--rules", "mine.yaml", "--out", "new", "--steps", "1"]) == 0
    assert "mine.yaml exists already" in refused("rules measure images labels --out mine.yaml")
    tifffile.imwrite(here / "labels" / "a.tif", np.zeros((84, 90), np.uint8))
    assert "no object is labelled" in refused("rules measure images labels --out other.yaml")
    assert not (here / "other.yaml").exists()


def test_rules_check(here, run, refused):
    code, out, err = run("rules check rules.yaml images --out check --at-most 1")
    assert (code, err) == (0, "")
    assert out.startswith("a\n")
    assert all(start in out for start in ("all merged", "all split", "rough segmentation"))
    assert (here / "check" / "check.html").is_file()
    assert "check.html exists already" in refused("rules check rules.yaml images --out check")
    assert main(["rules", "check", "rules.yaml", "images/a.tif", "--out", "check", "--overwrite"]) == 0


def test_rules_check_warns_of_rules_that_can_be_cheated(here, run):
    (here / "all.yaml").write_text("area: {at_least: 5000}\nborder: keep\n")  # the whole picture is one such object
    code, out, _ = run("rules check all.yaml images/a.tif")
    assert code == 0
    assert "a degenerate segmentation" in out
    assert "\nwarning: " in out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("nowhere.yaml images", "there is no rules file nowhere.yaml"),
        ("unknown.yaml images", "unknown.yaml, line 1: unknown rule 'arae'"),
        ("rules.yaml nowhere", "nowhere does not exist"),
        ("rules.yaml flat.tif", "nothing can be seen in flat.tif"),
        ("rules.yaml images --at-most 0", "number of images is 0; give at least 1"),
        ("rules.yaml images --out rules.yaml", "cannot write rules.yaml/check.html"),
    ],
)
def test_rules_check_refuses(here, refused, options, sentence):
    (here / "unknown.yaml").write_text("arae: {expect: 3}\n")
    tifffile.imwrite(here / "flat.tif", np.ones((8, 8), np.uint8))
    assert sentence in refused(f"rules check {options}")


def test_models_lists_cards(here, run, monkeypatch, refused):
    monkeypatch.setattr(model_folder, "_SHIPPED", here / "shipped")
    monkeypatch.setattr("segcritic.boundary_net.shipped", dict)
    code, out, _ = run("models")
    assert code == 0
    assert out.startswith("No models come with this version.")
    trained().save(here / "shipped" / "disks")
    assert run("models")[1] == "disks: Segments disks; learned from rules alone on 1 image, without annotations.\n"
    assert "| reward at the end |" in run("models disks")[1]
    assert "there is no model folder disk; the models that come with segcritic are disks" in refused("models disk")
    assert main(["segment", "images", "--model", "disks", "--out", "labels"]) == 0


# Demo


def test_the_demo_refuses_folders_of_others(here, refused):
    assert "images holds 'a.tif', which is not the demo's" in refused("demo --out images")
    assert "rules.yaml is a file" in refused("demo --out rules.yaml")
    (here / "coins").mkdir()
    (here / "coins" / "rules.yaml").write_text(RULES)
    assert "coins/rules.yaml was changed; to train with it: segcritic train" in refused("demo --out coins")
    assert (here / "coins" / "rules.yaml").read_text() == RULES


def test_the_demo_finds_the_coins(here, run):
    code, out, err = run("demo --out coins")
    assert (code, err) == (0, "")
    names = sorted(str(path.relative_to(here / "coins")) for path in (here / "coins").rglob("*.*"))
    assert names == [
        "figure.png",
        "images/coins.png",
        "labels/coins.tif",
        "labels/measurements.csv",
        "labels/overlays/coins.png",
        "model/card.md",
        "model/rules.yaml",
        "model/settings.json",
        "model/weights.safetensors",
        "report.html",
        "rules.yaml",
    ]
    labels = read_labels(here / "coins" / "labels" / "coins.tif")
    assert f"Found {labels.max()} coins" in out
    assert 22 <= labels.max() <= 26
