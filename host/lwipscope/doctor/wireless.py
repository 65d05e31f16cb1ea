"""Wi-Fi power save: an interface that sleeps answers late, which looks like a slow board.

Asks iw (`iw dev NAME get power_save`), which reads the driver's setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lwipscope.doctor.asking import ask, find
from lwipscope.doctor.finding import Finding, good, unseen, warning
from lwipscope.doctor.interfaces import NetworkFacts
from lwipscope.doctor.machine import Machine, listed

_NAME = "Wi-Fi power save"


@dataclass(frozen=True, slots=True)
class WirelessFacts:
    """`power_save`: for each Wi-Fi interface that is up on or off; None if nobody told."""

    power_save: tuple[tuple[str, bool | None], ...] = ()
    iw_there: bool = True


def collect(network: NetworkFacts) -> WirelessFacts:
    """Asks for each Wi-Fi interface."""
    names = [one.name for one in network.interfaces if one.kind == "wifi" and one.up]
    return WirelessFacts(tuple((name, _asked(name)) for name in names), find("iw") is not None)


def check(facts: WirelessFacts, machine: Machine) -> Iterator[Finding]:
    """One finding."""
    if not facts.power_save:
        what = "this host has no Wi-Fi that is up"
        yield unseen(_NAME, what if machine.system == "Linux" else f"{machine.system} hides it")
        return
    on = [name for name, state in facts.power_save if state]
    unknown = [name for name, state in facts.power_save if state is None]
    if on:
        seen = f"on for {listed(on)}: answers come up to 100 ms and more late"
        yield warning(_NAME, seen, machine.as_root(f"iw dev {on[0]} set power_save off"))
    elif unknown:
        remedy = "" if facts.iw_there else machine.install("iw")
        yield unseen(_NAME, f"iw did not tell for {listed(unknown)}", remedy)
    else:
        yield good(_NAME, f"off for {listed([name for name, _ in facts.power_save])}")


def _asked(name: str) -> bool | None:
    said = ask(["iw", "dev", name, "get", "power_save"])
    if said is None or "ower save:" not in said.out:
        return None
    return said.out.rpartition(":")[2].strip() == "on"
