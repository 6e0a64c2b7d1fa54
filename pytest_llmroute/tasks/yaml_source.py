"""Task files in YAML as plain data that knows its lines."""

from __future__ import annotations

from typing import Any

import yaml

from pytest_llmroute.config.sentences import Path
from pytest_llmroute.tasks.source import TOO_DEEP, Broken, Document, Raw, top_level

MOST_NODES = 5_000_000
DEEPEST = 60
"""Bounds on a YAML document once its aliases are followed: a small file can stand for a huge one."""
_YAML_TYPES = {"str", "int", "float", "bool", "null", "timestamp"}


def read_yaml(text: str) -> Document:
    """Parses; raises Broken when nothing of it can be believed."""
    try:
        return _document(text)
    except RecursionError:
        raise Broken(1, TOO_DEEP) from None


def _document(text: str) -> Document:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.problem, error.context) if part)
        raise Broken(mark.line + 1 if mark else 1, f"no YAML: {what}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise Broken(1, f"no YAML: {error}") from None
    if node is None:
        raise Broken(1, "the file is empty; a task file holds `tasks: [...]`")
    reader = _YamlReader(loader(""))
    if isinstance(node, yaml.SequenceNode):
        return Document(None, tuple(reader.raw(item) for item in node.value))
    if not isinstance(node, yaml.MappingNode):
        raise Broken(_line(node), "a task file holds `tasks: [...]` or a list of tasks")
    return _yaml_mapping(node, reader)


def _yaml_mapping(node: yaml.MappingNode, reader: _YamlReader) -> Document:
    parts = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    tasks = parts.get("tasks")
    shallow: dict[str, Any] = {
        key: [] if key == "tasks" and isinstance(tasks, yaml.SequenceNode) else None for key in parts
    }
    if len(parts) != len(node.value):
        raise Broken(_line(node), "a key stands twice at the top of the file, or is no text")
    top_level(shallow, _line(node))
    entries = tuple(reader.raw(item) for item in tasks.value) if tasks is not None else ()
    return Document(reader.raw(parts["defaults"]) if "defaults" in parts else None, entries)


class _YamlReader:
    """Plain values from composed nodes, so that every value's line is known."""

    def __init__(self, loader: Any) -> None:
        self._loader, self._visited = loader, 0

    def raw(self, node: yaml.Node) -> Raw:
        return Raw(self.value(node, 0), _line(node), lambda at: _line_in(node, at))

    def value(self, node: yaml.Node, depth: int) -> Any:
        self._visited += 1
        if self._visited > MOST_NODES or depth > DEEPEST:
            raise Broken(_line(node), "too much nested or repeated data (aliases?) to be a task file")
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith(":merge"):
                raise Broken(_line(key_node), "keys are plain texts; `<<` is not used in task files, `defaults` is")
            if key in found:
                raise Broken(_line(key_node), f'the key "{key}" stands twice')
            found[key] = self.value(value_node, depth + 1)
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        kind = node.tag.rpartition(":")[2]
        if kind == "str" or kind == "timestamp":
            return node.value
        if kind not in _YAML_TYPES:
            raise Broken(_line(node), f"the tag {node.tag} is not used in task files")
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise Broken(_line(node), f"no YAML value: {error}") from None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _line_in(node: yaml.Node, at: Path) -> int:
    """The line of a place, as deep as it can be followed; a key's line for a value of a mapping."""
    line = _line(node)
    for step in at:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == step), None)
            if pair is None:
                break
            line, node = _line(pair[0]), pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = _line(node)
        else:
            break
    return line
