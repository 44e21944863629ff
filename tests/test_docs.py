"""The examples in docs/ work as they stand, and the reference of the rules file is complete."""

import re
from pathlib import Path

import numpy as np
import pytest

from segcritic.graph import build_graph
from segcritic.graph.descriptors import DESCRIPTORS, table
from segcritic.graph.objects import measure
from segcritic.rules import BackgroundRule, CountRule, NumericRule, PolarityRule, Rules
from segcritic.superpixels import superpixels

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The fenced code blocks of one language on a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", blocks("rules.md", "yaml"))
def test_yaml_is_valid(text):
    rules = Rules.loads(text, "docs/rules.md")
    assert Rules.loads(rules.to_yaml()) == rules
    if rules.superpixels:
        image = np.random.default_rng(0).random((48, 48), np.float32)
        superpixels(image, rules.superpixels.method, **rules.superpixels.settings)


def test_every_key_is_explained():
    page = (DOCS / "rules.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\w+", " ".join([*re.findall(r"`([^`\n]+)`", page), *blocks("rules.md", "yaml")])))
    keys = {key for model in (NumericRule, PolarityRule, CountRule, BackgroundRule) for key in model.model_fields}
    assert keys | set(Rules.SPECIAL) | set(DESCRIPTORS) <= named


def test_the_table_of_descriptors_is_that_of_the_code():
    """After a change: python -m segcritic.graph.descriptors docs/rules.md"""
    assert table() in (DOCS / "rules.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", range(len(blocks("extend.md", "python"))))
def test_python_examples_run(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks("extend.md", "python")[number], f"extend.md, example {number}", "exec"), {"__name__": "docs"})


def test_own_rule_scores_objects():
    names: dict = {"__name__": "docs"}
    exec(blocks("extend.md", "python")[0], names)
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 5:15] = 1
    graph = build_graph(labels.astype(np.float32), labels)
    scores = names["bean"](measure(graph, np.array([0, 1])), graph)
    assert scores.shape == (2,)
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("page", ["method.md", "extend.md", "rules.md"])
def test_links_lead_somewhere(page):
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").rglob("*.py"))
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (DOCS / page).read_text(encoding="utf-8")):
        assert (DOCS / target).exists() or target in written, target


def test_paths_named_exist():
    for page in ("method.md", "extend.md"):
        for path in re.findall(r"`((?:src|tests|benchmarks)/[\w/.]+)`", (DOCS / page).read_text(encoding="utf-8")):
            assert (ROOT / path).exists(), path
