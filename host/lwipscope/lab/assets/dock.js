// Below the ladder: the same by hand, the table of connections, explanations, and what was done.
"use strict";
import {$, t, el, visible, span} from "./dom.js";

const GREP = {linux: "netstat -tan | grep", windows: "netstat -ano | findstr", bsd: "netstat -an -p tcp | grep", ss: "ss -tan | grep",
  lwip: "lwipscope netstat --style lwip --find"};
const ANY = "0.0.0.0";
let lab = null, show = () => {}, tables = "";

export function begin(choose) {
  show = choose;
  for (const style in GREP) $("style").append(el("option", {value: style}, GREP[style]));
  $("style").setAttribute("aria-label", t("whose columns"));
  $("find").setAttribute("aria-label", t("only rows with this text"));
  $("find").placeholder = "6666";
  $("style").addEventListener("change", table);
  $("find").addEventListener("input", table);
  const tabs = ["table", "story", "deeds"];
  for (const name of tabs) {
    $("tab-" + name).addEventListener("click", () => open(name));
    $("tab-" + name).addEventListener("keydown", e => {
      const step = {ArrowRight: 1, ArrowLeft: -1}[e.key];
      if (!step) return;
      const next = tabs[(tabs.indexOf(name) + step + 3) % 3];
      open(next);
      $("tab-" + next).focus();
      e.stopPropagation();
    });
  }
  open("table");
  $("story").append(el("p", {class: "soft"}, t("Choose a segment of the ladder, a state or an edge of a diagram.")));
  $("deeds").append(el("p", {class: "soft"}, t("Nothing yet.")));
  hand(null);
}
export function open(name) {
  for (const each of ["table", "story", "deeds"]) {
    $(each).hidden = each !== name;
    $("tab-" + each).setAttribute("aria-selected", String(each === name));
    $("tab-" + each).tabIndex = each === name ? 0 : -1;
  }
  $("finder").hidden = name !== "table";
}

// The same by hand.
function code(label, text, hint) {
  const copy = el("button", {type: "button", class: "quiet copy", title: t("copy"), "aria-label": t("copy: {what}", {what: label}), on: async () => {
    try { await navigator.clipboard.writeText(text); copy.textContent = t("copied"); } catch { copy.textContent = t("press Ctrl-C"); getSelection().selectAllChildren(pre); }
    setTimeout(() => { copy.textContent = t("copy"); }, 1500);
  }}, t("copy"));
  const pre = el("pre", {tabindex: "0"}, text ? visibleLines(text) : hint);
  return el("div", {class: "code" + (text ? "" : " without")}, el("div", {class: "label"}, label, text ? copy : ""), pre);
}
const visibleLines = text => text.split("\n").map(visible).join("\n");
const codes = done => el("div", {class: "codes"}, code(t("MicroPython, on the board"), done.python, t("nothing: the board's program has no part in it")),
  code(t("in a terminal"), done.shell, t("nothing: this needs no terminal")));
function deed(done) {
  const answer = done.ok ? done.said : done.error;
  return el("p", {class: "line" + (done.ok ? "" : " failed")}, el("b", {}, "› " + visible(done.line)),
    answer ? el("span", {title: visibleLines(answer)}, visible(answer.split("\n")[0])) : "");
}
export function hand(done) {
  if (!done) {
    const boxes = [t("MicroPython, on the board"), t("in a terminal")].map(label => code(label, "", t("nothing yet")));
    $("hand").replaceChildren(el("p", {class: "line"}, el("b", {}, t("The same by hand")), el("span", {}, t("each click is shown here as a line of MicroPython and of a terminal"))),
      el("div", {class: "codes"}, ...boxes));
    return;
  }
  $("hand").replaceChildren(deed(done), codes(done));
  $("deeds").querySelector(".soft")?.remove();
  $("deeds").prepend(el("div", {class: "deed"}, deed(done), codes(done)));
  while ($("deeds").childElementCount > 200) $("deeds").lastElementChild.remove();
}

// The table.
export function update(next) {
  lab = next;
  table();
}
function ends(row, style) {
  const any = {linux: "0.0.0.0:*", windows: "0.0.0.0:0", bsd: "*.*", ss: "0.0.0.0:*", lwip: "-"}[style];
  const dotted = text => { const at = text.lastIndexOf(":"), ip = text.slice(0, at); return `${ip === ANY ? "*" : ip}.${text.slice(at + 1)}`; };
  const remote = !row.remote || row.remote.endsWith(":0") ? any : row.remote;
  return style === "bsd" ? [dotted(row.local), remote === any ? any : dotted(remote)] : [row.local, remote];
}
function cells(row, style) {
  const [local, remote] = ends(row, style), state = row.spelled[style];
  const [recv, send] = (row.queues || ["-", "-"]).map(n => n === null ? "-" : String(n));
  return {linux: ["tcp", recv, send, local, remote, state], windows: ["TCP", local, remote, state], bsd: ["tcp4", recv, send, local, remote, state],
    ss: [state, recv, send, local, remote], lwip: [state, local, remote]}[style];
}
const HEADS = {linux: ["Proto", "Recv-Q", "Send-Q", "Local Address", "Foreign Address", "State"], windows: ["Proto", "Local Address", "Foreign Address", "State"],
  bsd: ["Proto", "Recv-Q", "Send-Q", "Local Address", "Foreign Address", "(state)"], ss: ["State", "Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port"],
  lwip: ["state", "local", "remote"]};
function table() {
  if (!lab) return;
  const style = $("style").value, find = $("find").value, rows = [];
  for (const row of [...lab.table, ...lab.host]) {
    const text = cells(row, style);
    if ([...text, row.where, row.conn ? `c${row.conn}` : ""].join(" ").includes(find)) rows.push([row, text]);
  }
  const now = JSON.stringify([style, rows]);
  if (now !== tables) {
    tables = now;
    const head = el("tr", {}, ...HEADS[style].map(h => el("th", {scope: "col"}, h)), el("th", {scope: "col", class: "age"}, t("age")), el("th", {scope: "col"}, t("seen at")));
    const body = rows.map(([row, text]) => el("tr", {"data-conn": row.conn, "data-state": row.state, "data-where": row.where, class: row.where}, ...text.map(c => el("td", {class: c === row.spelled[style] ? "st" : undefined}, visible(c))),
      el("td", {class: "age", "data-since": row.since === null ? "" : row.since}),
      el("td", {title: row.where === "host" ? t("in the kernel of this machine") : t("in the board's stack")}, row.where === "host" ? t("host") : t("board"), " ",
        row.conn ? el("button", {type: "button", class: "quiet", title: t("show this connection"), on: () => show(row.conn)}, "c" + row.conn) : "")));
    const none = find ? t("no connection with “{text}”", {text: visible(find)}) : t("no connection");
    $("table").replaceChildren(el("table", {}, el("thead", {}, head), el("tbody", {}, ...body)), rows.length ? "" : el("p", {class: "soft"}, none));
  }
  ages();
}
export function ages() {
  if (!lab) return;
  const now = lab.now();
  for (const each of $("table").querySelectorAll("[data-since]"))
    each.textContent = each.dataset.since === "" ? "" : (Math.max(0, now - each.dataset.since) / 1e6).toFixed(1) + " s";
}

// Explanations.
export function story(lines, title, extra) {
  const made = title ? [el("h3", {}, title)] : [];
  lines.forEach(([indent, text], n) => {
    if (!text) return;
    const heading = (n === 0 && !title) || (indent === 0 && /[:：]$/.test(text));
    made.push(el(heading && n ? "h4" : heading ? "h3" : "p", {class: "in" + Math.min(3, Math.floor(indent / 2))}, visible(text)));
  });
  $("story").replaceChildren(...made, ...(extra || []));
  $("story").scrollTop = 0;
  open("story");
}
export const facts = row => el("p", {class: "soft"}, t("board time {time} after boot", {time: span(row.t)}) + (row.u ? ` (± ${span(row.u)})` : ""));
