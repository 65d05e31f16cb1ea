"""The lab's page in a real browser, with a real board: clicked through as a learner does it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
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
def folder(tmp_path: Path) -> Path:
    """Where the lab's files go."""
    return tmp_path


@pytest.fixture
def lab(lwip_bench: Bench, folder: Path) -> Iterator[Lab]:
    """A real board with its network."""
    # One TAP carries one board's frames: that of the tests before is ended.
    lwip_bench.dismiss()
    keeper, elf = lwip_bench.keeper, lwip_bench.firmware.elf

    def board() -> EmulatedBoard:
        return EmulatedBoard(BoardFile.load(DEFAULT_BOARD), elf, keeper)

    with Lab(keeper, board, folder=folder, tr=translator("en")) as made:
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

    def rows(self) -> list[str]:
        """The ladder in words."""
        script = "[...document.querySelectorAll('.row')].map(r => r.getAttribute('aria-label'))"
        return list(self.run(script))

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

    def program(self, name: str, text: str) -> None:
        """Write a program in the editor, and let it run."""
        self.browser.click("#program")
        fields = "document.querySelector('#run-program').elements"
        self.run(f"{fields}.name.value = {json.dumps(name)}")
        self.run(f"{fields}.text.value = {json.dumps(text)}")
        self.browser.click("#editor .main")

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
    page.until("document.querySelector('#table .board td.st')?.textContent === 'LISTEN'")
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
    page.until(
        "[...document.querySelectorAll('#table .board td.st')].at(-1)?.textContent === 'TIME_WAIT'"
    )
    assert page.texts("#table tr.board td.age")[-1].endswith(" s")
    with page.deed("time until CLOSED"):
        page.browser.click("#until button")
    page.state("board", "CLOSED")
    assert page.texts("#table .board td.st") == ["LISTEN"]
    rows = page.rows()
    for words in ("SYN seq=0", "SYN+ACK", "PSH+ACK", "FIN+ACK", "TIME_WAIT", "close("):
        assert any(words in row for row in rows), (words, rows)
    assert page.texts(".ladder .s2")[-2:] == ["TIME_WAIT", "CLOSED"]
    page.browser.run("document.querySelector('#find').value = '6667'")
    page.browser.run("document.querySelector('#find').dispatchEvent(new Event('input'))")
    assert page.texts("#table tbody tr") == []


class TestLesson:
    """The first lesson, done on the page."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Its prediction is written down before the lab begins."""
        told = self.lesson(tmp_path, "start", "1", "--lang", "en")
        assert told.returncode == 0, told
        (answers,) = tmp_path.rglob("answers.toml")
        path = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"
        text = re.sub(r'(?m)^server = ""$', f'server = "{path}"', answers.read_text("utf-8"))
        assert path in text
        answers.write_text(text, "utf-8")
        told = self.lesson(tmp_path, "check", "1", "--lang", "en")
        assert "Recorded. Now run it" in told.stdout, told
        return tmp_path / "lwipscope-logs" / "lab"

    def lesson(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lwipscope", "lesson", *words],
            **{"cwd": folder, "capture_output": True, "text": True, "timeout": 60},
        )

    def test_a_whole_lesson_is_clicked_through(self, page: Page, tmp_path: Path) -> None:
        page.click(_LISTEN, "board listen 6666 2")
        page.click(_NC, "nc connect 6666")
        page.card("s1", "accept", "board accept s1")
        page.card("n1", "type", "nc type n1 hello")
        page.card("s2", "receive", "board recv s2")
        page.card("s2", "send", "board send s2 hello")
        page.click("#save", "save")
        told = self.lesson(tmp_path, "check", "1", "--lang", "en")
        assert told.returncode == 1, told
        assert "the run ended too early, in ESTABLISHED" in " ".join(told.stdout.split()), told
        page.card("n1", "kill", "nc kill n1")
        page.state("board", "CLOSE_WAIT")
        page.card("s2", "receive", "board recv s2")
        assert "b''" in page.text("#hand .line")
        page.card("s2", "close", "board close s2")
        page.state("board", "CLOSED")
        page.click("#save", "save")
        assert "lab.lwiprun" in page.text("#hand .line")
        told = self.lesson(tmp_path, "check", "1", "--lang", "en")
        assert "As you predicted: every state, in this order." in told.stdout, told
        assert told.stdout.count("not answered yet") == 5, told
        # The questions are answered by what the page shows.
        seen = {
            "q1": page.texts(".row.k-seg .flags")[1],
            "q3": self.found(r"SYN\+ACK seq=0 ack=1 mss=(\d+)", page.rows()),
            "q4": page.texts(".ladder .s2")[1],
            "q5": "b",
        }
        page.run("[...document.querySelectorAll('.k-seg .rowhit')][2].id = 'third'")
        page.run("document.querySelector('#ladder').scrollTop = 0")
        page.browser.click("#third", 0.1)
        page.until("/segment \\d+: ACK/.test(document.querySelector('#story').textContent)")
        seen["q2"] = self.found(r"ack\s+(\d+)", [page.text("#story")])
        (answers,) = tmp_path.rglob("answers.toml")
        text = answers.read_text("utf-8")
        for name, value in seen.items():
            text = text.replace(f'{name} = ""', f'{name} = "{value}"')
        answers.write_text(text, "utf-8")
        told = self.lesson(tmp_path, "check", "1", "--lang", "en")
        assert told.returncode == 0, (seen, told)
        assert re.findall(r"✓ q(\d)", told.stdout) == ["1", "2", "3", "4", "5"], (seen, told)

    def found(self, pattern: str, texts: list[str]) -> str:
        """What the page tells, in a learner's eyes."""
        for text in texts:
            if (match := re.search(pattern, text)) is not None:
                return match[1]
        raise AssertionError(f"{pattern} is nowhere on the page: {texts}")


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


def test_a_hostile_program_says_nothing_but_text(page: Page) -> None:
    said = HOSTILE + "\x1b[31mred\x07\u202egnirts\x9b"
    page.program("say_it.py", f"print({said!r})\nraise ValueError({said!r})\n")
    page.until("!document.querySelector('#program-error').hidden")
    told = page.text("#program-error")
    assert 'File "say_it.py", line 2' in told and "ValueError: <img src=x" in told
    assert page.run("getSelection().toString()").startswith("raise ValueError")
    page.browser.click("#close-editor")
    page.run("document.querySelector('#conn').value = 'all'")
    page.run("document.querySelector('#conn').dispatchEvent(new Event('change'))")
    page.until("document.querySelector('#rungs').textContent.includes('<img src=x')")
    seen = page.run("document.body.textContent + document.body.innerHTML")
    assert "\\x1b[31mred" in seen, "it should be seen that there was a control code"
    for code in "\x1b\x07\x9b\u202e":
        assert code not in seen, code
    assert page.run("document.querySelectorAll('img, body b b, #rungs b, dialog img').length") == 0
    assert page.run("document.title") == "lwipscope lab"
    page.click(_LISTEN, "board listen 6666 2")


def test_a_program_of_ones_own_runs_until_it_is_ended(page: Page) -> None:
    text = "import socket\ns = socket.socket()\ns.bind(('', 6666))\ns.listen(1)\nc, w = s.accept()"
    page.program("mine.py", f"{text}\nprint(c.recv(10))\nc.recv(10)\n")
    page.until("!document.querySelector('#editor').open")
    page.until("!document.querySelector('#runs').hidden")
    assert "mine.py" in page.text("#runs-text")
    page.click(_LISTEN, "board listen 6666 2", ok=False)
    assert "mine.py has the board" in page.text(".end.board .error")
    page.run("document.querySelector('#flags').value = '-N'")
    page.click(_NC, "nc connect 6666 -N")
    page.card("n1", "type", "nc type n1 hello")
    page.state("board", "ESTABLISHED")
    page.until("document.querySelector('#rungs').textContent.includes('hello')")
    page.click("#end-program", "board agent")
    page.until("document.querySelector('#runs').hidden")
    page.click("#memory", "board gc")
    assert "bytes are free" in page.text("#hand .line")
    name = "document.querySelector('#run-program').elements.name.value = '../mine.py'"
    page.browser.click("#program")
    page.run(name)
    page.browser.click("#editor .main")
    page.until("document.querySelector('#program-error').textContent.includes('NAME.py')")
    assert not (page.lab.folder / "mine.py").exists()


def test_a_killed_board_is_told_and_a_reset_brings_a_new_one(page: Page) -> None:
    page.click(_LISTEN, "board listen 6666 2")
    page.click(_RAW, "raw connect 6666")
    page.state("board", "ESTABLISHED")
    os.kill(page.lab._site.board.pid, signal.SIGKILL)
    page.until("!document.querySelector('#banner').hidden")
    assert "the board has stopped: QEMU was ended by SIGKILL" in page.text("#banner")
    page.click(_RAW, "raw connect 6666", ok=False)
    assert "board reset" in page.text(".end.peer .error")
    page.click("#reset", "board reset")
    page.until("document.querySelector('#banner').hidden")
    page.click(_LISTEN, "board listen 6666 2")
    page.click(_RAW, "raw connect 6666")
    page.state("board", "ESTABLISHED")


def test_both_ends_stand_in_the_table(page: Page) -> None:
    page.click(_LISTEN, "board listen 6666 2")
    page.click(_NC, "nc connect 6666")
    conn = page.lab.things()[1].conn
    # The network may be that of other tests, too.
    row = f"#table tr.host[data-conn='{conn}']"
    page.until(f"document.querySelector(\"{row} td.st\")?.textContent === 'ESTABLISHED'")
    assert page.text(f"{row} td:last-child") == f"host c{conn}"
    page.card("s1", "accept", "board accept s1")
    page.card("s2", "close", "board close s2")
    page.until(f"document.querySelector(\"{row} td.st\")?.textContent === 'CLOSE_WAIT'")
    # What the kernel's side does without any segment is seen, too.
    before = len(page.texts("#table .host"))
    page.click("form[data-line^='nc listen'] button", "nc listen 6667")
    page.until(f"document.querySelectorAll('#table .host').length === {before + 1}")


def test_what_is_answered_is_in_the_language_of_the_page(page: Page) -> None:
    page.click(_LISTEN, "board listen 6666 2")
    page.lab.do("nc connect 6666")
    page.until("document.querySelector('.card[aria-label=c3], .card[aria-label=n1]') !== null")
    page.browser.click("#langs button[data-lang=zh]")
    page.until("document.body?.dataset.rows > 0 && document.documentElement.lang === 'zh-Hans'")
    page.click("#memory", "board gc")
    assert re.search("[\u4e00-\u9fff]", page.text("#hand .line span"))
    page.browser.click("#langs button[data-lang=en]")
    page.until("document.body?.dataset.rows > 0 && document.documentElement.lang === 'en'")
    page.click("#memory", "board gc")
    assert "bytes are free on the board" in page.text("#hand .line span")


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
        # Also what may scroll should not need to.
        rows = page.run(
            "(e => [e.scrollWidth, e.clientWidth, e.textContent])(document.querySelector('#table'))"
        )
        assert rows[0] <= rows[1], (width, rows)


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
