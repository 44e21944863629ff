"""The rules file: what it accepts, what it says about mistakes, and that it can be written again."""

import contextlib
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segcritic.errors import UserError
from segcritic.graph.descriptors import DESCRIPTORS
from segcritic.rules import NumericRule, PolarityRule, Rules

FULL = """\
version: 1
name: nuclei
description: what we know
pixel_size: 0.65
superpixels: {method: shells, pieces: 14}
border: drop
center: [120, 128.5]
where: {at_least: 20, at_most: 45, tolerance: 5, unit: um}
area: {expect: 650, tolerance: 30%, unit: µm², weight: 2}
major_axis: {expect: rough, scale: log}
circularity: {at_least: 0.8, at_most: 0.95, tolerance: 0.1}
intensity: {brighter_than: background, by: 0.2}
count: {expect: 24, tolerance: 10%, weight: 1.5}
background: {level: 0.2, softness: 0.05}
shaping: 2.0
distance: product
keep_above: 0.4
python: [rules.mine:round_enough, other:rule]
"""


def test_one_line_is_a_valid_file():
    rules = Rules.loads("area: {expect: 650, tolerance: 250}")
    assert rules.descriptors == {"area": NumericRule(expect=650, tolerance=250)}
    assert rules.polarity == 0


def test_every_key_is_read():
    rules = Rules.loads(FULL)
    assert rules.descriptors["area"].unit == "um2"
    assert rules.superpixels is not None
    assert rules.superpixels.settings == {"pieces": 14}
    assert rules.intensity == PolarityRule(brighter_than="background", by=0.2)
    assert rules.polarity == 1
    assert Rules.loads("intensity: {darker_than: background}").polarity == -1
    assert rules.count is not None
    assert rules.count.bounds() == pytest.approx((21.6, 26.4))
    assert rules.python == ("rules.mine:round_enough", "other:rule")
    assert Rules.loads("superpixels: mutex\narea: {at_least: 1e2}").superpixels.method == "mutex"  # pyright: ignore
    assert isinstance(Rules.loads("intensity: {at_least: 0.3}").intensity, NumericRule)


def test_round_trip_through_text_and_file(tmp_path):
    rules = Rules.loads(FULL)
    assert Rules.loads(rules.to_yaml()) == rules
    rules.dump(tmp_path / "rules.yaml")
    assert Rules.load(tmp_path / "rules.yaml") == rules
    assert "\narea: {expect: 650, tolerance: 30%, unit: um2, weight: 2}\n" in rules.to_yaml()  # readable, on one line


@given(
    st.dictionaries(
        st.sampled_from([name for name, row in DESCRIPTORS.items() if row.kind in ("length", "ratio", "intensity")]),
        st.builds(
            NumericRule,
            expect=st.floats(0.01, 1e6) | st.just("rough"),
            tolerance=st.floats(1e-3, 1e3) | st.integers(1, 300).map(lambda p: f"{p}%") | st.none(),
            scale=st.sampled_from(["linear", "log"]),
            weight=st.floats(0.1, 10),
        ),
        min_size=1,
    ),
    st.text(),
)
@example({"area": NumericRule(expect=650)}, "two\x85lines")
@example({"area": NumericRule(expect=650)}, "\u2028")
def test_round_trip_of_any_rules(descriptors, name):
    rules = Rules(descriptors=descriptors, name=name)
    assert Rules.loads(rules.to_yaml()) == rules


MISTAKES = {
    "empty": ("", "empty"),
    "only comments": ("# nothing yet\n", "empty"),
    "a list": ("- area\n", "line 1: a rules file is a list of 'name: value' lines"),
    "plain text": ("area\n", "line 1: a rules file is a list of 'name: value' lines"),
    "unknown rule": ("name: a\n\narae: {expect: 3}", "line 3: unknown rule 'arae'; did you mean 'area'?"),
    "everyday name": ("size: {expect: 3}", "line 1: unknown rule 'size'; did you mean 'area'?"),
    "nothing like it": ("xyzzy: {expect: 3}", "line 1: unknown rule 'xyzzy'; possible are area,"),
    "key in a rule": ("area:\n  expct: 3", "line 2: unknown key 'expct' in 'area'; did you mean 'expect'?"),
    "key in count": ("area: {expect: 3}\ncount: {al_least: 3}", "line 2: unknown key 'al_least' in 'count'; did you"),
    "key in intensity": ("intensity: {bighter_than: background}", "did you mean 'brighter_than'?"),
    "hidden field": ("area: {expect: 3}\ndescriptors: {}", "line 2: unknown rule 'descriptors'"),
    "no mapping": ("area: 650", "line 1: 'area' should be written like {expect: value, ...}, not 650"),
    "no number": (
        "area:\n  expect: big",
        "line 2: 'expect' of 'area' should be a number, or the word rough, not 'big'",
    ),
    "yes": ("area: {at_least: yes}", "line 1: 'at_least' of 'area' should be a number, not True"),
    "infinite": ("area: {expect: .inf}", "line 1: 'expect' of 'area' should be an ordinary number"),
    "no value": ("area:\n  expect:\n", "line 2: 'expect' has no value"),
    "no value at all": ("area: {expect: 3}\ncount:\n", "line 2: 'count' has no value"),
    "decimal comma": (
        "solidity:\n  at_least: 0,8",
        "line 2: 'at_least' of 'solidity' should be a number.*with a point",
    ),
    "decimal comma in braces": ("solidity: {at_least: 0,8}", "line 1: '8' has no value: write decimals with a point"),
    "says nothing": ("area: {weight: 2}", "line 1: 'area' says nothing yet: give it expect, at_least or at_most"),
    "bounds crossed": ("area: {at_least: 5, at_most: 3}", "line 1: 'at_least' of 'area' .5. is above at_most .3."),
    "expect below": ("area:\n  at_least: 5\n  expect: 3", "line 3: 'expect' of 'area' .3. is below at_least .5."),
    "expect above": (
        "count: {expect: 30, at_most: 20}\narea: {expect: 3}",
        "line 1: 'expect' of 'count' .30. is above",
    ),
    "negative tolerance": (
        "area:\n  expect: 5\n  tolerance: -2",
        "line 3: 'tolerance' of 'area' should be above 0, not -2",
    ),
    "negative percentage": ("area: {expect: 5, tolerance: -20%}", "'tolerance' of 'area' should be above 0, not -20"),
    "word as tolerance": (
        "area: {expect: 5, tolerance: some}",
        "'tolerance' of 'area' should be a number or a percent",
    ),
    "zero tolerance": (
        "touches_border: {at_most: 0}",
        "'at_most' of 'touches_border' is 0, and a percentage of 0 is 0",
    ),
    "log of zero": ("area: {expect: 0, scale: log}", "'expect' of 'area' should be above 0 when scale is log, not 0"),
    "weight": ("area: {expect: 5, weight: 0}", "'weight' of 'area' should be above 0, not 0"),
    "unknown scale": ("area: {expect: 5, scale: lg}", "'scale' of 'area' cannot be 'lg'; did you mean 'log'?"),
    "unknown unit": (
        "area:\n  expect: 5\n  unit: mm",
        "line 3: 'unit' of 'area' cannot be 'mm'; possible are px, px2, um",
    ),
    "um without pixel_size": ("area: {expect: 5,\n  unit: um2}", "line 2: 'unit' of 'area' is um2.*pixel_size: 0.65"),
    "unit of a fraction": ("solidity: {at_least: 0.9, unit: um}", "'unit' of 'solidity' cannot be um: leave it out"),
    "area unit for a length": (
        "perimeter: {expect: 9, unit: px2}",
        "'unit' of 'perimeter' cannot be px2: use px or um",
    ),
    "percent as fraction": ("circularity: {at_least: 80}", "'at_least' of 'circularity' is 80, but.*between 0 and 1"),
    "negative size": ("area: {expect: -3}", "'expect' of 'area' is -3, but area is never negative"),
    "angle": ("orientation: {expect: 90}", "'orientation' is an angle: give it a tolerance in degrees"),
    "negative count": ("area: {expect: 3}\ncount: {at_most: -3}", "line 2: 'at_most' of 'count' is -3"),
    "bad pixel_size": ("pixel_size: 0\narea: {expect: 3}", "line 1: 'pixel_size' should be above 0, not 0"),
    "border": ("area: {expect: 5}\nborder: ignor", "line 2: 'border' cannot be 'ignor'; did you mean 'ignore'?"),
    "superpixels": ("area: {expect: 5}\nsuperpixels: shell", "line 2: 'superpixels' cannot be 'shell'; did you mean"),
    "superpixel method": ("area: {expect: 5}\nsuperpixels: {level: 3}", "line 2: 'superpixels' lacks 'method'"),
    "centre": ("area: {expect: 5}\ncenter: imag", "line 2: 'center' cannot be 'imag'; did you mean 'image'"),
    "place of the centre": (
        "area: {expect: 5}\ncenter: [3, yes]",
        r"line 2: 'center' should be image, foreground, or row and col in pixels such as \[120, 128\], not",
    ),
    "British centre": ("area: {expect: 5}\ncentre: image", "line 2: unknown rule 'centre'; did you mean 'center'?"),
    "ring": ("ring: {expect: 60}", "line 1: unknown rule 'ring'; did you mean 'radial_distance'?"),
    "key in where": (
        "area: {expect: 5}\nwhere: {atleast: 5}",
        "unknown key 'atleast' in 'where'; did you mean 'at_leas",
    ),
    "where, roughly": ("area: {expect: 5}\nwhere: {expect: rough}", "line 2: 'expect' of 'where' of a place cannot be"),
    "weight of a place": ("area: {expect: 5}\nwhere: {expect: 50, weight: 2}", "'weight' of 'where' has no use here"),
    "unit of a place": ("area: {expect: 5}\nwhere: {expect: 50, unit: px2}", "'unit' of 'where' cannot be px2: use px"),
    "negative distance": ("area: {expect: 5}\nwhere: {expect: -50}", "'expect' of 'where' is -50, but where is never"),
    "radial angle": ("radial_angle: {at_most: 10}", "'radial_angle' is an angle: give it a tolerance in degrees"),
    "both polarities": (
        "intensity: {brighter_than: background, darker_than: background}",
        "either brighter_than or dark",
    ),
    "brighter than what": ("intensity: {brighter_than: all}", "cannot be 'all'; possible are background"),
    "background": (
        "area: {expect: 5}\nbackground: {level: dark}",
        "line 2: 'level' of 'background' should be a number",
    ),
    "keep_above": ("area: {expect: 5}\nkeep_above: 30", "line 2: 'keep_above' should lie between 0 and 1, not 30"),
    "shaping": ("area: {expect: 5}\nshaping: -1", "line 2: 'shaping' should lie between 0 and 100, not -1"),
    "distance": ("area: {expect: 5}\ndistance: cosin", "line 2: 'distance' cannot be 'cosin'; did you mean 'cosine'?"),
    "python": ("python: mine.py", "line 1: 'python' should be written module:function, not 'mine.py'"),
    "name": ("area: {expect: 5}\nname: [a, b]", "line 2: 'name' should be text"),
    "newer": ("new_rule: {a: 1}\nversion: 2", "line 2: 'version' is 2, but this segcritic reads.*update segcritic"),
    "odd version": ("version: new\narea: {expect: 5}", "line 1: 'version' should be 1, not 'new'"),
    "no rule": ("name: nuclei\ncount: {expect: 5}", "holds no rule that judges objects: add one"),
    "twice": (
        "area: {expect: 5}\ncount: {expect: 3}\narea: {expect: 6}",
        "line 3: 'area' is given twice .first in line 1",
    ),
    "twice in a rule": ("area:\n  expect: 5\n  expect: 6", "line 3: 'expect' is given twice .first in line 2"),
    "unclosed": ("area: {expect: 5\ncount: {expect: 3}", "line 2: this is not valid YAML.*bracket of line 1 closed"),
    "tab": ("area:\n\texpect: 5", "line 2: this is not valid YAML.*spaces, not tabs"),
    "two documents": ("area: {expect: 5}\n---\narea: {expect: 5}", "line 2: this is not valid YAML"),
    "control character": ("name: x\narea\x00: 5", "line 2: this is not valid YAML"),
    "python tag": ("name: !!python/object:os.system ls", "line 1: this is not valid YAML"),
    "alias": ("area: &a {expect: 5}\nperimeter: *a", "line 2: aliases"),
    "recursive alias": ("area: &a {expect: *a}", "line 1: aliases"),
    "nested": ("[" * 500, "nested too deeply"),
    "key that is a list": ("? [a]\n: 3", "line 1: a key should be a single word"),
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_are_told_in_one_sentence(text, sentence):
    with pytest.raises(UserError) as caught:
        Rules.loads(text, "my.yaml")
    message = str(caught.value)
    assert re.search(sentence, message), message
    assert message.startswith("my.yaml")
    assert "\n" not in message


@given(st.text(alphabet="areaxpctk:{}[]-&*!%#'\"|>, \n\t0123456789.", max_size=60))
def test_any_text_is_rules_or_a_user_error(text):
    with contextlib.suppress(UserError):
        Rules.loads(text)


def test_the_first_mistake_is_told():
    with pytest.raises(UserError, match="line 2: 'tolerance'"):
        Rules.loads("name: x\narea: {expect: 5, tolerance: -1}\nborder: nope\nsolidity: {at_least: 0.9, weigth: 3}")


def test_unreadable_files(tmp_path):
    with pytest.raises(UserError, match=r"there is no rules file .*absent\.yaml"):
        Rules.load(tmp_path / "absent.yaml")
    with pytest.raises(UserError, match="cannot read"):
        Rules.load(tmp_path)
    (tmp_path / "utf16.yaml").write_text("area: {expect: 5}", encoding="utf-16")
    with pytest.raises(UserError, match="save it as UTF-8"):
        Rules.load(tmp_path / "utf16.yaml")
    (tmp_path / "bom.yaml").write_text("area: {expect: 5}", encoding="utf-8-sig")
    assert Rules.load(tmp_path / "bom.yaml") == Rules.loads("area: {expect: 5}")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{method: shells, piecez: 5}", "'piecez' of 'superpixels' is no setting of method shells"),
        ("{method: watershed, found: 3}", "'found' of 'superpixels' is no setting of method watershed"),
        ("{method: watershed, boundaries: 5}", "is no setting of method watershed"),
        ("{method: shells, pieces: many}", "'pieces' of 'superpixels' should be a number above 0, not 'many'"),
        ("{method: shells, radius: -5}", "should be a number above 0, not -5"),
        ("{method: mutex, min_size: 2.5}", "should be a whole number above 0, not 2.5"),
        ("{method: watershed, mean_size: 0}", "should be a number above 0, not 0"),
        ("{method: watershed, lines: white}", "'lines' of 'superpixels' cannot be 'white'; possible are bright, dark"),
        ("{method: watershed, circles: 5}", "should be two radii such as"),
        ("{method: watershed, circles: [0, 5]}", "should be two radii such as"),
        ("{method: watershed, circles: [40, 5]}", "the smaller first, not"),
    ],
)
def test_superpixel_settings_that_no_method_can_use(text, complaint):
    with pytest.raises(UserError, match="rules, line 2: .*" + re.escape(complaint)):
        Rules.loads(f"area: {{expect: 200}}\nsuperpixels: {text}")
