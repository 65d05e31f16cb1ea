"""The tests of the exercise `graceful-close`: nothing is lost at the end of a connection.

A client sends a document and half-closes; only then the server answers: a line with the number of
bytes and their sum, and the document itself; then it closes. MicroPython's lwIP sockets have no
shutdown(), so the client is the one that half-closes (deviation `no-half-close`).
"""

from __future__ import annotations

import random

from lwipscope.exercise.exercise import Exercise, Settings, Test, any_port
from lwipscope.exercise.trial import Trial


def _draw(rng: random.Random) -> Settings:
    return {"PORT": any_port(rng)}


def _answer(document: bytes) -> bytes:
    return b"%d %d\n" % (len(document), sum(document)) + document


def _deliver(trial: Trial, document: bytes, pieces: int = 1) -> None:
    """A document goes to the server, in pieces; the answer comes back whole, then FIN."""
    client = trial.client()
    size = max(1, -(-len(document) // pieces))
    for at in range(0, len(document), size):
        client.send(document[at : at + size])
        if pieces > 1:
            trial.pass_time(0.3)
    client.finish()
    client.expect_end(
        _answer(document),
        trial.tr(
            "a client sent a document of {size} bytes, half-closed and expected the receipt and "
            "the document",
            size=len(document),
        ),
    )
    client.close()


def short(trial: Trial) -> None:
    """A document of one segment."""
    _deliver(trial, trial.text(10, 200))
    trial.only_listener_left()


def pieces(trial: Trial) -> None:
    """It comes in pieces, with pauses between."""
    _deliver(trial, trial.text(200, 900), trial.random.randint(3, 6))
    trial.only_listener_left()


def long_document(trial: Trial) -> None:
    """More than lwIP's buffers hold, both ways."""
    _deliver(trial, trial.text(12_000, 20_000))
    trial.only_listener_left()


def empty(trial: Trial) -> None:
    """A client that half-closes without having sent anything gets a receipt, too."""
    _deliver(trial, b"")
    _deliver(trial, trial.text(10, 50))
    trial.only_listener_left()


def broken_off(trial: Trial) -> None:
    """A client resets in the middle of its document; the next one is served."""
    client = trial.client()
    client.send(trial.text(100, 2_000))
    client.reset()
    _deliver(trial, trial.text(10, 300))
    trial.only_listener_left()
    trial.must_run()


EXERCISE = Exercise(
    "graceful-close",
    _draw,
    (
        Test("short", short),
        Test("pieces", pieces),
        Test("long-document", long_document),
        Test("empty", empty),
        Test("broken-off", broken_off),
    ),
)
