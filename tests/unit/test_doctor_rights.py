"""Namespace, TAP and raw packets: the exact command for each way in which they can be missing."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lwipscope.doctor import machine, needs, rights
from lwipscope.doctor.finding import Finding, Mark
from lwipscope.doctor.machine import Machine
from lwipscope.doctor.rights import RightsFacts
from lwipscope.wire.keeper import Keeper

ALL_CAPS = (1 << 41) - 1
PLAIN = Machine(user="eve", interpreter="/usr/bin/python3.11")
ROOT = Machine(root=True)
USER = RightsFacts(
    namespace=True,
    namespace_why="own network namespace in a user namespace",
    tap=True,
    tap_why="lwip0",
    raw=False,
    raw_why="Operation not permitted",
    raw_in_namespace=True,
    bounding=ALL_CAPS,
)
NO_NAMESPACE = replace(USER, namespace=False, namespace_why="Operation not permitted", tap=False)


def found(facts: RightsFacts, name: str, here: Machine = PLAIN) -> Finding:
    return next(one for one in rights.check(facts, here) if one.name == name)


def test_plain_user_lacks_raw_packets_only() -> None:
    marks = {one.name: one.mark for one in rights.check(USER, PLAIN)}
    assert marks == {"namespace": Mark.OK, "TAP": Mark.OK, "raw packets": Mark.WARNING}
    raw = found(USER, "raw packets")
    assert raw.remedy.startswith("sudo setcap cap_net_raw+ep /usr/bin/python3.11 ")
    assert "only the right is missing" in raw.seen


def test_path_with_a_space_is_quoted() -> None:
    here = replace(PLAIN, interpreter="/my venv/python")
    assert "'/my venv/python'" in rights.raw_remedy(USER, here)


@pytest.mark.parametrize(
    ("sysctl", "remedy"),
    [
        (("user.max_user_namespaces", "0"), "sudo sysctl -w user.max_user_namespaces=15000"),
        (
            ("kernel.unprivileged_userns_clone", "0"),
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        (
            ("kernel.apparmor_restrict_unprivileged_userns", "1"),
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ],
)
def test_what_keeps_namespaces_back(sysctl: tuple[str, str], remedy: str) -> None:
    facts = replace(NO_NAMESPACE, sysctls=(sysctl,))
    assert found(facts, "namespace").remedy == remedy
    assert found(facts, "TAP").remedy == remedy, "there is no TAP without one"
    assert found(facts, "namespace", ROOT).remedy == remedy.removeprefix("sudo ")


def test_container_without_rights() -> None:
    here = replace(ROOT, container=True)
    facts = replace(NO_NAMESPACE, bounding=0)
    assert "--cap-add=SYS_ADMIN" in found(facts, "namespace", here).remedy
    assert "--cap-add=NET_RAW" in found(facts, "raw packets", here).remedy
    assert "--cap-add=NET_RAW" in rights.raw_remedy(replace(USER, bounding=0), PLAIN)
    facts = replace(USER, tap=False, tap_why="/dev/net/tun: No such file", tun_there=False)
    assert found(facts, "TAP", here).remedy == "start the container with --device /dev/net/tun"


@pytest.mark.parametrize(
    ("why", "there", "remedy"),
    [
        ("/dev/net/tun: Permission denied", True, "sudo chmod 0666 /dev/net/tun"),
        ("/dev/net/tun: No such file or directory", False, "sudo modprobe tun"),
        ("/dev/net/tun: No such device", True, "sudo modprobe tun"),
    ],
)
def test_what_keeps_the_tap_back(why: str, there: bool, remedy: str) -> None:
    facts = replace(USER, tap=False, tap_why=why, tun_there=there)
    tap = found(facts, "TAP")
    assert (tap.mark, tap.remedy) == (Mark.WARNING, remedy)
    assert why in tap.seen and "gate" in tap.seen
    assert rights.missing("tap", facts, PLAIN).endswith(f"; type: {remedy}")


def test_macos_has_none_of_it() -> None:
    here = Machine(system="Darwin", family="macos")
    marks = [one.mark for one in rights.check(RightsFacts(), here)]
    assert marks == [Mark.UNSEEN, Mark.UNSEEN, Mark.WARNING]
    assert rights.raw_remedy(RightsFacts(), here) == ""
    assert rights.missing("tap", RightsFacts(), here) == "Darwin has no network namespaces"


def test_nothing_is_missing() -> None:
    facts = replace(USER, raw=True)
    assert {one.mark for one in rights.check(facts, PLAIN)} == {Mark.OK}
    assert rights.missing("tap", facts, PLAIN) == rights.missing("raw", facts, PLAIN) == ""


def test_this_machine_agrees_with_itself() -> None:
    facts = rights.collect()
    with Keeper.start("auto") as keeper:
        assert (facts.namespace, facts.tap) == (keeper.has_namespace, keeper.tap is not None)
        assert rights.of_keeper(keeper).tap_why == facts.tap_why
        assert bool(needs.why_not("tap", keeper)) == (keeper.tap is None)
    can = True
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError:
        can = False
    assert facts.raw is can


def test_gate_that_was_asked_for() -> None:
    with Keeper.start("none") as keeper:
        assert "gate was asked for" in needs.why_not("tap", keeper)
        assert needs.why_not("clock", keeper) == ""


_TELL = """
import dataclasses, json
from lwipscope.doctor import rights
print(json.dumps(dataclasses.asdict(rights.collect())))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs rights that can be given up")
def test_this_machine_without_any_right() -> None:
    """The real collector in a process that can have no capability."""
    done = subprocess.run(
        ["setpriv", "--inh-caps=-all", "--bounding-set=-all", sys.executable, "-c", _TELL],
        capture_output=True,
        check=True,
        timeout=20.0,
    )
    facts = RightsFacts(**json.loads(done.stdout))
    assert (facts.raw, facts.effective, facts.bounding) == (False, 0, 0)
    assert facts.raw_why == "Operation not permitted"
    assert "--cap-add=NET_RAW" in rights.raw_remedy(facts, ROOT)


@pytest.mark.parametrize(
    ("help_text", "family", "said"),
    [
        ("OpenBSD netcat (Debian patchlevel 1)", "debian", ""),
        ("[v1.10-47]", "debian", "traditional's; type: "),
        ("Ncat 7.94", "fedora", "ncat's; type: "),
        ("Ncat 7.94", "macos", "ncat's"),
    ],
)
def test_why_not_nc(
    help_text: str,
    family: machine.Family,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fake nc, which tells whose it is and nothing else."""
    fake = tmp_path / "nc"
    fake.write_text(f"#!/bin/sh\necho '{help_text}'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(machine, "collect", lambda: replace(ROOT, family=family))
    with Keeper.start("none") as keeper:
        why = needs.why_not("nc", keeper)
        (tmp_path / "nc").unlink()
        assert needs.why_not("nc", keeper).startswith("there is no nc")
    assert why.removeprefix(f"{fake} is ").startswith(said) and bool(why) == bool(said)
    if family != "macos" and why:
        assert re.search("type: (apt-get|dnf) install netcat", why)
