"""Which superpixels are background."""

from segcritic.rules.kinds.fields import Model, Positive
from segcritic.superpixels.prior import OUTLINE_LEVEL


class BackgroundRule(Model):
    """Which superpixels are background, when the rules say that objects are brighter or darker than it.

    `level` is the share of the way from the local background (0) to the peak of the nearest object (1) at which a
    superpixel is as likely background as object, `softness` how fast the likelihood changes around it.
    """

    level: Positive = OUTLINE_LEVEL
    softness: Positive = 0.06
