"""Reads a casebus store: its trees, keys and values as broker/keys.h and broker/entries.h
describe them, and nothing else of casebus.

A value is the members of one struct in order: numbers as unsigned LEB128, fixed members as they
are, byte strings as a LEB128 length and the bytes; members left out at the end are zero or
empty; eight bytes of checksum follow, which `casebus-ctl verify` proves and this reader passes
over."""
import collections
import struct

import lmdb
import msgpack

CHECKSUM_SIZE = 8
PUBLISHER_SIZE = 16

NUMBER = "number"
BYTES = "bytes"

# member: NUMBER, BYTES, an int (so many bytes as they are), or (NUMBER, how many)
LAYOUTS = {
    "meta": [("schema", NUMBER), ("epoch", 8), ("seq", NUMBER), ("entry", NUMBER), ("at", NUMBER),
             ("cases", NUMBER), ("offenders", NUMBER), ("sessions", NUMBER), ("agencies", NUMBER),
             ("rejects", NUMBER), ("quarantined", NUMBER), ("publishers", NUMBER),
             ("floor", NUMBER), ("log_bytes", NUMBER), ("ticks", NUMBER), ("running", NUMBER)],
    "log": [("session_before", NUMBER), ("topic", BYTES), ("body", BYTES),
            ("record", (NUMBER, 4))],
    "case": [("flags", NUMBER), ("version", NUMBER), ("record_seq", NUMBER),
             ("created_seq", NUMBER), ("updated_seq", NUMBER)],
    "head": [("seq", NUMBER)],
    "session": [("status", NUMBER), ("started_seq", NUMBER), ("started_at", NUMBER),
                ("ended_at", NUMBER), ("last_seen_at", NUMBER), ("pages_processed", NUMBER),
                ("page_errors", NUMBER), ("created", NUMBER), ("updated", NUMBER),
                ("existing", NUMBER), ("errors", NUMBER)],
    "publisher": [("decided", NUMBER), ("check", 8), ("acked", NUMBER), ("last_seen_at", NUMBER),
                  ("outcome", (NUMBER, 9))],
}


# Trees that share one of LMDB's, where a key begins with the tree's number, which is its place here.
SHARED = ("meta", "agency", "head", "actor", "publisher", "session")


def place_of(tree):
    """LMDB's name for where the tree stands, and what its keys begin with there."""
    return (b"shared", bytes([SHARED.index(tree)])) if tree in SHARED else (tree.encode(), b"")


def stored(env, txn, tree):
    """(LMDB's handle, [(key as it stands there, value), ...]) of a tree."""
    name, prefix = place_of(tree)
    handle = env.open_db(name, txn, create=False)
    return handle, [(bytes(key), value) for key, value in txn.cursor(db=handle) if key.startswith(prefix)]


def stream_of(topic):
    return ":".join(topic.split(":")[:3]) + ":"


class Event(collections.namedtuple("Event", "seq topic body content")):
    """One event of the log: its place, its frames as stored, and the body unpacked."""

    @property
    def stream(self):
        return stream_of(self.topic)

    @property
    def kind(self):
        return self.topic.split(":")[1]

    @property
    def key(self):
        """Case id, or session as agency:id."""
        return ":".join(self.topic.split(":")[2:4])


def read_number(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def read_member(kind, data, at):
    if kind == NUMBER:
        return read_number(data, at)
    if kind == BYTES:
        size, at = read_number(data, at)
        return data[at:at + size], at + size
    if isinstance(kind, tuple):
        values = []
        for _ in range(kind[1]):
            value, at = read_number(data, at) if at < len(data) else (0, at)
            values.append(value)
        return values, at
    return data[at:at + kind], at + kind


def absent(kind):
    if kind == NUMBER:
        return 0
    return [0] * kind[1] if isinstance(kind, tuple) else b""


def decode(tree, value):
    """The members of a value by name; members appended later are passed over."""
    data, at, entry = bytes(value[:-CHECKSUM_SIZE]), 0, {}
    for name, kind in LAYOUTS[tree]:
        entry[name] = absent(kind)
        if at < len(data):
            entry[name], at = read_member(kind, data, at)
    return entry


def unpack(body):
    return msgpack.unpackb(body, max_map_len=1 << 20, max_array_len=1 << 20)


class Store:
    """Everything of a store that the checker compares, in memory."""

    def __init__(self, folder):
        with lmdb.open(folder, readonly=True, lock=False, max_dbs=64, map_size=1 << 40) as env:
            with env.begin() as txn:
                self.load(env, txn)

    def load(self, env, txn):
        def rows(tree):
            for key, value in stored(env, txn, tree)[1]:
                yield key[len(place_of(tree)[1]):], decode(tree, value)

        self.state = dict(rows("meta"))[b"state"]
        self.epoch = self.state["epoch"].hex()
        self.floor = max(self.state["floor"], 1)    # the log begins here
        self.events = []
        for key, entry in rows("log"):
            self.events.append(Event(struct.unpack(">Q", key)[0], entry["topic"].decode(),
                                     entry["body"], unpack(entry["body"])))
        self.cases = {key.decode(): entry for key, entry in rows("case")}
        self.sessions = {key.decode(): entry for key, entry in rows("session")}
        self.heads = {key.decode(): entry["seq"] for key, entry in rows("head")}
        self.publishers = {key[-PUBLISHER_SIZE:].hex(): entry
                           for key, entry in rows("publisher")}
