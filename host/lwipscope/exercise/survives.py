"""The tests of the exercise `survives`: a client that goes on, whatever its server does to it.

The server is not there, resets, closes, or does not answer at all; each time the program has to
give its pcb back and to connect again, with a pause of PAUSE_MS.
"""

from __future__ import annotations

import random

from lwipscope.exercise.client import Client
from lwipscope.exercise.exercise import Exercise, Settings, Test, any_port
from lwipscope.exercise.trial import Trial
from lwipscope.peer.raw import RAW_IP
from lwipscope.scenario.network import HOST_IP
from lwipscope.tcp.state import State

_ANSWER = b"got "
# Behind WAIT_S and a pause; lwIP itself gives up a SYN after 15 s or more.
_LIMIT_S = 3.0


def _draw(rng: random.Random) -> Settings:
    return {
        "HOST": HOST_IP,
        "PORT": any_port(rng),
        "NAME": f"board-{rng.randint(1000, 9999)}",
        "WAIT_S": rng.randint(2, 4),
        "PAUSE_MS": rng.randint(50, 150),
    }


def _greeted(trial: Trial, why: str) -> Client:
    """The program connects and says its name."""
    client = trial.accept(why)
    name = f"{trial.settings['NAME']}\n".encode()
    client.expect(name, trial.tr("expected the program to send NAME and a line end"))
    return client


def _talk(trial: Trial, client: Client, lines: int) -> None:
    """Each line is answered by `got ` and the line."""
    for _ in range(lines):
        line = trial.text(1, 60) + b"\n"
        client.send(line)
        client.expect(
            _ANSWER + line, trial.tr("the server sent a line and expected `got ` and the line")
        )


def _one_pcb(trial: Trial) -> None:
    """Nothing is left of former connections."""

    def clean() -> bool:
        living = trial.living()
        return len(living) == 1 and living[0].state is State.ESTABLISHED

    trial.until(clean, trial.tr("expected one connection, and no pcb of a former one"))


def _server(trial: Trial) -> None:
    trial.listen()


def _silent_host(trial: Trial) -> None:
    trial.raw.listen(trial.port)


def talk(trial: Trial) -> None:
    """A server that behaves."""
    client = _greeted(trial, trial.tr("expected the program to connect"))
    _talk(trial, client, trial.random.randint(2, 5))
    _one_pcb(trial)


def refused(trial: Trial) -> None:
    """No server at first: each SYN is answered with RST."""
    count = trial.random.randint(2, 4)
    trial.until(
        lambda: sum(c.ended for c in trial.attempts()) >= count,
        trial.tr("nobody listens; expected the program to try {count} times", count=count),
    )
    trial.listen()
    why = trial.tr("expected the program to connect, now that there is a server")
    _talk(trial, _greeted(trial, why), 2)
    _one_pcb(trial)


def resets(trial: Trial) -> None:
    """A server that ends connections with RST."""
    why = trial.tr("expected the program to connect")
    for _ in range(trial.random.randint(2, 3)):
        client = _greeted(trial, why)
        _talk(trial, client, trial.random.randint(0, 2))
        client.reset()
        why = trial.tr("the server has sent RST; expected the program to connect again")
    _talk(trial, _greeted(trial, why), 1)
    _one_pcb(trial)


def closes(trial: Trial) -> None:
    """A server that closes: the program has to close, too, and to come back."""
    why = trial.tr("expected the program to connect")
    for _ in range(trial.random.randint(2, 3)):
        client = _greeted(trial, why)
        _talk(trial, client, trial.random.randint(0, 2))
        client.close()
        why = trial.tr("the server has closed (FIN); expected the program to connect again")
    _talk(trial, _greeted(trial, why), 1)
    _one_pcb(trial)


def no_answer(trial: Trial) -> None:
    """A server that does not answer the SYN: connect() has to end after WAIT_S."""
    raw = trial.raw
    trial.until(lambda: bool(trial.attempts()), trial.tr("expected the program to connect"))
    passed_s, step_s = 0.0, 0.5
    while len(trial.attempts()) < 2 and passed_s < int(trial.settings["WAIT_S"]) + _LIMIT_S:
        trial.pass_time(step_s, forced=True)
        passed_s += step_s
    first = trial.attempts()[0]
    trial.until(
        lambda: len(trial.attempts()) > 1,
        trial.tr(
            "the SYN was not answered for {passed_s} s, WAIT_S is {wait_s}: expected the program "
            "to give up and to try again with a new socket",
            passed_s=f"{passed_s:g}",
            wait_s=trial.settings["WAIT_S"],
        ),
    )
    raw.expect_syn(trial.port)
    server = raw.polite(raw.expect_syn(trial.port))
    server.accept()
    name = f"{trial.settings['NAME']}\n".encode()
    if server.receive(len(name)) != name:
        trial.fail(trial.tr("expected the program to send NAME and a line end"))
    trial.until(
        lambda: all(pcb.conn != first.id for pcb in trial.living()),
        trial.tr("the socket whose connect() failed was not closed: its pcb is still in SYN_SENT"),
    )


EXERCISE = Exercise(
    "survives",
    _draw,
    (
        Test("talk", talk, _server),
        Test("refused", refused),
        Test("resets", resets, _server),
        Test("closes", closes, _server),
        Test("no-answer", no_answer, _silent_host, {"HOST": RAW_IP}),
    ),
    serves=False,
)
