// The lab's page: takes the stream of changes, builds the view that is shown, sends what is clicked.
// Everything that a board or a learner said gets onto the page as text, never as markup.
"use strict";
import {$, D, t, el, visible} from "./dom.js";
import * as ladder from "./ladder.js";
import * as scopes from "./scopes.js";
import * as bench from "./bench.js";
import * as dock from "./dock.js";
import * as editor from "./editor.js";

const STATES = ["ESTABLISHED", "FIN_WAIT_2", "TIME_WAIT", "CLOSED", "LISTEN", "SYN_SENT", "SYN_RCVD", "FIN_WAIT_1", "CLOSE_WAIT", "CLOSING", "LAST_ACK"];
const key = new URLSearchParams(location.hash.slice(1)).get("key") || "";
const lab = {lives: [], things: [], table: [], host: [], program: "", lost: "", clock: {us: 0, wall_ms: 0, mode: "running"}, problems: [], now};
const mates = {};
let rows = [], view = null, choice = "auto", chosen = null, stream = null, over = false, lately = 0, busy = 0;

// The stream.
function connect() {
  if (stream || over) return;
  link("wait", t("connecting"));
  stream = new EventSource(`/events?key=${encodeURIComponent(key)}&lang=${D.lang}`);
  stream.addEventListener("whole", event => { rows = []; take(JSON.parse(event.data)); });
  stream.addEventListener("state", event => take(JSON.parse(event.data)));
  stream.addEventListener("ended", event => ended(JSON.parse(event.data).why));
  stream.onopen = () => { link("good", t("live")); if (!over) banner(""); };
  stream.onerror = () => {
    if (over) return;
    if (stream && stream.readyState === EventSource.CLOSED) {
      disconnect();
      link("bad", t("refused"));
      banner(t("The lab refused this page. Open the address that `lwipscope lab` printed, with all that stands behind the #."));
    } else {
      link("bad", t("no answer"));
      banner(t("The lab does not answer. The page tries again by itself; if the lab has ended, start it anew: lwipscope lab"));
    }
  };
}
function disconnect() {
  if (stream) stream.close();
  stream = null;
}
function ended(why) {
  over = true;
  disconnect();
  link("bad", t("ended"));
  document.body.classList.add("over");
  const idle = t("The lab has ended: nobody used it for {minutes} minutes.", {minutes: +((D.idle_s || 0) / 60).toFixed(1)});
  banner((why === "idle" ? idle : t("The lab has ended.")) + " " + t("What is shown here stays. A new one: lwipscope lab"));
}
function link(cls, text) {
  $("link").className = "link " + cls;
  const minutes = +((D.idle_s || 0) / 60).toFixed(1);
  $("link").replaceChildren(el("b", {}, text), minutes && !over ? el("small", {}, t("ends after {minutes} min unused", {minutes})) : "");
  $("lamp").className = "lamp " + cls;
}
function banner(text) {
  $("banner").hidden = !text;
  $("banner").textContent = text;
}
function take(data) {
  Object.assign(lab, data.parts);
  for (const [life, count, changed] of data.rows) {
    const list = rows[life] ||= [];
    list.length = Math.min(list.length, count);
    for (const [index, row] of changed) { row.life = life; list[index] = row; }
  }
  for (const each of lab.things) if (each.who !== "board" && each.conn) mates[`${lab.lives.length - 1}.${each.name}`] = each.conn;
  redraw();
  if (over || !("problems" in data.parts || "lost" in data.parts)) return;
  const stopped = lab.lost ? [t("the board has stopped: {why}. `board reset` brings it back", {why: visible(lab.lost)})] : [];
  banner([...stopped, ...lab.problems.map(visible)].join(" · "));
}

// What is shown: the newest connection, one that was chosen, or everything.
function resolved() {
  if (choice !== "auto") {
    if (choice === "all") return {life: -1, conn: null};
    const [life, id] = choice.split(".").map(Number), conn = lab.lives[life]?.conns.find(c => c.id === id);
    return conn ? {life, conn} : {life: -1, conn: null};
  }
  const life = lab.lives.length - 1, talked = (lab.lives[life]?.conns || []).filter(c => c.role !== "listener");
  return {life, conn: talked[talked.length - 1] || null};
}
function mine(row, c, from, to) {
  // What another peer did, or what was done before and after, is not its story.
  if (row.k === "note" && row.t >= from && row.t <= to) {
    const name = /^([nr]\d+)\b/.exec(row.x), mate = name && mates[`${row.life}.${name[1]}`];
    return !mate || mate === c.id;
  }
  if (row.c === undefined) return row.k !== "boot" && row.t >= from && row.t <= to;
  if (row.c === c.id) return true;
  if (row.c !== c.listener || row.k === "seg") return false;
  return row.k !== "ret" || row.o === undefined || row.o === c.id;
}
// The listener's accept() calls that gave other connections, or came after this one's end.
function ofOthers(list, c) {
  const found = new Set();
  let called = null, over = false;
  for (const row of list) {
    if (row.c === c.id && row.B && row.B[row.B.length - 1][5] === "CLOSED") over = true;
    if (row.c !== c.listener) continue;
    if (row.k === "call" && row.x.startsWith("accept(")) {
      called = row;
      if (over) found.add(row);
    } else if (row.k === "ret" && called && row.o !== undefined && row.o !== c.id) found.add(called);
  }
  return found;
}
function build() {
  const {life, conn} = resolved();
  const all = rows[life] || [], own = conn ? all.filter(r => r.c === conn.id) : [];
  const from = own.length ? own[0].t - 1e5 : 0, to = conn && conn.ended && own.length ? own[own.length - 1].t + 1e5 : Infinity;
  const others = conn ? ofOthers(all, conn) : null;
  const list = conn ? all.filter(r => mine(r, conn, from, to) && !others.has(r)) : rows.flat();
  const sent = new Set(), isn = {};
  for (const row of list) {
    if (row.k !== "seg" || !(row.l || /[SF]/.test(row.f))) continue;
    const name = [row.life, row.c, row.d, row.q, row.l, row.f.replace(/[P.]/g, "")].join();
    row.again = sent.has(name);
    sent.add(name);
  }
  lab.lives.forEach((each, n) => each.conns.forEach(c => { isn[`${n}.${c.id}`] = c.isn; }));
  const current = lab.lives[lab.lives.length - 1];
  return {key: conn ? `${life}.${conn.id}` : "all", conn: conn ? conn.id : null, life, rows: list, isn, t0: list.length ? list[0].t : 0,
    exact: current ? current.exact : true, states: new Set(lab.table.map(r => r.state))};
}
function redraw() {
  const before = view;
  view = build();
  if (before && before.key !== view.key) chosen = null;
  if (chosen !== null && chosen >= view.rows.length) chosen = null;
  choices();
  ladder.draw(view);
  paint();
  bench.draw(lab);
  dock.update(lab);
  clock();
  document.body.dataset.rows = view.rows.length;
}
function paint() {
  scopes.paint(view, chosen === null ? view.rows.length - 1 : chosen, chosen !== null);
  $("moment").hidden = chosen === null;
  if (chosen !== null) $("moment-text").textContent = t("moment {n} of {all}", {n: chosen + 1, all: view.rows.length});
}
let listed = "";
function choices() {
  const list = [["auto", t("the newest connection")], ["all", t("everything")]];
  lab.lives.forEach((life, n) => [...life.conns].reverse().forEach(c => {
    const where = n < lab.lives.length - 1 ? t("before the reset") + " · " : "";
    list.push([`${n}.${c.id}`, `${where}c${c.id} ${c.role} ${c.role === "listener" ? c.local : `${c.local} – ${c.remote}`}`]);
  }));
  const text = JSON.stringify(list);
  if (text === listed) return;
  listed = text;
  $("conn").replaceChildren(...list.map(([value, label]) => el("option", {value}, label)));
  $("conn").value = list.some(([value]) => value === choice) ? choice : "auto";
}
function showConn(conn, life = lab.lives.length - 1) {
  if (conn === null || !lab.lives[life]?.conns.some(c => c.id === conn)) return;
  choice = `${life}.${conn}`;
  $("conn").value = choice;
  chosen = null;
  redraw();
}

// One moment of the ladder.
function choose(n) {
  chosen = n;
  ladder.choose(n);
  paint();
  if (n !== null) explainRow(view.rows[n]);
}
function explainRow(row) {
  if (row.k === "seg" && row.N) { explain(String(row.N), null, [dock.facts(row)]); return; }
  const steps = row.B || [];
  const about = {call: t("the application called the socket layer"), ret: t("what a call returned"), note: t("a deed of: {who}", {who: visible(row.w || "")}),
    console: t("the board's console"), gap: t("records are missing: nothing is joined over this"), boot: t("the board introduced itself")}[row.k];
  if (steps.length) { explain(`${steps[0][4]} > ${steps[0][5]}`, null, [el("p", {}, `${steps[0][2]} ${steps[0][3]}`), dock.facts(row)]); return; }
  dock.story([[0, about || ""]], ladder.rowText(row), [dock.facts(row)]);
}
async function explain(what, title, extra) {
  const answer = await post("/explain", {what, lang: D.lang});
  if (answer.ok) dock.story(answer.lines, title, extra);
  else dock.story([[0, answer.error]], what, extra);
}

// What is sent.
async function post(path, data) {
  if (over) return {ok: false, error: t("the lab has ended")};
  try {
    const answer = await fetch(path, {method: "POST", headers: {"Content-Type": "application/json", "X-Lab-Key": key}, body: JSON.stringify(data), signal: AbortSignal.timeout(20000)});
    lately = Date.now();
    return await answer.json();
  } catch {
    return {ok: false, error: t("the lab did not answer")};
  }
}
async function act(line, more) {
  busy++;
  document.body.classList.add("busy");
  const done = await post("/do", {line, lang: D.lang, ...more});
  if (!--busy) document.body.classList.remove("busy");
  done.line ||= line;
  dock.hand({python: "", shell: "", said: "", error: "", ...done});
  if (chosen !== null && done.ok) { chosen = null; ladder.choose(null); paint(); }
  return done;
}

// The board's clock, here: from what it said last, and this machine's since then.
function now() {
  const {us, wall_ms: wall, mode} = lab.clock;
  return mode === "running" && wall && !over ? us + Math.max(0, Date.now() - wall) * 1000 : us;
}
function clock() {
  $("now").textContent = lab.lives.length ? (now() / 1e6).toFixed(1) + " s" : "–";
  for (const mode of ["running", "manual"]) $(mode).setAttribute("aria-pressed", String(lab.clock.mode === mode));
}
function typed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && !document.querySelector("dialog[open]") && chosen !== null) { choose(null); dock.open("table"); return; }
  if (event.target !== $("ladder") || !view || !view.rows.length) return;
  const at = chosen === null ? view.rows.length : chosen;
  const to = {ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 8, PageUp: at - 8, Home: 0, End: view.rows.length - 1}[event.key];
  if (to === undefined) return;
  choose(Math.max(0, Math.min(view.rows.length - 1, to)));
  event.preventDefault();
}

$("until").elements.state.append(...STATES.map(s => el("option", {value: s}, s)));
$("until").elements.state.value = "CLOSED";
ladder.begin(choose);
scopes.begin((side, what) => explain(what));
bench.begin(act, thing => showConn(thing.conn));
dock.begin(conn => showConn(conn));
editor.begin(act);
$("conn").addEventListener("change", () => { choice = $("conn").value; chosen = null; redraw(); });
$("live").addEventListener("click", () => choose(null));
document.addEventListener("keydown", typed);
$("clock").setAttribute("aria-label", t("the board's clock"));
$("langs").setAttribute("aria-label", "language, 语言");
$("langs").title = t("the language of this page and of what the lab answers; what was written before stays as it was");
for (const each of $("langs").children) {
  each.setAttribute("aria-pressed", String(each.dataset.lang === D.lang));
  each.addEventListener("click", () => { if (each.dataset.lang !== D.lang) location.assign(`/?lang=${each.dataset.lang}${location.hash}`); });
}
// Somebody is here, though nothing is sent: the lab goes on.
for (const kind of ["pointermove", "keydown", "wheel"]) addEventListener(kind, () => {
  if (over || Date.now() - lately < Math.min(60, (D.idle_s || 240) / 4) * 1000) return;
  lately = Date.now();
  post("/here", {});
}, {passive: true});
// A page that nobody sees takes no stream: browsers have six for a host, over all tabs.
document.addEventListener("visibilitychange", () => { if (document.hidden) { disconnect(); } else connect(); });
setInterval(() => { if (lab.lives.length && !document.hidden) { clock(); dock.ages(); } }, 200);
if (!document.hidden) connect();
