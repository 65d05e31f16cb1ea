"""The HTML report as text: complete, self-contained, and nothing that was recorded is markup."""

from __future__ import annotations

import gzip
import json
import os
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from run_examples import Maker, served_run

from lwipscope.cli.main import main
from lwipscope.report import html
from lwipscope.report.index_page import index_page
from lwipscope.runfile.model import About, Judged, Run
from lwipscope.trace.integrity import Gap, Integrity
from lwipscope.trace.timeline import Note

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)><!--\u2028\x1b[2J'\"&"


def _data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return dict(json.loads(found.group(1)))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "action", "data")]


def _tags(page: str) -> _Tags:
    parser = _Tags()
    parser.feed(page)
    return parser


def test_every_segment_and_transition_is_there() -> None:
    run = served_run(3, 2)
    rows = _data(html.page(run))["lives"][0]["rows"]
    segments = [e.event for e in run.lives[0].events if type(e.event).__name__ == "Segment"]
    assert [(r["d"], r["f"], r["q"], r["a"]) for r in rows if r["k"] == "seg"] == [
        (s.direction, s.flags, s.seqno, s.ackno)  # type: ignore[attr-defined]
        for s in segments
    ]
    for connection in run.lives[0].connections:
        steps = [step[5] for row in rows for step in row.get("B", ()) if row["c"] == connection.id]
        # An accepted connection's LISTEN is its listener's.
        assert steps == [str(s) for s in connection.path][connection.role != "listener" :]


def test_a_transition_stands_with_what_caused_it() -> None:
    rows = _data(html.page(served_run()))["lives"][0]["rows"]
    where = {step[5]: row for row in rows for step in row.get("B", ())}
    assert where["LISTEN"]["x"] == "listen(2)"
    assert where["SYN_RCVD"]["f"] == "S"
    assert where["CLOSE_WAIT"]["f"] == "F."
    assert where["LAST_ACK"]["x"] == "close()"


def test_the_other_ends_states_stand_with_their_segments() -> None:
    rows = _data(html.page(served_run()))["lives"][0]["rows"]
    assert [(r["d"], r["f"], step[2]) for r in rows for step in r.get("P", ())] == [
        ("rx", "S", "SYN_SENT"),
        ("tx", "S.", "ESTABLISHED"),
        ("rx", "F.", "FIN_WAIT_1"),
        ("tx", ".", "FIN_WAIT_2"),
        ("tx", "F.", "TIME_WAIT"),
    ]


def test_times_never_fall_and_what_the_board_did_not_stamp_says_so() -> None:
    rows = _data(html.page(served_run(2)))["lives"][0]["rows"]
    assert [r["t"] for r in rows] == sorted(r["t"] for r in rows)
    assert {r["k"] for r in rows if "u" in r} == {"note", "console"}


def test_nothing_is_loaded_from_anywhere() -> None:
    for page in (html.page(served_run()), index_page([("a.html", served_run())])):
        tags = _tags(page)
        assert [link for link in tags.links if link not in ("data:,", "a.html", "#edges")] == []
        assert "url(" not in page and "@import" not in page
        assert "default-src 'none'" in page
        # SVG's namespace is a name and no address; nothing else looks like one.
        assert set(re.findall(r"https?://[^\"'\s<]+", page)) <= {"http://www.w3.org/2000/svg"}


def test_hostile_text_is_never_markup() -> None:
    run = served_run(console=HOSTILE.encode() + b"\n")
    life = replace(run.lives[0], notes=(Note(0.51, HOSTILE, HOSTILE),))
    judged = (Judged("path", "FAIL", HOSTILE, HOSTILE, HOSTILE, 0, 3),)
    about = replace(
        run.about,
        name=HOSTILE,
        title=HOSTILE,
        story=HOSTILE,
        verdict=HOSTILE,
        judged=judged,
        remarks=(HOSTILE,),
        whose_tcp=HOSTILE,
        ended=HOSTILE,
    )
    evil, good = Run(about, (life,)), served_run()
    page = html.page(evil)
    assert _tags(page).tags == _tags(html.page(good)).tags
    assert "<!--" not in page and HOSTILE[:9] + "<script>alert" not in page
    assert _data(page)["remarks"] == [HOSTILE]
    index = index_page([("a.html", evil)], [(Path(HOSTILE), HOSTILE)])
    assert "img" not in _tags(index).tags and "script" not in _tags(index).tags


def test_surrogates_can_be_written(tmp_path: Path) -> None:
    about = replace(served_run().about, remarks=("a lone \ud800 surrogate",))
    (tmp_path / "x.html").write_text(html.page(Run(about)), encoding="utf-8")


def test_what_is_not_known_is_said() -> None:
    maker = Maker()
    maker.listener()
    maker.skip(3)
    maker.served(3, 40000)
    integrity = Integrity(gaps=(Gap(8, 10),), synced_through=maker.seq)
    run = Run(About("torn", ended="interrupted"), (maker.life(integrity),))
    data = _data(html.page(run))
    assert data["problems"] == run.problems() != []
    assert [r["k"] for r in data["lives"][0]["rows"]].count("gap") == 1
    assert data["ended"] == "interrupted"


def test_an_empty_run_makes_a_page() -> None:
    data = _data(html.page(Run(About("nothing"))))
    assert (data["lives"], data["verdict"]) == ([], "")


def test_edges_come_with_rfc_and_function() -> None:
    ways = _data(html.page(served_run()))["graphs"]["board"]["ESTABLISHED>CLOSE_WAIT"]
    fin = next(way for way in ways if way[1] == "rx FIN")
    assert fin[2] == "lwIP 2.2.1 tcp_in.c:tcp_process:998"
    assert fin[5].endswith("3.10.7.4, eighth")


def test_deviations_are_told_with_the_moment_that_betrays_them() -> None:
    maker = Maker()
    maker.listener()
    maker.served(3, 40000)
    maker.event("rx c=0 . seq=77 ack=78 win=100 len=0 l=192.0.2.10:6666 r=192.0.2.1:41000")
    maker.event("tx c=0 R. seq=78 ack=77 win=100 len=0 l=192.0.2.10:6666 r=192.0.2.1:41000")
    answered = maker.seq - 1
    maker.event("rx c=0 . seq=77 ack=78 win=100 len=0 l=192.0.2.10:6666 r=192.0.2.1:41000")
    found = {d["name"]: d for d in _data(html.page(Run(About("x"), (maker.life(),))))["deviations"]}
    assert found["rst-always-with-ack"]["at"] == [[0, answered]]
    assert "RFC 9293" in found["rst-always-with-ack"]["breaks"]
    calm = _data(html.page(served_run()))["deviations"]
    assert "rst-always-with-ack" not in {d["name"] for d in calm}


def test_a_thousand_segments_are_written_in_a_second_and_a_megabyte() -> None:
    run = served_run(1, 500)
    assert sum(1 for frame in run.lives[0].wire if frame.tcp) >= 1000
    began = time.perf_counter()
    page = html.page(run)
    assert time.perf_counter() - began < 1.0
    assert len(page.encode()) < 1_000_000


def test_long_frames_are_cut_so_that_the_page_stays_small() -> None:
    maker = Maker()
    maker.listener()
    maker.served(3, 40000)
    for number in range(1000):
        maker.segment(3, "tx", "P.", 15001 + 1460 * number, 3000002, bytes(1460))
    page = html.page(Run(About("long"), (maker.life(),)))
    assert len(page.encode()) < 1_000_000
    whole = [r["n"] for r in _data(page)["lives"][0]["rows"] if "n" in r]
    assert max(whole) == 1514


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, run in (("a", served_run()), ("sub/a", served_run(2)), ("index", served_run())):
        path = tmp_path / f"{name}.lwiprun"
        path.parent.mkdir(exist_ok=True)
        run.save(path)
    (tmp_path / "cut.lwiprun").write_bytes(b"no run file")
    assert main(["report", str(tmp_path / "a.lwiprun"), "-o", str(tmp_path / "one.html")]) == 0
    assert "served" in (tmp_path / "one.html").read_text()
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "index.html")]) == 0
    index = (tmp_path / "index.html").read_text()
    links = re.findall(r'href="([\w.-]+\.html)"', index)
    assert sorted(links) == ["a-2.html", "a.html", "index-2.html"]
    assert all((tmp_path / link).is_file() for link in links)
    assert "unreadable" in index and "cut.lwiprun" in index
    assert "of 90 edges" in index and "<b>3</b> PASS" in index
    capsys.readouterr()


def test_the_newest_run_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["report"], ["diagram", "--run"]):
        assert main(command) == 2
        assert "lwipscope demo" in capsys.readouterr().err
    for age_s, name in ((10, "older"), (0, "newer")):
        run = served_run()
        path = tmp_path / "lwipscope-logs" / name / "a.lwiprun"
        path.parent.mkdir(parents=True)
        replace(run, about=replace(run.about, name=name)).save(path)
        os.utime(path, (1_700_000_000 - age_s,) * 2)
    assert main(["report", "-o", "page.html"]) == 0
    assert "<title>newer" in Path("page.html").read_text()
    assert main(["diagram", "--run"]) == 0
    assert "newer: " in capsys.readouterr().out


def test_of_a_cut_file_that_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    served_run().save(tmp_path / "a.lwiprun")
    whole = gzip.decompress((tmp_path / "a.lwiprun").read_bytes())
    head = whole.splitlines(keepends=True)[0]
    (tmp_path / "a.lwiprun").write_bytes(gzip.compress(head))
    assert main(["report", str(tmp_path / "a.lwiprun"), "-o", str(tmp_path / "a.html")]) == 4
    assert "cut off after 1 line (" in capsys.readouterr().err
    page = _data((tmp_path / "a.html").read_text())
    assert page["exact"] and "cut off" in page["problems"][0]


def test_mistakes_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.lwiprun").write_text("hello")
    for arguments, wanted in (
        ([str(tmp_path / "none.lwiprun")], "none.lwiprun"),
        ([str(tmp_path / "text.lwiprun")], "text.lwiprun"),
        ([str(Path(__file__).parent)], "expected a folder with run files"),
    ):
        assert main(["report", *arguments]) == 2, arguments
        assert wanted in capsys.readouterr().err
