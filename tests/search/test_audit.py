"""The audit: it warns of rules that can be cheated or make no difference, and is silent about good ones."""

import numpy as np
import pytest

from discs import FOUR, blocks, discs, nuclei, state_of
from segcritic.rules import Rules, Scorer
from segcritic.search.audit import audit
from segcritic.stateless.state import make_state

BRIGHT = "intensity: {brighter_than: background}\n"


def audited(text, **picture):
    rules = Rules.loads(text)
    pixels, truth = discs(**picture)
    return audit(Scorer(rules), [make_state(pixels, rules, given=blocks(truth))])


def about(result, word):
    return [warning for warning in result.warnings if word in warning]


def test_rules_that_anything_fits_are_warned_of():
    result = audited("solidity: {at_least: 0.5}")
    assert about(result, "degenerate") or about(result, "hardly tell")
    assert all(warning.startswith("image 1: ") or warning.startswith("rule '") for warning in result.warnings)


def test_rules_that_like_one_huge_object_are_warned_of():
    result = audited("area: {at_least: 3000, tolerance: 20%}\nborder: keep", noise=0.1)
    assert about(result, "degenerate") or about(result, "hardly tell")


@pytest.mark.parametrize("seed", [0, 1])
def test_good_rules_raise_no_alarm(seed):
    state = state_of(seed=seed)
    result = audit(Scorer(nuclei()), [state])
    assert not about(result, "degenerate")
    assert not about(result, "hardly tell")
    best = max(result.candidates[0], key=lambda candidate: candidate.searched_reward)
    assert best.n_objects == len(FOUR)
    assert not best.degenerate


def test_candidates_say_where_they_come_from_and_never_lose_by_searching():
    state = state_of()
    [candidates] = audit(Scorer(nuclei()), [state]).candidates
    by_start = {candidate.start: candidate for candidate in candidates}
    assert {"all merged", "all split", "rough segmentation"} <= set(by_start)
    for candidate in candidates:
        assert 0 <= candidate.reward <= candidate.searched_reward <= 1
        assert candidate.labels.shape == state.graph.shape
        assert np.unique(candidate.labels[candidate.labels > 0]).tolist() == list(range(1, candidate.n_objects + 1))
    assert by_start["all merged"].reward < by_start["rough segmentation"].reward
    assert by_start["all split"].reward < by_start["rough segmentation"].reward


def test_a_rule_that_makes_no_difference_is_named():
    result = audited(BRIGHT + "area: {expect: 380, tolerance: 30%}\nsolidity: {at_least: 0.01}")
    assert len(about(result, "'solidity' never fires")) == 1
    assert not about(result, "'area'")


def test_a_rule_that_nothing_fits_is_named():
    # without the border's objects, which a rule on size does not judge
    result = audited(BRIGHT + "area: {expect: 90000, tolerance: 10%}\nsolidity: {at_least: 0.93}\nborder: keep")
    assert len(about(result, "'area' fits no object")) == 1
    assert not about(result, "'solidity' fits no object")


def test_a_rule_that_nothing_fits_is_named_although_cut_objects_are_not_judged():
    result = audited(BRIGHT + "area: {expect: 90000, tolerance: 10%}")
    assert len(about(result, "'area' fits no object")) == 1


def test_images_are_named_and_counted():
    rules = Rules.loads("solidity: {at_least: 0.5}")
    states = [make_state(pixels, rules, given=blocks(truth)) for pixels, truth in (discs(), discs(seed=1))]
    result = audit(Scorer(rules), states, names=["a.tif", "b.tif"])
    assert len(result.candidates) == 2
    assert any("a.tif" in warning for warning in result.warnings)
    assert any("b.tif" in warning for warning in result.warnings)


def test_same_seed_same_audit_and_a_flat_picture_is_no_problem():
    first, second = (audit(Scorer(nuclei()), [state_of()], seed=3) for _ in range(2))
    assert first.warnings == second.warnings
    assert [c.reward for c in first.candidates[0]] == [c.reward for c in second.candidates[0]]
    flat = make_state(np.full((12, 13), 7.0, np.float32), nuclei())
    assert all(candidate.n_objects <= 1 for candidate in audit(Scorer(nuclei()), [flat]).candidates[0])


def test_the_seed_makes_the_random_start():
    rewards = [audit(Scorer(nuclei()), [state_of()], seed=seed).candidates[0][-1].reward for seed in (0, 1)]
    assert rewards[0] != rewards[1]


def test_one_superpixel_for_each_object_is_no_fault():
    pixels, truth = discs()
    rules = nuclei()
    result = audit(Scorer(rules), [make_state(pixels, rules, given=truth)])
    best = max(result.candidates[0], key=lambda candidate: candidate.searched_reward)
    assert best.n_objects == len(FOUR)
    assert not best.degenerate
    assert not about(result, "degenerate")


def test_a_tie_is_called_one():
    result = audited("area: {at_least: 1, tolerance: 20%}\nborder: keep")  # anything fits
    ties = about(result, "degenerate")
    assert ties
    assert all("scores as high" in warning or "no sensible one" in warning for warning in ties)
