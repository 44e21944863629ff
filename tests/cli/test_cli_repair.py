"""`segcritic repair`, and what `segcritic segment` can do beyond applying a model: adapt, refine, several models."""

import csv
import shutil
import weakref

import numpy as np
import pytest
import tifffile

import segcritic
from segcritic import models
from segcritic.io.images import read_labels
from segcritic.io.samples import Sample, Source
from segcritic.metrics.overlap import Overlap
from segcritic.models import Ensemble
from segcritic.rules import Scorer
from segcritic.search.refine import refine
from segcritic.stateless import adapt as adaptation
from segcritic.stateless.adapt import Adapted
from segcritic.stateless.predict import label_partition
from segcritic.stateless.state import make_state
from small_model import RULES, disks, trained, write_disks


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with images and labels a and b (the labels of a with two disks as one), rules and a model."""
    monkeypatch.chdir(tmp_path)
    write_disks(tmp_path / "images", "a", "b")
    (tmp_path / "labels").mkdir()
    truth = disks()[1]
    wrong = truth.copy()
    wrong[truth == 2] = 1
    tifffile.imwrite(tmp_path / "labels" / "a.tif", wrong)
    tifffile.imwrite(tmp_path / "labels" / "b.tif", truth)
    (tmp_path / "rules.yaml").write_text(RULES)
    trained().save(tmp_path / "model")
    return tmp_path


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# Repair


def test_repair_mends_the_one_and_leaves_the_other(here, run):
    code, out, err = run("repair labels images --rules rules.yaml --out new")
    assert (code, err) == (0, "")
    assert "a: 1 split; reward 0." in out
    assert "b: nothing to repair" in out
    assert "2 images, 1 change: new" in out
    np.testing.assert_array_equal(read_labels(here / "new" / "b.tif"), disks()[1])
    with tifffile.TiffFile(here / "new" / "a.tif") as file:
        assert file.pages[0].dtype == np.uint16
    mended = read_labels(here / "new" / "a.tif")
    assert len(np.unique(mended)) == 5
    (row,) = table(here / "new" / "changes.csv")
    assert (row["image"], row["change"], row["given"], row["result"]) == ("a", "split", "1", "1 5")
    assert float(row["score_after"]) > float(row["score_before"])
    assert (float(row["centroid_row"]), float(row["centroid_col"])) == pytest.approx((20, 40), abs=1)


def test_a_broken_file_is_told_at_the_end(here, run):
    (here / "labels" / "a.tif").write_bytes(b"II*\0nonsense")
    code, out, err = run("repair labels images --rules rules.yaml --out new")
    assert code == 2
    assert "1 image, 0 changes: new" in out
    assert "cannot read labels/a.tif" in err
    assert "1 of 2 images could not be repaired" in err
    assert sorted(path.name for path in (here / "new").iterdir()) == ["b.tif", "changes.csv"]
    assert table(here / "new" / "changes.csv") == []


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("labels images --out new", "there are no rules; give rules, or a model that has its own"),
        ("labels images --rules nowhere --out new", "there is no rules file nowhere"),
        ("labels images/a.tif --rules rules.yaml --out new", "images/a.tif has no image for labels/b.tif"),
        ("nowhere images --rules rules.yaml --out new", "nowhere does not exist"),
        ("labels images --rules rules.yaml --out labels", "would replace labels/a.tif"),
        ("labels images --rules rules.yaml --out rules.yaml", "rules.yaml is not a folder"),
        ("labels images --rules rules.yaml --out done", "done/b.tif exists already; give another folder, or replace"),
        (
            "labels/a.tif small.tif --rules rules.yaml --out new",
            "(84, 90), but its image small.tif (8, 8)",
        ),
    ],
)
def test_repair_refuses(here, run, line, sentence):
    (here / "done").mkdir()
    shutil.copy(here / "labels" / "b.tif", here / "done" / "b.tif")
    tifffile.imwrite(here / "small.tif", np.arange(64, dtype=np.uint8).reshape(8, 8))
    before = {path: path.read_bytes() for path in here.rglob("*.*") if path.is_file()}
    code, _, err = run(f"repair {line}")
    assert code == 2
    assert err.startswith("segcritic: ")
    assert err.count("\n") == 1
    assert sentence in err
    assert {path: path.read_bytes() for path in here.rglob("*.*") if path.is_file()} == before


def test_a_model_helps_and_overwrite_replaces(here, run):
    (here / "new").mkdir()
    (here / "new" / "a.tif").write_bytes(b"old")
    assert run("repair labels images --model model --out new")[0] == 2
    code, out, _ = run("repair labels images --model model --out new --overwrite")
    assert code == 0
    assert "a: 1 split" in out


# Test-time options of segment


def test_refine_finds_what_the_actor_missed(here, run):
    assert run("segment images --model model --out new --refine")[0] == 0
    assert len(np.unique(read_labels(here / "new" / "a.tif"))) == 5
    state = make_state(disks()[0], trained().rules)
    scorer, one = Scorer(trained().rules), np.zeros(state.graph.n_nodes, np.int32)
    all_joined = label_partition(state, one, np.zeros(state.graph.n_edges, np.float32), scorer)
    assert all_joined.labels.max() == 0
    found = refine(state, all_joined, scorer)
    assert found.labels.max() == len(found.table["score"]) == 4
    assert (found.table["score"] > 0.5).all()
    assert segcritic.evaluate(found.labels, disks()[1])["AP75"] == 1


def test_adapting_says_how_the_reward_rose_and_leaves_the_model(here, run):
    before = (here / "model" / "weights.safetensors").read_bytes()
    code, out, err = run("segment images --model model --out new --adapt 1")
    assert (code, err) == (0, "")
    assert "Adapted to 2 images: reward 0." in out
    assert (here / "model" / "weights.safetensors").read_bytes() == before
    assert "--adapt is 0; give seconds" in run("segment images --model model --out more --adapt 0")[2]


def test_adapting_an_untrained_model_raises_its_reward():
    rules = segcritic.Rules.loads(RULES)
    young = segcritic.train(disks()[0], rules, steps=1)
    old = {name: value.clone() for name, value in young.actor.weights.items()}
    state = young.lean_state(Sample("a", disks()[0].astype(np.float32)))
    model, found = young.adapted([state], seconds=3)
    assert found.after >= found.before
    assert all((young.actor.weights[name] == value).all() for name, value in old.items())
    if found.after > found.before:
        assert model is not young
        assert "Adapted to 1 image: reward" in model.card
        assert model.actor.settings == young.actor.settings
    else:
        assert model is young


def test_adapting_that_earns_less_keeps_the_model(monkeypatch):
    rewards = iter((0.9, 0.8))
    monkeypatch.setattr(adaptation, "mean_reward", lambda *_: next(rewards))
    state = trained().lean_state(Sample("a", disks()[0].astype(np.float32)))
    model, found = trained().adapted([state], seconds=0.2)
    assert model is trained()
    assert (found.before, found.after) == (0.9, 0.9)
    assert trained().adapt(np.ones((8, 8)), seconds=5) is trained()  # in a constant image there is nothing to learn
    with pytest.raises(segcritic.UserError, match="seconds of adaptation are 0; give a number above 0"):
        trained().adapt("nowhere", seconds=0)


def test_adapting_reads_one_image_at_a_time_and_keeps_no_pixels(tmp_path, monkeypatch):
    alive, most, kept = weakref.WeakSet(), [], []
    real = Source.read

    def read(self):
        most.append(len(alive))  # of the samples that were read before
        sample = real(self)
        alive.add(sample)
        return sample

    monkeypatch.setattr(Source, "read", read)
    monkeypatch.setattr(
        "segcritic.models.stateless.adapt", lambda actor, states, *_: kept.extend(states) or Adapted(actor, 0, 0, 0)
    )
    trained().adapt(write_disks(tmp_path, "a", "b", "c"), seconds=1)
    assert max(most) <= 1
    assert len(kept) == 3
    assert all(state.prior is None and state.image.strides == (0, 0) for state in kept)


def test_several_models_agree(here, run):
    shutil.copytree(here / "model", here / "twin")
    assert run("segment images --model model --out alone")[0] == 0
    code, _, err = run("segment images --model model --model twin --out new")
    assert (code, err) == (0, "")
    np.testing.assert_array_equal(read_labels(here / "new" / "a.tif"), read_labels(here / "alone" / "a.tif"))
    rows = table(here / "new" / "measurements.csv")
    assert {float(row["confidence"]) for row in rows} == {1.0}
    assert "confidence" not in table(here / "alone" / "measurements.csv")[0]


def test_confidence_falls_where_models_differ():
    one, other = trained(), models.load("nuclei")
    other = models.Model(one.rules, other.actor, "", one.needs)
    sample = Sample("a", disks()[0].astype(np.float32))
    found = Ensemble([one, other]).apply(sample)
    alone = [model.apply(sample).labels for model in (one, other)]
    overlaps = [Overlap.of(found.labels, labels) for labels in alone]
    expected = np.mean([overlap.best_per_label(overlap.iou) for overlap in overlaps], axis=0)
    np.testing.assert_allclose(found.table["confidence"], expected)
    assert list(found.table)[:3] == ["label", "score", "confidence"]


def test_models_that_do_not_fit_together_are_refused(here, run):
    other = segcritic.Rules.loads(RULES.replace("250", "300"))
    segcritic.Model(other, trained().actor, "", trained().needs).save(here / "other")
    code, _, err = run("segment images --model model --model other --out new")
    assert code == 2
    assert "the models model and other have different rules or superpixels" in err
    needy = models.InputNeeds(boundaries=True)
    segcritic.Model(trained().rules, trained().actor, "", needy).save(here / "needy")
    code, _, err = run("segment images --model model --model needy --out new")
    assert "the models model and needy take different input" in err
    assert not (here / "new").exists()
