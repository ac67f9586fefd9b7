// Parts of the page that only the server renders: they are fetched again.

import { $, $$ } from "./dom.js";
import { sayRoles } from "./rows.js";
import { showTime } from "./times.js";

const RETRY_MS = 5000; // after a page that did not come

// What the script makes of nodes that the server rendered.
export function prepare(root) {
    $$("time", root).forEach(showTime);
    $$("table.cards", root).forEach(sayRoles);
    $$("form.decide", root).forEach((form) => { form.hidden = false; });
}

// Fetches a page of ours as a document; scripts in it do not run. Fails where the server cannot say
// now what is there.
function fetchPage(path) {
    return new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        request.open("GET", path);
        request.responseType = "document";
        request.onload = () => (request.response && request.status < 500 && request.status !== 429 ?
            resolve(request.response) : reject(new Error()));
        request.onerror = reject;
        request.send();
    });
}

// Puts a part as it is now where it was; a link that had the focus has it again.
export function replace(old, now) {
    const at = document.activeElement?.getAttribute("href");
    const focused = old.contains(document.activeElement);
    old.replaceWith(document.adoptNode(now));
    if (focused) {
        $$("a", now).find((other) => other.getAttribute("href") === at)?.focus();
    }
}

// Fetches the page again for somebody who takes what he needs of it: one request at a time, and
// another one where something has changed meanwhile, or there was no answer.
export class Refetch {
    constructor(take) {
        Object.assign(this, { take, busy: false, again: false });
    }

    async refresh() {
        this.again = true;
        if (this.busy) {
            return;
        }
        this.busy = true;
        while (this.again) {
            this.again = false;
            const page = await fetchPage(location.href).catch(() => null);
            if (page !== null) {
                this.take(page);
            } else {
                this.again = true;
                await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
            }
        }
        this.busy = false;
    }
}

// What the server says in place of a part that it does not have now (a case that was deleted). It
// is found as the part was, so the part is back when the server has it again; whatever is heard of
// it then is news.
function standIn(part, page) {
    const place = part.cloneNode(false);
    place.removeAttribute("data-version");
    place.append(...($("main", page)?.childNodes ?? []));
    return place;
}

// Keeps a part of the page as the server renders it now.
export class Part {
    constructor(selector, taken = () => {}) {
        Object.assign(this, { selector, taken });
        this.page = new Refetch((page) => this.take(page));
    }

    refresh() {
        this.page.refresh();
    }

    take(page) {
        const old = $(this.selector), now = $(this.selector, page) ?? standIn(old, page);
        $$("details", old).forEach((part, i) => {
            const other = $$("details", now)[i];
            if (other !== undefined) {
                other.open = part.open;
            }
        });
        replace(old, now);
        prepare(now);
        this.taken(now);
    }
}
