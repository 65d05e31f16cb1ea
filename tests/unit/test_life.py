"""A board's life as a scenario sees it: without the tracer there is nothing to judge."""

from __future__ import annotations

import pytest

from lwipscope.errors import Inconclusive
from lwipscope.scenario.life import need_tracer
from lwipscope.trace.event import Hello

TRACED = {
    "boot": "1.0",
    "lwip": "2.2.1",
    "mp": "1.25.0",
    "pcb": "16",
    "lpcb": "8",
    "ring": "4194304",
}


def hello(fields: dict[str, str]) -> Hello:
    return Hello(0, 0, 0, 1, 1, "1.0", fields)


def test_a_board_with_the_tracer_will_do() -> None:
    need_tracer(hello(TRACED))


@pytest.mark.parametrize("missing", ["pcb", "ring"])
def test_without_the_tracer_no_path_is_judged(missing: str) -> None:
    left = {key: value for key, value in TRACED.items() if key != missing}
    with pytest.raises(Inconclusive, match=f"hello has no {missing}, so the paths") as caught:
        need_tracer(hello(left))
    assert caught.value.exit_code == 4
    assert "`lwipscope firmware build`" in str(caught.value)
