"""The tests of the exercise `pool`: CLIENTS clients at the same time, of lwIP's few pcbs.

Played with the sizes of a Pico W: five pcbs. A client more than CLIENTS may wait or be turned away.
"""

from __future__ import annotations

import random

from lwipscope.exercise.client import Client
from lwipscope.exercise.exercise import Exercise, Settings, Test, any_port
from lwipscope.exercise.trial import Trial


def _draw(rng: random.Random) -> Settings:
    return {"PORT": any_port(rng), "CLIENTS": rng.randint(3, 4)}


def _places(trial: Trial) -> int:
    return int(trial.settings["CLIENTS"])


def _full(trial: Trial) -> list[Client]:
    """As many clients as there are places, none of which has said anything yet."""
    return [trial.client() for _ in range(_places(trial))]


def _round(trial: Trial, clients: list[Client]) -> None:
    """Each says something, in any order."""
    for client in trial.random.sample(clients, len(clients)):
        client.echo(trial.text(1, 200))


def together(trial: Trial) -> None:
    """All places taken; each client is answered while the others are silent."""
    clients = _full(trial)
    for _ in range(3):
        _round(trial, clients)
    trial.must_run()


def one_resets(trial: Trial) -> None:
    """One of them ends with RST; the others don't notice."""
    clients = _full(trial)
    _round(trial, clients)
    clients.pop(trial.random.randrange(len(clients))).reset()
    _round(trial, clients)
    clients.append(trial.client())
    _round(trial, clients)


def one_too_many(trial: Trial) -> None:
    """One client more than there are places; when one leaves, there is a place again."""
    clients = _full(trial)
    _round(trial, clients)
    extra = trial.client()
    _round(trial, clients)
    leaving = clients.pop(trial.random.randrange(len(clients)))
    leaving.close()
    data = trial.text(1, 100)
    if not _served(extra, data):
        extra.close()
        extra = trial.client()
        extra.echo(trial.text(1, 100))
    clients.append(extra)
    _round(trial, clients)


def _served(client: Client, data: bytes) -> bool:
    """False for a client that was turned away."""
    try:
        client.peer.send(data)
    except OSError:
        return False
    return client.hear(len(data)) == data


def turnover(trial: Trial) -> None:
    """Three times as many clients as pcbs come and go."""
    clients: list[Client] = []
    for _ in range(15):
        if len(clients) == _places(trial):
            leaving = clients.pop(trial.random.randrange(len(clients)))
            leaving.reset() if trial.random.random() < 0.3 else leaving.close()
        clients.append(trial.client())
        _round(trial, clients)
    for client in clients:
        client.close()
    trial.only_listener_left()
    trial.must_run()


def all_leave(trial: Trial) -> None:
    """All leave at once, and as many come again."""
    for _ in range(2):
        clients = _full(trial)
        _round(trial, clients)
        for client in clients:
            client.close()
        trial.only_listener_left()
    _round(trial, _full(trial))


EXERCISE = Exercise(
    "pool",
    _draw,
    (
        Test("together", together),
        Test("one-resets", one_resets),
        Test("one-too-many", one_too_many),
        Test("turnover", turnover),
        Test("all-leave", all_leave),
    ),
    profile="rp2",
)
