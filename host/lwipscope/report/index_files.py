"""Several runs as HTML files: a page for each, and an index beside them with links to all.

Called by `lwipscope report FOLDER` and at the end of a pytest session with `--lwip-report`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.report import html, index_page
from lwipscope.runfile.model import SUFFIX, Run

_MOST_NAME = 120


@dataclass(frozen=True, slots=True)
class Source:
    """A run file. `name` and `verdict`, if given, are shown instead of its own."""

    path: Path
    name: str = ""
    verdict: str = ""

    def page_stem(self) -> str:
        """For the page's name: a file called only `run` is told apart by its folder."""
        stem = self.path.name.removesuffix(SUFFIX)
        stem = self.path.parent.name if stem == "run" and self.path.parent.name else stem
        return re.sub(r"[^\w.-]+", "-", stem).strip("-.")[:_MOST_NAME] or "run"

    def load(self) -> Run:
        run = Run.load(self.path)
        about = run.about
        return replace(
            run,
            about=replace(
                about, name=self.name or about.name, verdict=self.verdict or about.verdict
            ),
        )


def write_index(output: Path, sources: Iterable[Source]) -> int:
    """Write `output` and the pages beside it; how many pages. Runs that can't be read are named in
    the index. UsageError if a file can't be written."""
    linked: list[tuple[str, Run]] = []
    broken: list[tuple[Path, str]] = []
    used: set[str] = {output.name}
    for source in sources:
        try:
            run = source.load()
        except LwipscopeError as error:
            broken.append((source.path, str(error)))
            continue
        name = _free(source.page_stem(), used)
        _write(output.parent / name, html.page(run))
        linked.append((quote(name), run))
    _write(output, index_page.index_page(linked, broken))
    return len(linked)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: can't be written: {error.strerror}") from error


def _free(stem: str, used: set[str]) -> str:
    """A file name that no other report has."""
    name, number = f"{stem}.html", 2
    while name in used:
        name, number = f"{stem}-{number}.html", number + 1
    used.add(name)
    return name
