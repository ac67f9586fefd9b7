// Tables that show views.

import { CASE, MET } from "./columns.js";
import { $, casePath, count, link, minor } from "./dom.js";
import { arrange, brieflyMark, emptyRow, fillRow } from "./rows.js";

const RECENT_ROWS = 100; // that the server keeps true
const NEWER_MAX = 1000; // that are counted
const PAST_MS = 5000; // between questions about rows that are kept behind those

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

    cellsOf() {
        return this.cells;
    }

    // `diff`: what to mark; null: nothing.
    show(order, row, diff) {
        const added = new Set(diff?.added), place = arrange(this.body, order);
        for (const key of order) {
            const element = place(key, () => emptyRow(key, this.cells));
            fillRow(element, this.cellsOf(key), row(key), diff !== null);
            if (added.has(key)) {
                brieflyMark(element);
            }
        }
    }
}

// The cells of a row that is kept and is not in the view: what has become of it beside its id, and
// the rest unless it is to be empty.
const noted = (note, empty) => CASE.map((cell) => (cell.head ?
    { ...cell, value: ({ id }) => [id, note],
        show: ([id]) => [link(casePath(id), id), " ", minor(note)] } :
    empty ? { ...cell, value: () => undefined, show: () => [] } : cell));

const REMOVED = noted("deleted or redacted", true);
const PAST = noted(`no longer among the newest ${RECENT_ROWS}`, false);
const PAST_UNKNOWN = noted(`no longer among the newest ${RECENT_ROWS}`, true);

// The newest cases as of a seq, as they are now; where the server does not say, none.
async function recentAsOf(seq) {
    const reply = await fetch(`/api/recent?limit=${RECENT_ROWS}&as_of=${seq}`).catch(() => null);
    const { rows = [] } = await reply?.json().catch(() => ({})) ?? {};
    return new Map(rows.map((row) => [row.id, row]));
}

// The newest cases. "Keep still" keeps the rows that are shown, with their values of now; what has
// come since is counted, and enters when the reader says so.
export class Recent extends List {
    constructor(table) {
        super(table, CASE);
        this.toggle = $("#keep");
        this.more = $("#newer");
        this.toggle.addEventListener("click", () => this.hold(!this.held));
        this.more.addEventListener("click", () => this.hold(true, true));
        this.held = sessionStorage.getItem("keep") === "1";
        this.gone = new Map(); // of those kept, the ones that are not in the view, to their cells
        this.showToggle();
        setInterval(() => this.askPast(), PAST_MS);
    }

    put(diff) {
        this.toggle.hidden = false; // not before there is something that can be kept
        const begins = this.kept === undefined || this.kept.size === 0 ||
            this.epoch !== this.view.epoch;
        if (this.held && begins) {
            this.remember();
        }
        if (this.kept === undefined) {
            super.put(diff);
            return;
        }
        this.compare();
        this.showKept(diff.first ? null : { added: [] });
        this.askPast();
    }

    remember() {
        const { view } = this;
        this.kept = new Map(view.order.map((key) => [key, view.rows.get(key)]));
        this.epoch = view.epoch;
        this.top = Math.max(0, ...[...this.kept.values()].map((row) => row.created_seq));
        this.newer = new Map(); // key to when it was created
        this.gone = new Map();
    }

    // What of the kept rows the view has now, and which of its rows are newer than all of them.
    compare() {
        const { kept, newer, gone, view } = this;
        const full = view.cut || view.order.length >= RECENT_ROWS;
        const floor = Math.min(...[...view.rows.values()].map((row) => row.created_seq));
        const isPast = (seq) => full && seq < floor;
        for (const [key, { created_seq: seq }] of view.rows) {
            if (!kept.has(key) && seq > this.top && newer.size < NEWER_MAX) {
                newer.set(key, seq);
            }
        }
        for (const [key, seq] of newer) {
            if (!view.rows.has(key) && !isPast(seq)) {
                newer.delete(key);
            }
        }
        for (const [key, { created_seq: seq }] of kept) {
            if (view.rows.has(key)) {
                kept.set(key, view.rows.get(key));
                gone.delete(key);
            } else if (!isPast(seq)) {
                this.lose(key, REMOVED);
            } else if (!gone.has(key)) {
                gone.set(key, PAST);
                this.asked = 0;
            }
        }
    }

    // Nothing of it is known any more.
    lose(key, cells) {
        this.gone.set(key, cells);
        this.kept.set(key, { id: key, created_seq: this.kept.get(key).created_seq });
    }

    // The view tells nothing of rows that others pushed out of it, not even that they are redacted:
    // they are asked for each time that more has happened, and are empty where there is no answer.
    async askPast() {
        const { gone, kept, view } = this;
        const isPast = (key) => gone.has(key) && gone.get(key) !== REMOVED;
        if (![...gone.keys()].some(isPast) || this.asked >= view.through) {
            return;
        }
        this.asked = view.through;
        const rows = await recentAsOf(this.top);
        if (kept !== this.kept) {
            return;
        }
        if (rows.size === 0) {
            this.asked = 0;
        }
        for (const key of [...gone.keys()].filter(isPast)) {
            if (rows.has(key)) {
                gone.set(key, PAST);
                kept.set(key, rows.get(key));
            } else {
                this.lose(key, PAST_UNKNOWN);
            }
        }
        this.showKept({ added: [] });
    }

    // Keeps still or not; `again`: what is shown from now on are the rows of now.
    hold(held, again = false) {
        this.held = held;
        sessionStorage.setItem("keep", held ? "1" : "0");
        const before = new Set([...this.body.rows].map((row) => row.dataset.key));
        this.kept = undefined;
        this.gone = new Map();
        if (held) {
            this.remember();
        }
        if (!held || again) {
            super.put({ added: this.view.order.filter((key) => !before.has(key)) });
            this.table.closest("section").scrollIntoView({ block: "nearest" });
        }
        this.showToggle();
        if (again) {
            this.toggle.focus();
        }
    }

    cellsOf(key) {
        return this.gone.get(key) ?? this.cells;
    }

    showKept(diff) {
        this.show([...this.kept.keys()], (key) => this.kept.get(key), diff);
        for (const row of this.body.rows) {
            const cells = this.gone.get(row.dataset.key);
            if (cells === undefined) {
                delete row.dataset.gone;
            } else {
                row.dataset.gone = cells === REMOVED ? "removed" : "past";
            }
        }
        this.showToggle();
    }

    showToggle() {
        const size = this.kept === undefined ? 0 : this.newer.size;
        this.toggle.setAttribute("aria-pressed", String(this.held));
        this.more.hidden = size === 0;
        this.more.textContent = `Show ${size >= NEWER_MAX ? "1,000 or more" : size} newer`;
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
        this.clear.hidden = false;
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
