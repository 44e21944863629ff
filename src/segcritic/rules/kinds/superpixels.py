"""How an image is cut into superpixels, as a rules file may say it."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from segcritic.rules.kinds.fields import mistake

SUPERPIXEL_SETTINGS: dict[str, tuple[str, ...]] = {
    "shells": ("pieces", "min_size", "radius", "outline"),
    "watershed": ("sigma", "min_size", "n_superpixels", "mean_size", "circles", "lines"),
    "mutex": ("sigma", "repulsion", "min_size", "n_superpixels"),
    "boundaries": ("sigma", "background_sigma", "min_size"),
}
"""What a rules file may say about each method; what the numbers mean is told by the method's own docstring."""

_WHOLE = ("min_size", "n_superpixels")


class SuperpixelRule(BaseModel):
    """How the image is cut into superpixels: a method, and any of its `SUPERPIXEL_SETTINGS` (passed on as keywords).

    All are numbers above 0, but for `circles`, the smallest and the largest radius: [5, 40], and `lines`, the word
    bright or dark.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    method: Literal["shells", "watershed", "mutex", "boundaries"]

    @model_validator(mode="after")
    def _settings_fit(self) -> Self:
        known = SUPERPIXEL_SETTINGS[self.method]
        for name, value in self.settings.items():
            if name not in known:
                raise mistake(f"is no setting of method {self.method}, which has {', '.join(known)}", name)
            if name == "circles":
                pair = isinstance(value, list | tuple) and len(value) == 2
                if not (pair and all(_is_positive(radius) for radius in value) and value[0] < value[1]):
                    raise mistake(f"should be two radii such as [5, 40], the smaller first, not {value!r}", name)
            elif name == "lines":
                if value not in ("bright", "dark"):
                    raise mistake(f"cannot be {value!r}; possible are bright, dark", name)
            elif not _is_positive(value) or (name in _WHOLE and value != int(value)):
                raise mistake(f"should be a {'whole ' * (name in _WHOLE)}number above 0, not {value!r}", name)
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """The keywords for the method."""
        return dict(self.model_extra or {})


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e15
