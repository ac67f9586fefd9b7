// The reports in quarantine. The server renders them, and is asked for the page again when the view
// has changed; an item that stays is the same element, for somebody may be typing in it.

import { $, $$ } from "./dom.js";
import { Shown } from "./lists.js";
import { Refetch, prepare, replace } from "./parts.js";
import { arrange, takeAway } from "./rows.js";

export class Quarantine extends Shown {
    constructor(list) {
        super(list);
        this.page = new Refetch((page) => this.fill(page));
    }

    put(diff) {
        for (const item of [...this.place.children]) {
            if (!this.view.rows.has(item.dataset.key)) {
                takeAway(item);
            }
        }
        if (diff.first || diff.added.length + diff.changed.length > 0) {
            this.page.refresh();
        }
    }

    // The page is of a later moment than the view: what it does not have is about to leave.
    fill(page) {
        const there = new Set([...this.place.children].map((item) => item.dataset.key));
        const now = new Map($$("#quarantine > li", page).map((item) => [item.dataset.key, item]));
        const order = this.view.order.filter((key) => there.has(key) || now.has(key));
        const place = arrange(this.place, order);
        for (const key of order) {
            const fresh = now.get(key);
            const item = place(key, () => document.adoptNode(fresh));
            if (fresh !== undefined) {
                renew(item, fresh);
            }
        }
    }
}

// Puts into an item what differs from what the server rendered before, beside its form.
function renew(item, fresh) {
    const source = fresh.outerHTML;
    if (item.source === source) {
        return;
    }
    item.source = source;
    prepare(fresh);
    if (item !== fresh) {
        replace($("header", item), $("header", fresh));
        replace($("table", item), $("table", fresh));
    }
}
