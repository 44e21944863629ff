"""Rules per class: what the file may say, the class of each object, and a run from image to table with two classes."""

import csv
import dataclasses
import functools
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

import segcritic
from segcritic.cli import main
from segcritic.errors import UserError
from segcritic.graph.objects import ObjectTable
from segcritic.models.fit import train_by_rules
from segcritic.report import write_report
from segcritic.rules import Rules, Scorer, needed_descriptors, rough_descriptors
from segcritic.search.audit import audit
from segcritic.stateless.rewards import node_rewards
from segcritic.stateless.state import make_state

DOCS = Path(__file__).parents[2] / "docs" / "rules.md"
RULES = next(
    text
    for text in re.findall(r"^```yaml\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    if "\nclasses:" in text
)
"""The example of the documentation: cells and rods."""

CELLS = ((18, 20), (52, 62), (72, 18))
RODS = ((14, 56, 0.0), (44, 30, 0.8), (22, 82, 1.5), (78, 84, 0.4))  # row, column, direction


def cells_and_rods() -> tuple[np.ndarray, dict[int, str]]:
    """(96, 100) uint16 image of bright disks and bars; and where each is: number of the pixel -> class."""
    row, column = np.mgrid[:96, :100].astype(float)
    bright = np.zeros(row.shape, bool)
    places = {}
    for r, c in CELLS:
        bright |= np.hypot(row - r, column - c) <= 11
        places[r * 100 + c] = "cell"
    for r, c, direction in RODS:
        along = (row - r) * np.sin(direction) + (column - c) * np.cos(direction)
        across = (column - c) * np.sin(direction) - (row - r) * np.cos(direction)
        bright |= (abs(along) <= 10) & (abs(across) <= 2.5)
        places[r * 100 + c] = "rod"
    noise = np.random.default_rng(0).normal(0, 40, row.shape)
    return (1000 + 3000 * bright + noise).astype(np.uint16), places


@functools.cache
def trained() -> segcritic.Model:
    return train_by_rules(cells_and_rods()[0], Rules.loads(RULES), steps=20)


def table(graph=None, **columns) -> ObjectTable:
    columns = {name: np.asarray(values, float) for name, values in columns.items()}
    n = len(next(iter(columns.values())))
    columns.setdefault("touches_border", np.zeros(n))
    return ObjectTable(np.zeros(n, np.int32), np.arange(n, dtype=np.int32)[None], columns, graph)


TWO = """\
solidity: {at_least: 0.9, tolerance: 0.1}
classes:
  large: {area: {expect: 600, tolerance: 100}, eccentricity: {at_most: 0.5, tolerance: 0.1}}
  small: {area: {expect: 100, tolerance: 50}}
"""
OBJECTS = table(area=[600, 100, 300, 600], solidity=[1, 1, 1, 0.8], eccentricity=[0.4, 0.9, 0.4, 0.5])


def test_an_object_is_of_the_class_that_it_fits_best():
    rules = Rules.loads(TWO)
    each = Scorer(rules).class_scores(OBJECTS)
    assert list(each) == ["large", "small"]
    assert [list(each)[k] for k in np.argmax([*each.values()], axis=0)] == ["large", "small", "large", "large"]
    np.testing.assert_array_equal(Scorer(rules).object_scores(OBJECTS), np.maximum(each["large"], each["small"]))
    np.testing.assert_allclose(Scorer(rules).object_scores(OBJECTS)[:2], 1)


@pytest.mark.parametrize("combination", ["", "distance: product\n", "distance: cosine\n", "shaping: 2\n"])
def test_a_class_scores_as_its_rules_and_those_for_all_in_a_file_of_their_own(combination):
    each = Scorer(Rules.loads(combination + TWO)).class_scores(OBJECTS)
    solid = combination + "solidity: {at_least: 0.9, tolerance: 0.1}\n"
    small = Rules.loads(solid + "area: {expect: 100, tolerance: 50}")
    large = Rules.loads(solid + "area: {expect: 600, tolerance: 100}\neccentricity: {at_most: 0.5, tolerance: 0.1}")
    np.testing.assert_allclose(each["small"], Scorer(small).object_scores(OBJECTS))
    np.testing.assert_allclose(each["large"], Scorer(large).object_scores(OBJECTS))
    assert list(Scorer(small).class_scores(OBJECTS)) == [""]


def test_a_rule_for_all_and_one_of_a_class_on_the_same_descriptor_both_hold():
    rules = Rules.loads("area: {at_least: 50, tolerance: 10}\nclasses: {tiny: {area: {at_most: 100}}}")
    assert Scorer(rules).object_scores(table(area=[30]))[0] < 0.5 < Scorer(rules).object_scores(table(area=[60]))[0]
    found = Scorer(rules).deviations(table(area=[30]))
    assert [(name, judgement.of) for name, judgement in found.items()] == [("area", None), ("tiny/area", "tiny")]
    assert set(Scorer(rules).rule_scores(table(area=[30]))) == {"area", "tiny/area"}


def test_what_classes_need_is_measured():
    rules = Rules.loads(
        "area: {at_least: 9}\nclasses:\n  a: {perimeter: {expect: rough}}\n"
        "  b: {intensity: {expect: rough}, radial_distance: {at_most: 30}}"
    )
    expected = {"area", "perimeter", "mean_intensity", "radial_distance", "touches_border"}
    assert needed_descriptors(rules) == expected
    assert rough_descriptors(rules) == {"perimeter", "mean_intensity"}
    assert rules.radial


def test_python_of_a_class_runs_only_where_allowed(tmp_path):
    rules = Rules.loads("area: {at_least: 9}\nclasses: {odd: {python: my_rules:odd}}")
    assert rules.functions == ("my_rules:odd",)
    with pytest.raises(UserError, match="run code of their own"):
        Scorer(rules).object_scores(table(area=[30]))
    dataclasses.replace(trained(), rules=rules).save(tmp_path / "model")
    with pytest.raises(UserError, match=r"ask to run code of their own \(python: my_rules:odd\)"):
        segcritic.load(tmp_path / "model")
    assert segcritic.load(tmp_path / "model", allow_python=True).rules == rules


def test_round_trip():
    text = TWO + "  third:\n    intensity: {at_least: 0.4}\n    python: my_rules:odd\n"
    rules = Rules.loads(text)
    assert Rules.loads(rules.to_yaml()) == rules
    assert "\n  small:\n    area: {expect: 100, tolerance: 50}\n" in rules.to_yaml()


MISTAKES = {
    "number": ("classes: 3", "line 1: 'classes' should be written like {name: value, ...}, not 3"),
    "list": ("classes: [a]", "line 1: 'classes' should be written like"),
    "none": ("classes: {}", "line 1: 'classes' holds no class: add one"),
    "no mapping": ("classes: {a: 3}", "'a' of 'classes' should be written like {area: value, ...}, not 3"),
    "no rule": ("classes:\n  a: {}", "line 2: 'a' of 'classes' holds no rule"),
    "rule": (
        "area: {expect: 3}\nclasses:\n  a:\n    arae: {expect: 3}",
        "line 4: unknown rule 'arae' in 'a'; did you mean 'area'?",
    ),
    "everyday name": ("classes:\n  a: {size: {expect: 3}}", "line 2: unknown rule 'size' in 'a'; did you mean 'area'?"),
    "key": (
        "classes:\n  a:\n    area: {expct: 3}",
        "line 3: unknown key 'expct' in 'area'; did you mean 'expect'?",
    ),
    "unit": (
        "classes:\n  a: {area: {expect: 3,\n    unit: um2}}",
        "line 3: 'unit' of 'area' of 'a' of 'classes' is um2",
    ),
    "fraction": ("classes:\n  a: {solidity: {at_least: 3}}", "'at_least' of 'solidity' of 'a' of 'classes' is 3, but"),
    "of the image": (
        "classes:\n  a:\n    count: {expect: 3}",
        "line 3: 'count' in 'a' cannot be of one class alone: move it out of 'classes'",
    ),
    "polarity": (
        "classes:\n  a: {area: {expect: 3}}\n  b:\n    intensity: {darker_than: background}",
        "line 4: 'intensity' of 'b' of 'classes' is brighter or darker than the background, which holds for all",
    ),
    "name": ("classes:\n  a/b: {area: {expect: 3}}", "line 2: 'a/b' of 'classes' is no name of a class"),
    "background": ("classes: {background: {area: {expect: 3}}}", "'background' of 'classes' is what is of no class"),
    "twice": ("classes:\n  a: {area: {expect: 3}}\n  a: {area: {expect: 4}}", "line 3: 'a' is given twice"),
    "singular": ("class: {a: {area: {expect: 3}}}", "line 1: unknown rule 'class'; did you mean 'classes'?"),
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_name_the_line_and_the_key(text, sentence):
    with pytest.raises(UserError) as caught:
        Rules.loads(text, "my.yaml")
    assert sentence in str(caught.value)
    assert re.match(r"my\.yaml, line \d+: ", str(caught.value))


def test_rewards_take_the_best_class():
    rules = Rules.loads(RULES)
    state = make_state(cells_and_rods()[0], rules)
    split = np.arange(state.graph.n_nodes, dtype=np.int32)[None]
    args = state.context, state.background, state.weight
    both = node_rewards(state.graph, split, Scorer(rules), *args)
    alone = [
        node_rewards(state.graph, split, Scorer(rules.model_copy(update={"classes": {name: part}})), *args).score
        for name, part in rules.classes.items()
    ]
    np.testing.assert_array_equal(both.score, np.maximum(*alone))
    assert (alone[0] > alone[1]).any()
    assert (alone[1] > alone[0]).any()


@pytest.mark.parametrize("refine", [False, True])
def test_classes_of_a_picture_with_two_kinds(refine):
    from segcritic.io.samples import find_samples

    image, places = cells_and_rods()
    found = trained().apply(find_samples(image)[0].read(), refine)
    assert list(found.table)[:3] == ["label", "score", "class"]
    assert {"score_solidity", "score_cell/area", "score_rod/eccentricity"} < set(found.table)
    numbers = [found.labels.flat[place] for place in places]
    assert sorted(numbers) == list(range(1, len(places) + 1))  # every object is found, once, and nothing else
    assert [found.table["class"][number - 1] for number in numbers] == list(places.values())
    assert len(found.empty().table["class"]) == 0


def test_without_classes_there_is_no_class():
    rules = trained().rules.model_copy(update={"classes": {}})
    assert "class" not in dataclasses.replace(trained(), rules=rules).analyse(cells_and_rods()[0]).table


def test_saved_model_writes_classes_to_the_table(tmp_path, capsys):
    image, places = cells_and_rods()
    tifffile.imwrite(tmp_path / "image.tif", image)
    trained().save(tmp_path / "model")
    assert (
        main(
            ["segment", str(tmp_path / "image.tif"), "--model", str(tmp_path / "model"), "--out", str(tmp_path / "out")]
        )
        == 0
    )
    with (tmp_path / "out" / "measurements.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["class"] for row in rows) == sorted(places.values())
    for row in rows:
        own = [float(row[name]) for name in row if name.startswith(f"score_{row['class']}/")]
        other = [float(row[name]) for name in row if "/" in name and not name.startswith(f"score_{row['class']}/")]
        assert min(own) > 0.5 > min(other)


def test_report_and_audit_know_classes(tmp_path):
    image, _ = cells_and_rods()
    write_report(tmp_path / "report.html", trained(), [("picture", trained().analyse(image))])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<th>class</th>" in page
    assert "<td>rod</td>" in page
    strict = Rules.loads(
        RULES + "  fiction: {area: {expect: 90000, tolerance: 1%}, perimeter: {at_least: 0.001, tolerance: 1}}\n"
    )
    warnings = " ".join(audit(Scorer(strict), [make_state(image, strict)]).warnings)
    assert "rule 'fiction/area' fits no object" in warnings
    assert "rule 'fiction/perimeter' never fires" in warnings
    assert "rule 'rod/area'" not in warnings
