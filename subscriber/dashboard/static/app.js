// The page: puts what the server streams into what the server rendered. Begin here.
//
//   events.js   the stream: the rows of each view, kept equal to the server's
//   lists.js    tables that show views (columns.js: of what; rows.js: row by row)
//   parts.js    parts that only the server renders, fetched again (quarantine.js: item by item)
//   forms.js    stopping a session, deciding about quarantine
//   words.js    what the page says of itself
//   dom.js      nodes and values; times.js: instants

import { SESSION } from "./columns.js";
import { $, $$, link, node, plain } from "./dom.js";
import { Stream } from "./events.js";
import { takeDecisions } from "./forms.js";
import { List, Met, Recent } from "./lists.js";
import { Part, prepare } from "./parts.js";
import { Quarantine } from "./quarantine.js";
import { fillRow } from "./rows.js";
import { showTimes } from "./times.js";
import { announcer, showConnection, showState } from "./words.js";

const CHARTS_MS = 60000;
const ACTIVE_ROWS = 100; // that the server lists

// How it ended is not heard of by who listens to the active ones.
function saysItHasEnded(option) {
    option.textContent = option.text.replace(/, \w+$/, ", ended");
}

function sayStatus({ agency, session_id: id, status }) {
    const choice = $("#session"), key = `${agency}:${id}`;
    const option = [...choice?.options ?? []].find(({ value }) => value === key);
    if (option !== undefined && document.activeElement !== choice) {
        option.textContent = plain(`${key}, ${status}`);
    }
}

// Sessions to choose from, and a word where a newer one has begun.
function offerSessions(view) {
    const choice = $("#session");
    if (choice === null || document.activeElement === choice) {
        return;
    }
    for (const key of [...view.order].reverse()) {
        const words = plain(`${key}, ${view.rows.get(key).status}`);
        const option = [...choice.options].find((other) => other.value === key);
        if (option === undefined) {
            choice.prepend(node("option", { value: key }, words));
        } else if (option.textContent !== words) {
            option.textContent = words;
        }
    }
    if (view.order.length < ACTIVE_ROWS && !view.cut) { // then who is not among them has ended
        [...choice.options].filter(({ value, text }) =>
            !view.rows.has(value) && /, (running|stopping|lost)$/.test(text)).forEach(saysItHasEnded);
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

function sayWhereWeAre() {
    const here = $(`nav a[href="/${location.pathname.split("/")[1]}"]`);
    here?.setAttribute("aria-current", "page");
}

// A page that the reader comes back to is as he left it, with what he chose for the next one: its
// forms say again what is on it.
function sayWhatIsListed() {
    $$("form.filters, form.choose").forEach((form) => form.reset());
}

// Reports are decided on each page of the quarantine, but only the first one is followed: a further
// one is of the moment that its address names.
function beginQuarantine(list) {
    takeDecisions(list);
    if (new URLSearchParams(location.search).has("next")) {
        $$('[data-view="quarantine"]').forEach((place) => place.removeAttribute("data-view"));
    }
}

function begin() {
    document.documentElement.classList.add("js");
    prepare(document);
    sayWhereWeAre();
    if ($("#quarantine") !== null) {
        beginQuarantine($("#quarantine"));
    }
    setInterval(showTimes, 5000);
    addEventListener("pageshow", ({ persisted }) => persisted && sayWhatIsListed());

    const views = [...new Set($$("[data-view]").map((place) => place.dataset.view))];
    if ($("#charts") !== null) {
        const charts = new Part("#charts");
        setInterval(() => document.hidden || charts.refresh(), CHARTS_MS);
    }
    if (views.length > 0) {
        follow(new Stream(views));
    }
}

const LISTS = {
    recent: (table) => new Recent(table),
    sessions: (table) => new List(table, SESSION),
    "session-cases": (table) => new Met(table),
    quarantine: (list) => new Quarantine(list),
};

function follow(stream) {
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
    const part = new Part("#case", () => states.forEach((said) => showState(said)));
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
        sayStatus(data.session);
        if (now?.dataset.session === data.view) {
            fillRow(now.tBodies[0].rows[0], SESSION, data.session, true);
        }
    });
    stream.addEventListener("state", ({ detail }) => {
        states.set(detail.view.name, detail);
        showState(detail);
        showing(detail.view.name).forEach((list) => list.complete(detail.view));
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
