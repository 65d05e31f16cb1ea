"""Verdicts: the path seen against the path expected, as far as the evidence reaches.

`check_path` is what scenarios, the pytest plugin and the CLI call. The rule of DESIGN section 5:
evidence with a hole never gives PASS, nor FAIL: the missing piece might be the one that matters.
Exit codes are those of the README.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from lwipscope.tcp.path import PathPattern, explain
from lwipscope.trace.connection import Connection, Role, connections, select
from lwipscope.trace.event import Event
from lwipscope.trace.integrity import Integrity
from lwipscope.trace.timeline import Timeline

_AROUND = 8


class Verdict(enum.Enum):
    """PASS, FAIL (the path differs), INCONCLUSIVE (run again), ERROR (board lost or reset)."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"

    @property
    def exit_code(self) -> int:
        """Of the command line. Errors raised before there is a verdict carry their own."""
        return {"pass": 0, "fail": 1}.get(self.value, 4)


@dataclass(frozen=True, slots=True)
class PathCheck:
    """One comparison and everything a person needs to believe it."""

    name: str
    pattern: PathPattern
    connection: Connection | None
    verdict: Verdict
    text: str


def check_path(
    events: Iterable[Event],
    integrity: Integrity,
    pattern: PathPattern | str,
    *,
    name: str = "",
    port: int | None = None,
    remote_port: int | None = None,
    peer: str | None = None,
    role: Role | None = None,
    timeline: Timeline | None = None,
) -> PathCheck:
    """Compare the one connection that fits the filters with `pattern`.

    Listeners are only looked at with `role="listener"`. `timeline` gives the lines around a
    difference; without it they are the board's events alone.
    """
    expected = PathPattern.parse(pattern) if isinstance(pattern, str) else pattern
    kept = list(events)
    everything = connections(kept)
    fitting = select(everything, port=port, remote_port=remote_port, peer=peer, role=role)
    if role is None:
        fitting = [connection for connection in fitting if connection.role != "listener"]
    wanted = _wanted(port=port, remote_port=remote_port, peer=peer, role=role)
    one = fitting[0] if len(fitting) == 1 else None
    shown = timeline or Timeline.of_events(kept)
    if len(fitting) > 1:
        verdict = Verdict.ERROR
        text = (
            f"{len(fitting)} connections fit ({wanted}); say which by port, remote_port, peer or "
            f"role:\n{_listed(fitting)}"
        )
    elif one is None:
        verdict = Verdict.FAIL
        text = f"no connection fits ({wanted}); expected {expected}\n{_listed(everything)}"
        text += f"\nthe last of the timeline:\n{shown.around(None, _AROUND, _AROUND)}"
    elif expected.match(one.path).ok:
        verdict = Verdict.PASS
        text = f"{one.text()}\nas expected: {expected}"
    else:
        verdict = Verdict.FAIL
        text = _difference(expected, one, shown)
    problems = integrity.problems()
    if one is not None and one.broken:
        problems.append(f"the records of c{one.id} contradict each other: a transition is missing")
    if one is not None and one.role == "unknown":
        problems.append(f"the beginning of c{one.id} was not seen")
    if problems:
        verdict = _with_problems(verdict, integrity)
        text = "\n".join(("the evidence is incomplete:", *(f"  {p}" for p in problems), text))
    return PathCheck(name, expected, one, verdict, text)


def evidence_verdict(integrity: Integrity) -> Verdict:
    """What incomplete evidence makes of any comparison; PASS if it is complete."""
    return _with_problems(Verdict.PASS, integrity) if integrity.problems() else Verdict.PASS


def _with_problems(verdict: Verdict, integrity: Integrity) -> Verdict:
    stopped = integrity.reset or integrity.fault is not None or integrity.board_lost is not None
    return Verdict.ERROR if stopped or verdict is Verdict.ERROR else Verdict.INCONCLUSIVE


def _difference(expected: PathPattern, one: Connection, timeline: Timeline) -> str:
    parted = expected.match(one.path).matched_prefix
    # The event to look at: the one that led to the unexpected state, or the last that was right.
    near = [event for event in one.led_by[: parted + 1] if event is not None] or [*one.steps[:1]]
    lines = timeline.around(near[-1] if near else None, _AROUND, _AROUND)
    return f"{one.text()}\n{explain(expected, one.path)}\nthe timeline around it:\n{lines}"


def _listed(found: list[Connection]) -> str:
    if not found:
        return "  no connections were seen"
    return "\n".join(f"  {connection.text()}" for connection in found)


def _wanted(**filters: int | str | None) -> str:
    given = [f"{key}={value}" for key, value in filters.items() if value is not None]
    return ", ".join(given) or "no filter given"
