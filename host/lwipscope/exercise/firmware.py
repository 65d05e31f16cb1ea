"""Which firmware a program is examined on.

The learner's own check runs on whatever firmware is there; marks are given on the grading firmware
only, in which a program reaches neither memory nor the trace (firmware/README.md).
"""

from __future__ import annotations

from lwipscope.errors import Inconclusive
from lwipscope.firmware.firmware import Firmware, Profile
from lwipscope.firmware.progress import Progress
from lwipscope.firmware.selection import choose
from lwipscope.trace.event import Hello


def firmware_for(profile: Profile, *, grading: bool, progress: Progress) -> Firmware:
    """Built on first use."""
    return choose(profile, grading=grading, progress=progress)


def must_be_grading(hello: Hello | None, firmware: Firmware) -> None:
    """The board that runs is the one that marks may be given on; Inconclusive if not."""
    fields = hello.fields if hello is not None else {}
    if fields.get("grading") != "1" or fields.get("build") != firmware.build_id:
        raise Inconclusive(
            f"expected a board with the grading firmware {firmware.build_id}, but its hello says "
            f"grading={fields.get('grading', '0')} build={fields.get('build', '-')}"
        )
