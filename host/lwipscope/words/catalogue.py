"""Translates short texts: English is the key, Chinese comes from `zh/TOPIC.toml`.

    tr = translator(chosen_lang(options.lang))
    print(tr("the board listens on port {port}", port=6666))

Always call it with a literal, so that `finder` sees every text. A text that stands in a table and
is translated later is marked where it stands: `mark("...")`. What has no Chinese twin stays
English: better than nothing, and a test lists it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lwipscope.errors import LwipscopeError
from lwipscope.words.lang import Lang

FOLDER = Path(__file__).parent / "zh"


class BadCatalogue(LwipscopeError):
    """A file of translations that can't be read."""


def mark(text: str) -> str:
    """The text itself: says that it will be translated where it is used."""
    return text


@dataclass(frozen=True, slots=True)
class Translator:
    """Texts in one language."""

    lang: Lang

    def __call__(self, text: str, /, **fields: object) -> str:
        """`text` in this language, its `{fields}` filled in."""
        found = texts_of(self.lang).get(text, text)
        return found.format(**fields) if fields else found

    def texts(self) -> dict[str, str]:
        """All texts that this language has, by the English ones: for pages."""
        return dict(texts_of(self.lang))


def translator(lang: Lang) -> Translator:
    """The translator into a language; into English it changes nothing."""
    return Translator(lang)


@cache
def texts_of(lang: Lang) -> dict[str, str]:
    """The whole catalogue of a language."""
    if lang == "en":
        return {}
    return {key: text for _, key, text in entries()}


def entries(folder: Path = FOLDER) -> Iterator[tuple[Path, str, str]]:
    """File, English text and Chinese text of every entry, in order of the files' names."""
    for path in sorted(folder.glob("*.toml")):
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadCatalogue(f"{path}: {error}; expected a table [texts]") from error
        texts = table.get("texts")
        if not isinstance(texts, dict) or set(table) != {"texts"}:
            raise BadCatalogue(f'{path}: expected one table [texts] of "English" = "中文"')
        for key, text in texts.items():
            if not isinstance(text, str):
                raise BadCatalogue(f"{path}: {key!r}: expected a text, not {text!r}")
            yield path, key, text
