"""The tests of the exercise `echo-server`: all that comes goes back, one client after another."""

from __future__ import annotations

import random

from lwipscope.exercise.exercise import Exercise, Settings, Test, any_port
from lwipscope.exercise.trial import Trial


def _draw(rng: random.Random) -> Settings:
    return {"PORT": any_port(rng)}


def greeting(trial: Trial) -> None:
    """One client, one message."""
    client = trial.client()
    client.echo(trial.text(3, 40))
    trial.must_run()


def conversation(trial: Trial) -> None:
    """Several messages on one connection."""
    client = trial.client()
    for _ in range(trial.random.randint(4, 8)):
        client.echo(trial.text(1, 300))
    trial.must_run()


def long_message(trial: Trial) -> None:
    """More than lwIP's buffers hold; the client reads only when all is sent."""
    client = trial.client()
    data = trial.text(12_000, 24_000)
    client.send(data)
    client.expect(
        data, trial.tr("a client sent {size} bytes and expected them back", size=len(data))
    )


def in_turn(trial: Trial) -> None:
    """Clients come one after another; none leaves a pcb behind."""
    for _ in range(trial.random.randint(4, 6)):
        client = trial.client()
        client.echo(trial.text(5, 60))
        client.close()
    trial.only_listener_left()


def after_reset(trial: Trial) -> None:
    """A client that ends with RST does not end the server."""
    for _ in range(trial.random.randint(1, 2)):
        rude = trial.client()
        rude.echo(trial.text(5, 100))
        rude.reset()
    client = trial.client()
    client.echo(trial.text(5, 100))
    trial.must_run()


EXERCISE = Exercise(
    "echo-server",
    _draw,
    (
        Test("greeting", greeting),
        Test("conversation", conversation),
        Test("long-message", long_message),
        Test("in-turn", in_turn),
        Test("after-reset", after_reset),
    ),
)
