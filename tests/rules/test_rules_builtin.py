"""The rules files that come with segcritic."""

import pytest

from segcritic.errors import UserError
from segcritic.rules import BUILTIN, Rules, init, load_builtin


def test_names():
    assert set(BUILTIN) >= {"nuclei", "coins", "circles", "leaves", "radial"}


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_rules_are_valid_and_can_be_copied(name, tmp_path):
    rules = load_builtin(name)
    assert rules.name == name
    path = init(name, tmp_path / "mine.yaml")
    assert Rules.load(path) == rules
    assert path.read_text().startswith("# ")  # the comments come along
    assert init(name, tmp_path) == tmp_path / f"{name}.yaml"


def test_init_overwrites_nothing(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("mine")
    with pytest.raises(UserError, match=r"rules\.yaml exists already"):
        init("nuclei", path)
    assert path.read_text() == "mine"


def test_unknown_name(tmp_path):
    with pytest.raises(UserError, match=r"no built-in rules 'nuclie' .*coins.*did you mean 'nuclei'"):
        init("nuclie", tmp_path / "rules.yaml")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"no built-in rules '\.\./nuclei'"):
        load_builtin("../nuclei")
