"""The full-screen view of `lwipscope watch`: a loop of keys and drawing, five times a second."""

from __future__ import annotations

import datetime
import sys
import time
from pathlib import Path

from lwipscope.cli.watch_keys import Keys, single_keys
from lwipscope.cli.watch_screen import Screen, full_screen
from lwipscope.cli.watch_session import Session
from lwipscope.errors import LwipscopeError
from lwipscope.report.spans import Line
from lwipscope.report.watch_page import Scene, page
from lwipscope.report.watched import Watched
from lwipscope.runfile.model import SUFFIX

_REFRESH_S = 0.25
_MESSAGE_S = 6.0


def watch_full(session: Session, where: str, seconds: float | None) -> None:
    """Until q, Ctrl-C, or the time is over. BoardLost if the line stays gone."""
    with single_keys(sys.stdin.fileno()) as keys, full_screen() as screen:
        session.start()
        View(session, where).run(keys, screen, seconds)


class View:
    """What the user has set: filter, pause, help, a message."""

    def __init__(self, session: Session, where: str) -> None:
        self._session = session
        self._where = where
        self._port: int | None = None
        self._prompt: str | None = None
        self._help = False
        self._still: tuple[Watched, int] | None = None
        self._message = ""
        self._message_until_s = 0.0
        self._quit = False

    def run(self, keys: Keys, screen: Screen, seconds: float | None) -> None:
        """Draw and obey."""
        end_s = None if seconds is None else time.monotonic() + seconds
        while not self._quit and (end_s is None or time.monotonic() < end_s):
            screen.show(self._page(*screen.size))
            next_s = time.monotonic() + _REFRESH_S
            # Keys are obeyed at once, and shown with the next picture.
            while not self._quit and (left_s := next_s - time.monotonic()) > 0:
                try:
                    typed = keys.read(left_s)
                except EOFError:
                    return
                for key in typed:
                    self.press(key)
            if self._session.failure is not None:
                raise self._session.failure

    def press(self, key: str) -> None:
        """One key."""
        if self._prompt is not None:
            self._type(key)
        elif self._help:
            self._help = False
            self._quit = key == "q"
        elif key in "qQ":
            self._quit = True
        elif key == "p":
            self._still = None if self._still else self._session.look()
        elif key == "f":
            self._prompt = ""
        elif key == "s":
            self._save()
        elif key in "?h":
            self._help = True

    def _type(self, key: str) -> None:
        assert self._prompt is not None
        if key in "\r\n":
            number = int(self._prompt or 0)
            if number > 0xFFFF:
                self._tell(f"{number} is no port: they end at 65535")
            else:
                self._port = number or None
            self._prompt = None
        elif key == "\x1b":
            self._prompt = None
        elif key in "\x7f\b":
            self._prompt = self._prompt[:-1]
        elif key.isdecimal() and len(self._prompt) < 6:
            self._prompt += key

    def _save(self) -> None:
        name = f"watch-{datetime.datetime.now():%Y%m%d-%H%M%S}{SUFFIX}"
        try:
            self._session.save(Path(name))
        except LwipscopeError as error:
            self._tell(str(error))
        else:
            self._tell(f"saved: lwipscope show {name}")

    def _tell(self, message: str) -> None:
        self._message, self._message_until_s = message, time.monotonic() + _MESSAGE_S

    def _page(self, width: int, height: int) -> list[Line]:
        now = self._session.look()
        watched, now_us = self._still or now
        scene = Scene(
            self._where,
            now_us,
            port=self._port,
            paused=self._still is not None,
            missed=now[0].counts["events"] - watched.counts["events"],
            status=self._session.status,
            message=self._message if time.monotonic() < self._message_until_s else "",
            prompt=self._prompt,
            help=self._help,
        )
        return page(watched, scene, width, height)
