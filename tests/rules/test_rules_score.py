"""Scores of objects: deviations, combinations, counts, cut objects, units, rules in Python."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segcritic.errors import UserError
from segcritic.graph.descriptors import DESCRIPTORS
from segcritic.graph.objects import ObjectTable
from segcritic.rules import Context, Rules, Scorer, needed_descriptors, rough_descriptors, sharpen


def table(graph=None, **columns):
    columns = {name: np.atleast_1d(np.asarray(values, float)) for name, values in columns.items()}
    n = len(next(iter(columns.values())))
    columns.setdefault("touches_border", np.zeros(n))
    return ObjectTable(np.zeros(n, np.int32), np.arange(n, dtype=np.int32)[None], columns, graph)


def deviation(text, values, context=None, **others):
    rules = Rules.loads(text)
    (name,) = rules.descriptors
    return Scorer(rules).deviations(table(**{name: values}, **others), context)[name].deviation


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("area: {expect: 100, tolerance: 20}", [100, 140, 80], [0, 2, 1]),
        ("area: {expect: 100, tolerance: 50%}", [100, 200, 50], [0, 2, 1]),
        ("area: {expect: 100}", [125, 50], [1, 2]),
        ("area: {expect: 100, scale: log, tolerance: 0.5}", [100 * math.e, 100 / math.e], [2, 2]),
        ("area: {expect: 100, scale: log, tolerance: 50%}", [150, 100 / 1.5], [1, 1]),
        ("area: {at_least: 100}", [50, 90, 100, 900], [5, 1, 0, 0]),
        ("area: {at_most: 100, tolerance: 50}", [50, 150], [0, 1]),
        ("area: {at_least: 100, at_most: 200, tolerance: 10%}", [90, 150, 240], [1, 0, 2]),
        ("area: {at_least: 100, scale: log, tolerance: 1}", [100 / math.e, 500], [1, 0]),
        ("area: {expect: 100, at_most: 120}", [132, 144], [1.28, 2]),  # the worse of the two counts
        ("contrast: {at_least: -0.5, at_most: 0, tolerance: 10%}", [0.05, -0.55], [1, 1]),
    ],
)
def test_deviations_count_tolerances(text, values, expected):
    np.testing.assert_allclose(deviation(text, values), expected, atol=1e-9)


def test_units():
    um = "pixel_size: 0.5\n"
    np.testing.assert_allclose(deviation(um + "area: {expect: 25, tolerance: 5, unit: um2}", [100, 120]), [0, 1])
    np.testing.assert_allclose(deviation(um + "area: {expect: 25, tolerance: 5, unit: um}", [100, 120]), [0, 1])
    np.testing.assert_allclose(deviation(um + "perimeter: {at_most: 25, tolerance: 20%, unit: um}", [50, 60]), [0, 1])
    np.testing.assert_allclose(deviation(um + "perimeter: {expect: 25, tolerance: 5}", [25, 30]), [0, 1])
    scaled = "area: {expect: 25, tolerance: 1, scale: log, unit: um2}"
    np.testing.assert_allclose(deviation(um + scaled, [100, 100 * math.e]), [0, 1], atol=1e-12)
    # An orientation has no sense of direction: 85 and -85 degrees are 10 degrees apart.
    angles = np.radians([85.0, -85.0, 0.0])
    np.testing.assert_allclose(deviation("orientation: {expect: 85, tolerance: 10}", angles), [0, 1, 8.5])


def test_rough_values_come_from_the_image():
    text = "area: {expect: rough, tolerance: 50%}"
    np.testing.assert_allclose(deviation(text, [100, 300], Context({"area": 200})), [1, 1])
    np.testing.assert_allclose(deviation(text, [0, 1], Context({"area": 0})), [0, 100])
    for context in (None, Context({"perimeter": 3}), Context({"area": math.nan})):
        with pytest.raises(UserError, match="'area' expects the rough value"):
            deviation(text, [1], context)


def test_rough_descriptors_are_what_the_context_needs():
    rules = Rules.loads("area: {expect: rough}\nsolidity: {at_least: 0.9}\nintensity: {expect: rough}")
    assert rough_descriptors(rules) == {"area", "mean_intensity"}
    objects = table(area=[9], solidity=[1], mean_intensity=[0.5])
    assert Scorer(rules).object_scores(objects, Context({"area": 9, "mean_intensity": 0.5})) == 1


def test_values_that_are_no_number_do_not_fit():
    np.testing.assert_array_equal(deviation("area: {at_least: 10}", [math.nan, 10, -1e12]), [100, 0, 100])
    for distance in ("joint", "product", "cosine"):
        rules = Rules.loads(f"area: {{at_least: 10}}\ndistance: {distance}")
        assert np.all(Scorer(rules).object_scores(table(area=[math.nan])) <= 0.5)


def test_intensity_rules():
    objects = table(mean_intensity=[0.8, 0.5, 0.4], outside_intensity=[0.2, 0.4, 0.8])
    brighter = Scorer(Rules.loads("intensity: {brighter_than: background, by: 0.2, tolerance: 0.1}")).rule_scores(
        objects
    )
    np.testing.assert_allclose(brighter["intensity"], [1, math.exp(-0.5), math.exp(-18)])
    # For dark objects it is the image that is inverted, before it is measured.
    inverted = table(mean_intensity=[0.2, 0.5, 0.6], outside_intensity=[0.8, 0.6, 0.2])
    darker = Scorer(Rules.loads("intensity: {darker_than: background}")).rule_scores(inverted)["intensity"]
    assert darker[2] == 1
    assert darker[0] < 1e-6
    plain = Scorer(Rules.loads("intensity: {expect: 0.5, tolerance: 0.3}")).rule_scores(objects)["intensity"]
    np.testing.assert_allclose(plain, np.exp([-0.5, 0, -1 / 18]))


EIGHT = [f"{name}: {{expect: 1, tolerance: 1}}" for name in ("area", "perimeter", "major_axis", "minor_axis")]
EIGHT += [f"{name}: {{expect: 1, tolerance: 1}}" for name in ("valley", "contrast", "boundary_level", "mean_intensity")]


def combined(values, extra="", lines=EIGHT):
    rules = Rules.loads("\n".join([*lines, extra]))
    return Scorer(rules).object_scores(table(**dict(zip(rules.descriptors, values, strict=True))))[0]


def test_joint_distance_lets_one_broken_rule_show():
    assert combined([1] * 8) == 1
    assert combined([4] + [1] * 7) == pytest.approx(math.exp(-9 / (2 * math.sqrt(8))))
    assert combined([4] + [1] * 7) < 0.3 < combined([4] + [1] * 7, "distance: product")
    # One tolerance off in each rule: the same score however many rules there are.
    assert combined([2] * 8) == pytest.approx(combined([2], lines=EIGHT[:1])) == pytest.approx(math.exp(-0.5))


def test_weights():
    lines = ["area: {expect: 1, tolerance: 1, weight: 3}", "perimeter: {expect: 1, tolerance: 1}"]
    assert combined([2, 1], lines=lines) == pytest.approx(math.exp(-math.sqrt(0.75) / 2))
    assert combined([2, 1], lines=lines) < combined([1, 2], lines=lines)
    assert combined([2, 1], "distance: product", lines) == pytest.approx(math.exp(-0.75 / 2))


def test_product_is_the_geometric_mean():
    rules = Rules.loads("\n".join([*EIGHT, "distance: product"]))
    objects = table(**{name: [v, 2 * v] for name, v in zip(rules.descriptors, np.linspace(0.2, 2, 8), strict=True)})
    scores = np.stack(list(Scorer(rules).rule_scores(objects).values()))
    np.testing.assert_allclose(Scorer(rules).object_scores(objects), np.prod(scores, axis=0) ** (1 / 8))


def test_cosine_is_equation_16():
    rules = Rules.loads("area: {expect: 100}\nsolidity: {expect: 0.5}\ndistance: cosine")
    scores = Scorer(rules).object_scores(table(area=[100, 50, 0], solidity=[0.5, 0.25, 0.5]))
    cs = 1 / math.sqrt(2)  # between (0, 1) and (1, 1)
    np.testing.assert_allclose(scores, [1, 1, (1 + cs) / 2])


def test_shaping_is_equation_11():
    scores = np.array([0, 0.5, 1])
    np.testing.assert_allclose(sharpen(scores, 2.0), np.exp(2 * scores) / np.exp(2))
    np.testing.assert_array_equal(sharpen(scores, 0.0), scores)
    plain, shaped = combined([3] + [1] * 7), combined([3] + [1] * 7, "shaping: 3")
    assert shaped == pytest.approx(math.exp(3 * plain) / math.exp(3))


def test_cut_objects_are_judged_by_what_can_be_seen():
    text = "area: {expect: 100, tolerance: 10}\ncircularity: {at_least: 0.9, tolerance: 0.1}\nvalley: {at_most: 0.1}"
    objects = table(area=[50, 120, 50], circularity=[0.5] * 3, valley=[0.12] * 3, touches_border=[0.2, 0.2, 0])
    for border in ("ignore", "drop"):
        judged = Scorer(Rules.loads(f"{text}\nborder: {border}")).deviations(objects)
        np.testing.assert_allclose(judged["area"].deviation, [0, 2, 5])  # smaller is no wonder, larger is
        np.testing.assert_allclose(judged["circularity"].deviation, [0, 0, 4])
        np.testing.assert_allclose(judged["valley"].deviation, [2, 2, 2])
    judged = Scorer(Rules.loads(f"{text}\nborder: keep")).deviations(objects)
    np.testing.assert_allclose(judged["area"].deviation, [5, 2, 5])
    np.testing.assert_allclose(judged["circularity"].deviation, [4, 4, 4])


def test_needed_descriptors_suffice():
    text = "area: {expect: 9}\nintensity: {brighter_than: background}"
    assert needed_descriptors(Rules.loads(text)) == {"area", "mean_intensity", "outside_intensity", "touches_border"}
    rules = Rules.loads("area: {expect: 9}\nintensity: {at_least: 0.1}\nborder: keep")
    assert needed_descriptors(rules) == {"area", "mean_intensity"}
    bare = ObjectTable(
        np.zeros(1, np.int32), np.zeros((1, 1), np.int32), {k: np.ones(1) for k in ("area", "mean_intensity")}, None
    )
    assert Scorer(rules).object_scores(bare).shape == (1,)
    assert needed_descriptors(Rules.loads("python: a:b")) == set(DESCRIPTORS)


@pytest.mark.parametrize(
    ("count", "n", "expected"),
    [
        ("{expect: 20}", [0, 10, 20, 40], [0, 0.5, 1, 0.5]),
        ("{expect: 24, tolerance: 2}", [11, 22, 24, 26, 52], [0.5, 1, 1, 1, 0.5]),
        ("{expect: 20, tolerance: 50%}", [5, 10, 30, 60], [0.5, 1, 1, 0.5]),
        ("{at_least: 4}", [0, 2, 4, 400], [0, 0.5, 1, 1]),
        ("{at_most: 4}", [0, 4, 8], [1, 1, 0.5]),
        ("{at_most: 0}", [0, 1], [1, 0]),
        ("{at_least: 2, at_most: 4}", [1, 2, 4, 16], [0.5, 1, 1, 0.25]),
    ],
)
def test_count_scores(count, n, expected):
    rules = Rules.loads(f"area: {{expect: 5}}\ncount: {count}")
    np.testing.assert_allclose(Scorer(rules).count_score(np.array(n)), expected)


def test_no_count_rule_means_any_number_is_right():
    np.testing.assert_array_equal(Scorer(Rules.loads("area: {expect: 5}")).count_score(np.array([0, 7])), [1, 1])


def test_no_objects():
    assert Scorer(Rules.loads("area: {expect: 5}\nsolidity: {at_least: 0.9}")).object_scores(
        table(area=[], solidity=[])
    ).shape == (0,)


values = st.floats(-1e15, 1e15) | st.just(math.nan)
numeric_rules = st.one_of(
    st.builds("{{expect: {:.6g}, tolerance: {:.6g}}}".format, st.floats(0.1, 1e4), st.floats(1e-3, 1e4)),
    st.builds("{{at_least: {:.6g}, tolerance: {}%, scale: log}}".format, st.floats(0.1, 1e4), st.integers(1, 200)),
    st.builds("{{at_most: {:.6g}, weight: {:.3g}}}".format, st.floats(0.1, 1e4), st.floats(0.1, 9)),
)


@given(
    st.lists(numeric_rules, min_size=3, max_size=3),
    st.lists(values, min_size=3, max_size=3),
    st.sampled_from(["joint", "cosine", "product"]),
    st.floats(0, 9),
    st.booleans(),
)
def test_scores_lie_between_0_and_1(rules, numbers, distance, theta, cut):
    names = ("area", "perimeter", "mean_intensity")
    text = "\n".join(f"{name}: {rule}" for name, rule in zip(names, rules, strict=True))
    rules = Rules.loads(f"{text}\ndistance: {distance}\nshaping: {theta:.6f}")
    objects = table(**dict(zip(names, numbers, strict=True)), touches_border=0.1 * cut)
    for scores in (Scorer(rules).object_scores(objects), *Scorer(rules).rule_scores(objects).values()):
        assert np.all((scores >= 0) & (scores <= 1))


@given(
    st.lists(st.tuples(st.floats(0, 6), st.floats(0, 6)), min_size=3, max_size=3),
    st.lists(st.floats(0.1, 9), min_size=3, max_size=3),
    st.sampled_from(["joint", "product"]),
    st.floats(0, 5),
)
def test_scores_fall_as_deviations_grow(deviations, weights, distance, theta):
    names = ("area", "perimeter", "mean_intensity")
    lines = [f"{n}: {{expect: 10, tolerance: 1, weight: {w:.3f}}}" for n, w in zip(names, weights, strict=True)]
    rules = Rules.loads("\n".join([*lines, f"distance: {distance}", f"shaping: {theta:.6f}"]))
    better = [10 + min(pair) for pair in deviations]
    worse = [10 - max(pair) for pair in deviations]  # the side does not matter
    objects = table(**{name: pair for name, pair in zip(names, zip(better, worse, strict=True), strict=True)})
    scores = Scorer(rules).object_scores(objects)
    assert scores[0] >= scores[1] - 1e-12


@pytest.fixture
def own_rules(tmp_path, monkeypatch):
    (tmp_path / "my_own_rules.py").write_text(
        "import numpy as np\n"
        "def half(objects, graph): return np.full(len(objects), 0.5)\n"
        "def extremes(objects, graph): return [0, 1]\n"
        "def graph_size(objects, graph): return np.full(len(objects), graph)\n"
        "def wrong_shape(objects, graph): return np.ones((len(objects), 2))\n"
        "def too_large(objects, graph): return 2 * np.ones(len(objects))\n"
        "def not_a_number(objects, graph): return np.nan * np.ones(len(objects))\n"
        "def text(objects, graph): return ['a', 'b']\n"
        "def fails(objects, graph): return objects['no_such_column']\n"
    )
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("own_rules")
def test_rules_in_python():
    objects = table(area=[10, 10])
    rules = Rules.loads("python: my_own_rules:half")
    path = list(sys.path)
    np.testing.assert_allclose(Scorer(rules, allow_python=True).object_scores(objects), 0.5)
    assert sys.path == path
    rules = Rules.loads("area: {expect: 10}\npython: [my_own_rules:extremes, my_own_rules:graph_size]")
    scores = Scorer(rules, allow_python=True).rule_scores(table(0.25, area=[10, 10]))
    np.testing.assert_allclose(scores["my_own_rules:extremes"], [0, 1])
    np.testing.assert_allclose(scores["my_own_rules:graph_size"], 0.25)
    assert Scorer(rules, allow_python=True).object_scores(table(0.25, area=[10, 10]))[0] == 0


def scores_by(name):
    return Scorer(Rules.loads(f"python: {name}"), allow_python=True).object_scores(table(area=[1]))


def test_rules_in_python_of_two_folders_are_two(tmp_path, monkeypatch):
    loaded = set(sys.modules)
    for folder, score in (("one", 0.25), ("two", 0.75)):
        (tmp_path / folder / "parts").mkdir(parents=True)
        (tmp_path / folder / "my_own_rules.py").write_text(
            "from my_own_helpers import score\nfrom parts import again\n"
            "def same(objects, graph): return [score * again]\n"
        )
        (tmp_path / folder / "my_own_helpers.py").write_text(f"score = {score}\n")
        (tmp_path / folder / "parts" / "__init__.py").write_text("from .numbers import again\n")
        (tmp_path / folder / "parts" / "numbers.py").write_text("again = 1\n")
    scorers = []
    for folder in ("one", "two"):
        monkeypatch.chdir(tmp_path / folder)
        scorers.append(Scorer(Rules.loads("python: my_own_rules:same"), allow_python=True))
    assert [scorer.object_scores(table(area=[1]))[0] for scorer in scorers] == pytest.approx([0.25, 0.75])
    assert not {name for name in set(sys.modules) - loaded if name.startswith(("my_own", "parts"))}


def test_modules_of_other_places_stay_as_they_are(tmp_path, monkeypatch):
    for folder, score in (("installed", 0.25), ("here", 0.75)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "my_shared_rules.py").write_text(f"def same(objects, graph): return [{score}]\n")
    (tmp_path / "installed" / "my_installed_rules.py").write_text("from my_shared_rules import same\n")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    monkeypatch.chdir(tmp_path / "here")
    import my_shared_rules  # pyright: ignore[reportMissingImports]

    try:
        assert scores_by("my_shared_rules:same") == pytest.approx(0.75)  # of the current folder
        assert sys.modules["my_shared_rules"] is my_shared_rules
        assert scores_by("my_installed_rules:same") == pytest.approx(0.25)
        assert "my_installed_rules" in sys.modules
    finally:
        sys.modules.pop("my_shared_rules", None)
        sys.modules.pop("my_installed_rules", None)


@pytest.mark.usefixtures("own_rules")
def test_rules_in_python_need_consent():
    rules = Rules.loads("python: my_own_rules:half")
    with pytest.raises(UserError, match=r"my_own_rules:half.*allow_python=True"):
        Scorer(rules).object_scores(table(area=[1]))
    assert "my_own_rules" not in sys.modules


@pytest.mark.usefixtures("own_rules")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("my_own_rules:wrong_shape", r"returned shape \(2, 2\) for 2 objects"),
        ("my_own_rules:too_large", "not between 0 and 1"),
        ("my_own_rules:not_a_number", "not between 0 and 1"),
        ("my_own_rules:text", "failed: ValueError"),
        ("my_own_rules:fails", "failed: KeyError: 'no_such_column'"),
        ("my_own_rules:absent", "cannot be loaded.*a function absent"),
        ("no_such_module_here:f", "cannot be loaded.*no_such_module_here.py should lie in"),
    ],
)
def test_mistakes_in_python_rules_name_the_function(name, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        Scorer(Rules.loads(f"python: {name}"), allow_python=True).object_scores(table(area=[1, 2]))
    assert f"python: {name}" in str(caught.value)
