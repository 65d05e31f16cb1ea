"""What a learner's run shows: the run, and the one connection that an experiment is about.

`connection_of` picks it by port and role; none, or several, is a `NotSeen` whose text says what
was there instead. Called by the checking of a lesson and by its tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lwipscope.lesson.text import Experiment
from lwipscope.runfile.model import Run, RunLife
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection
from lwipscope.trace.event import Died, Transition


@dataclass(frozen=True)
class Seen:
    """A run and its connection. `fitting` are all connections of that role and port."""

    run: Run
    life: RunLife
    connection: Connection
    fitting: tuple[Connection, ...] = ()

    @cached_property
    def console(self) -> str:
        """What the program printed."""
        return console_of(self.run)


@dataclass(frozen=True, slots=True)
class NotSeen(Exception):
    """There is not the one connection. `found` are those that there are."""

    found: tuple[Connection, ...]
    fitting: tuple[Connection, ...] = ()


def console_of(run: Run) -> str:
    """What the program printed in all lives."""
    data = b"".join(piece.data for life in run.lives for piece in life.console)
    return data.decode("utf-8", "replace").replace("\r\n", "\n")


def seen_in(run: Run, experiment: Experiment, conn: int | None = None) -> Seen:
    """The experiment's connection in this run; `conn` says which. NotSeen if it is not clear."""
    every = [(life, c) for life in run.lives for c in life.connections]
    judged = next((j.conn for j in run.about.judged if j.subject == "path"), None)
    fitting = [(life, c) for life, c in every if _fits(c, experiment)]
    chosen = [pair for pair in fitting if conn is None or pair[1].id == conn]
    if len(chosen) > 1 and experiment.scenario:
        # A scenario says itself which one it is about.
        chosen = [pair for pair in chosen if pair[1].id == judged] or chosen
    if len(chosen) > 1 and experiment.pick:
        chosen = [chosen[0 if experiment.pick == "first" else -1]]
    found = tuple(c for _, c in every)
    among = tuple(c for _, c in fitting)
    if len(chosen) != 1:
        raise NotSeen(found, among)
    life, connection = chosen[0]
    return Seen(run, life, connection, tuple(c for one, c in fitting if one is life))


def edges_taken(run: Run) -> set[tuple[State, State]]:
    """All edges that the connections of a run took."""
    taken = set()
    for life in run.lives:
        for event in life.plain_events:
            if isinstance(event, Transition) and event.before is not event.after:
                taken.add((event.before, event.after))
            elif isinstance(event, Died) and event.state is not State.CLOSED:
                taken.add((event.state, State.CLOSED))
    return taken


def _fits(connection: Connection, experiment: Experiment) -> bool:
    if experiment.role == "any":
        if connection.role == "listener":
            return False
    elif connection.role != experiment.role:
        return False
    end = connection.remote if connection.role == "client" else connection.local
    return not experiment.port or (end is not None and end.port == experiment.port)
