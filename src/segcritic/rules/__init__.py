"""What an object should look like: rules in a YAML file, and the scores that they give."""

from segcritic.rules.builtin import BUILTIN, init, load_builtin, load_rules
from segcritic.rules.judge import Context, Judgement, judge, needed_descriptors, place_scores, rough_descriptors
from segcritic.rules.measure import measure_rules
from segcritic.rules.rule import BackgroundRule, CountRule, NumericRule, PolarityRule, SuperpixelRule
from segcritic.rules.schema import ObjectRules, Rules
from segcritic.rules.score import Scorer, sharpen

__all__ = [
    "BUILTIN",
    "BackgroundRule",
    "Context",
    "CountRule",
    "Judgement",
    "NumericRule",
    "ObjectRules",
    "PolarityRule",
    "Rules",
    "Scorer",
    "SuperpixelRule",
    "init",
    "judge",
    "load_builtin",
    "load_rules",
    "measure_rules",
    "needed_descriptors",
    "place_scores",
    "rough_descriptors",
    "sharpen",
]
