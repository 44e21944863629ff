"""Read YAML so that every mistake can be told with its line, and turn pydantic's errors into such sentences."""

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from pydantic import ValidationError

from segcritic.errors import UserError

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A YAML mapping as plain Python data, with the line of every key.

    Attributes
    ----------
    source
        Name of the file (or any other origin) for error messages.
    data
        The mapping: text, numbers, booleans, None, lists and mappings only.
    lines
        1-based line of each key and list item by its path, for example ``("area", "expect") -> 4``.
    """

    source: str
    data: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def error(self, path: Sequence[str | int], sentence: str) -> UserError:
        """Return the UserError "source, line n: sentence"; the line is that of the deepest known part of `path`."""
        path = tuple(path)
        while path and path not in self.lines:
            path = path[:-1]
        return UserError(
            f"{self.source}, line {self.lines[path]}: {sentence}" if path else f"{self.source}: {sentence}"
        )


def parse_yaml(text: str, source: str) -> Document:
    """Parse one YAML mapping.

    Raises
    ------
    UserError
        Naming `source` and the line, when the text is not YAML, is empty, is not a mapping at its top level, or holds
        a key twice. Aliases (``*name``) and Python tags are refused: a rules file needs neither, and with them a short
        file can expand to a huge one or ask for code.
    """
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            raise UserError(f"{source} is empty: write at least one rule, for example  area: {{expect: 650}}")
        if not isinstance(root, yaml.MappingNode):
            raise UserError(
                f"{source}, line {_line(root)}: a rules file is a list of 'name: value' lines,"
                " for example  area: {expect: 650}"
            )
        document = Document(source, {})
        document.data.update(_plain(root, (), document, loader, set()))
        return document
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        problem = error.problem or error.context or "it cannot be read"
        if problem.startswith("but ") and error.context:
            problem = f"{error.context} {problem}"
        hint = "; indent with spaces, not tabs" if r"'\t'" in problem else ""
        opened = error.context_mark
        if not hint and mark and opened and opened.line < mark.line and "flow" in (error.context or ""):
            hint = f"; is the bracket of line {opened.line + 1} closed?"
        raise UserError(f"{source}{line}: this is not valid YAML: {problem}{hint}") from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise UserError(f"{source}, line {line}: this is not valid YAML: {error.reason}") from error
    except RecursionError as error:
        raise UserError(f"{source}: brackets are nested too deeply for a rules file") from error


def nearest(word: object, choices: Collection[str], synonyms: dict[str, str] | None = None) -> str:
    """Return "; did you mean 'x'?" for the choice most like `word`, else a list of all choices."""
    spoken = str(word).lower().replace(" ", "_").replace("-", "_")
    synonym = (synonyms or {}).get(spoken)
    close = [synonym] if synonym in choices else difflib.get_close_matches(spoken, choices, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; possible are {', '.join(choices)}"


def explain(error: ValidationError, document: Document, keys_of: Callable[[KeyPath], Collection[str]]) -> UserError:
    """Turn the first mistake (by line) of a failed validation into one sentence.

    Parameters
    ----------
    keys_of
        Gives the valid keys of the mapping at a path, for the suggestion after an unknown key.
    """

    def path_of(item: Any) -> KeyPath:
        path: KeyPath = ()
        for part in item["loc"]:  # it also holds names of models and unions: follow only what is in the file
            if (*path, part) in document.lines:
                path = (*path, part)
        return path + tuple(item.get("ctx", {}).get("path", ()))

    items = sorted(error.errors(), key=lambda item: document.lines.get(path_of(item), 0))
    item, path = items[0], path_of(items[0])
    subject = " of ".join(f"'{part}'" for part in reversed(path)) or "the file"
    kind, value = item["type"], item["input"]
    if kind == "extra_forbidden":
        *parents, key = path
        return document.error(path, f"unknown key '{key}' in '{parents[-1]}'{nearest(key, keys_of(path[:-1]))}")
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        wish = f"{{{next(iter(keys_of(path)), 'key')}: value, ...}}"
        return document.error(path, f"{subject} should be written like {wish}, not {value!r}")
    if kind == "missing":
        return document.error(path, f"{subject} lacks '{item['loc'][-1]}'")
    if kind == "string_type":
        return document.error(path, f"{subject} should be text, not {value!r}")
    if kind == "literal_error":
        choices = item.get("ctx", {}).get("expected", "").replace("'", "").replace(" or ", ", ").split(", ")
        return document.error(path, f"{subject} cannot be {value!r}{nearest(value, choices)}")
    if kind == "plain":  # raised by `mistake`
        return document.error(path, f"{subject} {item['msg']}")
    message = item["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return document.error(path, f"{subject} {message}, not {value!r}")


def _plain(node: yaml.Node, path: KeyPath, document: Document, loader: yaml.SafeLoader, seen: set[int]) -> Any:
    """Return the plain data of `node` and fill `document.lines`."""
    if id(node) in seen:
        raise document.error(path, "aliases ('*name') are not supported here: write the value out")
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise UserError(f"{document.source}, line {_line(key_node)}: a key should be a single word")
            key = str(key_node.value)
            here = (*path, key)
            if key in mapping:
                first = document.lines[here]
                document.lines[here] = _line(key_node)
                raise document.error(here, f"'{key}' is given twice (first in line {first}); keep one of them")
            document.lines[here] = _line(key_node)
            mapping[key] = _plain(value_node, here, document, loader, seen)
            if mapping[key] is None:
                why = "write decimals with a point, as in 0.8" if key.isdigit() else "give it one, or remove it"
                raise document.error(here, f"'{key}' has no value: {why}")
        return mapping
    if isinstance(node, yaml.SequenceNode):
        items = []
        for number, item in enumerate(node.value):
            document.lines[(*path, number)] = _line(item)
            items.append(_plain(item, (*path, number), document, loader, seen))
        return items
    if node.tag == "tag:yaml.org,2002:timestamp":  # a name such as 2024-05-01 is text to us
        return node.value
    return loader.construct_object(node)


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
