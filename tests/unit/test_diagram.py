"""The diagrams show every edge of the graph and none that is not in it, and nothing covers them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from run_examples import served_run

from lwipscope.cli.main import main
from lwipscope.report import mermaid, svg
from lwipscope.report.diagram import Diagram, diagram_of, drawn_as
from lwipscope.report.diagram_layout import COMPACT, FULL, PLACES, ROUTES, Scale
from lwipscope.report.routing import Grid
from lwipscope.runfile.model import About, Run
from lwipscope.tcp.graph import graph_of
from lwipscope.tcp.state import State
from lwipscope.trace.legality import coverage

STACKS = ("rfc9293", "modlwip-2.2.1")
_SVG = "{http://www.w3.org/2000/svg}"


def _arrows(text: str) -> dict[str, ET.Element]:
    found = [g for g in ET.fromstring(text).iter(f"{_SVG}g") if "data-edge" in g.attrib]
    by_key = {g.attrib["data-edge"]: g for g in found}
    assert len(by_key) == len(found), "an arrow is drawn twice"
    return by_key


def _lines(arrow: ET.Element) -> list[str]:
    title = arrow.find(f"{_SVG}title")
    assert title is not None and title.text is not None
    return title.text.splitlines()[1:]


@pytest.mark.parametrize("profile", STACKS)
def test_every_edge_is_drawn_once_and_none_is_invented(profile: str) -> None:
    graph, rfc = graph_of(profile), graph_of("rfc9293")
    arrows = _arrows(svg.picture(diagram_of(profile)))
    wanted: dict[str, Counter[str]] = {}
    for edge in graph.edges:
        key = ">".join(map(str, drawn_as(edge)))
        wanted.setdefault(key, Counter())[f"{edge.trigger}|{edge.source}"] += 1
    for key, arrow in arrows.items():
        lines = _lines(arrow)
        for each, number in wanted.pop(key, Counter()).items():
            trigger, source = each.split("|")
            told = [x for x in lines if x.startswith(f"{trigger} ·") and f" · {source}" in x]
            assert len(told) == number, (key, each, told)
            lines = [x for x in lines if x not in told]
        for line in lines:
            # What is left is what the RFC has between these states, with the word that it is not.
            trigger = line.partition(" · ")[0]
            assert "not in this stack" in line or "done in another way" in line, line
            before, after = map(State.parse, key.split(">"))
            assert trigger in {str(e.trigger) for e in rfc.between(before, after)}, line
    assert not wanted, "edges without an arrow"


@pytest.mark.parametrize("profile", STACKS)
def test_every_edge_of_the_rfc_is_told_in_either_diagram(profile: str) -> None:
    shown = {(arrow.key, way.trigger) for arrow in diagram_of(profile).arrows for way in arrow.ways}
    met = {
        (">".join(map(str, drawn_as(e))), e.meets.rpartition(": ")[2])
        for e in graph_of(profile).edges
    }
    for edge in graph_of("rfc9293").edges:
        assert (f"{edge.before}>{edge.after}", str(edge.trigger)) in shown | met


def test_what_the_stack_lacks_is_dashed_and_what_it_has_is_not() -> None:
    arrows = _arrows(svg.picture(diagram_of("modlwip-2.2.1")))
    classes = {key: set(g.attrib["class"].split()) for key, g in arrows.items()}
    assert "absent" in classes["SYN_SENT>SYN_RCVD"]
    assert "absent" in classes["TIME_WAIT>SYN_RCVD"]
    assert "elsewhere" in classes["SYN_RCVD>LISTEN"]
    assert "unreachable" in classes["SYN_RCVD>FIN_WAIT_1"]
    assert "has" in classes["LISTEN>SYN_RCVD"]
    reached = {drawn_as(e) for e in graph_of("modlwip-2.2.1").reachable()}
    for key, names in classes.items():
        pair = tuple(map(State.parse, key.split(">")))
        assert (pair in reached) == bool(names & {"has", "extra"}), key


def test_a_run_is_counted() -> None:
    run = served_run(3)
    graph = graph_of("modlwip-2.2.1")
    counts = coverage(run.lives[0].plain_events, graph).counts
    text = svg.picture(diagram_of("modlwip-2.2.1", counts))
    arrows = _arrows(text)
    taken = {key for key, g in arrows.items() if "taken" in g.attrib["class"].split()}
    # The run made by hand frees LAST_ACK without the store that lwIP makes there.
    assert taken - {"LAST_ACK>CLOSED"} == {
        *("CLOSED>LISTEN", "CLOSED>CLOSED", "LISTEN>SYN_RCVD", "SYN_RCVD>ESTABLISHED"),
        *("ESTABLISHED>CLOSE_WAIT", "CLOSE_WAIT>LAST_ACK"),
    }
    assert any("taken 3 ×" in line for line in _lines(arrows["ESTABLISHED>CLOSE_WAIT"]))  # noqa: RUF001
    assert "counted" in ET.fromstring(text).attrib["class"]


def test_the_comparison_names_what_one_side_has_alone() -> None:
    text = svg.picture(diagram_of("modlwip-2.2.1"), compare=True)
    said = " ".join("".join(t.itertext()) for t in ET.fromstring(text).iter(f"{_SVG}text"))
    for words in ("Only in RFC 9293", "Only in lwIP", "bare SYN is ignored", "RFC 1337", "2.2.1"):
        assert words in said, words
    # Nothing that both have is in the lists.
    both = [w for a in diagram_of("modlwip-2.2.1").arrows for w in a.ways if w.kind == "has"]
    assert both and not any(way.only for way in both)


@pytest.mark.parametrize("scale", [FULL, COMPACT], ids=["full", "compact"])
def test_no_line_runs_through_a_state_nor_leaves_the_picture(scale: Scale) -> None:
    grid = Grid(scale)
    width, height = svg.size(scale)
    boxes = [grid.centre(state) for state in PLACES] + [grid.centre(State.CLOSED, end=True)]
    for (before, after), route in ROUTES.items():
        points = grid.points(before, after, route)
        for (x0, y0), (x1, y1) in pairwise(points):
            assert x0 == pytest.approx(x1) or y0 == pytest.approx(y1), (before, after, "slanted")
            for x, y in boxes:
                inside_x = min(x0, x1) < x + scale.width / 2 - 1 and max(x0, x1) > (
                    x - scale.width / 2 + 1
                )
                inside_y = min(y0, y1) < y + scale.height / 2 - 1 and max(y0, y1) > (
                    y - scale.height / 2 + 1
                )
                assert not (inside_x and inside_y), (before, after, "through a box", x, y)
        assert all(0 < x < width and 0 < y < height for x, y in points), (before, after)


def test_no_two_lines_run_in_each_other() -> None:
    for scale in (FULL, COMPACT):
        grid = Grid(scale)
        legs = [
            (pair, *leg)
            for pair, route in ROUTES.items()
            for points in [grid.points(*pair, route)]
            for leg in pairwise(points)
        ]
        for number, (pair, a, b) in enumerate(legs):
            for other, c, d in legs[:number]:
                if pair == other:
                    continue
                for i, j in ((0, 1), (1, 0)):
                    upright = abs(a[i] - b[i]) < 0.5 and abs(c[i] - d[i]) < 0.5
                    if upright and abs(a[i] - c[i]) < 3:
                        low = max(min(a[j], b[j]), min(c[j], d[j]))
                        high = min(max(a[j], b[j]), max(c[j], d[j]))
                        assert high - low < 3, (pair, other, "on one line")


@pytest.mark.parametrize("profile", STACKS)
def test_mermaid_has_every_arrow_and_every_trigger(profile: str) -> None:
    text = mermaid.text(diagram_of(profile))
    assert text.startswith("---\ntitle: ") and "stateDiagram-v2" in text
    found = dict(re.findall(r"^    (\w+ --> \w+): (.+)$", text, re.M))
    for edge in graph_of(profile).edges:
        before, after = drawn_as(edge)
        label = found[f"{before} --> {after}"]
        assert edge.unreachable or str(edge.trigger) in label
        assert not set(label) & set(":;#")
    assert len(found) == len(diagram_of(profile).arrows)


def test_mermaid_says_what_a_run_took() -> None:
    counts = coverage(served_run(2).lives[0].plain_events, graph_of("modlwip-2.2.1")).counts
    text = mermaid.text(diagram_of("modlwip-2.2.1", counts))
    assert (
        "CLOSE_WAIT --> LAST_ACK: api close, gc close, timer closepend, kill pool-empty (2" in text
    )
    assert "CLOSING --> TIME_WAIT: rx ACK of FIN (never taken)" in text
    assert re.search(r"class .*LAST_ACK.* seen", text)


def test_an_unknown_stack_has_the_edges_of_the_rfc() -> None:
    unknown, rfc = diagram_of("unknown"), diagram_of("rfc9293")
    assert [a.key for a in unknown.arrows] == [a.key for a in rfc.arrows]
    assert "nothing was verified" in unknown.name


def _drawn(diagram: Diagram) -> set[tuple[State, State]]:
    return {(arrow.before, arrow.after) for arrow in diagram.arrows}


def test_the_layout_has_no_route_that_nobody_needs() -> None:
    assert set(ROUTES) == set().union(*(_drawn(diagram_of(profile)) for profile in STACKS))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "a.lwiprun"
    served_run().save(run)
    for arguments, name, wanted in (
        ([], "lwip.svg", "lwIP 2.2.1 below MicroPython"),
        (["--stack", "rfc9293"], "rfc.svg", "TCP's states: RFC 9293"),
        (["--board", "esp32-c3"], "esp.svg", "nothing was verified"),
        (["--compare"], "both.svg", "Only in RFC 9293"),
        (["--run", str(run)], "run.svg", " of 90 edges of modlwip"),
        (["--run", str(run)], "run.mmd", "never taken"),
    ):
        assert main(["diagram", *arguments, "-o", str(tmp_path / name)]) == 0
        text = (tmp_path / name).read_text()
        assert wanted in text.replace("&#x27;", "'"), name
    assert main(["diagram"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("</svg>")


def test_mistakes_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, wanted in (
        (["-o", "x.png"], "ends in .svg or .mmd"),
        (["--compare", "-o", "x.mmd"], "use -o FILE.svg"),
        (["--compare", "--stack", "rfc9293"], "nothing to compare"),
        (["--board", "nucleo"], "there is no board"),
        (["--run", str(tmp_path)], str(tmp_path)),
        (["-o", str(tmp_path / "no" / "x.svg")], "can't be written"),
    ):
        assert main(["diagram", *arguments]) == 2, arguments
        assert wanted in capsys.readouterr().err, arguments


def test_an_empty_run_is_drawn(tmp_path: Path) -> None:
    run = tmp_path / "empty.lwiprun"
    Run(About("nothing")).save(run)
    assert main(["diagram", "--run", str(run), "-o", str(tmp_path / "e.svg")]) == 0
    assert "taken" not in {
        word
        for g in _arrows((tmp_path / "e.svg").read_text()).values()
        for word in g.attrib["class"].split()
    }
