"""A YAML text as plain values, and the line on which each of them stands.

Every scalar is a text: ``no``, ``0123`` and ``12:30`` stay as they were written, and the schema says what
they are. PyYAML reads the text (its C loader where there is one); nothing in it can make an object.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from smartsale_emu.errors import ScenarioError

Path = tuple[str | int, ...]
"""Keys and places from the top of a document, such as ``("steps", 3, "card")``."""

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_EMPTY = ("", "~", "null")
_MOST_DEEP = 20
_UNQUOTED = "; within { } and [ ] a text with ${name} needs quotes"
_KINDS = ("str", "int", "float", "bool", "null", "timestamp", "seq", "map")
_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in _KINDS)


@dataclass(frozen=True, slots=True)
class Document:
    """``value``: texts, None, lists and mappings. ``lines``: of every key and item, from 1."""

    value: object
    origin: str
    lines: dict[Path, int] = field(repr=False)

    def error(self, path: Path, problem: str) -> ScenarioError:
        """Return the error to raise about one place; one that is missing is told by the line above it.

        >>> read_document("a: 1\\nb:\\n  c: 2\\n", origin="x.yaml").error(("b", "c"), "is odd")
        ScenarioError('x.yaml:3: b.c: is odd')
        """
        where = f"{self.origin}:{self.line(path)}"
        return ScenarioError(f"{where}: {shown(path)}: {problem}" if path else f"{where}: {problem}")

    def line(self, path: Path) -> int:
        """Return the line of a place, or of what it would stand in."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        return self.lines.get(known, 1)


def shown(path: Path) -> str:
    """Return a path as it is told: list items count from 1.

    >>> shown(("steps", 0, "card"))
    'steps[1].card'
    """
    text = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def read_document(text: str, *, origin: str) -> Document:
    """Read a YAML text; ``origin`` names the file in errors.

    >>> read_document("pin: 0123\\nwhen: no\\nsteps: [a, {b: }]", origin="x.yaml").value
    {'pin': '0123', 'when': 'no', 'steps': ['a', {'b': None}]}

    Raises:
        ScenarioError: no YAML, more than one document, a key twice, an anchor, a tag, or nested too deep.
    """
    try:
        _vet_depth(text, origin)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = f"{error.problem or error.context}{_hint(text, line)}"
        raise ScenarioError(f"{origin}:{line}: is no YAML: {problem}") from None
    except yaml.YAMLError as error:
        odd = yaml.reader.Reader.NON_PRINTABLE.search(text)
        line = text.count("\n", 0, odd.start()) + 1 if odd else 1
        raise ScenarioError(f"{origin}:{line}: is no YAML: {str(error).splitlines()[0]}") from None
    lines: dict[Path, int] = {}
    value = _Reader(origin, lines).value(node, ()) if node is not None else None
    return Document(value, origin, lines)


def _vet_depth(text: str, origin: str) -> None:
    """Refuse what is nested too deep before it becomes nodes, which takes a stack as deep."""
    deep = 0
    for event in yaml.parse(text, Loader=_LOADER):
        deep += isinstance(event, yaml.CollectionStartEvent)
        deep -= isinstance(event, yaml.CollectionEndEvent)
        if deep > _MOST_DEEP:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise ScenarioError(f"{origin}:{line}: is nested too deep")


def _hint(text: str, line: int) -> str:
    """Tell what is most often wrong around a line that cannot be read: YAML takes the brace for its own."""
    near = text.splitlines()[max(0, line - 2) : line]
    return _UNQUOTED if any("${" in one for one in near) else ""


class _Reader:
    """Turns nodes into values and notes their lines."""

    def __init__(self, origin: str, lines: dict[Path, int]) -> None:
        self._origin, self._lines = origin, lines
        self._met: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> object:
        self._lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in self._met:
            raise self._error(node, path, "anchors and aliases are not read here; use parameters")
        if node.tag not in _TAGS:
            raise self._error(node, path, "a tag is not read here")
        self._met.add(id(node))
        match node:
            case yaml.ScalarNode():
                return None if not node.style and node.value in _EMPTY else node.value
            case yaml.SequenceNode():
                return [self.value(item, (*path, place)) for place, item in enumerate(node.value)]
            case yaml.MappingNode():
                return {key: self.value(item, (*path, key)) for key, item in self._pairs(node, path)}
        raise self._error(node, path, "cannot be read")

    def _pairs(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, yaml.Node]]:
        met = set()
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._error(key, path, "a key must be a plain text")
            if key.value in met:
                raise self._error(key, (*path, key.value), "stands twice")
            met.add(key.value)
            self._lines[(*path, key.value)] = key.start_mark.line + 1
            yield key.value, item

    def _error(self, node: yaml.Node, path: Path, problem: str) -> ScenarioError:
        where = f"{self._origin}:{node.start_mark.line + 1}"
        return ScenarioError(f"{where}: {shown(path)}: {problem}" if path else f"{where}: {problem}")
