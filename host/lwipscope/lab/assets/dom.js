// Small helpers of the lab's page: elements, texts in the learner's language, times.
"use strict";
export const $ = id => document.getElementById(id);
export const D = JSON.parse($("data").textContent);
const NS = "http://www.w3.org/2000/svg";
const NAMES = {S: "SYN", F: "FIN", R: "RST", P: "PSH", ".": "ACK", U: "URG", E: "ECE", W: "CWR"};

// The text in the page's language; {fields} are filled in.
export function t(text, fields) {
  const found = Object.hasOwn(D.texts, text) ? D.texts[text] : text;
  return fields ? found.replace(/\{(\w+)\}/g, (all, name) => name in fields ? String(fields[name]) : all) : found;
}
export function el(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {}))
    if (key === "on") made.addEventListener("click", value);
    else if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  made.append(...children.filter(c => c !== undefined && c !== null && c !== ""));
  return made;
}
export function svg(name, attributes, text) {
  const made = document.createElementNS(NS, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  return made;
}
export const flagNames = f => f === "none" ? t("no flags") : "SFRPU.EW".split("").filter(c => f.includes(c))
  .map(c => NAMES[c]).join("+");
// What a board or a learner said gets onto the page as text, invisible characters made visible.
export const visible = s => s.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/g,
  c => "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0"));
export const clip = (s, n) => s.length > n ? s.slice(0, Math.max(1, n - 1)) + "…" : s;
export function span(us) {
  if (!us) return "0";
  if (us < 1e3) return us + " µs";
  if (us < 1e6) return (us / 1e3).toFixed(us < 1e5 ? 2 : 1) + " ms";
  if (us < 6e8) return (us / 1e6).toFixed(3) + " s";
  return (us / 6e7).toFixed(1) + " min";
}
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
