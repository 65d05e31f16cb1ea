"""The lab's page in a real browser, with a real board: clicked through as a learner does it."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from chromium import INSTALL, Chromium, program

from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.lab.lab import Lab
from lwipscope.lab.server import LabServer
from lwipscope.pytest_plugin.bench import Bench
from lwipscope.words.catalogue import translator

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(program() is None, reason=f"no Chromium here: {INSTALL}"),
]

HOSTILE = "<img src=x onerror=document.title='owned'></script><b>bold"
_LISTEN = "form[data-line^='board listen'] button"
_NC = "form[data-line^='nc connect'] button"
_RAW = "form[data-line^='raw connect'] button"
_MOST_VISIBLE_MS = 100
_LATENCY = """(async () => {
const act = line => fetch("/do", {method: "POST", body: JSON.stringify({line}), headers: {
  "Content-Type": "application/json",
  "X-Lab-Key": new URLSearchParams(location.hash.slice(1)).get("key")}});
const found = [], state = document.querySelector("#board-state");
for (let n = 1; n <= 9; n++) {
  const began = performance.now();
  const seen = new Promise(done => {
    const watch = new MutationObserver(() => {
      if (state.textContent !== "ESTABLISHED") return;
      watch.disconnect();
      requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
    });
    watch.observe(state, {childList: true, characterData: true, subtree: true});
  });
  document.querySelector("form[data-line^='raw connect'] button").click();
  found.push(await Promise.race([seen, new Promise(done => setTimeout(() => done(2000), 2000))]));
  const gone = new Promise(done => {
    const watch = new MutationObserver(() => {
      if (state.textContent === "ESTABLISHED") return;
      watch.disconnect();
      done();
    });
    watch.observe(state, {childList: true, characterData: true, subtree: true});
  });
  await act(`raw rst r${n}`);
  await Promise.race([gone, new Promise(done => setTimeout(done, 1000))]);
}
return found;
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    executable = program()
    assert executable is not None
    with Chromium(executable, tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium


@pytest.fixture
def lab(lwip_bench: Bench, tmp_path: Path) -> Iterator[Lab]:
    """A real board with its network."""
    keeper, elf = lwip_bench.keeper, lwip_bench.firmware.elf

    def board() -> EmulatedBoard:
        return EmulatedBoard(BoardFile.load(DEFAULT_BOARD), elf, keeper)

    with Lab(keeper, board, folder=tmp_path, tr=translator("en")) as made:
        yield made


@pytest.fixture
def page(browser: Chromium, lab: Lab) -> Iterator[Page]:
    """The page of that lab, live. It is quiet on its console, and asks nobody else."""
    with LabServer(lab) as server:
        made = Page(browser, lab, server)
        made.open()
        yield made
        browser.run("1")
        assert browser.complaints == []
        own = (f"http://127.0.0.1:{server.port}/", "data:", "about:")
        assert [url for url in browser.requests if not url.startswith(own)] == []
        browser.ask("Page.navigate", url="about:blank")


class Page:
    """What a learner sees and clicks."""

    def __init__(self, browser: Chromium, lab: Lab, server: LabServer) -> None:
        self.browser, self.lab, self.server = browser, lab, server

    def open(self, query: str = "", width: int = 1280, height: int = 800) -> None:
        """From its address, until it shows the board."""
        self.browser.ask("Page.navigate", url="about:blank")
        self.browser.events.clear()
        self.browser.window(width, height)
        self.browser.ask("Page.navigate", url=self.server.url.replace("/#", f"/{query}#"))
        self.until("document.querySelector('#link')?.className === 'link good'")
        self.until("document.body.dataset.rows > 0")

    def run(self, script: str) -> Any:
        return self.browser.run(script)

    def until(self, condition: str) -> None:
        deadline = time.monotonic() + 10
        while not self.run(condition):
            assert time.monotonic() < deadline, f"it never came true: {condition}"

    def text(self, selector: str) -> str:
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.textContent"))

    def texts(self, selector: str) -> list[str]:
        found = f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent)"
        return list(self.run(found))

    @contextmanager
    def deed(self, line: str, *, ok: bool = True) -> Iterator[None]:
        """What is done inside leads to this line and its answer."""
        before = len(self.texts("#deeds .deed"))
        yield
        self.until(f"document.querySelectorAll('#deeds .deed').length > {before}")
        assert (
            self.text("#hand .line b") == f"\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} {line}"
        )
        failed = self.run("!!document.querySelector('#hand .line.failed')")
        assert failed is not ok, self.text("#hand .line")

    def click(self, selector: str, line: str, *, ok: bool = True) -> None:
        with self.deed(line, ok=ok):
            self.browser.click(selector)

    def card(self, name: str, label: str, line: str, *, ok: bool = True) -> None:
        """Click a button of a thing's card."""
        self.until(f"!!document.querySelector('.card[aria-label=\"{name}\"]')")
        self.run(
            f"[...document.querySelectorAll('.card[aria-label=\"{name}\"] button')]"
            f".find(b => b.textContent === {json.dumps(label)}).id = 'wanted'"
        )
        self.until("document.querySelector('#wanted').getAttribute('aria-disabled') === 'false'")
        self.click("#wanted", line, ok=ok)
        self.run("document.querySelector('#wanted')?.removeAttribute('id')")

    def state(self, side: str, state: str) -> None:
        """A state is lit in a diagram, and it alone."""
        end = "[data-end='1']" if state == "CLOSED" else "[data-end='0']"
        lit = f"#{side} .state.here[data-state='{state}']{end}"
        self.until(f"!!document.querySelector({json.dumps(lit)})")
        assert self.text(f"#{side}-state") == state
        assert len(self.texts(f"#{side} .state.here")) == 1

    def glows(self, side: str, edge: str) -> None:
        self.until(f"!!document.querySelector('#{side} .arrow.now[data-edge=\"{edge}\"]')")


def test_a_whole_exchange_is_clicked_through(page: Page) -> None:
    page.click(_LISTEN, "board listen 6666 2")
    assert "listen(" in page.text("#hand .code pre")
    page.until("document.querySelector('#table tbody td.st')?.textContent === 'LISTEN'")
    waits = page.run("document.querySelector('.card[aria-label=s1] button[title*=waits]')?.title")
    assert "no connection waits" in waits
    page.click(_NC, "nc connect 6666")
    assert "nc " in page.text("#hand .code:nth-child(2) pre")
    page.state("board", "ESTABLISHED")
    page.state("peer", "ESTABLISHED")
    page.glows("board", "SYN_RCVD>ESTABLISHED")
    page.card("s1", "accept", "board accept s1")
    page.card("n1", "type", "nc type n1 hello")
    page.card("s2", "receive", "board recv s2")
    assert "hello" in page.text("#hand .line")
    page.card("s2", "send", "board send s2 hello")
    page.card("s2", "close", "board close s2")
    page.state("board", "FIN_WAIT_2")
    page.state("peer", "CLOSE_WAIT")
    page.glows("board", "FIN_WAIT_1>FIN_WAIT_2")
    page.card("n1", "Ctrl-D", "nc end n1")
    page.state("board", "TIME_WAIT")
    page.until("[...document.querySelectorAll('#table td.st')].at(-1)?.textContent === 'TIME_WAIT'")
    assert page.texts("#table tbody tr:last-child td.age")[0].endswith(" s")
    with page.deed("time until CLOSED"):
        page.browser.click("#until button")
    page.state("board", "CLOSED")
    assert page.texts("#table tbody td.st") == ["LISTEN"]
    rows = page.run("[...document.querySelectorAll('.row')].map(r => r.getAttribute('aria-label'))")
    for words in ("SYN seq=0", "SYN+ACK", "PSH+ACK", "FIN+ACK", "TIME_WAIT", "close("):
        assert any(words in row for row in rows), (words, rows)
    assert page.texts(".ladder .s2")[-2:] == ["TIME_WAIT", "CLOSED"]
    page.browser.run("document.querySelector('#find').value = '6667'")
    page.browser.run("document.querySelector('#find').dispatchEvent(new Event('input'))")
    assert page.texts("#table tbody tr") == []


def test_segments_states_and_edges_are_explained(page: Page) -> None:
    page.click(_LISTEN, "board listen 6666 2")
    page.click(_RAW, "raw connect 6666")
    page.state("board", "ESTABLISHED")
    page.browser.click(".row.k-seg .rowhit", 0.1)
    page.until("document.querySelector('#story').textContent.includes('SYN')")
    assert "RFC 9293" in page.text("#story")
    page.state("board", "SYN_RCVD")
    assert page.text("#moment-text").startswith("moment ")
    page.browser.key("Escape")
    page.state("board", "ESTABLISHED")
    page.run("document.querySelector('#board .state[data-state=CLOSE_WAIT]').focus()")
    page.browser.key("Enter")
    page.until("document.querySelector('#story').textContent.includes('CLOSE_WAIT')")
    edge = "#board .arrow[data-edge='ESTABLISHED>CLOSE_WAIT']"
    page.run(f"document.querySelector({json.dumps(edge)}).dispatchEvent(new MouseEvent('click'))")
    page.until("document.querySelector('#story').textContent.includes('lwIP here')")
    page.run("document.querySelector('#ladder').focus()")
    page.browser.key("Home")
    page.until("document.querySelector('#moment-text').textContent.startsWith('moment 1 ')")


def test_what_can_not_be_is_told_in_words_beside_the_button(page: Page) -> None:
    page.run("document.querySelector('form[data-line^=\"board listen\"] input').value = '70000'")
    page.click(_LISTEN, "board listen 70000 2", ok=False)
    assert "1 to 65535" in page.text(".end.board .error")
    page.run("document.querySelector('form[data-line^=\"board listen\"] input').value = '6666'")
    page.click(_LISTEN, "board listen 6666 2")
    assert page.texts(".error") == [], "an old error went on standing there"
    page.until("!!document.querySelector('.card[aria-label=s1] button[aria-disabled=true]')")
    page.browser.click(".card[aria-label=s1] button[aria-disabled=true]")
    assert "no connection waits" in page.text(".card[aria-label=s1] .error")
    page.click(_RAW, "raw connect 6666")
    page.card("s1", "accept", "board accept s1")


def test_text_of_learner_and_peer_never_becomes_markup(page: Page) -> None:
    page.click(_LISTEN, "board listen 6666 2")
    page.click(_NC, "nc connect 6666")
    page.card("s1", "accept", "board accept s1")
    field = "document.querySelector('.card[aria-label=n1] input')"
    page.run(f"{field}.value = {json.dumps(HOSTILE)}")
    page.card("n1", "type", f"nc type n1 {HOSTILE}")
    page.card("s2", "receive", "board recv s2")
    page.run("document.querySelector('#conn').value = 'all'")
    page.run("document.querySelector('#conn').dispatchEvent(new Event('change'))")
    assert "onerror" in page.text("#hand .line")
    assert page.run("document.querySelectorAll('img, #hand script, #rungs b').length") == 0
    assert page.run("document.title") == "lwipscope lab"


def test_a_page_that_was_cut_off_comes_back_with_everything(page: Page) -> None:
    page.click(_LISTEN, "board listen 6666 2")
    page.browser.ask("Page.navigate", url="about:blank")
    page.lab.do("raw connect 6666")
    page.open()
    page.state("board", "ESTABLISHED")
    # The stream is cut, the page stays.
    page.run("document.body.dataset.rows = ''")
    for each in list(page.server._http._open):
        with suppress(OSError):  # that one has just ended by itself
            each.shutdown(socket.SHUT_RDWR)
    page.until("document.body.dataset.rows > 0")
    page.lab.do("raw fin r1")
    page.state("board", "CLOSE_WAIT")
    assert page.text("#banner") == ""
    page.click("#reset", "board reset")
    page.until("document.querySelectorAll('#sockets .card').length === 0")
    page.click(_LISTEN, "board listen 6666 2")
    page.click(_NC, "nc connect 6666")
    page.state("board", "ESTABLISHED")


def test_the_other_language_and_both_widths(page: Page) -> None:
    page.lab.do("board listen 6666")
    page.lab.do("raw connect 6666")
    page.browser.click("#langs button[data-lang=zh]")
    page.until("document.body?.dataset.rows > 0 && document.documentElement.lang === 'zh-Hans'")
    page.state("board", "ESTABLISHED")
    for width, height in ((1024, 768), (1280, 800), (1600, 1000)):
        page.open(width=width, height=height)
        page.state("board", "ESTABLISHED")
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), width
        wide = page.run(
            "[...document.querySelectorAll('.bench, .stage, .scopes, .card, .bar')]"
            ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.className)"
        )
        assert wide == [], width


def test_a_click_is_visible_within_100_ms(page: Page) -> None:
    page.click(_LISTEN, "board listen 6666 2")
    found = sorted(page.run(_LATENCY))
    assert found[len(found) // 2] <= _MOST_VISIBLE_MS, found


def test_without_its_key_the_page_says_what_to_open(page: Page) -> None:
    page.browser.ask("Page.navigate", url="about:blank")
    page.browser.ask("Page.navigate", url=page.server.url.partition("#")[0])
    page.until("document.querySelector('#banner')?.textContent.includes('printed')")
    assert page.text("#link b") == "refused"
    refused = [text for text in page.browser.complaints if "403" in text]
    assert refused == page.browser.complaints
    page.browser.events.clear()


def test_it_says_that_the_lab_has_ended(page: Page) -> None:
    page.server.end("idle")
    page.server.close()
    page.until("document.body.classList.contains('over')")
    assert "has ended" in page.text("#banner")
    assert "30 minutes" in page.text("#banner")
