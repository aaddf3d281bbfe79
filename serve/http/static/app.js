"use strict";
// The demo page: calls the app's own endpoints and shows their answers. All state is in `page`.

const HISTORY_DAYS = 90;
const PARTS = ["level", "trend", "weekly", "yearly", "holiday", "exogenous", "recent"];
const DAY_MS = 86_400_000;
const element = (id) => document.getElementById(id);
const fine = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "negative" });
const coarse = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0, signDisplay: "negative" });
const number = { format: (value) => (Math.abs(value) < 1000 ? fine : coarse).format(value) };
const share = new Intl.NumberFormat("en-GB", { style: "percent", maximumFractionDigits: 1 });
const dayFormat = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const tickFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const timeFormat = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

const page = { model: null, plot: null, shown: null, versions: [], asked: 0 };

const milliseconds = (day) => Date.parse(`${day}T00:00:00Z`);
const addDays = (day, days) => new Date(milliseconds(day) + days * DAY_MS).toISOString().slice(0, 10);
const showDay = (day) => dayFormat.format(milliseconds(day));
const showTime = (time) => (time ? timeFormat.format(new Date(time)) : "not recorded");
const show = (value, format = number) => (Number.isFinite(value) ? format.format(value) : "–");
const showInterval = (row, level) => `${show(row[`y_hat_lo_${level}`])} to ${show(row[`y_hat_hi_${level}`])}`;
const words = (name) => String(name ?? "–").replaceAll("_", " ");

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

async function ask(path, body) {
  const headers = {};
  if (element("key").value) headers["X-API-Key"] = element("key").value;
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  const document = await answer.json().catch(() => ({}));
  if (answer.status === 401) element("key-field").hidden = false;
  if (!answer.ok) throw new Error(document.detail || `the app answered ${answer.status}`);
  return document;
}

function showProblem(message) {
  element("problem").textContent = message;
  element("problem").hidden = !message;
}

// ---- the champion

async function loadChampion() {
  try {
    page.model = await ask("/model?limit=0");
    await listSeries();
  } catch (error) {
    element("champion-line").textContent = "There is no champion yet";
    showProblem(error.message);
    element("submit").disabled = element("key-field").hidden;
    return false;
  }
  element("champion-line").textContent = `Champion: version ${page.model.version}, data until ${showDay(page.model.cutoff)}`;
  fillSeries();
  fillExogenous();
  await showScores();
  return true;
}

// All series where they fit into one answer; otherwise the first of those whose name holds what is typed.
async function listSeries() {
  const search = element("find").value;
  const answer = await ask(`/series?${new URLSearchParams({ search })}`);
  if (search !== element("find").value) return false;
  element("find-field").hidden = answer.series_count <= answer.series.length && !search;
  element("found").textContent = answer.matching > answer.series.length
    ? `${coarse.format(answer.matching)} match; the first ${answer.series.length} are listed` : answer.matching ? "" : "No series matches.";
  // The one that is shown stays until another is found.
  if (answer.matching || !page.model.series.length) page.model.series = answer.series;
  return answer.matching > 0;
}

async function findSeries() {
  try {
    if (!await listSeries()) return;
    fillSeries();
    forecast();
    showAnswered();
  } catch (error) {
    showProblem(error.message);
  }
}

function fillSeries() {
  const options = page.model.series.map(({ unique_id }) => make("option", { value: unique_id, textContent: unique_id }));
  element("series").replaceChildren(...options);
  element("series").disabled = element("submit").disabled = false;
  proposeDays();
  showChampion();
}

// Covariates (weather, promotions, events), where the champion uses any.
function fillExogenous() {
  const names = page.model.covariates ?? [];
  element("exogenous").replaceChildren(...names.map((name) => make("option", { value: name, textContent: name })));
  element("exogenous").hidden = !names.length;
}

function newestObservation() {
  return page.model.series.find(({ unique_id }) => unique_id === element("series").value).newest_observation;
}

// Marks a series that is constant, ended or new.
function showState() {
  const { state } = page.model.series.find(({ unique_id }) => unique_id === element("series").value);
  return state ? ` (${state})` : "";
}

// The next value, where the feed declares on which days there is one, and when it is whole.
function nextDue() {
  const { next_due, complete_from } = page.model.series.find(({ unique_id }) => unique_id === element("series").value);
  const when = Date.parse(complete_from) < Date.now() ? "late since" : "not yet before";
  return next_due ? { "Next value": `of ${showDay(next_due)}, ${when} ${showTime(complete_from)}` } : {};
}

function proposeDays() {
  const newest = newestObservation();
  element("start").value = addDays(newest, 1);
  element("end").value = addDays(newest, page.model.horizon);
}

const aboutSeries = (uniqueId) => page.model.series.find(({ unique_id }) => unique_id === uniqueId) ?? {};

function showChampion() {
  const { winner, scores } = aboutSeries(element("series").value);
  const facts = {
    Version: page.model.version,
    "Data until": showDay(page.model.cutoff),
    Trained: showTime(page.model.trained),
    Promoted: showTime(page.model.promoted),
    "Newest observation": showDay(newestObservation()) + showState(),
    ...nextDue(),
    "Forecast by": words(winner),
    ...notNormalFact(element("series").value),
    MASE: show(scores?.mase),
    "Against naive": showSkill(scores?.skill_naive),
  };
  const entries = Object.entries(facts).flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", { textContent: value })]);
  element("champion").replaceChildren(...entries);
}

function notNormalFact(uniqueId) {
  const periods = notNormal(uniqueId).map((period) => `${showRange(period)}: ${period.reason}`);
  return periods.length ? { "Not normal, left out": periods.join("; ") } : {};
}

const showSkill = (skill) => (Number.isFinite(skill) ? `${share.format(Math.abs(skill))} ${skill < 0 ? "worse" : "better"}` : "–");

// Of every series, or of the worst where there are many.
async function showScores() {
  const many = page.model.series_count > page.model.series.length;
  const listed = many ? (await ask("/series?order=worst&limit=10")).series : page.model.series;
  element("scores-note").textContent = many ? `The ${listed.length} worst of ${coarse.format(page.model.series_count)} series, by MASE.` : "";
  const rows = listed.map(({ unique_id, winner, scores, coverage }) => {
    const cells = [words(winner), show(scores?.rmse), show(scores?.mae), show(scores?.mase), showSkill(scores?.skill_naive),
      show(coverage?.["80"], share), show(coverage?.["95"], share)];
    return make("tr", {}, make("th", { scope: "row", textContent: unique_id }), ...cells.map((text) => make("td", { textContent: text })));
  });
  element("scores").tBodies[0].replaceChildren(...rows);
}

// ---- answered forecasts, compared with actuals

async function showAnswered() {
  const unique_id = element("series").value;
  let accuracy = [];
  let said = "";
  try {
    const answer = await ask(`/prediction-errors?${new URLSearchParams({ unique_id })}`);
    accuracy = answer.accuracy;
    said = accuracy.length
      ? `Days ${showDay(answer.start)} to ${showDay(answer.end)}; only forecasts answered before the actual was known.`
      : "No day that this app forecast in advance has an actual yet.";
  } catch (error) {
    said = `Not available: ${error.message}`;
  }
  if (unique_id !== element("series").value) return;
  element("answered-note").textContent = said;
  const rows = accuracy.map(({ model_version, days_ahead, forecasts, answers, bias, rmse, mae }) => {
    const cells = [days_ahead, coarse.format(forecasts), coarse.format(answers), show(bias), show(rmse), show(mae)];
    return make("tr", {}, make("th", { scope: "row", textContent: model_version }), ...cells.map((text) => make("td", { textContent: text })));
  });
  element("answered").tBodies[0].replaceChildren(...rows);
}

// ---- the forecast

async function forecast() {
  const [unique_id, start, end] = ["series", "start", "end"].map((id) => element(id).value);
  const asked = ++page.asked;
  showProblem("");
  element("warnings").replaceChildren();
  try {
    const answer = await ask("/predict", { start, end, unique_id, explain: true });
    const history = await readHistory(unique_id, start, end);
    // A later request may have been answered meanwhile; only the last one is shown.
    if (asked === page.asked) showForecast(answer.forecasts, history);
  } catch (error) {
    if (asked === page.asked) showProblem(error.message);
  }
}

async function readHistory(uniqueId, start, end) {
  const newest = newestObservation();
  const from = addDays(start < newest ? start : newest, -HISTORY_DAYS);
  try {
    return await ask(`/history?${new URLSearchParams({ start: from, end, unique_id: uniqueId })}`);
  } catch (error) {
    showProblem(`The history cannot be shown: ${error.message}`);
    return { actuals: [], forecasts: [], shadows: [] };
  }
}

function showForecast(forecasts, history, scenario = []) {
  const actuals = new Map(history.actuals.map(({ ds, y }) => [ds, y]));
  const held = new Map(history.actuals.filter((row) => row.held).map((row) => [row.ds, row.held]));
  const changed = new Map(scenario.map(({ ds, y_hat }) => [ds, y_hat]));
  fillTable("values", forecasts, (row) =>
    [show(row.y_hat), showInterval(row, 80), showInterval(row, 95), show(actuals.get(row.ds)), scenario.length ? show(changed.get(row.ds)) : "", note(row, held.get(row.ds))]);
  const covariates = fillCovariates("parts", forecasts, "explain_exogenous: ");
  fillTable("parts", forecasts, (row) => [...PARTS.map((part) => show(row[`explain_${part}`])), show(row.y_hat), ...covariates.map((name) => show(row[name]))]);
  element("scenario-legend").hidden = !scenario.length;
  element("compare").disabled = !forecasts.length;
  if (!forecasts.length) showProblem("No value is due on these days: choose others.");
  page.shown = { forecasts, history, scenario };
  draw();
  showMoved();
}

// Only once it is opened: the answer needs features of the day before from the store.
async function showMoved() {
  const { forecasts } = page.shown ?? {};
  if (!element("why").open || !forecasts?.length) return;
  const [asked, { unique_id, cutoff }] = [page.asked, forecasts[0]];
  const range = { start: forecasts[0].ds, end: forecasts.at(-1).ds, unique_id };
  element("why-said").textContent = "";
  try {
    const answer = await ask("/predict", { ...range, since: addDays(cutoff, -1) });
    if (asked !== page.asked) return;
    const covariates = fillCovariates("moved", answer.forecasts, "moved_exogenous: ");
    fillTable("moved", answer.forecasts, (row) => [...PARTS.map((part) => showMove(row[`moved_${part}`])), showMove(row.moved), ...covariates.map((name) => showMove(row[name]))]);
  } catch (error) {
    element("moved").tBodies[0].replaceChildren();
    element("why-said").textContent = error.message;
  }
}

// Heads of a column for each covariate that adds something on one of the days; their fields.
function fillCovariates(id, forecasts, prefix) {
  const fields = [...new Set(forecasts.flatMap((row) => Object.keys(row).filter((name) => name.startsWith(prefix))))];
  const shown = fields.filter((name) => forecasts.some((row) => Math.abs(row[name] ?? 0) >= 0.005));
  const head = element(id).tHead.rows[0];
  head.querySelectorAll(".covariate").forEach((cell) => cell.remove());
  head.append(...shown.map((name) => make("th", { scope: "col", className: "covariate", textContent: `of it ${name.slice(prefix.length)}` })));
  return shown;
}

const showMove = (by) => (by > 0 ? `+${show(by)}` : show(by));

function fillTable(id, forecasts, cells) {
  const rows = forecasts.map((row) =>
    make("tr", {}, make("th", { scope: "row", textContent: showDay(row.ds) }), ...cells(row).map((text) => make("td", { textContent: text }))));
  element(id).tBodies[0].replaceChildren(...rows);
}

// The periods that the champion's recipe declares as not normal, of a series.
function notNormal(uniqueId) {
  const periods = page.model?.metadata?.recipe?.not_normal ?? [];
  return periods.filter(({ unique_id }) => !unique_id || unique_id.includes(uniqueId));
}

function note(row, held) {
  const notes = notNormal(row.unique_id).filter(({ start, end }) => start <= row.ds && row.ds <= end).map(({ reason }) => `not normal: ${reason}`);
  if (held) notes.push(`the actual is held back: ${held}`);
  if (row.extrapolated) notes.push("beyond the trained horizon");
  if (row.replaced) notes.push("naive: the model's own forecast was not plausible");
  if (row.lacks_exogenous) notes.push("an exogenous value is missing");
  if (row.new_series) notes.push("new series");
  if (row.closed) notes.push("closed: no value is due");
  if (row.in_training) notes.push("seen in training");
  return notes.join(", ");
}

// ---- what if

async function compare() {
  const { forecasts, history } = page.shown;
  const asked = page.asked;
  const change = { [element("column").value]: { [element("operation").value]: element("amount").valueAsNumber } };
  const changes = element("column").selectedOptions[0].parentElement.id === "exogenous" ? { exogenous: change } : change;
  showProblem("");
  try {
    const answer = await ask("/whatif", { start: forecasts[0].ds, end: forecasts.at(-1).ds, unique_id: forecasts[0].unique_id, changes });
    if (asked !== page.asked) return;
    showForecast(forecasts, history, answer.scenario);
    element("warnings").replaceChildren(...answer.warnings.map(({ message }) => entry("warning", "warning", "", message)));
  } catch (error) {
    showProblem(error.message);
  }
}

// ---- the plot

const PLOTTED = ["y", "record", "scenario", "y_hat", "y_hat_lo_80", "y_hat_hi_80", "y_hat_lo_95", "y_hat_hi_95"];

// The newest shadow versions; more would hide the champion's own line.
const MAX_SHADOWS = 3;

function shadowVersions({ shadows }) {
  return [...new Set(shadows.map(({ model_version }) => model_version))].sort((a, b) => b - a).slice(0, MAX_SHADOWS);
}

function plotted({ forecasts, history, scenario }, versions) {
  const days = new Map();
  const put = (ds, values) => days.set(ds, { ...days.get(ds), ...values });
  history.actuals.filter(({ held }) => !held).forEach(({ ds, y }) => put(ds, { y }));
  history.forecasts.forEach(({ ds, y_hat }) => put(ds, { record: y_hat }));
  history.shadows.forEach(({ ds, y_hat, model_version }) => put(ds, { [`version ${model_version}`]: y_hat }));
  forecasts.forEach((row) => put(row.ds, row));
  scenario.forEach(({ ds, y_hat }) => put(ds, { scenario: y_hat }));
  const ordered = [...days.keys()].sort();
  return [ordered.map((ds) => milliseconds(ds) / 1000), ...[...PLOTTED, ...versions.map((version) => `version ${version}`)].map((name) => ordered.map((ds) => days.get(ds)[name] ?? null))];
}

function draw() {
  if (!page.shown) return;
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const place = element("plot");
  const axis = { stroke: colour("muted"), grid: { stroke: colour("grid"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const line = (stroke, more = {}) => ({ stroke: colour(stroke), width: 2, points: { show: false }, spanGaps: true, ...more });
  const bound = { stroke: "transparent", width: 0, points: { show: false } };
  const versions = shadowVersions(page.shown.history);
  showLegend(versions);
  element("not-normal-legend").hidden = !notNormal(element("series").value).length;
  page.plot?.destroy();
  page.plot = new uPlot({
    width: place.clientWidth,
    height: place.clientHeight,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 7 } },
    series: [
      {},
      line("actual", { width: 1.6, spanGaps: false }),
      line("record", { width: 1.5, dash: [5, 4] }),
      line("scenario", { width: 2, dash: [8, 3] }),
      line("forecast", { width: 2.2, points: { show: page.shown.forecasts.length < 3, size: 7 } }),
      bound, bound, bound, bound,
      ...versions.map((_, position) => line(`shadow${position + 1}`, { width: 1.3, dash: [1.5, 3.5] })),
    ],
    bands: [
      { series: [8, 7], fill: colour("band95") },
      { series: [6, 5], fill: colour("band80") },
    ],
    axes: [{ ...axis, space: 70, size: 30, values: (_, seconds) => seconds.map((at) => tickFormat.format(at * 1000)) }, { ...axis, size: 54 }],
    hooks: { drawClear: [shadeNotNormal], setCursor: [(plot) => readOut(plot)] },
  }, plotted(page.shown, versions), place);
  page.versions = versions;
}

function shadeNotNormal(plot) {
  const { left, top, width, height } = plot.bbox;
  plot.ctx.save();
  plot.ctx.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--not-normal").trim();
  for (const { start, end } of notNormal(element("series").value)) {
    const [from, to] = [start, addDays(end, 1)].map((day) => plot.valToPos(milliseconds(day) / 1000, "x", true));
    const [low, high] = [Math.max(from, left), Math.min(to, left + width)];
    if (high > low) plot.ctx.fillRect(low, top, high - low, height);
  }
  plot.ctx.restore();
}

function showLegend(versions) {
  document.querySelectorAll(".legend .shadow").forEach((item) => item.remove());
  const items = versions.map((version, position) =>
    make("li", { className: "shadow" }, make("span", { className: `swatch shadow${position + 1}` }), `Version ${version}`));
  document.querySelector(".legend").append(...items);
}

function readOut(plot) {
  const index = plot.cursor.idx;
  if (index == null) {
    element("readout").textContent = "\u00a0";
    return;
  }
  const [seconds, y, record, scenario, yHat, low, high, , , ...shadows] = plot.data.map((values) => values[index]);
  const parts = [dayFormat.format(seconds * 1000)];
  if (y != null) parts.push(`actual ${show(y)}`);
  if (yHat != null) parts.push(`forecast ${show(yHat)} (80 %: ${show(low)} to ${show(high)})`);
  if (record != null) parts.push(`of record ${show(record)}`);
  if (scenario != null) parts.push(`what if ${show(scenario)}`);
  shadows.forEach((value, position) => { if (value != null) parts.push(`version ${page.versions[position]} ${show(value)}`); });
  element("readout").textContent = parts.join(" · ");
}

// ---- decisions and alerts

const VERDICTS = { promote: "good", refresh: "good", rollback: "warning", reject: "bad" };

function entry(badge, kind, when, text) {
  const head = make("div", {}, make("span", { className: `badge ${kind}`, textContent: badge }), make("span", { className: "when", textContent: when }));
  return make("li", {}, head, make("p", { textContent: text }));
}

async function showEntries(id, path, none, entries) {
  let items;
  try {
    items = entries(await ask(path));
  } catch (error) {
    items = [make("li", { className: "none", textContent: `Not available: ${error.message}` })];
  }
  element(id).replaceChildren(...(items.length ? items : [make("li", { className: "none", textContent: none })]));
}

const showDecisions = () => showEntries("decisions", "/decisions?limit=6", "No decisions yet.", ({ decisions }) =>
  decisions.map((d) => entry(d.verdict, VERDICTS[d.verdict] ?? "", `version ${d.challenger_version}, ${showTime(d.decided_at)}`, d.reason)));

const showAlerts = () => showEntries("alerts", "/alerts?open_only=true", "No open alerts.", ({ alerts }) => {
  const unknown = alerts.filter(({ state }) => state === "UNKNOWN");
  const failing = alerts.filter(({ state }) => state !== "UNKNOWN").map(alertEntry);
  if (!unknown.length) return failing;
  const none = make("li", { className: "none", textContent: "No check fails." });
  return [...(failing.length ? failing : [none]), unknownEntry(unknown)];
});

function unknownEntry(unknown) {
  const cannot = unknown.length === 1 ? "1 check cannot say yet" : `${unknown.length} checks cannot say yet`;
  const list = make("ul", { className: "entries" }, ...unknown.map(alertEntry));
  return make("li", {}, make("details", { className: "unknown" }, make("summary", { textContent: cannot }), list));
}

function alertEntry(alert) {
  const { severity, state, first_seen, summary, muted_by, acknowledged_by, story = [] } = alert;
  const item = entry(severity, severity === "error" ? "bad" : "warning", `${state.toLowerCase()} since ${showTime(first_seen)}`, summary);
  if (acknowledged_by) item.append(make("p", { className: "when", textContent: `${acknowledged_by} is on it` }));
  if (muted_by) item.append(make("p", { className: "when", textContent: `muted: ${muted_by}` }));
  for (const { at, happened, text } of story.slice(1)) item.append(make("p", { className: "when", textContent: `${happened}, ${showTime(at)}: ${text}` }));
  if (document.body.dataset.role !== "reader") item.append(responseTo(alert));
  return item;
}

function responseTo({ alert_id, fingerprint }) {
  const { person = "" } = document.body.dataset;
  const by = make("input", { required: true, maxLength: 200, autocomplete: "name", value: person, readOnly: person !== "" });
  const reason = make("input", { maxLength: 200 });
  const hours = make("input", { type: "number", min: 0, max: 8760, step: "any", value: 24 });
  const onIt = make("button", { type: "submit", textContent: "I am on it" });
  const mute = make("button", { type: "button", className: "plain", textContent: "Mute" });
  const said = make("p", { role: "status" });
  const send = async (path, body, done) => {
    try {
      await ask(path, body);
      said.textContent = done;
    } catch (error) {
      said.textContent = error.message;
    }
  };
  const label = (text, input) => make("label", {}, text, input);
  const form = make("form", { noValidate: true }, label("Your name", by), onIt, label("Reason", reason), label("Hours", hours), mute);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send("/alerts/acknowledge", { alert_id, by: by.value }, `${by.value} is on it; no more reminders`);
  });
  mute.addEventListener("click", () =>
    send("/alerts/mute", { pattern: fingerprint, hours: hours.valueAsNumber, reason: reason.value, by: by.value }, `muted for ${hours.value} hours`));
  return make("details", {}, make("summary", { textContent: "Respond" }), form, said);
}

// ---- feeds

const FEED_STATES = { loaded: "good", failing: "bad", "never loaded": "bad" };
const count = (value, one, many = `${one}s`) => `${coarse.format(value)} ${value === 1 ? one : many}`;
const shortDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const showRange = ({ start, end }) => (start === end ? showDay(start) : [start, end].map((day) => shortDay.format(milliseconds(day))).join(" to "));

const showFeeds = () => showEntries("feeds", "/feeds", "No feed was loaded yet.", (answer) => {
  showHeld(answer);
  const more = answer.feed_count - answer.feeds.length;
  const rest = more > 0 ? [make("li", { className: "none", textContent: `and ${count(more, "more feed")}` })] : [];
  return [...answer.feeds.map(feedEntry), ...rest];
});

function feedEntry(feed) {
  const { name, state, problem, failing_since, loaded, is_late } = feed;
  const when = failing_since ? `since ${showTime(failing_since)}` : "";
  const item = entry(state, FEED_STATES[state], when, "");
  const title = make("h3", { textContent: name });
  if (is_late) item.firstChild.prepend(make("span", { className: "badge warning", textContent: "late" }));
  item.lastChild.remove();
  item.prepend(title);
  if (problem) item.append(make("p", { className: "problem", textContent: problem }));
  const facts = Object.entries(feedFacts(feed)).filter(([, value]) => value);
  item.append(make("dl", {}, ...facts.flatMap(([term, value]) => [make("dt", { textContent: term }), make("dd", { textContent: value })])));
  if (loaded?.refused.length) item.append(refusedDetails(loaded.refused));
  return item;
}

function feedFacts({ asked_at, start, end, problem, loaded, newest_day, not_yet, next_due, complete_from, is_late }) {
  return {
    "Last tried": problem && showTime(asked_at),
    "Days tried": problem && showRange({ start, end }),
    "Last load": loaded ? showTime(loaded.at) : "never",
    "Days loaded": loaded && showRange(loaded),
    Stored: loaded && `${count(loaded.values, "value")}: ${coarse.format(loaded.new)} new, ${coarse.format(loaded.revised)} revised`,
    Refused: loaded && `${count(loaded.refused_rows, "row")} of ${show(loaded.rows ?? NaN, coarse)}, ${count(loaded.refused_values, "value")}`,
    "Newest day": newest_day && showDay(newest_day),
    "Not yet": not_yet && showRange(not_yet),
    "Next due": next_due && showDay(next_due),
    [is_late ? "Late since" : "Complete from"]: complete_from && showTime(complete_from),
  };
}

function refusedDetails(refused) {
  const said = refused.map(({ row, unique_id, raw, reason }) =>
    make("li", {}, make("p", { textContent: `Row ${coarse.format(row)}${unique_id === null ? "" : `, ${unique_id}`}: ${reason}` }), make("code", { textContent: raw })));
  return make("details", {}, make("summary", { textContent: "Refused, such as" }), make("ul", { className: "entries" }, ...said));
}

// Stored, and nothing is built on it: not complete yet, or implausible.
function showHeld({ held, held_count }) {
  const [summary, list] = element("held").children;
  element("held").hidden = !held_count;
  summary.textContent = `${count(held_count, "newest value is", "newest values are")} held back`;
  const items = held.map(({ unique_id, ds, y, reason }) => entry(reason, "warning", showDay(ds), `${unique_id}: ${show(y)}`));
  list.replaceChildren(...items);
}

// ---- start

async function begin() {
  const feeds = showFeeds(); // why there is no champion yet, a feed may tell
  if (await loadChampion()) await Promise.all([forecast(), showAnswered(), showDecisions(), showAlerts()]);
  await feeds;
}

element("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (page.model) forecast();
  else { showProblem(""); begin(); }
});
element("whatif").addEventListener("submit", (event) => { event.preventDefault(); compare(); });
element("why").addEventListener("toggle", showMoved);
let typed;
element("find").addEventListener("input", () => { clearTimeout(typed); typed = setTimeout(findSeries, 200); });
element("series").addEventListener("change", () => { proposeDays(); showChampion(); forecast(); showAnswered(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
new ResizeObserver(() => page.plot?.setSize({ width: element("plot").clientWidth, height: element("plot").clientHeight })).observe(element("plot"));
begin();
