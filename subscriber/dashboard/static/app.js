// The page: puts what the server streams (events.js) into the tables that the server rendered.
//
// What is shown was written by somebody on some web page. It gets into the document as text and
// as nothing else: nodes are made here one by one, and no text is ever parsed as markup. Row
// structure is that of the templates row_*.html; a change there is a change here.

import { Stream } from "./events.js";

const FRESH_MS = 3000; // a row that changed is marked for so long
const ANNOUNCE_MS = 15000; // the polite live region says something at most so often
const AGAIN_MS = 5000; // a second press within this time stops a session
const CHARTS_MS = 60000;
const LOST_MS = 1500; // a connection is missed for so long before a word is said about it

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// --- nodes and words ----------------------------------------------------------------------

function node(tag, attributes = {}, ...children) {
    const self = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        self.setAttribute(name, value);
    }
    self.append(...children.filter((child) => child !== undefined && child !== ""));
    return self;
}

const link = (href, words) => node("a", { href }, words);
const minor = (words) => (words ? node("span", { class: "minor" }, words) : "");
const badge = (kind, word) => node("span", { class: `badge ${kind}-${word}` }, word);
const text = (value) => [value === undefined ? "" : String(value)];

const casePath = (id) => `/cases/${encodeURIComponent(id)}`;
const sessionPath = (agency, id) =>
    `/sessions/${encodeURIComponent(agency)}/${encodeURIComponent(id)}`;

function offenderPath(agency, name, postcode) {
    const query = { agency, name, postcode };
    return "/offenders?" + Object.keys(query).filter((key) => query[key])
        .map((key) => `${key}=${encodeURIComponent(query[key])}`).join("&");
}

function count(number) {
    return (number ?? 0).toLocaleString("en-GB");
}

function money(pence) {
    if (pence === undefined) {
        return "";
    }
    return `£${Math.floor(pence / 100).toLocaleString("en-GB")}.` +
        String(pence % 100).padStart(2, "0");
}

// --- times --------------------------------------------------------------------------------

const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const YEAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

function absolute(date) {
    const now = new Date();
    if (date.toDateString() === now.toDateString()) {
        return CLOCK.format(date);
    }
    const day = date.getFullYear() === now.getFullYear() ? DAY : YEAR;
    return `${day.format(date)} ${CLOCK.format(date).slice(0, 5)}`;
}

function ago(date) {
    const seconds = Math.max(0, Math.round((Date.now() - date) / 1000));
    if (seconds < 5) {
        return "now";
    }
    if (seconds < 60) {
        return `${seconds - (seconds % 5)} s ago`;
    }
    if (seconds < 3600) {
        return `${Math.floor(seconds / 60)} min ago`;
    }
    return seconds < 86400 ? `${Math.floor(seconds / 3600)} h ago` : "";
}

function showTime(time) {
    const date = new Date(time.dateTime);
    const words = ago(date);
    const shown = absolute(date) + (words ? ` · ${words}` : "");
    if (time.textContent !== shown) {
        time.replaceChildren(absolute(date), ...(words ?
            [node("span", { class: "ago" }, ` · ${words}`)] : []));
        time.title = `${time.dateTime.slice(0, 19).replace("T", " ")} UTC`;
    }
}

function instant(micros) {
    if (micros === undefined) {
        return [];
    }
    const time = node("time", { datetime: new Date(micros / 1000).toISOString() });
    showTime(time);
    return [time];
}

function showTimes() {
    $$("time").forEach(showTime);
}

// --- rows ---------------------------------------------------------------------------------

// A cell: its field, its head on phones, what of the row it depends on, and how that is shown.
const cell = (field, label, value, show = text, more = {}) =>
    ({ field, label, value, show, marked: true, ...more });
const number = (field, label, value = (row) => row[field], more = {}) =>
    cell(field, label, value, (shown) => [shown === undefined ? "" : count(shown)],
        { num: true, ...more });
// What changes all the time is not marked each time.
const busy = { marked: false };
const counter = (field, label) => number(field, label, undefined, busy);

const CASE = [
    cell("id", "", (row) => row.id, (id) => [link(casePath(id), id)], { head: true }),
    cell("offender", "Offender",
        ({ agency, offender = {} }) => [agency, offender.name, offender.postcode, offender.town],
        ([agency, name = "", postcode, town]) =>
            [link(offenderPath(agency, name, postcode), name), " ", minor(town)]),
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

function progress([name, done, all]) {
    if (done === undefined) {
        return [];
    }
    if (!all) {
        return [node("span", { class: "pages" }, `page ${done}`)];
    }
    return [node("span", { class: "pages" }, `page ${done} of ${all}`), " ",
        node("progress", { max: all, value: done, "aria-label": `Pages of ${name}` })];
}

const SESSION = [
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

const MET = [
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

// Tables that are cards on phones lose what they are to a screen reader unless it is said.
function sayRoles(table) {
    table.setAttribute("role", "table");
    $$("thead, tbody", table).forEach((part) => part.setAttribute("role", "rowgroup"));
    $$("tr", table).forEach((row) => row.setAttribute("role", "row"));
    $$("thead th", table).forEach((head) => head.setAttribute("role", "columnheader"));
    $$("tbody th", table).forEach((head) => head.setAttribute("role", "rowheader"));
    $$("td", table).forEach((part) => part.setAttribute("role", "cell"));
}

function emptyRow(key, cells) {
    const row = node("tr", { "data-key": key, role: "row" });
    for (const { field, label, head, num } of cells) {
        row.append(node(head ? "th" : "td", {
            ...(head ? { scope: "row", role: "rowheader" } : { role: "cell" }),
            "data-field": field, ...(label ? { "data-label": label } : {}),
            ...(num ? { class: "num" } : {}),
        }));
    }
    return row;
}

// Puts a row's values into its cells; only those that differ are touched.
function fillRow(element, cells, row, mark) {
    for (const { field, value, show, marked } of cells) {
        const place = $(`[data-field="${field}"]`, element);
        const now = value(row), source = JSON.stringify(now) ?? "";
        if (place.source === source) {
            continue;
        }
        place.replaceChildren(...show(now).filter((child) => child !== ""));
        if (marked && mark && place.source !== undefined) {
            brieflyMark(place);
        }
        place.source = source;
    }
}

function brieflyMark(element) {
    element.classList.add("fresh");
    clearTimeout(element.freshness);
    element.freshness = setTimeout(() => element.classList.remove("fresh"), FRESH_MS);
}

// Brings the rows of a table into an order; rows that are in place are not moved, so neither focus
// nor the reader's place is lost.
function arrange(body, order) {
    const there = new Map([...body.rows].map((row) => [row.dataset.key, row]));
    const wanted = new Set(order);
    for (const [key, row] of there) {
        if (!wanted.has(key)) {
            row.remove();
        }
    }
    let at = body.firstElementChild;
    return (key, make) => {
        const row = there.get(key) ?? make();
        if (row === at) {
            at = at.nextElementSibling;
        } else if (row.isConnected && body.moveBefore !== undefined) {
            body.moveBefore(row, at);
        } else {
            body.insertBefore(row, at);
        }
        return row;
    };
}

// --- lists --------------------------------------------------------------------------------

// A table that shows a view.
class List {
    constructor(table, cells) {
        this.table = table;
        this.cells = cells;
        this.body = table.tBodies[0];
        // What the server rendered is true through this seq. The stream may begin with rows from
        // before it (a view is asked once a window); they are remembered, but not shown.
        const words = $(`.state[data-view="${CSS.escape(table.dataset.view)}"]`)?.textContent;
        this.rendered = Number(words?.match(/#(\d+)/)?.[1] ?? 0);
    }

    older(view) {
        const { epoch } = document.body.dataset;
        return view.seq < this.rendered && (epoch === "" || epoch === view.epoch);
    }

    take(view, diff) {
        this.view = view;
        if (this.older(view)) {
            return;
        }
        this.show(view.order, (key) => view.rows.get(key), diff.first ? null : diff);
    }

    // `diff`: what to mark; null: nothing.
    show(order, row, diff) {
        const added = new Set(diff?.added), place = arrange(this.body, order);
        for (const key of order) {
            const element = place(key, () => emptyRow(key, this.cells));
            fillRow(element, this.cells, row(key), diff !== null);
            if (added.has(key)) {
                brieflyMark(element);
            }
        }
    }
}

// The newest cases. "Keep still" keeps the rows that are shown, with their values of now; what has
// come since is counted, and enters when the reader says so.
class Recent extends List {
    constructor(table) {
        super(table, CASE);
        this.toggle = $("#keep");
        this.more = $("#newer");
        this.toggle.hidden = false;
        this.toggle.addEventListener("click", () => this.hold(this.kept === undefined));
        this.more.addEventListener("click", () => this.hold(true, true));
        this.held = sessionStorage.getItem("keep") === "1";
        this.showToggle();
    }

    take(view, diff) {
        this.view = view;
        if (this.older(view)) {
            return;
        }
        if (this.held && (this.kept === undefined || this.kept.size === 0)) {
            this.remember();
        }
        if (this.kept === undefined) {
            super.take(view, diff);
            return;
        }
        const floor = Math.min(...view.order.map((key) => view.rows.get(key).created_seq));
        for (const key of view.order) {
            if (!this.kept.has(key) && this.newer.size < 1000) {
                this.newer.add(key);
            }
        }
        for (const [key, old] of this.kept) {
            const now = view.rows.get(key);
            if (now !== undefined) {
                this.kept.set(key, now);
            } else if (!this.gone.has(key)) {
                // Past the end of the list, or in the middle of it and not there any more.
                const past = view.order.length >= 100 && old.created_seq < floor;
                this.gone.set(key, past ? new Date() : null);
            }
        }
        this.show([...this.kept.keys()], (key) => this.kept.get(key), diff.first ? null :
            { added: [] });
        this.showGone();
        this.showToggle();
    }

    remember() {
        this.kept = new Map(this.view.order.map((key) => [key, this.view.rows.get(key)]));
        this.newer = new Set();
        this.gone = new Map();
    }

    // Keeps still or not; `again`: what is shown from now on are the rows of now.
    hold(held, again = false) {
        this.held = held;
        sessionStorage.setItem("keep", held ? "1" : "0");
        const before = new Set([...this.body.rows].map((row) => row.dataset.key));
        this.kept = undefined;
        if (this.view !== undefined) {
            $$("tr[data-gone]", this.body).forEach((row) => row.remove());
            if (held) {
                this.remember();
            }
            if (!held || again) {
                super.take(this.view,
                    { added: this.view.order.filter((key) => !before.has(key)) });
                this.table.closest("section").scrollIntoView({ block: "nearest" });
            }
        }
        this.showToggle();
        if (again) {
            this.toggle.focus();
        }
    }

    showToggle() {
        const size = this.kept === undefined ? 0 : this.newer.size;
        this.toggle.setAttribute("aria-pressed", String(this.held));
        this.more.hidden = size === 0;
        this.more.textContent = `Show ${size >= 1000 ? "1,000 or more" : size} newer`;
    }

    showGone() {
        for (const [key, since] of this.gone) {
            const row = $(`tr[data-key="${CSS.escape(key)}"]`, this.body);
            if (row.dataset.gone !== undefined) {
                continue;
            }
            row.dataset.gone = since === null ? "removed" : "past";
            if (since === null) {
                $$("td", row).forEach((place) => place.replaceChildren());
            }
            $("th", row).append(" ", minor(since === null ? "deleted or redacted" :
                `as of ${CLOCK.format(since)}: no longer among the newest 100`));
        }
    }
}

// What a session met. "Clear for me" hides what is here now, from this reader only and for as long
// as the tab lives: rows up to a seq, and refused reports, which have no seq of their own, up to
// their number.
class Met extends List {
    constructor(table) {
        super(table, MET);
        this.name = table.dataset.view;
        this.clear = $("#clear");
        this.unclear = $("#unclear");
        this.counter = $("#session-count");
        this.clear.hidden = false;
        this.clear.addEventListener("click", () => this.remember({
            epoch: this.view.epoch, seq: this.view.seq, reject: Math.max(0,
                ...[...this.view.rows.values()].map((row) => row.reject ?? 0)),
        }));
        this.unclear.addEventListener("click", () => this.remember(null));
        this.cleared = JSON.parse(sessionStorage.getItem(`cleared ${this.name}`));
    }

    remember(cleared) {
        this.cleared = cleared;
        const name = `cleared ${this.name}`;
        if (cleared === null) {
            sessionStorage.removeItem(name);
        } else {
            sessionStorage.setItem(name, JSON.stringify(cleared));
        }
        this.take(this.view, { first: true });
        (cleared === null ? this.clear : this.unclear).focus();
    }

    hides(row) {
        return row.reject === undefined ? row.seq <= this.cleared.seq :
            row.seq < this.cleared.seq || row.reject <= this.cleared.reject;
    }

    take(view, diff) {
        this.view = view;
        if (this.older(view)) {
            return;
        }
        if (this.cleared !== null && this.cleared.epoch !== view.epoch) {
            this.cleared = null; // another history
        }
        const order = this.cleared === null ? view.order :
            view.order.filter((key) => !this.hides(view.rows.get(key)));
        this.show(order, (key) => view.rows.get(key), diff.first ? null : diff);
        this.unclear.hidden = this.cleared === null;
        this.showCount();
    }

    session(session) {
        this.total = session.cases_found;
        this.showCount();
    }

    showCount() {
        const shown = this.body.rows.length;
        if (this.total !== undefined) {
            this.counter.textContent = this.cleared === null ?
                `${count(shown)} of ${count(this.total)}` :
                `${count(shown)} since you cleared, ${count(this.total)} in all`;
        }
    }
}

// --- deciding -----------------------------------------------------------------------------

async function post(path, body = {}) {
    let reply;
    try {
        reply = await fetch(path, {
            method: "POST", headers: { "Content-Type": "application/json" },
            body: JSON.stringify(body),
        });
    } catch {
        throw new Error("the dashboard does not answer");
    }
    const result = await reply.json().catch(() => ({}));
    if (!reply.ok) {
        throw new Error(result.error?.text ?? `the dashboard answered ${reply.status}`);
    }
    return result;
}

// The first press asks, the second does it.
function stopButton([agency, id, status]) {
    if (status !== "running" && status !== "lost") {
        return [];
    }
    const name = `${agency}:${id}`;
    const button = node("button", { type: "button", class: "stop", "aria-label": `Stop ${name}` },
        "Stop");
    const said = node("span", { class: "said", role: "status" });
    let timer;
    const calm = () => {
        clearTimeout(timer);
        delete button.dataset.sure;
        button.textContent = "Stop";
        button.setAttribute("aria-label", `Stop ${name}`);
    };
    button.addEventListener("click", async () => {
        if (button.dataset.sure === undefined) {
            button.dataset.sure = "";
            button.textContent = "Really stop?";
            button.setAttribute("aria-label", `Really stop ${name}? Press again`);
            said.textContent = "";
            timer = setTimeout(calm, AGAIN_MS);
            return;
        }
        calm();
        button.disabled = true;
        try {
            await post(`/api${sessionPath(agency, id)}/stop`);
            said.textContent = "asked to stop";
        } catch (error) {
            button.disabled = false;
            said.textContent = error.message;
        }
    });
    return [button, said];
}

async function decide(item, button) {
    const kind = button.dataset.decision, said = $(".outcome", item), as = $("[name=as]", item);
    const wanted = as.value.trim();
    if (kind === "as" && wanted === "") {
        said.textContent = "Which case is it to become? Write its id, like hse:4812345.";
        as.focus();
        return;
    }
    const buttons = $$("button", item);
    buttons.forEach((other) => { other.disabled = true; });
    said.textContent = "…";
    try {
        const word = kind === "reject" ? "reject" : "accept";
        await post(`/api/quarantine/${item.dataset.key}/${word}`,
            kind === "as" ? { as: wanted } : {});
        said.textContent = kind === "reject" ? "Rejected." : "Accepted.";
        item.dataset.decided = "";
    } catch (error) {
        said.textContent = error.message;
        buttons.forEach((other) => { other.disabled = false; });
    }
}

// --- what only the server renders ----------------------------------------------------------

// Fetches a page of ours as a document; scripts in it do not run.
function fetchPage(path) {
    return new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        request.open("GET", path);
        request.responseType = "document";
        request.onload = () => (request.response ? resolve(request.response) : reject(new Error()));
        request.onerror = reject;
        request.send();
    });
}

// Keeps a part of the page as the server renders it now: one request at a time, and another one
// where something has changed meanwhile.
class Part {
    constructor(selector, taken = () => {}) {
        Object.assign(this, { selector, taken, busy: false, again: false });
    }

    async refresh() {
        if (this.busy) {
            this.again = true;
            return;
        }
        this.busy = true;
        do {
            this.again = false;
            const page = await fetchPage(location.href).catch(() => null);
            if (page !== null) {
                this.take(page);
            }
        } while (this.again);
        this.busy = false;
    }

    take(page) {
        const old = $(this.selector), now = $(this.selector, page) ?? $("main", page);
        if (old === null || now === null) {
            return; // the page has become another one
        }
        const at = document.activeElement?.getAttribute("href");
        const focused = old.contains(document.activeElement);
        $$("details", old).forEach((part, i) => {
            const other = $$("details", now)[i];
            if (other !== undefined) {
                other.open = part.open;
            }
        });
        const place = $(this.selector, page) === null ? $("main") : old;
        place.replaceWith(document.adoptNode(now));
        if (focused) {
            $$("a", now).find((other) => other.getAttribute("href") === at)?.focus();
        }
        prepare(now);
        this.taken(now);
    }
}

// Quarantine: items come and go, those that stay are left alone, somebody may be typing in one.
class Quarantine {
    constructor(list) {
        this.list = list;
        list.addEventListener("click", (event) => {
            const button = event.target.closest("[data-decision]");
            if (button !== null) {
                decide(button.closest("li"), button);
            }
        });
        list.addEventListener("submit", (event) => event.preventDefault());
    }

    async take(view) {
        const there = new Map([...this.list.children].map((item) => [item.dataset.key, item]));
        for (const [key, item] of there) {
            if (!view.rows.has(key)) {
                item.remove();
            }
        }
        if (view.order.some((key) => !there.has(key))) {
            const page = await fetchPage(location.href).catch(() => null);
            const items = page === null ? [] : $$("#quarantine > li", page);
            for (const item of items.filter((one) => !$(`#q-${one.dataset.key}`)).reverse()) {
                prepare(item);
                this.list.prepend(document.adoptNode(item));
            }
        }
    }
}

// --- saying it ----------------------------------------------------------------------------

// A live region for people who do not see the page: a summary now and then, never the rows.
class Announcer {
    constructor(place) {
        Object.assign(this, { place, cases: 0, words: [], timer: undefined });
    }

    newCases(number) {
        this.cases += number;
        this.later();
    }

    say(words) {
        this.words = this.words.filter((other) => other !== words).concat(words);
        this.later();
    }

    later() {
        this.timer ??= setTimeout(() => {
            const cases = this.cases > 0 ?
                [`${this.cases} new ${this.cases === 1 ? "case" : "cases"}`] : [];
            this.place.textContent = [...this.words, ...cases].join(". ");
            Object.assign(this, { cases: 0, words: [], timer: undefined });
        }, ANNOUNCE_MS);
    }
}

let connectionTimer;

// A connection that is back at once is not worth a word.
function showConnection(lost) {
    clearTimeout(connectionTimer);
    connectionTimer = setTimeout(() => {
        const place = $("#connection");
        place.hidden = lost === null;
        place.textContent = lost === null ? "" :
            `Connection to the dashboard lost, trying again since ${CLOCK.format(lost)}. ` +
            "What is shown is from before.";
        document.body.classList.toggle("lost", lost !== null);
    }, lost === null ? 0 : LOST_MS);
}

// A view's own words, beside its title.
function showState({ view, data }, announcer) {
    for (const place of $$(`.state[data-view="${CSS.escape(view.name)}"]`)) {
        const words = view.cut ? `${data.words}; some rows are left out, they are too large` :
            data.words;
        if (place.textContent !== words) {
            place.textContent = words;
        }
        const before = place.dataset.state;
        place.dataset.state = data.state;
        if (before !== undefined && before !== data.state) {
            const title = $("h1, h2", place.parentElement)?.textContent ?? "";
            announcer.say(`${title.trim()}: ${data.words}`);
        }
    }
}

// --- the session that is chosen -------------------------------------------------------------

// Sessions to choose from, and a word where a newer one has begun.
function offerSessions(view) {
    const choice = $("#session");
    if (choice === null || document.activeElement === choice) {
        return;
    }
    for (const key of [...view.order].reverse()) {
        const words = `${key}, ${view.rows.get(key).status}`;
        const option = [...choice.options].find((other) => other.value === key);
        if (option === undefined) {
            choice.prepend(node("option", { value: key }, words));
        } else if (option.textContent !== words) {
            option.textContent = words;
        }
    }
    const newest = view.order.find((key) => view.rows.get(key).status === "running");
    const shown = choice.selectedOptions[0]?.value;
    const chosen = new URLSearchParams(location.search).has("session") ||
        location.pathname !== "/";
    const place = $("#follow");
    if (newest === undefined || chosen || view.rows.has(shown)) {
        place?.remove();
    } else if (place === null) {
        $("#session-list > header").after(node("p", { class: "note", id: "follow" },
            "Another session is running: ", link(`/?session=${encodeURIComponent(newest)}`, newest)));
    }
}

// --- beginning ----------------------------------------------------------------------------

// What the script makes of nodes that the server rendered.
function prepare(root) {
    $$("time", root).forEach(showTime);
    $$("table.cards", root).forEach(sayRoles);
    $$("form.decide", root).forEach((form) => { form.hidden = false; });
    $$("form.choose", root).forEach((form) => {
        $("button", form).hidden = true;
        $("select", form).addEventListener("change", () => form.submit());
    });
}

function sayWhereWeAre() {
    const here = $(`nav a[href="/${location.pathname.split("/")[1]}"]`);
    here?.setAttribute("aria-current", "page");
}

function begin() {
    document.documentElement.classList.add("js");
    prepare(document);
    sayWhereWeAre();
    setInterval(showTimes, 5000);

    const views = [...new Set($$("[data-view]").map((place) => place.dataset.view))];
    const announcer = new Announcer($("#announcer"));
    if ($("#charts") !== null) {
        const charts = new Part("#charts");
        setInterval(() => document.hidden || charts.refresh(), CHARTS_MS);
    }
    if (views.length > 0) {
        follow(new Stream(views), announcer);
    }
}

const LISTS = {
    recent: (table) => new Recent(table),
    sessions: (table) => new List(table, SESSION),
    "session-cases": (table) => new Met(table),
    quarantine: (list) => new Quarantine(list),
};

function follow(stream, announcer) {
    const lists = new Map(); // element to what shows a view in it
    const attach = () => {
        for (const [id, make] of Object.entries(LISTS)) {
            const place = document.getElementById(id);
            if (place?.dataset.view !== undefined && !lists.has(place)) {
                lists.set(place, make(place));
                stream.add(place.dataset.view);
            }
        }
    };
    attach();
    const showing = (name) => [...lists].filter(([place]) => place.dataset.view === name)
        .map(([, list]) => list);
    const states = new Map(); // view to what it said last, for parts of the page that are new
    const now = $("#session-now");
    const part = new Part("#case", () => states.forEach((said) => showState(said, announcer)));
    const none = new Part("#session-list", attach);

    stream.addEventListener("rows", ({ detail: { view, diff } }) => {
        showing(view.name).forEach((list) => list.take(view, diff));
        if (view.name === "recent" && !diff.first) {
            announcer.newCases(diff.added.length);
        }
        if (view.name === "sessions") {
            offerSessions(view);
            if ($("#session-list[data-none]") !== null && view.order.length > 0) {
                none.refresh();
            }
        }
        if (view.name === $("#case")?.dataset.view) {
            refreshCase(part, view, diff);
        }
    });
    stream.addEventListener("session", ({ detail: { data } }) => {
        showing(data.view).forEach((list) => list.session?.(data.session));
        if (now?.dataset.session === data.view) {
            fillRow(now.tBodies[0].rows[0], SESSION, data.session, true);
        }
    });
    stream.addEventListener("state", ({ detail }) => {
        states.set(detail.view.name, detail);
        showState(detail, announcer);
    });
    stream.addEventListener("connection", ({ detail }) => showConnection(detail.lost));
}

// The page may be older or newer than the stream's first word about the case.
function refreshCase(part, view, diff) {
    const place = $("#case"), row = view.rows.get(view.order[0])?.case;
    const same = row !== undefined && place.dataset.version === String(row.version) &&
        place.dataset.seen === String(row.seen_count);
    if (!same || (!diff.first && diff.added.length + diff.changed.length > 0)) {
        part.refresh();
    }
}

begin();
