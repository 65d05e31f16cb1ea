"""The tests of the exercise `never-leaks`: whatever the clients do, no pcb stays behind.

The clients close, reset, fall silent, vanish, or leave before accept(); the program has a timeout
of IDLE_S seconds of board time, which the host moves on.
"""

from __future__ import annotations

import random

from lwipscope.exercise.exercise import Exercise, Settings, Test, any_port
from lwipscope.exercise.trial import Trial

# lwIP's retransmissions and MicroPython's abort 10 s after close() need their time, too.
_VANISHED_S = 40.0


def _draw(rng: random.Random) -> Settings:
    return {"PORT": any_port(rng), "IDLE_S": rng.randint(3, 6)}


def _idle_s(trial: Trial) -> int:
    return int(trial.settings["IDLE_S"])


def orderly(trial: Trial) -> None:
    """Clients that close as they should."""
    for _ in range(trial.random.randint(4, 7)):
        client = trial.client()
        client.echo(trial.text(1, 200))
        client.close()
    trial.only_listener_left()
    trial.must_run()


def resets(trial: Trial) -> None:
    """Clients that end with RST."""
    for _ in range(trial.random.randint(3, 5)):
        client = trial.client()
        client.echo(trial.text(1, 200))
        client.reset()
    last = trial.client()
    last.echo(trial.text(1, 200))
    last.close()
    trial.only_listener_left()


def silent(trial: Trial) -> None:
    """A client may be slow, but who says nothing for IDLE_S has to go."""
    client = trial.client()
    client.echo(trial.text(1, 50))
    trial.pass_time(_idle_s(trial) * 0.5)
    client.echo(trial.text(1, 50))
    trial.pass_time(_idle_s(trial) + 1)
    client.expect_closed(
        trial.tr(
            "a client said nothing for {passed_s} s, IDLE_S is {idle_s}: expected the server to "
            "close it",
            passed_s=_idle_s(trial) + 1,
            idle_s=_idle_s(trial),
        )
    )
    client.close()
    other = trial.client()
    other.echo(trial.text(1, 50))
    other.close()
    trial.only_listener_left()


def vanished(trial: Trial) -> None:
    """A client whose host is gone: neither FIN nor RST will ever come."""
    raw = trial.raw
    connection = raw.connection(trial.random.randint(20_000, 60_000), trial.board.ip, trial.port)
    client = raw.polite(connection)
    client.connect()
    raw.vanish()
    trial.only_listener_left(_idle_s(trial) + _VANISHED_S, forced=True)
    # Who serves nobody leaks nothing.
    other = trial.client()
    other.echo(trial.text(1, 50))
    other.close()
    trial.only_listener_left()
    trial.must_run()


def in_passing(trial: Trial) -> None:
    """Clients that leave at once, some before accept(), some behind a few bytes."""
    count = trial.random.randint(3, 5)
    for number in range(count):
        client = trial.client(accepted=bool(number % 2))
        if number % 2:
            client.send(trial.text(1, 100))
        client.close()
    trial.only_listener_left((count + 1) * (_idle_s(trial) + 1))
    last = trial.client()
    last.echo(trial.text(1, 100))
    last.close()
    trial.only_listener_left()


def crowd(trial: Trial) -> None:
    """More clients than lwIP has pcbs, each ending as it likes."""
    for _ in range(trial.random.randint(20, 24)):
        client = trial.client()
        client.echo(trial.text(1, 50))
        if trial.random.random() < 0.3:
            client.reset()
        else:
            client.close()
    trial.only_listener_left()
    trial.must_run()


EXERCISE = Exercise(
    "never-leaks",
    _draw,
    (
        Test("orderly", orderly),
        Test("resets", resets),
        Test("silent", silent),
        Test("vanished", vanished),
        Test("in-passing", in_passing),
        Test("crowd", crowd),
    ),
)
