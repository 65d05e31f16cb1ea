"""What could follow in a line of the lab: for the prompt's Tab key. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lwipscope.lab.verbs import VERBS, Argument, Verb
from lwipscope.tcp.state import State


def completions(
    line: str, names: Mapping[str, Sequence[str]], verbs: Sequence[Verb] = VERBS
) -> list[str]:
    """The words that may stand at the end of `line` instead of its last, unfinished one; `names`
    by what an argument takes, as `Lab.names` has them."""
    words = line.split()
    begun = "" if not line or line[-1].isspace() else words.pop()
    found: dict[str, None] = {}
    for verb in verbs:
        parts = verb.words.split()
        if words == parts[: len(words)] and len(words) < len(parts):
            found[parts[len(words)]] = None
        elif words[: len(parts)] == parts and len(words) - len(parts) < len(verb.arguments):
            argument = verb.arguments[len(words) - len(parts)]
            if argument.takes != "number" or not _is_shadowed(words, verb, verbs):
                found.update(dict.fromkeys(_values(argument, names, begun)))
    return [word for word in found if word.startswith(begun)]


def _is_shadowed(words: Sequence[str], verb: Verb, verbs: Sequence[Verb]) -> bool:
    """`time until` is a verb of its own, and no argument of `time`."""
    longer = (v.words.split() for v in verbs if len(v.words) > len(verb.words))
    return any(list(words[: len(each)]) == each for each in longer)


def _values(argument: Argument, names: Mapping[str, Sequence[str]], begun: str) -> list[str]:
    match argument.takes:
        case "word":
            return list(argument.choices)
        case "state":
            return [state.name for state in State]
        case "file":
            return _files(begun)
        case "port":
            return [argument.default] if argument.default else []
    return list(names.get(argument.takes, ()))


def _files(begun: str) -> list[str]:
    folder = begun.rpartition("/")[0]
    try:
        paths = sorted((Path(folder or ".")).expanduser().iterdir())
    except OSError:
        return []
    prefix = f"{folder}/" if "/" in begun else ""
    shown = [p for p in paths if not p.name.startswith(".")]
    return [f"{prefix}{p.name}{'/' if p.is_dir() else ''}" for p in shown]
