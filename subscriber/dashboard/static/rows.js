// Rows of tables, by key: a row that stays is the same element, and only what differs in it is
// touched.

import { $, $$, fill, node } from "./dom.js";

const FRESH_MS = 3000; // a row that changed is marked for so long

// Tables that are cards on phones lose what they are to a screen reader unless it is said.
export function sayRoles(table) {
    table.setAttribute("role", "table");
    $$("thead, tbody", table).forEach((part) => part.setAttribute("role", "rowgroup"));
    $$("tr", table).forEach((row) => row.setAttribute("role", "row"));
    $$("thead th", table).forEach((head) => head.setAttribute("role", "columnheader"));
    $$("tbody th", table).forEach((head) => head.setAttribute("role", "rowheader"));
    $$("td", table).forEach((part) => part.setAttribute("role", "cell"));
}

export function emptyRow(key, cells) {
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
export function fillRow(element, cells, row, mark) {
    for (const { field, value, show, marked } of cells) {
        const place = $(`[data-field="${field}"]`, element);
        const now = value(row), source = JSON.stringify(now) ?? "";
        if (place.source === source) {
            continue;
        }
        const focused = place.contains(document.activeElement);
        fill(place, show(now));
        if (focused) {
            focusOn($("a, button", place) ?? $("a", element));
        }
        if (marked && mark && place.source !== undefined) {
            brieflyMark(place);
        }
        place.source = source;
    }
}

export function brieflyMark(element) {
    element.classList.add("fresh");
    clearTimeout(element.freshness);
    element.freshness = setTimeout(() => element.classList.remove("fresh"), FRESH_MS);
}

function focusOn(place) {
    if (place.tabIndex < 0) {
        place.tabIndex = -1; // by us, not by the Tab key
    }
    place.focus({ preventScroll: true });
}

// Takes a row or an item away. Focus in it goes on to the next one, or to what is there instead.
export function takeAway(element) {
    if (element.contains(document.activeElement)) {
        const next = element.nextElementSibling ?? element.previousElementSibling;
        focusOn((next && $("article, a", next)) ?? $("#main"));
    }
    element.remove();
}

// Brings the rows of a table, or the items of a list, into an order; those that are in place are
// not moved, so neither focus nor the reader's place is lost.
export function arrange(body, order) {
    const there = new Map([...body.children].map((row) => [row.dataset.key, row]));
    const wanted = new Set(order);
    for (const [key, row] of there) {
        if (!wanted.has(key)) {
            takeAway(row);
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
