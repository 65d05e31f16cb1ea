"""Compares the source with the catalogue, and long texts with their Chinese twins.

Faults of a text: it has no twin, nothing uses it any more, its `{fields}` are others than those of
the twin, or no literal stands where one must. A long text (`PART/texts/en/NAME.toml`) has a twin in
`PART/texts/zh/` with the same texts (`LONG_TEXTS`; all else may be left out) whose `of` is the
CRC-32 of the English file's bytes: a twin that was made from other words is stale. Used by tests
and by `python -m lwipscope.words`.
"""

from __future__ import annotations

import string
import tomllib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lwipscope.words.catalogue import FOLDER, entries
from lwipscope.words.data_texts import data_uses
from lwipscope.words.finder import PACKAGE, Use, uses

LONG_TEXTS = frozenset(
    {"title", "about", "do", "predict", "predict_choices", "look", "otherwise"}  # of lessons
    | {"ask", "choices", "hint", "because", "text"}
    | {"task", "requirements", "board", "tests"}  # of exercises
)
"""Keys of long texts that are words for people; what else a file holds is taken from English."""

MISSING, STALE, FIELDS, NO_LITERAL, TWICE = "missing", "stale", "fields", "no literal", "twice"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend: what it is, of which topic, which text, and what to do."""

    kind: str
    topic: str
    text: str
    todo: str

    def __str__(self) -> str:
        return f"{self.kind:<10} {self.topic}: {self.todo}"


def all_uses() -> list[Use]:
    """Every text that is translated: of the source, and of the data below it."""
    return [*uses(), *data_uses()]


def short_faults(used: Iterable[Use], folder: Path = FOLDER) -> list[Fault]:
    """What is wrong between the texts that are used and the catalogue in `folder`."""
    listed = list(entries(folder))
    twins = {key: text for _, key, text in listed}
    by_text: dict[str, Use] = {}
    faults = []
    for use in used:
        if not use.literal:
            todo = f"{use}: {use.text!r} is no plain literal; use {{fields}}"
            faults.append(Fault(NO_LITERAL, use.topic, use.text, todo))
        else:
            by_text.setdefault(use.text, use)
    for text, use in by_text.items():
        if text not in twins:
            todo = f"{use}: put into words/zh/{use.topic}.toml: {quoted(text)} = "
            faults.append(Fault(MISSING, use.topic, text, todo))
        elif fields_of(text) != fields_of(twins[text]):
            todo = f"{use}: {quoted(text)} and its twin have different {{fields}}"
            faults.append(Fault(FIELDS, use.topic, text, todo))
    places = Counter(key for _, key, _ in listed)
    for path, key, _ in listed:
        at = f"words/zh/{path.name}:{_line_of(path, key)}"
        if key not in by_text:
            todo = f"{at}: nothing uses {quoted(key)} any more; remove it"
            faults.append(Fault(STALE, path.stem, key, todo))
        if places[key] > 1:
            faults.append(Fault(TWICE, path.stem, key, f"{at}: {quoted(key)} is in two files"))
    return faults


def fields_of(text: str) -> tuple[str, ...]:
    """The names of a text's `{fields}`, sorted; of one that is no format: its braces."""
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    except ValueError:
        return (str(text.count("{")), str(text.count("}")))
    return tuple(sorted(names))


def quoted(text: str) -> str:
    """A key as TOML writes it."""
    inner = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{inner}"'


def _line_of(path: Path, key: str) -> int:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith(quoted(key)):
            return number
    return 1


def long_folders(package: Path = PACKAGE) -> list[Path]:
    """The folders of long texts: those that hold `en`."""
    return sorted(path.parent for path in package.glob("*/texts/en") if path.is_dir())


def long_faults(folder: Path) -> Iterator[Fault]:
    """What is wrong between a folder's `en` and its `zh`."""
    topic = folder.parent.name
    english = {path.name: path for path in sorted((folder / "en").glob("*.toml"))}
    chinese = {path.name: path for path in sorted((folder / "zh").glob("*.toml"))}
    for name, path in english.items():
        crc = f"{zlib.crc32(path.read_bytes()):08x}"
        twin = chinese.get(name)
        if twin is None:
            todo = f'write {topic}/texts/zh/{name}, with of = "{crc}"'
            yield Fault(MISSING, topic, name, todo)
            continue
        told = tomllib.loads(twin.read_text(encoding="utf-8"))
        of = told.pop("of", None)
        if of != crc:
            todo = f'{topic}/texts/zh/{name} is of {of}: compare, then write of = "{crc}"'
            yield Fault(STALE, topic, name, todo)
            continue
        ours = tomllib.loads(path.read_text(encoding="utf-8"))
        for difference in _shape_faults(ours, told, ""):
            yield Fault(FIELDS, topic, name, f"{topic}/texts/zh/{name}: {difference}")
    for name in chinese.keys() - english.keys():
        yield Fault(STALE, topic, name, f"{topic}/texts/zh/{name} has no English text; remove it")


def _has_texts(value: object) -> bool:
    """Whether there are words for people somewhere inside."""
    if isinstance(value, dict):
        return any(key in LONG_TEXTS or _has_texts(each) for key, each in value.items())
    return isinstance(value, list) and any(_has_texts(each) for each in value)


def _shape_faults(ours: object, twin: object, where: str) -> Iterator[str]:
    """Where two texts differ in more than words: keys, lengths of lists, numbers, {fields}."""
    if isinstance(ours, dict) and isinstance(twin, dict):
        for key in sorted(twin.keys() - ours.keys()):
            yield f"{where}{key} is not in the English text"
        for key in sorted(ours.keys() - twin.keys()):
            if key in LONG_TEXTS or where == "tests." or _has_texts(ours[key]):
                yield f"{where}{key} is missing"
        for key in ours.keys() & twin.keys():
            yield from _shape_faults(ours[key], twin[key], f"{where}{key}.")
    elif isinstance(ours, list) and isinstance(twin, list):
        if len(ours) != len(twin):
            yield f"{where} has {len(twin)} items, and {len(ours)} in English"
        for at, (one, other) in enumerate(zip(ours, twin, strict=False), 1):
            yield from _shape_faults(one, other, f"{where}{at}.")
    elif type(ours) is not type(twin):
        yield f"{where} is of another type"
    elif isinstance(ours, str) and isinstance(twin, str):
        if set(fields_of(ours)) != set(fields_of(twin)):
            yield f"{where} has other {{fields}}"
    elif ours != twin:
        yield f"{where} is {twin}, and {ours} in English"
