"use strict";
// Everything shown comes from models, files and people: it becomes text nodes and numbers, never markup.
const COLOURS = ["#3b7dd8", "#1d9a8a", "#d9822b", "#b5499c", "#7a5cd0", "#c0392b", "#6b8e23", "#8c6d46", "#4aa3c7", "#888f99"];
const LIMITS = { max_latency_ms: "latency, ms", max_params_m: "parameters, M", max_macs_m: "MACs, M", hours: "hours", trainings: "trainings" };
const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);
const wishToken = document.querySelector("meta[name=wish]").content;
let source = null, run = null, chosen = null, beside = new Map();

function make(tag, text, name) {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = String(text);
  if (name) node.className = name;
  return node;
}
function draw(parent, tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  if (text !== undefined) node.textContent = String(text);
  parent.append(node);
  return node;
}
const items = (id, texts) => $(id).replaceChildren(...texts.map((text) => make("li", text)));
function table(id, heads, rows) {
  const head = make("tr");
  head.append(...heads.map((text) => make("th", text)));
  $(id).replaceChildren(...(heads.length ? [head] : []), ...rows.map((row) => {
    const line = make("tr");
    for (const cell of row) {
      const place = make("td", cell instanceof Node ? null : cell, typeof cell === "number" ? "number" : "");
      if (cell instanceof Node) place.append(cell);
      line.append(place);
    }
    return line;
  }));
}
async function ask(path, wish) {
  const more = wish ? { method: "POST", headers: { "Content-Type": "application/json", "X-LLM-NAS-Wish": wishToken }, body: JSON.stringify(wish) } : {};
  const answer = await fetch(path, more);
  const text = await answer.text();
  if (answer.ok) return JSON.parse(text);
  let said = text.trim();
  try { said = JSON.parse(text).error ?? said; } catch { /* a plain line */ }
  throw new Error(said);
}
async function want(wish) {
  try {
    await ask(`/api/wish/${encodeURIComponent(run.run)}`, wish);
    $("said").textContent = `asked: ${wish.kind}`;
  } catch (error) { $("said").textContent = error.message; }
}

const higher = (r) => r.metric === null || r.metric === undefined || r.metric.higher_is_better;
function frontOf(r) {
  const kept = [], up = higher(r), better = (a, b) => (up ? a > b : a < b);
  const sorted = [...r.networks].sort((a, b) => a.latency_ms - b.latency_ms || (better(a.value, b.value) ? -1 : 1));
  for (const n of sorted) if (!kept.length || better(n.value, kept.at(-1).value)) kept.push(n);
  return kept;
}
function ticks(low, high) {
  const rough = (high - low || 1) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((s) => s * power).find((s) => s >= rough), found = [];
  for (let x = Math.ceil(low / step) * step; x <= high; x += step) found.push(Number(x.toPrecision(6)));
  return found;
}
const steps = (list, x, y) => list.map((n, i) => (i ? `H${x(n.latency_ms)}V${y(n.value)}` : `M${x(n.latency_ms)} ${y(n.value)}`)).join("");
function showFront() {
  const svg = $("front"), shown = [run, ...beside.values()], list = shown.flatMap((r) => r.networks);
  svg.replaceChildren();
  if (!list.length) { draw(svg, "text", { x: 260, y: 190 }, "nothing is trained yet"); return; }
  // Networks that hardly train would squeeze the rest into a strip: the axis ends at the worst of the best part.
  const up = higher(run), ranked = list.map((n) => n.value).sort((a, b) => (up ? b - a : a - b));
  const edge = ranked[Math.min(ranked.length - 1, Math.floor(ranked.length * 0.9))], values = [...frontOf(run).map((n) => n.value), ranked[0], edge];
  const low = Math.min(...values), high = Math.max(...values), inside = (v) => v >= low && v <= high;
  const logs = list.flatMap((n) => [n.latency_low_ms, n.latency_high_ms]).map((v) => Math.log10(Math.max(v, 1e-9)));
  const from = Math.min(...logs), to = Math.max(...logs);
  const x = (ms) => 60 + ((Math.log10(Math.max(ms, 1e-9)) - from) / (to - from || 1)) * 560, y = (v) => 330 - ((v - low) / (high - low || 1)) * 300;
  for (const t of ticks(low, high)) {
    draw(svg, "line", { class: "grid", x1: 60, x2: 620, y1: y(t), y2: y(t) });
    draw(svg, "text", { x: 54, y: y(t) + 4, "text-anchor": "end" }, t);
  }
  for (const t of ticks(from, to)) draw(svg, "text", { x: x(10 ** t), y: 350, "text-anchor": "middle" }, (10 ** t).toPrecision(2));
  draw(svg, "text", { x: 620, y: 370, "text-anchor": "end" }, "latency, ms (log)");
  draw(svg, "text", { x: 4, y: 16 }, run.metric ? `${run.metric.name} ${run.metric.unit}` : "");
  [...beside.values()].forEach((r, i) => {
    const path = draw(svg, "path", { class: "other", stroke: COLOURS[(i + 5) % 10], d: steps(frontOf(r).filter((n) => inside(n.value)), x, y) });
    draw(path, "title", {}, r.run);
  });
  draw(svg, "path", { class: "path", d: steps(frontOf(run).filter((n) => inside(n.value)), x, y) });
  const last = Math.max(...run.networks.map((n) => n.generation)), ids = run.niches.map((n) => n.id);
  for (const n of run.networks.filter((one) => inside(one.value))) {
    if (n.latency_high_ms > n.latency_low_ms) draw(svg, "line", { class: "whisker", x1: x(n.latency_low_ms), x2: x(n.latency_high_ms), y1: y(n.value), y2: y(n.value) });
    const point = draw(svg, "circle", { class: n.generation === last ? "point new" : "point", cx: x(n.latency_ms), cy: y(n.value), r: 5, tabindex: 0,
      fill: COLOURS[Math.max(0, ids.indexOf(n.niche)) % COLOURS.length] });
    draw(point, "title", {}, `${n.niche}, generation ${n.generation}: ${n.value.toFixed(2)}, ${n.latency_ms.toPrecision(4)} ms\n${n.arch}`);
    point.addEventListener("click", () => tellOf(n.arch));
    point.addEventListener("keydown", (event) => { if (event.key === "Enter") tellOf(n.arch); });
  }
}
async function tellOf(arch) {
  $("arch").value = arch;
  try {
    $("story").textContent = (await ask(`/api/story/${encodeURIComponent(run.run)}?arch=${encodeURIComponent(arch)}`)).join("\n");
  } catch (error) { $("story").textContent = error.message; }
}
function buttons(claim) {
  const box = make("span");
  const kinds = run.ban.includes(claim.id) || run.pin.includes(claim.id) ? ["free"] : ["ban", "pin"];
  for (const kind of kinds) {
    const button = make("button", kind);
    button.type = "button";
    button.dataset.claim = claim.id;
    button.addEventListener("click", () => want({ kind, claim: claim.id }));
    box.append(button, " ");
  }
  return box;
}
function marked(claim) {
  if (run.ban.includes(claim.id)) return "banned";
  return run.pin.includes(claim.id) ? "pinned" : claim.status;
}
const told = (w) => [w.kind, w.claim, w.limit, w.value ?? (w.limit ? "none" : null), w.arch].filter((part) => part !== null && part !== undefined).join(" ");
function show(next) {
  const kept = $("log").scrollTop + $("log").clientHeight >= $("log").scrollHeight - 20;
  run = next;
  $("state").textContent = run.state;
  $("state").className = run.state;
  $("about").textContent = `${run.context} · ${run.model} · seed ${run.seed}`;
  $("stop").disabled = run.state !== "running";
  const spent = run.networks.reduce((sum, n) => sum + n.trainings, 0) + run.failures.reduce((sum, f) => sum + f.trainings, 0);
  const hv = run.result && run.result.hv !== null ? ` · hv ${run.result.hv.toFixed(4)}` : "";
  $("figures").textContent = `${spent} of ${run.limits.trainings} trainings · ${frontOf(run).length} networks on the front · ${run.failures.length} failed${hv}`;
  $("question").textContent = run.question;
  $("asked").hidden = !run.question;
  items("doing", run.doing.map((d) => `${d.doing} ${d.arch} (${d.niche}) since ${d.since.slice(11, 19)} UTC`));
  items("waiting", run.waiting.map((w) => `waits for the next generation: ${told(w)}`));
  table("limits", [], Object.entries(LIMITS).map(([name, text]) => [text, run.limits[name] ?? "no limit"]));
  const money = Object.entries(run.usage).map(([role, u]) => [`${role}, ${u.model}`, `${u.calls} calls, ${u.tokens_in}+${u.tokens_out} tokens`, u.usd === null ? "price unknown" : `${u.usd.toFixed(4)} USD`]);
  table("cost", [], [...Object.entries(run.seconds).map(([part, s]) => [part, `${s.toFixed(1)} s`, ""]), ...money]);
  table("claims", ["claim", "status", "evidence", ""], run.claims.map((c) => [c.statement, marked(c),
    `${c.evidence.n_for ?? 0} for, ${c.evidence.n_against ?? 0} against; effect ${(c.evidence.mean_effect ?? 0).toPrecision(3)} (${(c.evidence.low ?? 0).toPrecision(3)} to ${(c.evidence.high ?? 0).toPrecision(3)})`, buttons(c)]));
  $("log").textContent = run.log.join("\n");
  if (kept) $("log").scrollTop = $("log").scrollHeight;
  showFront();
}
function watch(name) {
  if (source) source.close();
  chosen = name;
  source = new EventSource(`/api/events/${encodeURIComponent(name)}`);
  source.onmessage = (event) => show(JSON.parse(event.data));
  source.onerror = () => { $("state").textContent = "no answer; if it stays so, open the address that llm-nas watch prints"; $("state").className = "gone"; };
}
async function listRuns() {
  const found = await ask("/api/runs");
  const pick = $("run"), now = chosen ?? found.chosen;
  pick.replaceChildren(...found.runs.map((r) => {
    const option = make("option", `${r.run} (${r.state})`);
    option.value = r.run;
    option.selected = r.run === now;
    return option;
  }));
  $("others").replaceChildren(...found.runs.filter((r) => r.run !== now).map((r) => {
    const label = make("label"), box = make("input");
    box.type = "checkbox";
    box.value = r.run;
    box.checked = beside.has(r.run);
    box.addEventListener("change", () => besides(r.run, box.checked));
    label.append(box, ` ${r.run} `);
    return label;
  }));
  for (const name of beside.keys()) beside.set(name, await ask(`/api/run/${encodeURIComponent(name)}`));
  if (chosen === null && now) watch(now);
}
async function besides(name, on) {
  if (on) beside.set(name, await ask(`/api/run/${encodeURIComponent(name)}`)); else beside.delete(name);
  showFront();
}

$("limit").append(...Object.entries(LIMITS).map(([name, text]) => { const o = make("option", text); o.value = name; return o; }));
$("run").addEventListener("change", () => { beside.delete($("run").value); watch($("run").value); listRuns(); });
$("stop").addEventListener("click", () => want({ kind: "stop" }));
for (const kind of ["approve", "decline"]) $(kind).addEventListener("click", () => want({ kind }));
$("try").addEventListener("submit", (event) => { event.preventDefault(); want({ kind: "next", arch: $("arch").value.trim() }); });
$("change").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("value").value.trim();
  want({ kind: "limit", limit: $("limit").value, value: text === "" ? null : Number(text) });
});
listRuns();
setInterval(() => listRuns().catch(() => {}), 5000);
