// What the tables' columns are: of cases, of sessions, of what a session met. Their fields are those
// of the templates row_*.html; a change there is a change here.

import { badge, casePath, count, link, minor, money, node, offenderPath, plain, sessionPath,
    text }
    from "./dom.js";
import { stopButton } from "./forms.js";
import { instant } from "./times.js";

// A cell: its field, its head on phones, what of the row it depends on, and how that is shown.
const cell = (field, label, value, show = text, more = {}) =>
    ({ field, label, value, show, marked: true, ...more });
const number = (field, label, value = (row) => row[field], more = {}) =>
    cell(field, label, value, (shown) => [shown === undefined ? "" : count(shown)],
        { num: true, ...more });
// What changes all the time is not marked each time.
const busy = { marked: false };
const counter = (field, label) => number(field, label, undefined, busy);

export const CASE = [
    cell("id", "", (row) => row.id, (id) => [link(casePath(id), id)], { head: true }),
    cell("offender", "Offender",
        ({ agency, offender = {} }) => [agency, offender.name, offender.postcode, offender.town],
        ([agency, name = "", postcode, town]) =>
            [name && link(offenderPath(agency, name, postcode), name), " ", minor(town)]),
    cell("offence_action_date", "Action date", (row) => row.offence_action_date),
    cell("offence_result", "Result", (row) => row.offence_result),
    cell("offence_fine_pence", "Fine", (row) => row.offence_fine_pence,
        (pence) => [money(pence)], { num: true }),
    number("seen_count", "Seen"),
    number("version", "Version"),
    cell("inserted_at", "Added", (row) => row.inserted_at, instant),
    cell("updated_at", "Changed", (row) => row.updated_at, instant),
];

function rate(session) {
    const seconds = (session.last_seen_at - session.started_at) / 1e6;
    if (!(seconds >= 1)) {
        return "";
    }
    const each = (session.cases_found ?? 0) * 60 / seconds;
    return `${each < 10 ? each.toFixed(1) : count(Math.round(each))} a min`;
}

function timeLeft(session) {
    const done = session.pages_processed, left = session.max_pages - done;
    const seconds = (session.last_seen_at - session.started_at) / 1e6;
    if (session.status !== "running" || !(done > 0) || !(left >= 0) || !(seconds >= 1)) {
        return "";
    }
    const minutes = Math.round(left * seconds / done / 60);
    if (minutes < 1) {
        return "under 1 min";
    }
    return minutes < 60 ? `about ${minutes} min` :
        `about ${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function progress([name, done = 0, all = 0]) {
    if (done === 0 && all === 0) {
        return [];
    }
    if (all === 0) {
        return [node("span", { class: "pages" }, `page ${done}`)];
    }
    return [node("span", { class: "pages" }, `page ${done} of ${all}`), " ",
        node("progress", { max: all, value: done, "aria-label": `Pages of ${plain(name)}` })];
}

export const SESSION = [
    cell("session", "", (row) => [row.agency, row.session_id, row.database],
        ([agency, id, database]) =>
            [link(sessionPath(agency, id), `${agency}:${id}`), " ", minor(database)], { head: true }),
    cell("status", "Status", (row) => row.status, (status) => [badge("s", status)]),
    cell("progress", "Progress",
        (row) => [`${row.agency}:${row.session_id}`, row.pages_processed, row.max_pages], progress,
        busy),
    counter("cases_found", "Found"),
    counter("cases_created", "Created"),
    counter("cases_updated", "Updated"),
    counter("cases_existing", "Existing"),
    counter("errors_count", "Errors"),
    cell("rate", "Rate", rate, text, { num: true, ...busy }),
    cell("left", "Time left", timeLeft, text, { num: true, ...busy }),
    cell("worker", "Worker", (row) => row.worker),
    cell("last_seen_at", "Last heard", (row) => row.last_seen_at, instant, busy),
    cell("stop", "", (row) => [row.agency, row.session_id, row.status], stopButton, busy),
];

export const MET = [
    cell("id", "", (row) => [row.id, row.case !== undefined, row.reject],
        ([id, known, reject]) => [id === undefined ? `#${reject}` :
            known ? link(casePath(id), id) : id], { head: true }),
    cell("outcome", "Outcome", (row) => row.outcome, (outcome) => [badge("o", outcome)]),
    cell("offender", "Offender", (row) => row.outcome === "rejected" ?
        [row.code, row.field].filter(Boolean).join(": ") : row.case?.offender?.name),
    cell("offence_fine_pence", "Fine", (row) => row.case?.offence_fine_pence,
        (pence) => [money(pence)], { num: true }),
    number("page", "Page"),
    number("times", "Times", (row) => (row.times > 1 ? row.times : undefined)),
    cell("at", "When", (row) => row.at, instant),
];
