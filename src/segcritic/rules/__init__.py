"""What an object should look like: rules in a YAML file, and the scores that they give."""

from segcritic.rules.kinds.background import BackgroundRule
from segcritic.rules.kinds.count import CountRule
from segcritic.rules.kinds.judgement import Context, Judgement
from segcritic.rules.kinds.numeric import NumericRule
from segcritic.rules.kinds.place import PlaceRule, place_scores
from segcritic.rules.kinds.polarity import PolarityRule
from segcritic.rules.kinds.superpixels import SuperpixelRule
from segcritic.rules.load import BUILTIN, init, load_builtin, load_rules
from segcritic.rules.measure import measure_rules
from segcritic.rules.schema import ObjectRules, Rules
from segcritic.rules.score import Scorer, needed_descriptors, rough_descriptors, sharpen

__all__ = [
    "BUILTIN",
    "BackgroundRule",
    "Context",
    "CountRule",
    "Judgement",
    "NumericRule",
    "ObjectRules",
    "PlaceRule",
    "PolarityRule",
    "Rules",
    "Scorer",
    "SuperpixelRule",
    "init",
    "load_builtin",
    "load_rules",
    "measure_rules",
    "needed_descriptors",
    "place_scores",
    "rough_descriptors",
    "sharpen",
]
