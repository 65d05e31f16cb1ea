"""What commands print with --json is what their schemas say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from json_check import checked, faults
from run_examples import served_run

from lwipscope.benchmark.figure import Figure, Result
from lwipscope.cli import bench
from lwipscope.cli.main import COMMANDS, main
from lwipscope.report import netstat_text
from lwipscope.report.json_schemas import kinds, name_of, schema_of
from lwipscope.tcp.state import State
from lwipscope.trace.event import Endpoint, PcbRow


def test_the_validator_sees_what_is_wrong() -> None:
    schema = schema_of("netstat")
    row = {"where": "board", "conn": 1, "state": "LISTEN", "spelled": "LISTEN", "local": "x"}
    row |= {"remote": None, "age_ms": 1, "recv_queue": None, "send_queue": None, "note": ""}
    good = {"schema": "lwipscope.netstat/1", "rows": [row]}
    assert not faults(good, schema)
    assert faults({**good, "schema": "lwipscope.netstat/2"}, schema)
    assert faults({**good, "rows": [{**row, "where": "nowhere"}]}, schema)
    assert faults({**good, "rows": [{**row, "conn": True}]}, schema)
    assert faults({**good, "rows": [{k: v for k, v in row.items() if k != "note"}]}, schema)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("scenarios", "scenarios"),
        ("scenarios close-crossing", "scenarios"),
        ("demo --list", "scenarios"),
        ("boards", "boards"),
        ("boards qemu-mps2-an385", "board"),
        ("boards rpi-pico-w", "board"),
        ("exercise list", "exercises"),
        ("exercise list --lang zh", "exercises"),
        ("glossary", "glossary"),
        ("glossary TIMED_WAIT --lang zh", "glossary"),
        ("glossary half-close", "glossary"),
        ("myth", "myths"),
    ],
)
def test_without_a_board(words: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words.split(), "--json"]) == 0
    document = checked(capsys.readouterr().out, kind)
    if words == "scenarios":
        assert len(document["scenarios"]) > 100
    if "close-crossing" in words:
        [one] = document["scenarios"]
        assert one["theme"] == "closing" and "raw" in one["needs"]
    if "TIMED_WAIT" in words:
        [one] = document["states"]
        assert one["name"] == "TIME_WAIT" and one["spelled"]["Windows netstat"] == "TIME_WAIT"
        assert not document["words"] and not one["brief"].isascii()
    if "half-close" in words:
        assert len(document["words"]) == 1 and not document["states"]


def test_lessons_and_how_far_one_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    listing = ["lesson", "list", "--json", "--folder", str(tmp_path)]
    assert main(["lesson", "start", "2", "--folder", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(listing) == 0
    first, second, *_ = checked(capsys.readouterr().out, "lessons")["lessons"]
    assert (first["state"], second["state"]) == ("not started", "started")
    assert second["questions"] > 0 and Path(second["folder"]).is_dir()
    progress = Path(second["folder"]) / "progress.json"
    said = json.loads(progress.read_text())
    tried = {"1": {"given": "a", "tries": 1, "right": True}}
    progress.write_text(json.dumps({**said, "tried": tried}))
    assert main(listing) == 0
    second = checked(capsys.readouterr().out, "lessons")["lessons"][1]
    assert (second["state"], second["right"]) == ("answering", 1)


def test_the_rack_is_in_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rack = tmp_path / "rack.toml"
    rack.write_text(
        'schema = 1\n[[board]]\nname = "left"\ntype = "rpi-pico-w"\nusb_serial = "nobody-has-it"\n'
    )
    monkeypatch.setenv("LWIPSCOPE_CACHE", str(tmp_path))
    assert main(["boards", "--json", "--rack", str(rack)]) == 0
    [board] = checked(capsys.readouterr().out, "boards")["rack"]["boards"]
    assert (board["name"], board["port"], board["state"]) == ("left", None, "not plugged in")


def test_a_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    served_run(console=b"\xe4\xb8\xad </script> \x1b[31m\n").save(tmp_path / "a.lwiprun")
    assert main(["show", str(tmp_path / "a.lwiprun"), "--json"]) == 0
    document = checked(capsys.readouterr().out, "run")
    [life] = document["lives"]
    assert any(each["kind"] == "console" for each in life["timeline"])
    assert life["connections"][1]["peer_path"][-1] == "TIME_WAIT"


def test_netstat_and_bench() -> None:
    pcb = PcbRow(1, 2, 3, 4, State.LISTEN, Endpoint("0.0.0.0", 6666), None, 12)
    data = netstat_text.as_json([netstat_text.board_row(pcb)], "linux")
    assert not faults(data, schema_of("netstat"))
    figure = Figure("quick", "how quick", "ms", 1.0)
    told = bench._told([Result(figure, (0.5, 0.7)), Result(figure, (), "it was lost")])
    assert not faults({"schema": name_of("bench"), **told}, schema_of("bench"))


def test_every_kind_is_printed_by_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    """--json-schema prints it and plays nothing; no schema is without a command."""
    printed = set()
    for command in [*([each] for each in COMMANDS), ["lesson", "list"], ["exercise", "list"]]:
        if command == ["nc"]:
            continue
        assert main([*command, "--help"]) == 0
        if "--json-schema" not in capsys.readouterr().out:
            continue
        assert main([*command, "--json-schema"]) == 0
        text = capsys.readouterr().out
        decoder = json.JSONDecoder()
        while text.strip():
            schema, end = decoder.raw_decode(text)
            text = text[end:].lstrip()
            printed.add(schema["title"])
    assert printed == {name_of(kind) for kind in kinds()}
