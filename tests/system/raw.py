"""A store's bytes, by the documented formats alone (broker/keys.h, broker/entries.h): for tests
that damage one."""
import struct

import lmdb
import xxhash

TREES = ("meta agency head actor publisher session log case created date offender started refusal reject "
         "quarantine conflict active").split()
SHARED = TREES[:TREES.index("session") + 1]  # one database of LMDB: a key begins with the tree's number
# Members as they are encoded: n numbers, an int a fixed number of bytes, s a byte string.
LAYOUTS = {
    "meta": "n schema,8 epoch,n seq,n entry,n at,n cases,n offenders,n sessions,n agencies,n rejects,n quarantined,"
            "n publishers,n floor,n log_bytes,n ticks,n running",
    "head": "n seq,n trimmed",
    "actor": "n publishers,n sessions",
    "agency": "n disabled,n cases,n fine_pence,n created_seq,s name,s base_url",
    "offender": "n first_seen,n last_seen,n cases,n fine_pence,s offender,s reported_by",
    "created": "n before,s case_id",
    "case": "n flags,n version,n record_seq,n created_seq,n updated_seq,n last0,n last1,n last2,n last3,n last4,"
            "n last5,n last6,n inserted_at,n updated_at,n last_synced_at,n seen_count,n fetched_at,16 hash,s source,s record,"
            "n accepted",
    "session": "n status,n started_seq,n started_at,n ended_at,n last_seen_at,n pages_processed,n page_errors,"
               "n created,n updated,n existing,n errors,n newest,n progressed_at,n unshown,n last7,n last8,n last9,"
               "n last10,n last11,n last12,s data,s end_reason,n trimmed_created,n trimmed_updated,n trimmed_synced,"
               "n trimmed_conflicts,n lease,n stop_asked,s actor",
    "publisher": "n decided,8 check,n acked,n last_seen_at,n outcome0,n outcome1,n outcome2,n outcome3,n outcome4,"
                 "n outcome5,n outcome6,n outcome7,n outcome8,n volatile_id",
    "quarantine": "n status,n seq,n at,n sent_at,s actor,s session,s data,s as,n outcome,n accepted_before",
}


def checksum(tree, key, value):
    return struct.pack("<Q", xxhash.xxh3_64_intdigest(
        value, seed=xxhash.xxh3_64_intdigest(key, seed=TREES.index(tree))))


def get_number(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def put_number(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def members(tree):
    return [member.split() for member in LAYOUTS[tree].split(",")]


def decode(tree, data):
    entry, at = {}, 0
    for kind, name in members(tree):
        if at == len(data):
            entry[name] = 0 if kind == "n" else b""  # left out at the end
        elif kind == "n":
            entry[name], at = get_number(data, at)
        else:
            size, at = get_number(data, at) if kind == "s" else (int(kind), at)
            entry[name], at = data[at:at + size], at + size
    return entry


def encode(tree, entry):
    out = b""
    for kind, name in members(tree):
        value = entry[name]
        out += put_number(value) if kind == "n" else (put_number(len(value)) if kind == "s" else b"") + value
    return out


def prefix(tree):
    return bytes([TREES.index(tree)]) if tree in SHARED else b""


class Raw:
    """A store that nobody has open."""

    def __init__(self, folder):
        self.env = lmdb.open(folder, max_dbs=len(TREES) + 8, map_size=4 << 30, sync=False)
        self.dbs = {}
        for tree in TREES:
            name = "shared" if tree in SHARED else tree
            self.dbs[tree] = self.env.open_db(name.encode(), create=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.env.close()

    def keys(self, tree):
        begin = prefix(tree)
        with self.env.begin(self.dbs[tree]) as txn:
            return [key[len(begin):] for key in txn.cursor().iternext(values=False) if key.startswith(begin)]

    def raw(self, tree, key):
        with self.env.begin(self.dbs[tree]) as txn:
            return txn.get(prefix(tree) + key)

    def value(self, tree, key):
        stored = self.raw(tree, key)
        assert stored[-8:] == checksum(tree, key, stored[:-8]), (tree, key)
        return stored[:-8]

    def set_raw(self, tree, key, stored):
        with self.env.begin(self.dbs[tree], write=True) as txn:
            txn.put(prefix(tree) + key, stored)

    def set(self, tree, key, value):
        self.set_raw(tree, key, value + checksum(tree, key, value))

    def remove(self, tree, key):
        with self.env.begin(self.dbs[tree], write=True) as txn:
            assert txn.delete(prefix(tree) + key), (tree, key)

    def change(self, tree, key, name, by=1):
        """A member of an entry, under a checksum that fits."""
        entry = decode(tree, self.value(tree, key))
        entry[name] += by
        self.set(tree, key, encode(tree, entry))

    def spoil(self, tree, key):
        """A byte of a value, which then does not fit its checksum."""
        stored = bytearray(self.raw(tree, key))
        stored[0] ^= 0x40
        self.set_raw(tree, key, bytes(stored))

    def dump(self):
        """Every key and value of every tree."""
        return {tree: {key: self.raw(tree, key) for key in self.keys(tree)} for tree in TREES}


def number_key(number):
    return struct.pack(">Q", number)
