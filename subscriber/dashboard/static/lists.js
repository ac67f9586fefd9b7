// Tables that show views.

import { CASE, MET } from "./columns.js";
import { $, $$, count, minor } from "./dom.js";
import { arrange, brieflyMark, emptyRow, fillRow } from "./rows.js";
import { CLOCK } from "./times.js";

// A place of the page that shows a view. put() shows what `view` has; `diff`: what is new in it.
export class Shown {
    constructor(place) {
        this.place = place;
        // What the server rendered is true through this seq. The stream may begin with rows from
        // before it (a view is asked once a window); they are not shown.
        const words = $(`.state[data-view="${CSS.escape(place.dataset.view)}"]`)?.textContent;
        this.rendered = Number(words?.match(/#(\d+)/)?.[1] ?? 0);
    }

    older(view) {
        const { epoch } = document.body.dataset;
        return view.through < this.rendered && (epoch === "" || epoch === view.epoch);
    }

    take(view, diff) {
        this.waits = this.older(view);
        if (!this.waits) {
            this.view = view;
            this.put(diff);
        }
    }

    // Nothing is missing in the view's rows up to a later seq: they may be those of now.
    complete(view) {
        if (this.waits) {
            this.take(view, { first: true });
        }
    }
}

// A table that shows a view.
export class List extends Shown {
    constructor(table, cells) {
        super(table);
        this.table = table;
        this.cells = cells;
        this.body = table.tBodies[0];
    }

    put(diff) {
        this.show(this.view.order, (key) => this.view.rows.get(key), diff.first ? null : diff);
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
export class Recent extends List {
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

    put(diff) {
        const { view } = this;
        if (this.held && (this.kept === undefined || this.kept.size === 0)) {
            this.remember();
        }
        if (this.kept === undefined) {
            super.put(diff);
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
                super.put({ added: this.view.order.filter((key) => !before.has(key)) });
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
export class Met extends List {
    constructor(table) {
        super(table, MET);
        this.name = table.dataset.view;
        this.clear = $("#clear");
        this.unclear = $("#unclear");
        this.counter = $("#session-count");
        this.clear.hidden = false;
        this.clear.addEventListener("click", () => this.remember({
            epoch: this.view.epoch, seq: this.view.through, reject: Math.max(0,
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
        this.put({ first: true });
        (cleared === null ? this.clear : this.unclear).focus();
    }

    hides(row) {
        return row.reject === undefined ? row.seq <= this.cleared.seq :
            row.seq < this.cleared.seq || row.reject <= this.cleared.reject;
    }

    put(diff) {
        const { view } = this;
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
