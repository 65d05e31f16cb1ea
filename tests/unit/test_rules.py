"""Rules for segments under way: alone, and in a switch between two endpoints."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope.errors import DeadlineExceeded, UsageError
from lwipscope.peer.endpoint import Endpoint
from lwipscope.peer.tcp_core import TcpConfig
from lwipscope.tcp.state import State
from lwipscope.wire.layers import TcpSegment, flags_from_text
from lwipscope.wire.packet import build_tcp
from lwipscope.wire.rules import Direction, Rule, Rules, delay, drop, duplicate, reorder
from lwipscope.wire.switch import BOARD_MAC, Switch

HERE, BOARD = "192.0.2.1", "192.0.2.10"


def segment(flags: str = ".", payload: bytes = b"", port: int = 40000) -> TcpSegment:
    bits = flags_from_text(flags)
    return TcpSegment(HERE, BOARD, port, 6666, seq=1, flags=bits, payload=payload)


class Road:
    """What comes out of the rules, in order."""

    def __init__(self, *rules: Rule, seed: int = 0) -> None:
        self.rules = Rules(*rules, seed=seed)
        self.out: list[str] = []

    def send(self, *names: str, direction: Direction = "to-board", flags: str = ".") -> str:
        """Send one segment for each name; what came out since the beginning."""
        for name in names:
            self.rules.segment(direction, segment(flags, name.encode()), self._come(name))
        return " ".join(self.out)

    def _come(self, name: str) -> Callable[[], None]:
        return lambda: self.out.append(name)


def test_without_rules_everything_passes() -> None:
    assert Road().send("a", "b") == "a b"


def test_the_nth() -> None:
    assert Road(drop(2)).send("a", "b", "c", "d") == "a c d"
    assert Road(duplicate(2, copies=2)).send("a", "b", "c") == "a b b b c"
    assert Road(reorder(1)).send("a", "b", "c") == "b a c"
    assert Road(delay(1, by=2)).send("a", "b", "c", "d") == "b c a d"


def test_until_released() -> None:
    road = Road(delay(1), delay(3))
    assert road.send("a", "b", "c", "d") == "b d"
    assert (road.rules.held, road.rules.release()) == (2, 2)
    assert road.send("e") == "b d a c e"
    assert road.rules.release() == 0


def test_discard_loses_what_is_held() -> None:
    road = Road(delay())
    road.send("a", "b")
    assert (road.rules.discard(), road.rules.release(), road.out) == (2, 0, [])


def test_only_the_same_direction_pushes_a_delayed_one_on() -> None:
    road = Road(reorder(1, direction="to-board"))
    road.send("a")
    assert road.send("x", "y", direction="from-board") == "x y"
    assert road.send("b") == "x y b a"


def test_a_dropped_segment_does_not_push() -> None:
    assert Road(reorder(1), drop(2)).send("a", "b", "c") == "c a"


def test_by_flags() -> None:
    road = Road(drop(flags="F."), duplicate(flags="P."))
    for flags in (".", "P.", "F.", "FP.", "S.", "F"):
        road.send(flags, flags=flags)
    assert road.out == [".", "P.", "P.", "S.", "F"]


@pytest.mark.parametrize(
    ("rule", "hit"),
    [
        (drop(data=True), "data"),
        (drop(data=False), "bare"),
        (drop(port=7), "other"),
        (drop(ip="192.0.2.99"), ""),
        (drop(ip=HERE), "data bare other"),
        (drop(direction="from-board"), ""),
    ],
)
def test_what_fits(rule: Rule, hit: str) -> None:
    candidates = {"data": segment(payload=b"x"), "bare": segment(), "other": segment("S", port=7)}
    passed: list[str] = []
    for name, one in candidates.items():
        Rules(rule).segment("to-board", one, lambda name=name: passed.append(name))  # type: ignore[misc]
    gone = set(candidates) - set(passed)
    expected = {"other", "bare"} if hit == "bare" else set(hit.split())
    assert gone == expected


def test_the_first_rule_that_applies_decides_but_all_count() -> None:
    assert Road(drop(1), drop(2), duplicate(2)).send("a", "b", "c") == "c"


def test_chance_is_the_same_for_the_same_seed() -> None:
    names = [str(number) for number in range(200)]
    first, again, other = (Road(drop(probability=0.3), seed=s).send(*names) for s in (1, 1, 2))
    assert first == again != other
    assert 100 <= len(first.split()) <= 180
    # One rule more does not change the fate that the other decides.
    joined = Road(drop(probability=0.3), duplicate(probability=0.5), seed=1).send(*names)
    assert list(dict.fromkeys(joined.split())) == first.split()


def test_deeds_are_told() -> None:
    road = Road(drop(1), delay(2))
    with pytest.raises(DeadlineExceeded, match="1 segments were expected to meet a rule"):
        road.rules.wait_deeds(1, timeout_s=0.0)
    road.send("a", "bc", "d")
    road.rules.wait_deeds(2, timeout_s=0.0)
    assert [deed.text() for deed in road.rules.deeds] == [
        "dropped . seq=1 ack=0 len=1 to-board",
        "held back . seq=1 ack=0 len=2 to-board",
    ]


@pytest.mark.parametrize(
    "make",
    [
        lambda: drop(0),
        lambda: drop(probability=1.5),
        lambda: drop(flags="SYN"),
        lambda: delay(by=0),
        lambda: duplicate(copies=0),
        lambda: drop(direction="up"),  # type: ignore[arg-type]
    ],
)
def test_mistakes(make: Callable[[], Rule]) -> None:
    with pytest.raises(UsageError):
        make()


RULES = st.lists(
    st.builds(
        Rule,
        st.sampled_from(["drop", "delay", "duplicate"]),
        nth=st.none() | st.integers(1, 5),
        probability=st.sampled_from([0.3, 1.0]),
        by=st.none() | st.integers(1, 3),
        copies=st.integers(1, 2),
    ),
    max_size=4,
)


@given(RULES, st.integers(0, 20), st.integers(0, 3))
def test_nothing_is_lost_unless_dropped(rules: list[Rule], count: int, seed: int) -> None:
    road = Road(*rules, seed=seed)
    road.send(*[str(number) for number in range(count)])
    road.rules.release()
    done = list(road.rules.deeds)
    dropped = sum(deed.rule.action == "drop" for deed in done)
    copied = sum(deed.rule.copies for deed in done if deed.rule.action == "duplicate")
    assert len(set(road.out)) == count - dropped
    assert len(road.out) == count - dropped + copied


# In the switch.


@pytest.fixture
def switch() -> Iterator[Switch]:
    with Switch() as made:
        yield made
        assert made.first_failure is None


@pytest.fixture
def ends(switch: Switch) -> Iterator[tuple[Endpoint, Endpoint]]:
    """A host, and a stand-in for the board; both repeat what is lost after 30 ms."""
    config = TcpConfig(mss=200, rto_s=0.03, rto_max_s=0.2, retries_max=30)
    board = Endpoint(switch, ip=BOARD, mac=BOARD_MAC, config=config, seed=1)
    with board, Endpoint(switch, ip=HERE, config=config, seed=2) as host:
        yield host, board


def test_the_switch_drops_the_first_syn(switch: Switch, ends: tuple[Endpoint, Endpoint]) -> None:
    host, board = ends
    rules = Rules(drop(1, flags="S"))
    switch.set_rules(rules)
    listener = board.listen(6666)
    host.connect(BOARD, 6666)
    listener.accept()
    assert [deed.text().split()[:2] for deed in rules.deeds] == [["dropped", "S"]]


def test_the_switch_holds_and_releases(switch: Switch, ends: tuple[Endpoint, Endpoint]) -> None:
    host, board = ends
    listener = board.listen(6666)
    stream = host.connect(BOARD, 6666)
    theirs = listener.accept()
    rules = Rules(delay(flags="F.", direction="from-board"))
    switch.set_rules(rules)
    theirs.close()
    rules.wait_deeds(1)
    assert stream.state is State.ESTABLISHED
    assert switch.release_held() >= 1
    stream.wait_state(State.CLOSE_WAIT)
    switch.set_rules(None)
    assert switch.release_held() == 0


def test_new_rules_deliver_what_the_old_ones_held(
    switch: Switch, ends: tuple[Endpoint, Endpoint]
) -> None:
    host, board = ends
    listener = board.listen(6666)
    stream = host.connect(BOARD, 6666)
    theirs = listener.accept()
    switch.set_rules(Rules(delay(1, data=True, direction="to-board")))
    stream.send(b"held")
    switch.set_rules(None)
    assert theirs.recv(10) == b"held"


def test_what_is_held_for_a_board_ends_with_its_life() -> None:
    with tempfile.TemporaryDirectory(prefix="lw") as folder:  # short, as a socket's path must be
        with Switch(Path(folder) / "p", Path(folder) / "q") as switch:
            switch.set_rules(Rules(delay()))
            port = switch.attach(b"\x02" + bytes(5), lambda _frame: None)
            port.send(build_tcp(segment(), src_mac=port.mac, dst_mac=BOARD_MAC))
            assert switch.counters().dropped_no_board == 0
            assert (switch.drain_board(), switch.release_held()) == (1, 0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tcp_survives_trouble(switch: Switch, ends: tuple[Endpoint, Endpoint], seed: int) -> None:
    """Bytes arrive whole through loss, doubles and disorder in both directions."""
    host, board = ends
    rules = Rules(
        drop(probability=0.05),
        duplicate(probability=0.1),
        reorder(probability=0.1),
        seed=seed,
    )
    switch.set_rules(rules)
    listener = board.listen(6666)
    stream = host.connect(BOARD, 6666)
    theirs = listener.accept()
    data = bytes(range(256)) * 150
    stream.send(data)
    got = b""
    while len(got) < len(data):
        got += theirs.recv(4096)
    assert got == data
    assert {deed.rule.action for deed in rules.deeds} >= {"drop", "duplicate", "delay"}
