import base64
import html.parser
import re
from dataclasses import replace

import imageio.v3 as iio
import numpy as np
import pytest

from segcritic.api import Checked
from segcritic.errors import UserError
from segcritic.graph import build_graph
from segcritic.report import pictures as drawing
from segcritic.report import write_check, write_report
from segcritic.search.audit import AuditResult, Candidate
from small_model import disks, trained


class Page(html.parser.HTMLParser):
    """What an HTML file holds: tags with their attributes, and complaints about tags that do not match."""

    VOID = ("meta", "image", "line", "polyline", "br", "img", "link")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def found():
    return trained().analyse(disks()[0])


def _write(path, model, results):
    write_report(path, model, results)
    return path.read_text(encoding="utf-8")


# The report


def test_the_page_needs_no_other_file(tmp_path, found):
    text = _write(tmp_path / "report.html", trained(), [("disks", found)])
    page = Page(text)
    assert page.open == []
    assert not page.all("script")
    assert not page.all("link")
    sources = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert len(sources) == 5
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "url(" not in text


def test_the_pictures_are_those_of_the_image(tmp_path, found):
    page = Page(_write(tmp_path / "report.html", trained(), [("disks", found)]))
    pictures = [
        iio.imread(base64.b64decode(attributes["href"].split(",", 1)[1]), extension=".png")
        for attributes in page.all("image")
    ]
    shapes = [picture.shape for picture in pictures]
    assert shapes == [(84, 90, 3), (504, 540, 3), (504, 540, 3), (504, 540, 3), (84, 90, 3)]
    np.testing.assert_array_equal(pictures[0], drawing.gray(found.image))


def test_the_table_has_every_object_and_rule(tmp_path, found):
    text = _write(tmp_path / "report.html", trained(), [("disks", found)])
    rows = re.findall(r"<tr>(<td.*?)</tr>", text)
    assert len(rows) == len(found.table["label"]) > 0
    heads = re.findall(r"<th>(.*?)</th>", text)
    assert heads == ["object", "score", "area", "circularity", "intensity"]
    for row, area, score in zip(rows, found.table["area"], found.table["score"], strict=True):
        assert f">{area:.0f}</td>" in row
        assert f"<b>{score:.2f}</b>" in row


def test_names_cannot_break_the_page(tmp_path, found):
    model = replace(trained(), rules=trained().rules.model_copy(update={"name": "<script>alert(1)</script>&"}))
    page = Page(_write(tmp_path / "report.html", model, [("<b", found), ("second", found)]))
    assert not page.all("script")
    assert page.open == []
    assert len(page.all("image")) == 10


def test_a_run_without_objects_or_curve_has_a_page_too(tmp_path, found):
    nothing = replace(
        found, labels=np.zeros_like(found.labels), table={name: column[:0] for name, column in found.table.items()}
    )
    model = replace(trained(), actor=replace(trained().actor, curve=[]))
    text = _write(tmp_path / "report.html", model, [("nothing", nothing)])
    assert "0 objects" in text
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", text))


def test_a_page_that_cannot_be_written_is_named(tmp_path, found):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*report\.html"):
        write_report(tmp_path / "file" / "report.html", trained(), [("disks", found)])


def test_the_page_of_a_check(tmp_path):
    image, truth = disks()
    rules = trained().rules
    checked = [Checked("disks", (image / image.max()).astype(np.float32))]
    candidates = [
        Candidate("all merged", 0.1, 0.9, 1, np.ones(image.shape, np.int32), True),
        Candidate("rough <start>", 0.6, 0.7, 4, truth.astype(np.int32), False),
    ]
    result = AuditResult([candidates], ["it can be <b>cheated</b>"])
    write_check(tmp_path / "check.html", rules, checked, result)
    text = (tmp_path / "check.html").read_text()
    page = Page(text)
    assert page.open == []
    assert len(page.all("image")) == 3
    assert "it can be &lt;b&gt;cheated" in text
    assert text.index("all merged") < text.index("rough &lt;start&gt;")  # the best first
    assert text.count("<b>degenerate</b>") == 1
    write_check(tmp_path / "check.html", rules, checked, AuditResult([candidates], []))
    assert "Nothing to complain about" in (tmp_path / "check.html").read_text()


# The pictures


@pytest.fixture
def halves():
    """Two superpixels: three columns and one; as a graph, and the (2, 4) image that it is of."""
    image = np.zeros((2, 4), np.float32)
    return build_graph(image, np.array([[0, 0, 0, 1]] * 2)), image


def test_actions_are_green_for_merge_and_red_for_split(halves):
    graph, image = halves
    for split, color in ((0.0, drawing.MERGE), (1.0, drawing.SPLIT)):
        picture = drawing.action_picture(graph, np.array([split]), image, scale=4)
        assert picture.shape == (8, 16, 3)
        drawn = np.argwhere(picture.any(axis=2))
        assert set(drawn[:, 1]) == {11, 12, 13}  # about column 12 = 3 x 4, where the crack is
        assert set(drawn[:, 0]) == set(range(8))
        assert {tuple(picture[row, column]) for row, column in drawn} == {color}


def test_actions_can_be_seen_at_a_small_scale_too(halves):
    graph, image = halves
    picture = drawing.action_picture(graph, np.array([1.0]), image, scale=2)
    assert set(np.argwhere(picture.any(axis=2))[:, 1]) == {5, 6}


def test_horizontal_cracks_lie_between_rows():
    image = np.zeros((4, 2), np.float32)
    graph = build_graph(image, np.array([[0, 0]] * 3 + [[1, 1]]))
    picture = drawing.superpixel_picture(graph, image, scale=4)
    assert set(np.argwhere(picture.any(axis=2))[:, 0]) == {12}


def test_rewards_go_from_dark_red_to_light_green(halves):
    graph, image = halves
    picture = drawing.reward_picture(graph, np.array([0.0, 1.0]), image).astype(int)
    bad, good = picture[0, 0], picture[0, 3]
    assert bad[0] > bad[1] + 50
    assert good[1] > good[0] > bad[0]


def test_labels_have_colours_of_their_own():
    colors = drawing.label_colors(200)
    assert len(np.unique(colors.round(), axis=0)) == 200
    image, truth = disks()
    image = image / image.max()
    picture = drawing.label_picture(image, truth, scale=2)
    assert picture.shape == (168, 180, 3)
    np.testing.assert_array_equal(picture[0:10], drawing.gray(image, 2)[0:10])  # no object there: nothing is drawn
    centres = {tuple(picture[2 * row, 2 * column]) for row, column in ((20, 20), (20, 60), (58, 24), (60, 66))}
    assert len(centres) == 4


def test_an_overlay_leaves_the_background_alone():
    image, truth = disks()
    picture = drawing.overlay(image / image.max(), truth)
    np.testing.assert_array_equal(picture[truth == 0], drawing.gray(image / image.max())[truth == 0])
    assert (picture[11, 20] == drawing.label_colors(5)[1].astype(np.uint8)).all()  # topmost pixel of the first disk


def test_the_story_puts_three_pictures_in_a_row(found):
    picture = drawing.story(found, scale=2)
    assert picture.shape == (168, 3 * 180 + 2 * 12, 3)
    np.testing.assert_array_equal(iio.imread(drawing.png(picture), extension=".png"), picture)
