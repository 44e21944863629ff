"""`segcritic combine`, and `segcritic evaluate` by rules."""

import csv
import json
import shutil

import numpy as np
import pytest
import tifffile

from segcritic.io.images import read_labels
from small_model import RULES, disks, write_disks


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Images a and b, rules, and labels of three tools: one merges two disks of a, one lacks a disk, one is right."""
    monkeypatch.chdir(tmp_path)
    write_disks(tmp_path / "images", "a", "b")
    (tmp_path / "rules.yaml").write_text(RULES)
    truth = disks()[1]
    merged, lacking = np.where(truth == 2, 1, truth), np.where(truth == 3, 0, truth)
    for folder, labels in (("merging", merged), ("lacking", lacking), ("right", truth)):
        (tmp_path / folder).mkdir()
        for name in "ab":
            tifffile.imwrite(tmp_path / folder / f"{name}.tif", labels)
    return tmp_path


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("options", ["", " --rules rules.yaml"])
def test_three_tools_mend_each_other(here, run, options):
    code, out, err = run(f"combine merging lacking right --images images --out new{options}")
    assert (code, err) == (0, "")
    assert "2 images, 8 objects (" in out
    for name in "ab":
        found = read_labels(here / "new" / f"{name}.tif")
        np.testing.assert_array_equal(found > 0, disks()[1] > 0)
        assert found.max() == 4
    with tifffile.TiffFile(here / "new" / "a.tif") as file:
        assert file.pages[0].dtype == np.uint16
    rows = table(here / "new" / "measurements.csv")
    assert [row["image"] for row in rows] == ["a"] * 4 + ["b"] * 4
    assert {row["tool"] for row in rows} <= {"merging", "lacking", "right"}
    assert [row["supported_by"] for row in rows[:4]] == ["2", "2", "2", "3"] or options
    assert all(0 < float(row["confidence"]) <= 1 for row in rows)
    assert ("score_area" in rows[0]) == bool(options)


def test_a_broken_file_is_told_at_the_end(here, run):
    (here / "lacking" / "a.tif").write_bytes(b"II*\0nonsense")
    tifffile.imwrite(here / "right" / "b.tif", np.zeros((8, 8), np.uint8))
    tifffile.imwrite(here / "images" / "c.tif", disks()[0])  # an image without labels is passed over
    code, out, err = run("combine merging lacking right --images images --out new")
    assert code == 2
    assert "0 images, 0 objects: new" in out or out == ""
    assert "cannot read lacking/a.tif" in err
    assert "right/b.tif has the shape (8, 8), but its image images/b.tif (84, 90)" in err
    assert "2 of 2 images could not be combined" in err


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("merging --images images --out new", "labels of one tool only; give the folders of at least two"),
        ("--images images --out new", "labels of one tool only; give the folders of at least two"),
        ("merging ./merging --images images --out new", "merging is given twice"),
        ("merging nowhere --images images --out new", "nowhere does not exist"),
        ("merging one --images images --out new", "one has no labels for b, which merging has"),
        ("one merging --images images --out new", "one has no labels for b, which merging has"),
        ("merging right --images one --out new", "one has no image for merging/b.tif"),
        ("merging right --images images --rules nowhere --out new", "there is no rules file nowhere"),
        ("merging right --images images --out right", "would go into right, which is read"),
        ("merging right --images images --out images --overwrite", "would go into images, which is read"),
        ("merging right --images images --out rules.yaml", "rules.yaml is not a folder"),
        ("merging right --images images --out done", "done/a.tif exists already; give another folder, or replace"),
        ("merging right --images images --superpixels mutex --out new", "are for rules; give rules too"),
        ("merging/a.tif float.tif --images images/a.tif --out new", "float.tif holds fractions"),
    ],
)
def test_combine_refuses(here, run, line, sentence):
    for folder in ("one", "done"):
        (here / folder).mkdir()
        shutil.copy(here / "right" / "a.tif", here / folder)
    tifffile.imwrite(here / "float.tif", np.full((84, 90), 0.5, np.float32))
    before = {path: path.read_bytes() for path in here.rglob("*.*") if path.is_file()}
    code, _, err = run(f"combine {line}")
    assert code == 2
    assert err.startswith("segcritic: ")
    assert err.count("\n") == 1
    assert sentence in err
    assert {path: path.read_bytes() for path in here.rglob("*.*") if path.is_file()} == before


def test_single_files_and_overwriting(here, run):
    line = "combine merging/a.tif right/a.tif --images images/a.tif --out new --rules rules.yaml"
    assert run(line)[0] == 0
    assert {row["tool"] for row in table(here / "new" / "measurements.csv")} <= {"merging/a.tif", "right/a.tif"}
    assert run(line)[0] == 2
    assert run(f"{line} --overwrite")[0] == 0


# Evaluate by rules


def test_folders_are_ranked_without_a_truth(here, run):
    code, out, err = run("evaluate merging right lacking --images images --rules rules.yaml --json scores.json")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "2 images; the labels that fit the rules best come first"
    assert lines[1].split()[:3] == ["reward", "objects", "score"]
    assert lines[2].split()[0] == "right"
    told = json.loads((here / "scores.json").read_text())["ranking"]
    assert told[0]["labels"] == "right"
    assert told[0]["objects"] == 8
    assert told[0]["reward"] > told[1]["reward"] >= told[2]["reward"]
    assert set(told[0]["images"]) == {"a", "b"}
    assert 0.9 < told[0]["images"]["a"]["score_area"] <= 1


def test_one_folder_and_one_without_objects(here, run):
    (here / "none").mkdir()
    tifffile.imwrite(here / "none" / "a.tif", np.zeros((84, 90), np.uint8))
    code, out, _ = run("evaluate none --images images --rules rules.yaml --json scores.json")
    assert code == 0
    assert out.splitlines()[0] == "1 image"
    assert out.splitlines()[2].split()[2:4] == ["0", "-"]
    assert json.loads((here / "scores.json").read_text())["ranking"][0]["score"] is None


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("right", "there is nothing beside right; give the truth to compare with, or --images and --rules"),
        ("right merging lacking", "there are 2 folders beside right; give the truth to compare with"),
        ("right --rules rules.yaml", "there is --rules but no --images; give both"),
        ("right --images images", "there is --images but no --rules; give both"),
        ("right merging --channel 0", "--channel is for scores by rules"),
        ("right --images images --rules rules.yaml --steps", "--ignore-background and --steps are for the truth"),
        ("right one --images images --rules rules.yaml", "one has no labels for b, which right has"),
        ("right --images one --rules rules.yaml", "one has no image for right/b.tif"),
    ],
)
def test_evaluate_by_rules_refuses(here, run, line, sentence):
    (here / "one").mkdir()
    shutil.copy(here / "right" / "a.tif", here / "one")
    code, _, err = run(f"evaluate {line}")
    assert code == 2
    assert err.count("\n") == 1
    assert sentence in err
