"""What became of one test, and of one submission: plain data that goes over pipes and into files.

`kind` says why a test was not passed. Only `passed` gives a point. `inconclusive` is no verdict on
the program: the evidence had a hole that the program is not to blame for. Times in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from lwipscope.words.catalogue import mark

Kind: TypeAlias = Literal[
    "passed",
    "failed",
    "hung",
    "flooded",
    "crashed",
    "reset",
    "evidence",
    "inconclusive",
    "not played",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

_MOST_LINES = 60
_MOST_CHARACTERS = 300

Status: TypeAlias = Literal["graded", "refused", "killed", "error", "not graded"]


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test of one program. `settings` is what stood in its config.py."""

    name: str
    kind: Kind
    text: str = ""
    lasted_s: float = 0.0
    settings: Mapping[str, int | str] = field(default_factory=dict)

    # pytest looks at classes that are called so.
    __test__ = False

    @property
    def passed(self) -> bool:
        """Whether it gives a point."""
        return self.kind == "passed"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> TestResult:
        """From JSON; ValueError if it is none."""
        if data.get("kind") not in KINDS:
            raise ValueError(f"{data.get('kind')!r} is no kind of result")
        return cls(
            str(data["name"]),
            data["kind"],
            str(data["text"]),
            float(data["lasted_s"]),
            dict(data["settings"]),
        )


def shortened(text: str) -> str:
    """What a program says may be long: the beginning and the end of it, and of each line."""
    lines = [_cut(line, _MOST_CHARACTERS) for line in text.splitlines()]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES // 2], "  ...", *lines[-_MOST_LINES // 2 :]]
    return "\n".join(lines)


def _cut(line: str, most: int) -> str:
    return line if len(line) <= most else f"{line[: most // 2]} ... {line[-most // 2 :]}"


def _in_short(text: str) -> str:
    """Its first line; what that announces is at the end: an exception behind its traceback."""
    first, *rest = text.splitlines() or [""]
    announces = rest and first.endswith((":", "\uff1a"))
    return f"{first} {rest[-1].strip()}" if announces else first


@dataclass(frozen=True, slots=True)
class Grade:
    """One submission. `reason` is for those that were not graded by tests, or not to the end."""

    student: str
    exercise: str
    seed: int
    status: Status
    points: int = 0
    most: int = 0
    reason: str = ""
    tests: Sequence[TestResult] = ()
    lasted_s: float = 0.0

    @property
    def full(self) -> bool:
        """All points."""
        return self.status == "graded" and self.points == self.most

    @property
    def remark(self) -> str:
        """One line: the reason, or the tests without a point."""
        missed = [f"{t.name} ({t.kind})" for t in self.tests if not t.passed]
        parts = [self.reason.partition("\n")[0], ", ".join(missed)]
        return "; ".join(part for part in parts if part)

    @property
    def seen(self) -> str:
        """One line: what was seen in each test that was played without a point."""
        missed = [t for t in self.tests if not t.passed and t.kind != "not played"]
        return "; ".join(f"{t.name}: {_in_short(t.text)}" for t in missed)


KIND_WORDS: Mapping[Kind, str] = {
    "passed": mark("passed"),
    "failed": mark("failed"),
    "hung": mark("hung"),
    "flooded": mark("flooded"),
    "crashed": mark("the board crashed"),
    "reset": mark("the board was restarted"),
    "evidence": mark("faked or lost evidence"),
    "inconclusive": mark("no verdict"),
    "not played": mark("not played"),
}
"""For people; `tr` translates them."""
