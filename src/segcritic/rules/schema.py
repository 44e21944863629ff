"""The whole rules file: a pydantic model of the flat YAML, read and written with errors that name the line."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import yaml
from pydantic import BaseModel, Discriminator, Field, Tag, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from segcritic.errors import UserError
from segcritic.graph.descriptors import DESCRIPTORS
from segcritic.io.atomic import atomic_text
from segcritic.rules.kinds.background import BackgroundRule
from segcritic.rules.kinds.count import CountRule
from segcritic.rules.kinds.fields import Model, Number, Positive, mistake
from segcritic.rules.kinds.numeric import NumericRule
from segcritic.rules.kinds.place import PlaceRule
from segcritic.rules.kinds.polarity import PolarityRule
from segcritic.rules.kinds.superpixels import SuperpixelRule
from segcritic.rules.parse import Document, KeyPath, explain, nearest, parse_yaml

VERSION = 1
"""Version of the rules format that this segcritic reads and writes."""

SYNONYMS = {
    **{"size": "area", "diameter": "equivalent_diameter", "length": "major_axis", "width": "minor_axis"},
    **{"roundness": "circularity", "convexity": "solidity", "brightness": "intensity", "elongation": "eccentricity"},
    **{"number": "count", "angle": "orientation", "circumference": "perimeter", "neighbors": "neighbours"},
    **{"centre": "center", "ring": "radial_distance", "radius": "radial_distance", "place": "where"},
    **{"class": "classes", "kinds": "classes"},
}
"""Words for descriptors and keys that people try first -> ours."""


def _intensity_form(value: Any) -> str:
    keys = value if isinstance(value, dict) else ()
    polarity = isinstance(value, PolarityRule) or {"brighter_than", "darker_than", "by"} & set(keys)
    return "polarity" if polarity else "numeric"


class ObjectRules(Model):
    """What one kind of object looks like. In the YAML, the rules of `descriptors` are keys beside the other fields.

    Attributes
    ----------
    descriptors
        Descriptor -> rule.
    intensity
        ``{brighter_than: background}``, ``{darker_than: background}``, or a numeric rule on the mean intensity.
    python
        Functions of the user's own, 'module:function', see `segcritic.rules.kinds.python`.
    """

    descriptors: dict[str, NumericRule] = Field(default_factory=dict)
    intensity: (
        Annotated[
            Annotated[PolarityRule, Tag("polarity")] | Annotated[NumericRule, Tag("numeric")],
            Discriminator(_intensity_form),
        ]
        | None
    ) = None
    python: tuple[str, ...] = ()

    SPECIAL: ClassVar[tuple[str, ...]] = ("intensity", "python")
    """Keys in the YAML that are no descriptors, in the order in which they are written."""

    @field_validator("python", mode="before")
    @classmethod
    def _module_and_function(cls, value: Any) -> tuple[str, ...]:
        names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else (value,)
        for name in names:
            if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", name):
                raise mistake(f"should be written module:function, not {name!r}")
        return names

    @property
    def empty(self) -> bool:
        """Whether nothing here judges objects."""
        return not (self.descriptors or self.intensity or self.python)

    def check_kinds(self, pixel_size: float | None, within: tuple[str, ...] = ()) -> None:
        """Raise a validation error for a rule whose unit or values make no sense, as `NumericRule.check_kind`."""
        for name, rule in self.descriptors.items():
            if name not in DESCRIPTORS:
                raise mistake(f"is no descriptor{nearest(name, DESCRIPTORS, SYNONYMS)}", *within, name)
            rule.check_kind(name, DESCRIPTORS[name].kind, pixel_size, within)
        if isinstance(self.intensity, NumericRule):
            self.intensity.check_kind("intensity", "intensity", None, within)

    def to_plain(self) -> dict[str, Any]:
        """Return what differs from the defaults, as the mapping in a rules file; without version and classes."""
        fields = self.model_dump(mode="json", exclude_defaults=True, exclude={"descriptors", "version", "classes"})
        if len(self.python) == 1:
            fields["python"] = self.python[0]
        rules = {name: rule.model_dump(exclude_defaults=True) for name, rule in self.descriptors.items()}
        return rules | {key: fields[key] for key in self.SPECIAL if key in fields}


class Rules(ObjectRules):
    """What the objects of a kind of image look like: the content of a rules file.

    Attributes
    ----------
    descriptors, intensity, python
        See `ObjectRules`; they hold for all objects.
    pixel_size
        Micrometres per pixel; needed by rules whose unit is um or um2.
    superpixels
        How the image is cut into superpixels: the method's name, or a mapping with `method` and its settings.
    center
        What objects are arranged about: the middle of the image or of its foreground, or row and col in pixels.
    where
        How far from `center` objects are found.
    border
        Objects cut by the image border: 'ignore' (not judged by size and shape), 'drop' (the same, and left out of the
        result) or 'keep' (judged like others).
    count
        Number of objects per image.
    shaping
        theta of eq. 11; 0 = none.
    distance
        How the rules are combined, see `segcritic.rules.Scorer.class_scores`.
    keep_above
        Objects with a lower score are left out of the result.
    classes
        Name of a kind of object -> what holds for objects of that kind beside the rules for all. An object is of the
        kind that it fits best (paper, A.2).
    """

    version: int = VERSION
    name: Annotated[str, Field(coerce_numbers_to_str=True)] = ""
    description: Annotated[str, Field(coerce_numbers_to_str=True)] = ""
    pixel_size: Positive | None = None  # micrometres per pixel
    superpixels: SuperpixelRule | None = None
    center: Literal["image", "foreground"] | tuple[float, float] | None = None
    where: PlaceRule | None = None
    border: Literal["ignore", "drop", "keep"] = "ignore"
    count: CountRule | None = None
    background: BackgroundRule | None = None
    shaping: Number = 0.0  # theta of eq. 11
    distance: Literal["joint", "cosine", "product"] = "joint"
    keep_above: Number = 0.3
    classes: dict[str, ObjectRules] = Field(default_factory=dict)

    SPECIAL: ClassVar[tuple[str, ...]] = (
        *("version", "name", "description", "pixel_size", "superpixels", "center", "where", "border"),
        *("intensity", "count", "background", "shaping", "distance", "keep_above", "python"),
        "classes",
    )

    @field_validator("version", mode="before")
    @classmethod
    def _known_version(cls, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise mistake(f"should be {VERSION}, not {value!r}")
        if value > VERSION:
            raise mistake(f"is {value}, but this segcritic reads rules up to version {VERSION}: update segcritic")
        return value

    @field_validator("superpixels", mode="before")
    @classmethod
    def _method_alone(cls, value: Any) -> Any:
        return {"method": value} if isinstance(value, str) else value

    @field_validator("center", mode="before")
    @classmethod
    def _a_place(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value not in ("image", "foreground"):
                raise mistake(f"cannot be {value!r}{nearest(value, ('image', 'foreground'))}, or [row, col] in pixels")
            return value
        pair = isinstance(value, list | tuple) and len(value) == 2
        if not (pair and all(isinstance(x, int | float) and not isinstance(x, bool) and abs(x) < 1e15 for x in value)):
            raise mistake(f"should be image, foreground, or row and col in pixels such as [120, 128], not {value!r}")
        return tuple(value)

    @field_validator("shaping", "keep_above")
    @classmethod
    def _in_range(cls, value: float, info: Any) -> float:
        low, high = (0, 100) if info.field_name == "shaping" else (0, 1)
        if not low <= value <= high:
            raise mistake(f"should lie between {low} and {high}, not {value:g}")
        return value

    @field_validator("classes")
    @classmethod
    def _named(cls, value: dict[str, ObjectRules]) -> dict[str, ObjectRules]:
        if not value:
            raise mistake("holds no class: add one, for example  nucleus: {area: {expect: 650}}")
        for name, rules in value.items():
            if not re.fullmatch(r"\w([\w -]*\w)?", name):
                raise mistake("is no name of a class: take letters, digits, spaces, - and _", name)
            if name.casefold() == "background":
                raise mistake("is what is of no class: leave it out, or take another name", name)
            if rules.empty:
                raise mistake("holds no rule that tells it from others: add one", name)
            if isinstance(rules.intensity, PolarityRule):
                raise mistake(
                    "is brighter or darker than the background, which holds for all classes: move it out of 'classes'",
                    *(name, "intensity"),
                )
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_kinds(self.pixel_size)
        for name, rules in self.classes.items():
            rules.check_kinds(self.pixel_size, ("classes", name))
        if self.where is not None:
            self.where.check_place(self.pixel_size)
        if self.empty and not self.classes:
            raise mistake("holds no rule that judges objects: add one, for example  area: {expect: 650}")
        return self

    @property
    def polarity(self) -> int:
        """1: objects are brighter than the background; -1: darker; 0: the rules do not say."""
        rule = self.intensity
        return 0 if not isinstance(rule, PolarityRule) else 1 if rule.brighter_than else -1

    @property
    def parts(self) -> "tuple[ObjectRules, ...]":
        """The rules for all objects, and those of each class."""
        return (self, *self.classes.values())

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions of the user's own that any rule names."""
        return tuple(name for part in self.parts for name in part.python)

    @property
    def radial(self) -> bool:
        """Whether anything refers to a centre that objects are arranged about."""
        named = {name for part in self.parts for name in part.descriptors} & {"radial_distance", "radial_angle"}
        return bool(named or self.center is not None or self.where is not None)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a rules file; any mistake in it is a UserError with file, line and key."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise UserError(f"there is no rules file {path}") from None
        except OSError as error:
            raise UserError(f"cannot read the rules file {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not UTF-8 text: save it as UTF-8 in your editor") from error
        return cls.loads(text, str(path))

    @classmethod
    def loads(cls, text: str, source: str = "rules") -> Self:
        """Read rules from YAML text; `source` names its origin in error messages. Raises UserError as `load`.

        >>> Rules.loads("area: {expect: 650, tolerance: 40%}").descriptors["area"].expect
        650.0
        """
        document = parse_yaml(text, source)
        # A newer version may hold keys that this one does not know: its number is the mistake to name.
        newer = document.data.get("version")
        try:
            if newer is not None:
                cls._known_version(newer)
            fields = _fields(document, (), document.data, cls)
            if isinstance(classes := fields.get("classes"), dict):
                fields["classes"] = {
                    name: _fields(document, ("classes", name), rules, ObjectRules) if isinstance(rules, dict) else rules
                    for name, rules in classes.items()
                }
            return cls.model_validate(fields)
        except ValidationError as error:
            raise explain(error, document, _keys_of) from error
        except PydanticCustomError as error:
            raise document.error(("version",), f"'version' {error.message()}") from error

    def to_yaml(self) -> str:
        """Return the rules as YAML, only what differs from the defaults; `loads` gives equal rules back.

        >>> print(Rules.loads("area: {at_least: 50, weight: 1}").to_yaml())
        version: 1
        area: {at_least: 50}
        <BLANKLINE>
        """
        fields = self.to_plain()
        head = {key: fields.pop(key) for key in self.SPECIAL[:8] if key in fields}
        whole = {"version": self.version} | head | fields
        if self.classes:
            whole["classes"] = {name: rules.to_plain() for name, rules in self.classes.items()}
        # PyYAML writes these line ends as they are, and reads other ones back; escaped, they stay
        readable = not re.search("[\x85\u2028\u2029]", f"{self.name}{self.description}")
        return yaml.safe_dump(
            _short(whole), default_flow_style=None, sort_keys=False, width=110, allow_unicode=readable
        )

    def dump(self, path: str | os.PathLike[str]) -> None:
        """Write the rules to a file, at once or not at all. Raises UserError when it cannot be written."""
        with atomic_text(path) as file:
            file.write(self.to_yaml())


def _short(value: Any) -> Any:
    """Write 650 for 650.0."""
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _fields(document: Document, path: KeyPath, data: dict[str, Any], model: type[ObjectRules]) -> dict[str, Any]:
    """Sort the keys of the mapping at `path` into fields of the model. Raises UserError for an unknown one."""
    fields: dict[str, Any] = {"descriptors": {}}
    for key, value in data.items():
        if key in model.SPECIAL:
            fields[key] = value
        elif key in DESCRIPTORS:
            fields["descriptors"][key] = value
        elif key in Rules.SPECIAL:
            raise document.error(
                (*path, key), f"'{key}' in '{path[-1]}' cannot be of one class alone: move it out of 'classes'"
            )
        else:
            where = f" in '{path[-1]}'" if path else ""
            choices = (*DESCRIPTORS, *model.SPECIAL)
            raise document.error((*path, key), f"unknown rule '{key}'{where}{nearest(key, choices, SYNONYMS)}")
    return fields


def _keys_of(path: KeyPath) -> tuple[str, ...]:
    """The valid keys of the mapping at `path` of a rules file."""
    if path[0] == "classes":
        if len(path) < 3:
            return ("name",) if len(path) == 1 else (*DESCRIPTORS, *ObjectRules.SPECIAL)
        path = path[2:]
    models: dict[Any, tuple[type[BaseModel], ...]] = {
        "count": (CountRule,),
        "background": (BackgroundRule,),
        "superpixels": (SuperpixelRule,),
        "intensity": (PolarityRule, NumericRule),
    }
    return tuple(dict.fromkeys(key for model in models.get(path[0], (NumericRule,)) for key in model.model_fields))
