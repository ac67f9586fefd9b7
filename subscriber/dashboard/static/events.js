// What the server streams: the rows of each view, kept equal to the server's, and the state of the
// connection. Nothing here knows the page; whoever listens is told what has changed.
//
// The server's events are such that taking one twice is harmless, so a lost connection needs no
// bookkeeping: the browser reconnects with the id of the last event, and gets what came since or
// everything anew. A connection that is dead without a word (a laptop that slept, a tab that was
// frozen) is not noticed by the browser; silence for too long, or a clock that jumped, opens it
// again.
//
// Over HTTP/1.1 a browser has six connections to a server, for all its tabs together, and each stream
// takes one: a page that nobody sees has none, and goes on from where it was when it is seen.

import { checkLogin } from "./login.js";

const SILENCE_MS = 45000; // the stream is opened again after so long without an event
const JUMP_MS = 10000; // the page's own timer was late by so much: it slept
const RETRY_MS = [1000, 2000, 5000, 10000, 20000];

class View {
    constructor(name) {
        this.name = name;
        this.rows = new Map(); // key to row
        this.order = [];
        this.seq = 0; // of the snapshot that the rows are of
        this.through = 0; // and they are complete up to here: what came since is none of theirs
        this.epoch = "";
        this.known = false; // a first list has come
        this.newer = 0;
        this.cut = false;
    }

    // Takes an event; what it did, or null where it is older than what is here. `whole` is false
    // where a row of the list is not known: something was missed.
    take(data, epoch) {
        if (!data.reset && epoch === this.epoch && data.seq < this.seq) {
            return null;
        }
        const before = data.reset ? new Map() : this.rows;
        const old = this.rows, fresh = new Map(), added = [], changed = [];
        const first = !this.known || (data.reset && epoch !== this.epoch);
        const given = new Map(data.rows.map(({ key, row }) => [key, row]));
        for (const key of data.order) {
            const row = given.get(key) ?? before.get(key);
            if (row === undefined) {
                return { whole: false };
            }
            if (!old.has(key)) {
                added.push(key);
            } else if (JSON.stringify(old.get(key)) !== JSON.stringify(row)) {
                changed.push(key);
            }
            fresh.set(key, row);
        }
        const removed = this.order.filter((key) => !fresh.has(key));
        Object.assign(this, {
            rows: fresh, order: data.order, seq: data.seq, epoch, known: true,
            through: data.reset ? data.seq : Math.max(this.through, data.seq),
            newer: data.newer ?? 0, cut: data.cut ?? false,
        });
        return { whole: true, first, added, changed, removed };
    }

    // A state is sent behind the rows it speaks of.
    hear({ through }) {
        if (this.known) {
            this.through = Math.max(this.through, through);
        }
    }
}

export class Stream extends EventTarget {
    // `views`: names as the server has them ("recent", "session/hse/S1").
    constructor(views) {
        super();
        this.views = new Map(views.map((name) => [name, new View(name)]));
        this.last = ""; // id of the last event
        this.lost = null; // since when there is no connection
        this.tries = 0;
        this.heard = Date.now();
        this.beat = Date.now();
        this.open();
        this.timer = setInterval(() => this.watch(), 1000);
        const wake = () => this.reopen();
        addEventListener("online", wake);
        addEventListener("pageshow", (event) => event.persisted && wake());
        document.addEventListener("resume", wake);
        document.addEventListener("visibilitychange", wake);
    }

    // Follows one more view.
    add(name) {
        if (!this.views.has(name)) {
            this.views.set(name, new View(name));
            this.last = ""; // what came before does not hold for it
            this.reopen();
        }
    }

    open() {
        clearTimeout(this.waiting);
        this.source?.close();
        if (document.hidden) {
            return;
        }
        const query = [...this.views.keys()].map((name) => `view=${encodeURIComponent(name)}`);
        if (this.last !== "") {
            query.push(`last=${encodeURIComponent(this.last)}`);
        }
        this.heard = Date.now();
        this.source = new EventSource(`/events?${query.join("&")}`);
        this.source.onopen = () => this.found();
        this.source.onerror = () => this.failed();
        for (const name of ["rows", "state", "session"]) {
            this.source.addEventListener(name, (event) => this.take(name, event));
        }
    }

    // Opens the stream again, from where it was.
    reopen() {
        this.tries = 0;
        this.open();
    }

    close() {
        clearInterval(this.timer);
        clearTimeout(this.waiting);
        this.source?.close();
    }

    take(name, event) {
        this.heard = Date.now();
        const data = JSON.parse(event.data);
        const view = this.views.get(data.view);
        if (event.lastEventId !== "") {
            this.last = event.lastEventId;
        }
        if (view === undefined) {
            return;
        }
        const detail = { view, data };
        if (name === "state") {
            view.hear(data);
        } else if (name === "rows") {
            detail.diff = view.take(data, this.last.split("-")[0]);
            if (detail.diff === null) {
                return;
            }
            if (!detail.diff.whole) {
                this.last = ""; // everything anew
                this.reopen();
                return;
            }
        }
        this.dispatchEvent(new CustomEvent(name, { detail }));
    }

    found() {
        this.heard = Date.now();
        this.tries = 0;
        if (this.lost !== null) {
            this.lost = null;
            this.tell();
        }
    }

    // The browser tries again by itself, unless the server refused.
    failed() {
        if (this.lost === null) {
            this.lost = new Date();
            this.tell();
        }
        if (this.source.readyState === EventSource.CLOSED) {
            checkLogin();
            const wait = RETRY_MS[Math.min(this.tries, RETRY_MS.length - 1)];
            this.tries += 1;
            clearTimeout(this.waiting);
            this.waiting = setTimeout(() => this.open(), wait);
        }
    }

    watch() {
        const now = Date.now(), slept = now - this.beat > JUMP_MS;
        this.beat = now;
        const closed = (this.source?.readyState ?? EventSource.CLOSED) === EventSource.CLOSED;
        const silent = now - this.heard > SILENCE_MS && !closed; // closed: failed() has a time for it
        if (slept || silent) {
            this.reopen();
        }
    }

    tell() {
        this.dispatchEvent(new CustomEvent("connection", { detail: { lost: this.lost } }));
    }
}
