"""Which frame it was that a rule dropped: of several alike the last one before the deed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from run_examples import Maker

from lwipscope.runfile.fates import with_fates
from lwipscope.runfile.model import DROPPED, About, Run, WireFrame
from lwipscope.wire.rules import Deed, Rules, delay, drop

START_S = 1000.0


def three_alike() -> list[WireFrame]:
    maker = Maker()
    for _ in range(3):
        maker.segment(3, "tx", "S.", 5000, 1001)
    maker.segment(3, "rx", ".", 1001, 5001)
    return [replace(frame, at_s=float(number)) for number, frame in enumerate(maker.frames)]


def deed(frame: WireFrame, at_s: float, *, to_board: bool = False) -> Deed:
    segment = frame.tcp
    assert segment is not None
    return Deed(drop(), "to-board" if to_board else "from-board", segment, START_S + at_s)


def fates(frames: list[WireFrame], *deeds: Deed) -> list[str]:
    return [frame.fate for frame in with_fates(frames, deeds, START_S)]


def test_of_several_alike_the_one_at_that_time() -> None:
    frames = three_alike()
    assert fates(frames, deed(frames[0], 1.001)) == ["", DROPPED, "", ""]
    both = (deed(frames[0], 0.001), deed(frames[0], 2.001))
    assert fates(frames, *both) == [DROPPED, "", DROPPED, ""]
    assert fates(frames, deed(frames[3], 3.0, to_board=True)) == ["", "", "", DROPPED]


def test_what_is_no_drop_of_this_life_changes_nothing() -> None:
    frames = three_alike()
    held = replace(deed(frames[0], 1.001), rule=delay(by=1))
    assert fates(frames, held) == [""] * 4
    assert fates(frames, deed(frames[0], 500.0)) == [""] * 4
    assert fates(frames, deed(frames[0], 1.0, to_board=True)) == [""] * 4


def test_rules_tell_when() -> None:
    rules = Rules(drop(1))
    frame = three_alike()[0]
    rules.frame(True, frame.data, lambda: None)
    assert rules.deeds[0].at_s > 0
    assert rules.deeds[0] == replace(rules.deeds[0], at_s=0.0)


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    maker = Maker()
    maker.listener()
    maker.served(3, 40000)
    maker.frames[1] = replace(maker.frames[1], fate=DROPPED)
    Run(About("x"), (maker.life(),)).save(tmp_path / "x.lwiprun")
    loaded = Run.load(tmp_path / "x.lwiprun").lives[0].wire
    assert [frame.fate for frame in loaded[:3]] == ["", DROPPED, ""]
