// A program of the learner's own for the board: typed, or read from a file of this machine.
"use strict";
import {$, t, visible} from "./dom.js";

const START = `import socket

s = socket.socket()
s.bind(("0.0.0.0", 6666))
s.listen(1)
c, who = s.accept()
print("connected:", who)
c.send(c.recv(100))
c.close()
s.close()
`;
const MOST = 48000;

export function begin(act) {
  const box = $("editor"), form = $("run-program"), {name, file, text} = form.elements;
  text.value = START;
  text.setAttribute("aria-label", t("the program's text"));
  $("program").title = t("run a MicroPython program of your own on the board");
  $("program").addEventListener("click", () => { wrong(""); box.showModal(); text.focus(); });
  $("close-editor").addEventListener("click", () => box.close());
  file.addEventListener("change", async () => {
    const chosen = file.files[0];
    if (!chosen) return;
    if (chosen.size > MOST) { wrong(t("{name} has {size} bytes; at most {most} can be sent. `board run FILE` at the prompt takes longer ones", {name: visible(chosen.name), size: chosen.size, most: MOST})); return; }
    text.value = await chosen.text();
    name.value = chosen.name.replace(/[^\w.-]/g, "_").replace(/\.(?!py$)/g, "_");
    wrong("");
  });
  text.addEventListener("keydown", event => {
    // Tab indents; Shift-Tab leaves the field.
    if (event.key !== "Tab" || event.shiftKey || event.ctrlKey) return;
    text.setRangeText("    ", text.selectionStart, text.selectionEnd, "end");
    event.preventDefault();
  });
  form.addEventListener("submit", async event => {
    event.preventDefault();
    const button = form.querySelector(".main");
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    const done = await act(`board run ${name.value.trim()}`, {text: text.value});
    button.removeAttribute("aria-busy");
    if (done.ok) box.close();
    else wrong(done.error, text);
  });
}
// MicroPython tells the line: it is chosen in the text.
function wrong(said, text) {
  $("program-error").hidden = !said;
  $("program-error").textContent = said.split("\n").map(visible).join("\n");
  const lines = [...said.matchAll(/line (\d+)/g)], last = lines[lines.length - 1];
  if (!text || !last) return;
  const before = text.value.split("\n").slice(0, last[1] - 1).reduce((sum, line) => sum + line.length + 1, 0);
  const end = text.value.indexOf("\n", before);
  text.focus();
  text.setSelectionRange(before, end < 0 ? text.value.length : end);
}
