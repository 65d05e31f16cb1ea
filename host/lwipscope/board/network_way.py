"""Brings a board's own network up, through the REPL, and learns its address.

Wi-Fi credentials come from the environment alone (LWIP_WIFI_SSID, LWIP_WIFI_PASSWORD): they go to
the board's memory in one REPL command, and are taken out of every error. `up`: whatever interface
already has an address is taken; nothing is configured. Times in seconds.
"""

from __future__ import annotations

import ast
import os

from lwipscope.board.device_file import NetworkWay
from lwipscope.board.repl import Repl
from lwipscope.errors import LwipscopeError, NoBoard, UsageError

SSID, PASSWORD = "LWIP_WIFI_SSID", "LWIP_WIFI_PASSWORD"
_SPARE_S = 5.0

_FIND = """\
import network
def _address(nic):
    try:
        ip = nic.ifconfig()[0]
        return ip if ip != '0.0.0.0' else None
    except Exception:
        return None
def _find():
    wlan = getattr(network, 'WLAN', None)
    if wlan:
        nic = wlan(getattr(network, 'STA_IF', 0))
        if nic.active() and _address(nic):
            return _address(nic)
    lan = getattr(network, 'LAN', None)
    if lan:
        try:
            return _address(lan())
        except Exception:
            pass
"""
_WAIT = """\
import time
_end = time.ticks_add(time.ticks_ms(), {ms})
while not (_nic.isconnected() and _address(_nic)) and time.ticks_diff(_end, time.ticks_ms()) > 0:
    time.sleep_ms(100)
print(repr((_address(_nic), _nic.status() if hasattr(_nic, 'status') else None)))
"""


def bring_up(repl: Repl, way: NetworkWay) -> str:
    """The board's address. NoBoard with what the board said if it got none."""
    found = _asked(repl, f"{_FIND}print(repr((_find(), None)))", way.connect_s, ())[0]
    if found is None and way.kind == "lan":
        source = "_nic = network.LAN()\n_nic.active(True)\n"
        found = _connected(repl, way, source, ())
    elif found is None and way.kind == "wlan":
        ssid, password = os.environ.get(SSID), os.environ.get(PASSWORD, "")
        if not ssid:
            raise UsageError(
                f"the board has no network yet and needs Wi-Fi: set {SSID} and {PASSWORD} in the "
                "environment (they are neither logged nor stored)"
            )
        source = (
            "_nic = network.WLAN(getattr(network, 'STA_IF', 0))\n_nic.active(True)\n"
            # Power save delays segments by up to a beacon interval; where it can't be switched off
            # the board works all the same.
            "try:\n    _nic.config(pm=getattr(network.WLAN, 'PM_NONE', 0))\n"
            "except Exception:\n    pass\n"
            f"_nic.connect({ssid!r}, {password!r})\n"
        )
        found = _connected(repl, way, source, (password, ssid))
    if found is None:
        raise NoBoard(
            "the board has no IP address: none of its interfaces is up. Let its boot.py bring the "
            "network up, or use a board file with network.kind = 'wlan' or 'lan'"
        )
    return found


def _connected(repl: Repl, way: NetworkWay, source: str, secrets: tuple[str, ...]) -> str:
    """Run `source`, which makes `_nic`, and wait for an address."""
    wait = _WAIT.format(ms=int(way.connect_s * 1000))
    found, status = _asked(repl, source + wait, way.connect_s, secrets)
    if found is None:
        raise NoBoard(
            f"the board got no IP address within {way.connect_s:g} s (its interface says status "
            f"{status}); is the network's name and password right, is the access point in reach?"
        )
    return found


def _asked(
    repl: Repl, source: str, timeout_s: float, secrets: tuple[str, ...]
) -> tuple[str | None, object]:
    try:
        said = repl.run(source, timeout_s + _SPARE_S).decode("utf-8", "replace")
        address, status = ast.literal_eval(said.strip().splitlines()[-1])
    except LwipscopeError as error:
        raise NoBoard(f"bringing the network up failed: {_hidden(str(error), secrets)}") from None
    except (ValueError, SyntaxError, IndexError, TypeError):
        raise NoBoard("bringing the network up failed: the board gave no usable answer") from None
    return (str(address) if address is not None else None), status


def _hidden(text: str, secrets: tuple[str, ...]) -> str:
    for secret in filter(None, secrets):
        text = text.replace(secret, "(hidden)")
    return text
