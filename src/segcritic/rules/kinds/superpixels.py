"""How an image is cut into superpixels, as a rules file may say it."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from segcritic.rules.kinds.fields import mistake
from segcritic.rules.parse import nearest
from segcritic.superpixels import METHODS

_WHOLE = ("min_size", "n_superpixels")


def _known(method: str) -> str:
    if method not in METHODS:
        raise mistake(f"cannot be {method!r}{nearest(method, METHODS)}")
    return method


class SuperpixelRule(BaseModel):
    """How the image is cut into superpixels: a method, and any of its settings (passed on as keywords).

    All are numbers above 0, but for `circles`, the smallest and the largest radius: [5, 40], and `lines`, the word
    bright or dark.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    method: Annotated[str, AfterValidator(_known)]

    @model_validator(mode="after")
    def _settings_fit(self) -> Self:
        known = METHODS[self.method].settings
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
