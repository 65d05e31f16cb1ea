"""`--json` and `--json-schema`: what commands that print tables have in common for programs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from lwipscope.report.json_schemas import name_of, schema_of


class _PrintSchema(argparse.Action):
    """As --version: print it, and end."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        for kind in self.const:
            print(json.dumps(schema_of(kind), indent=1))
        parser.exit()


def add_json_option(parser: argparse.ArgumentParser, *kinds: str, what: str = "") -> None:
    """Both options; `kinds` are those of `report.json_schemas` that this command prints."""
    text = what or "the same as JSON, for programs"
    parser.add_argument("--json", action="store_true", help=text)
    add_schema_option(parser, *kinds)


def add_schema_option(parser: argparse.ArgumentParser, *kinds: str) -> None:
    """The second alone, for a command whose --json is another."""
    named = " and ".join(name_of(kind) for kind in kinds)
    parser.add_argument(
        "--json-schema",
        action=_PrintSchema,
        nargs=0,
        const=kinds,
        help=f"print what --json prints, as a JSON Schema ({named}), and end",
    )


def json_text(kind: str, data: Mapping[str, Any]) -> str:
    """A document of that kind; ASCII, so that every terminal and pipe takes it."""
    return json.dumps({"schema": name_of(kind), **data}, indent=1)


def print_json(kind: str, data: Mapping[str, Any]) -> None:
    """To standard output."""
    print(json_text(kind, data))
