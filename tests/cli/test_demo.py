"""`lwipscope demo`: what the README promises, on every kind of terminal and wire."""

from __future__ import annotations

import re

import dpkt

from cli.harness import Desk, one_message

NAMES = (
    "server-peer-closes-first",
    "server-closes-first-nc-released",
    "server-closes-first-nc-left-open",
    "client-closes-first",
    "client-peer-closes-first",
    "client-refused",
    "server-closes-first-textbook",
)
WITHOUT_NC = ("client-refused", "server-closes-first-textbook")
QUICK = "client-refused"
COLOUR = "\x1b["


def test_demo_plays_all_exchanges(desk: Desk, wire: str) -> None:
    done = desk.run("demo", "--wire", wire, "--log-dir", desk.logs)
    assert (done.code, done.err) == (0, "")
    joined = done.out.replace("\n          ", " ")  # long paths are broken
    judged = r"^path +\S.* > CLOSED\nexpected +\S.* > CLOSED$"
    assert len(re.findall(judged, joined, re.M)) == len(NAMES)
    assert len(re.findall(r"^verdict +✓ PASS$", done.out, re.M)) == len(NAMES)
    # The ladder: time, a segment's arrow, the state that it led to, its cause.
    syn = r"^ +\d+\.\d\d +SYN_SENT +── SYN seq=0 mss=1460 ─+▶  SYN_RCVD +rx SYN$"
    assert re.search(syn, done.out, re.M)
    assert re.search(r"ESTABLISHED +◀─+ SYN\+ACK seq=0 ack=1", done.out)
    assert re.search(r"TIME_WAIT +rx FIN\+ACK$", done.out, re.M)
    assert re.search(r"CLOSED +timer 2MSL, freed$", done.out, re.M)
    # How each nc ends is told.
    assert re.search(r"^nc -N [\d.]+ \d+: end of input: FIN at once", done.out, re.M)
    assert re.search(r"^7 exchanges in [\d.]+ s$", done.out, re.M)
    assert "\x1b" not in done.out
    assert max(map(len, done.out.splitlines())) <= 100
    assert ("behind a TAP" in done.out) == (wire == "tap")
    assert f"captures (pcapng) and logs: {desk.logs}" in done.out
    for name in NAMES:
        with (desk.logs / f"{name}.wire.pcapng").open("rb") as file:
            assert len(list(dpkt.pcapng.Reader(file))) >= 2
        log = (desk.logs / f"{name}.serial.log").read_text()
        assert re.search(r" (SYN_RCVD|SYN_SENT)\b", log)


def test_the_other_profile_and_board(desk: Desk) -> None:
    done = desk.run("demo", "--board", "qemu-mps2-an500", "--only", QUICK, "--log-dir", desk.logs)
    assert (done.code, done.err) == (0, "")
    assert "AN500" in done.out


def test_list_names_the_exchanges(desk: Desk) -> None:
    done = desk.run("demo", "--list")
    assert (done.code, done.err) == (0, "")
    assert tuple(line.split()[0] for line in done.out.splitlines()) == NAMES


def test_only_plays_what_is_named(desk: Desk) -> None:
    done = desk.run(
        *("demo", "--log-dir", desk.logs, "--only", QUICK),
        *("--only", "server-closes-first-textbook"),
    )
    assert done.code == 0
    assert len(re.findall("^verdict ", done.out, re.M)) == 2
    assert "2 exchanges in" in done.out


def test_an_exchange_that_does_not_exist(desk: Desk) -> None:
    done = desk.run("demo", "--only", "client-refussed")
    assert (done.code, done.out) == (2, "")
    assert "'client-refussed'" in one_message(done)
    assert "lwipscope demo --list" in done.err


def test_colours_on_a_terminal_only(desk: Desk) -> None:
    arguments = ("demo", "--only", QUICK, "--log-dir", str(desk.logs))
    shown = desk.start(*arguments, terminal=True).finish()
    assert shown.code == 0
    assert COLOUR in shown.out
    bare = re.sub(r"\x1b\[[\d;]*m", "", shown.out)
    assert "\x1b" not in bare
    assert max(map(len, bare.splitlines())) <= 100
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        done = desk.start(*arguments, terminal=True, **env).finish()
        assert done.code == 0
        assert COLOUR not in done.out


def test_a_terminal_that_knows_ascii_only(desk: Desk) -> None:
    only = ("--only", "server-closes-first-textbook", "--only", NAMES[0])
    done = desk.run("demo", "--log-dir", desk.logs, *only, PYTHONIOENCODING="ascii")
    assert (done.code, done.err) == (0, "")
    assert done.out.isascii()
    assert "?" not in done.out and "\\u" not in done.out
    assert re.search(r"-- SYN seq=0 mss=1460 -+>  SYN_RCVD", done.out)
    assert re.search(r"<-+ SYN\+ACK", done.out)
    assert re.search(r"^verdict +ok PASS$", done.out, re.M)
    assert max(map(len, done.out.splitlines())) <= 100


def test_without_nc_the_rest_is_played(desk: Desk) -> None:
    path = desk.path_with("qemu-system-arm")
    done = desk.run("demo", "--log-dir", desk.logs, PATH=path)
    assert done.code == 0
    assert len(re.findall("^verdict +✓ PASS", done.out, re.M)) == len(WITHOUT_NC)
    assert "left out" in done.out
    assert "5 left out: install netcat-openbsd" in done.err
    only_nc = desk.run("demo", "--only", NAMES[0], "--log-dir", desk.logs, PATH=path)
    assert only_nc.code == 3
    assert "netcat-openbsd" in only_nc.err


def test_logs_go_to_a_folder_of_the_run(desk: Desk) -> None:
    done = desk.run("demo", "--only", QUICK)
    assert done.code == 0
    (folder,) = (desk.work / "lwipscope-logs").iterdir()
    assert folder.name.startswith("demo-")
    assert f"captures (pcapng) and logs: lwipscope-logs/{folder.name}" in done.out
    endings = ("lwiprun", "serial.log", "wire.pcapng")
    assert sorted(path.name for path in folder.iterdir()) == [f"{QUICK}.{end}" for end in endings]
