"""Filters for the templates: a value as it must be written where it is put."""

from __future__ import annotations

import hashlib
import json
import shlex
import typing as t


def yaml_text(value: t.Any) -> str:
    """A text in YAML. One of JSON is one of YAML too."""
    return json.dumps(str(value), ensure_ascii=False)


def compose_text(value: t.Any) -> str:
    """The same in a compose file, where a $ that is meant is doubled."""
    return yaml_text(value).replace("$", "$$")


def shell_word(value: t.Any) -> str:
    """One word of a shell command."""
    return shlex.quote(str(value))


def sql_text(value: t.Any) -> str:
    """A text in MySQL."""
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


def checksum(value: dict[str, str]) -> str:
    """Changes when an entry changes; so Kubernetes replaces pods whose environment is another one."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


FILTERS: dict[str, t.Callable[..., str]] = {
    "lernito_yaml": yaml_text,
    "lernito_compose": compose_text,
    "lernito_sh": shell_word,
    "lernito_sql": sql_text,
    "lernito_checksum": checksum,
}
