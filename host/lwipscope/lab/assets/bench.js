// The verbs: buttons and fields for the board and the other end, a card for each thing there is.
// Every click is one line of the lab's grammar (verbs.py); its answer is shown beside the button.
"use strict";
import {$, t, el, visible} from "./dom.js";

let lives = 0, send = async () => ({}), pick = () => {}, cards = {};
const OPEN = ["ESTABLISHED", "CLOSE_WAIT"];

export function begin(act, choose) {
  [send, pick] = [act, choose];
  for (const form of document.querySelectorAll("form.verb[data-line]")) wire(form, () => line(form));
  plain($("reset"), "board reset");
  $("reuse").addEventListener("change", async () => {
    const box = $("reuse"), done = await run(`board reuse ${box.checked ? "on" : "off"}`, box, box.parentElement);
    if (done && !done.ok) box.checked = !box.checked;
  });
  wire($("advance"), () => `time ${field($("advance"), "ms")}`);
  wire($("until"), () => `time until ${field($("until"), "state")}`);
  plain($("running"), "time running");
  plain($("manual"), "time manual");
  plain($("save"), "save");
  const say = (node, text) => { node.setAttribute("aria-label", text); node.title ||= text; };
  for (const form of document.querySelectorAll("form.verb[data-line]")) {
    form.setAttribute("aria-label", form.dataset.line.replace(/ \{.*/, ""));
    for (const input of form.querySelectorAll("input"))
      if (input.name !== "withhold") say(input, input.name === "backlog" ? t("backlog: how many connections may wait for accept") : t("port"));
  }
  say($("advance").elements.ms, t("milliseconds of the board's clock"));
  say($("until").elements.state, t("the state to wait for"));
  $("reset").title = t("reset the board: all its connections are forgotten, the other end is not told");
  $("reuse").parentElement.title = t("sockets that the board makes from now on get SO_REUSEADDR before bind()");
  $("running").title = t("the board's clock runs with this machine's");
  $("manual").title = t("the board's clock stands until it is advanced");
  plain($("end-program"), "board agent");
  plain($("memory"), "board gc");
  $("memory").title = t("collect garbage on the board, and say how much memory is free");
  $("flags").setAttribute("aria-label", t("nc's own flags, such as -N: send FIN at the end of the input"));
  $("flags").title = $("flags").getAttribute("aria-label");
  $("save").title = t("write a run file for `lwipscope show` and `lwipscope report`");
}
const field = (form, name) => form.elements[name].value.trim();
function line(form) {
  const named = name => {
    const input = form.elements[name] || $(name);
    return input.type === "checkbox" && !input.checked ? "" : input.value.trim();
  };
  return form.dataset.line.replace(/\{(\w+)\}/g, (_, name) => named(name)).replace(/\s+/g, " ").trim();
}
function wire(form, make) {
  const button = form.querySelector("button");
  form.addEventListener("submit", event => {
    event.preventDefault();
    if (!button.disabled) run(make(), button, form);
  });
}
function plain(button, text) {
  button.addEventListener("click", () => run(text, button, button));
}
// The answer of a line that failed stands below its button until the next one there.
async function run(text, button, near) {
  if (button.getAttribute("aria-busy") === "true") return null;
  button.setAttribute("aria-busy", "true");
  const done = await send(text);
  button.removeAttribute("aria-busy");
  const box = near.closest(".card, .bar, .end") || near;
  box.querySelectorAll(".error").forEach(each => each.remove());
  if (!done.ok) {
    const error = el("p", {class: "error", role: "alert"}, visibleLines(done.error || t("that did not work")),
      el("button", {type: "button", class: "quiet", "aria-label": t("dismiss"), on: () => error.remove()}, "×"));
    if (box.classList.contains("card")) box.append(error);
    else if (near.closest("h2, .runs")) near.closest("h2, .runs").after(error);
    else (near.closest(".pair") || near).after(error);
  }
  return done;
}
const visibleLines = text => text.split("\n").map(visible).join("\n");

// What a thing can do now: [label, line, why not, title] for buttons, [label, line, why not, title, placeholder] with a field.
function verbs(thing, lab) {
  const name = thing.name, life = lab.lives[lab.lives.length - 1] || {conns: []};
  if (thing.who === "board" && thing.kind === "listener") {
    const waiting = life.conns.filter(c => c.listener === thing.conn && !c.accepted && !c.ended && c.state !== "SYN_RCVD").length;
    return [[t("accept"), `board accept ${name}`, waiting ? "" : t("no connection waits to be accepted: connect to port {port} first", {port: thing.port}), t("take a waiting connection")],
      [t("close"), `board close ${name}`, "", t("close the listening socket")]];
  }
  if (thing.who === "board") {
    const state = thing.state;
    const closed = ["FIN_WAIT_1", "FIN_WAIT_2", "CLOSING", "LAST_ACK", "TIME_WAIT"].includes(state)
      ? t("the program has closed it: the stack alone goes on with it") : "";
    const early = state === "SYN_SENT" || state === "SYN_RCVD" ? t("the connection is not open yet ({state})", {state}) : "";
    return [[t("send"), `board send ${name}`, closed || early, t("data from the board"), t("text to send")],
      [t("receive"), `board recv ${name}`, closed || early, t("hand what has arrived to the program")],
      [t("close"), `board close ${name}`, closed, state === "ESTABLISHED" ? t("sends FIN: this end closes first") : state === "CLOSE_WAIT" ? t("sends FIN: this end closes second") : t("close the socket")],
      [t("abort"), `board abort ${name}`, closed, t("sends RST and forgets the connection")]];
  }
  const gone = thing.state === "CLOSED" ? t("it has ended") : "";
  if (thing.who === "nc") {
    return [[t("type"), `nc type ${name}`, gone, t("a line typed into nc"), t("text to type")],
      [t("Ctrl-D"), `nc end ${name}`, gone, t("end of the input: nc sends FIN if it is one that does")],
      [t("kill"), `nc kill ${name}`, gone, t("end nc: its kernel closes the connection")]];
  }
  if (thing.who === "raw") {
    if (thing.kind === "listener") return [];
    const mate = lab.things.find(o => o.who === "board" && o.conn !== null && o.conn === thing.conn && o.kind !== "listener");
    const none = mate && OPEN.includes(mate.state) ? "" : t("needs a connection that the board's program holds open");
    const over = gone && thing.note ? gone : "";
    return [[t("send"), `raw send ${name}`, over, t("a segment with data"), t("text to send")],
      [t("ACK"), `raw ack ${name}`, over, t("acknowledge all that has come")], [t("FIN"), `raw fin ${name}`, over, t("send FIN now")],
      [t("FIN+ACK"), `raw fin-ack ${name}`, over, t("acknowledge and send FIN in one segment")], [t("RST"), `raw rst ${name}`, over, t("send RST now")],
      [t("withhold"), `raw withhold ${name}`, over, t("behaves, but acknowledges nothing more")],
      [t("silent"), `raw silent ${name}`, over, t("answers nothing from now on")], [t("polite"), `raw polite ${name}`, over, t("acknowledges by itself from now on")],
      [t("both close at once"), `raw close-crossing ${name} ${mate ? mate.name : ""}`, over || none, t("both FINs cross on the wire: CLOSING")]];
  }
  return [];
}

export function draw(lab) {
  // A board that was reset has forgotten it.
  if (lives && lives !== lab.lives.length) $("reuse").checked = false;
  lives = lab.lives.length;
  $("runs").hidden = !lab.program;
  if (lab.program) $("runs-text").textContent = t("{file} has the board", {file: visible(lab.program)});
  let fresh = null;
  const kept = {}, raws = lab.things.filter(o => o.who === "raw").map(o => o.conn);
  for (const thing of lab.things) {
    const box = thing.who === "board" ? "sockets" : thing.who === "nc" ? "ncs" : thing.who === "raw" ? "raws" : "ncs";
    // What a raw peer opened has its card there.
    if (thing.who === "kernel" && raws.includes(thing.conn)) continue;
    const key = `${lab.lives.length}.${thing.name}`;
    const card = kept[key] = cards[key] || make(thing);
    if (card.box !== box) { card.box = box; $(box).append(card.node); fresh = card; }
    fill(card, thing, lab);
  }
  for (const key in cards) if (!(key in kept)) cards[key].node.remove();
  cards = kept;
  if (fresh) fresh.node.scrollIntoView({block: "nearest"});
}
function make(thing) {
  const card = {state: el("span", {class: "chip"}), note: el("span", {class: "about"}), verbs: el("div", {class: "verbs"}), made: {}, texts: ""};
  card.name = el("button", {type: "button", class: "name", title: t("show this connection"), on: () => pick(card.thing)}, thing.name);
  card.node = el("div", {class: "card", role: "group", "aria-label": thing.name}, el("div", {class: "title"}, card.name, card.state, card.note), card.verbs);
  return card;
}
function fill(card, thing, lab) {
  card.thing = thing;
  const list = verbs(thing, lab), text = JSON.stringify([thing, list]);
  if (card.text === text) return;
  card.text = text;
  card.state.textContent = visible(thing.state);
  card.note.textContent = visible([thing.port ? `:${thing.port}` : "", thing.note || ""].filter(Boolean).join(" · "));
  card.note.title = card.note.textContent;
  card.node.classList.toggle("over", thing.state === "CLOSED" || /^ended/.test(thing.state));
  for (const [label, text, not, title, placeholder] of list) {
    const verb = text.split(" ").slice(0, 2).join(" ");
    const each = card.made[verb] ||= control(card, label, placeholder);
    each.line = text;
    // Not `disabled`: that would take the focus away, and hide the reason from the keyboard.
    each.button.setAttribute("aria-disabled", String(!!not));
    each.button.title = not || title;
    each.not = not;
  }
  const names = list.map(each => each[1].split(" ").slice(0, 2).join(" "));
  // Nothing is left to do with it.
  card.verbs.hidden = list.length > 1 && list.every(each => each[2]);
  const order = names.map(verb => card.made[verb].node);
  if (order.some((node, n) => card.verbs.children[n] !== node)) card.verbs.replaceChildren(...order);
}
function control(card, label, placeholder) {
  const each = {line: "", not: ""}, button = each.button = el("button", {}, label);
  const act = async () => {
    if (each.not) { tell(card, each.not); return; }
    const text = each.input ? `${each.line} ${each.input.value}` : each.line;
    const done = await run(text, button, button);
    if (done && done.ok && each.input) each.input.select();
  };
  if (placeholder) {
    each.input = el("input", {"aria-label": placeholder, placeholder, value: "hello", autocomplete: "off", spellcheck: "false", maxlength: "400"});
    each.node = el("form", {class: "verb say"}, each.input, button);
    each.node.addEventListener("submit", event => { event.preventDefault(); act(); });
  } else {
    each.node = button;
    button.type = "button";
    button.addEventListener("click", act);
  }
  return each;
}
function tell(card, text) {
  card.node.querySelectorAll(".error").forEach(each => each.remove());
  const said = el("p", {class: "error why", role: "status"}, text);
  card.node.append(said);
  setTimeout(() => said.remove(), 5000);
}
