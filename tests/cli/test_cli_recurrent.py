"""The verbs with the mask-by-mask method."""

import csv
import json

import imageio.v3 as iio
import numpy as np
import pytest

from segcritic.datasets.rosettes import rosettes
from segcritic.io.images import read_labels
from segcritic.models.recurrent import RecurrentModel
from small_agent import agent


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for k, (pixels, labels) in enumerate(rosettes(2, (48, 56), seed=5, count=(2, 4))):
        iio.imwrite(tmp_path / "images" / f"p{k}.png", (pixels * 255).astype(np.uint8))
        iio.imwrite(tmp_path / "labels" / f"p{k}.png", labels.astype(np.uint16))
    return tmp_path


def test_train_segment_evaluate(here, run):
    code, out, err = run("train images --labels labels --method recurrent --out model --minutes 0.03 --batch 1")
    assert (code, err) == (0, "")
    assert "Saved the model" in out
    assert run("segment images --model model --out out --overlay")[0] == 0
    for k in range(2):
        assert read_labels(here / "out" / f"p{k}.tif").shape == (48, 56)
        assert iio.imread(here / "out" / "overlays" / f"p{k}.png").shape == (48, 56, 3)
    code, out, _ = run("evaluate labels labels --steps --json scores.json")
    assert code == 0
    assert "step  1  1.0000  (2 images)" in out
    scores = json.loads((here / "scores.json").read_text())
    assert set(scores["dice_by_step"]) == {1.0}
    assert scores["SBD"] == 1


def test_overwriting_with_a_mistake_keeps_what_training_can_go_on_from(here, run):
    line = "train images --labels labels --method recurrent --out model --minutes 0.01 --batch 1"
    assert run(line)[0] == 0
    before = (here / "model" / "checkpoint" / "state.json").read_text()
    assert run(line.replace("--labels labels", "--labels nowhere") + " --overwrite")[0] == 2
    assert (here / "model" / "checkpoint" / "state.json").read_text() == before
    assert run(line + " --overwrite --seed 1")[0] == 0
    assert (here / "model" / "checkpoint" / "state.json").read_text() != before
    assert {path.name for path in here.iterdir()} == {"images", "labels", "model"}


def test_the_order_is_in_the_measurements(here, run):
    RecurrentModel(agent(), "").save(here / "model")
    assert run("segment images --model model --out out --ablate-state lstm")[0] == 0
    with open(here / "out" / "measurements.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["image"] for row in rows} == {"p0", "p1"}
    steps = [int(row["step"]) for row in rows if row["image"] == "p0"]
    assert steps == sorted(set(steps))  # each mask's own, with gaps where one shows nothing
    assert steps[0] >= 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train images --method recurrent --out new", "give labels (--labels)"),
        ("train images --labels labels --method recurrent --rules coins --out new", "leave the rules out"),
        ("train images --labels labels --method recurrent --steps 5 --out new", "steps (--steps) is for method rules"),
        ("train images --labels labels --out new", "there are no rules"),
        ("train images --rules coins --batch 2 --out new", "batch (--batch) is for method recurrent"),
        ("train images --labels nowhere --method recurrent --out new", "nowhere"),
        ("segment images --model model --out new --refine", "--refine and --adapt go by rules"),
        ("segment images --model model --out new --boundaries images", "--boundaries is for models trained by rules"),
        ("segment images --model model --model model --out new", "has no rules"),
        ("segment images --model nuclei --out new --ablate-state mask", "--ablate-state is for one recurrent model"),
        ("repair labels images --model model --out new", "has no rules"),
    ],
)
def test_what_does_not_fit_the_method_is_told(here, run, line, message):
    RecurrentModel(agent(), "").save(here / "model")
    code, out, err = run(line)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (here / "new").exists()
