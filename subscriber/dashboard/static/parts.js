// Parts of the page that only the server renders: they are fetched again.

import { $, $$ } from "./dom.js";
import { sayRoles } from "./rows.js";
import { showTime } from "./times.js";

// What the script makes of nodes that the server rendered.
export function prepare(root) {
    $$("time", root).forEach(showTime);
    $$("table.cards", root).forEach(sayRoles);
    $$("form.decide", root).forEach((form) => { form.hidden = false; });
    $$("form.choose", root).forEach((form) => {
        $("button", form).hidden = true;
        $("select", form).addEventListener("change", () => form.submit());
    });
}

// Fetches a page of ours as a document; scripts in it do not run.
export function fetchPage(path) {
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
export class Part {
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
