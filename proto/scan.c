/* The first look at bytes from somebody else.
 *
 * casebus_scan() is the wall: behind it a value is complete, inside its limits, and every map
 * has text keys that differ. It looks at each byte once, allocates nothing, and its stack is
 * fixed: a frame for each level of nesting and one stack of keys for all open maps together,
 * which also remembers the path for a fault.
 *
 * Duplicate keys: a map with few keys is compared as it is read, a filter of 256 bits saying
 * when there is anything to compare; a larger one is sorted when it ends. Both are bounded
 * whatever the keys are. */
#include "fault.h"
#include "keys.h"

#include <casebus/limits.h>

enum {
    FRAMES_MAX = 32,      /* deepest nesting any limits can allow */
    KEYS_OPEN_MAX = 8192, /* keys of all open maps: CASEBUS_KEYS_MAX on each of 16 levels */
    COMPARED_MAX = 32     /* keys up to which comparing beats sorting */
};

struct frame {
    uint32_t left, count; /* values or, of a map, pairs: not yet begun, and all */
    uint32_t keys;        /* of a map: its first key on the stack */
    bool map;
    uint64_t seen[4]; /* a filter over the prints of its keys */
};

struct scanner {
    const unsigned char *begin, *end;
    struct casebus_scan_limits limits;
    uint32_t left; /* values that may still come, those of open containers taken off */
    uint32_t depth, keys;
    struct frame frame[FRAMES_MAX];
    struct key key[KEYS_OPEN_MAX];
};

struct casebus_scan_limits casebus_scan_limits(void)
{
    return (struct casebus_scan_limits){
        .depth = CASEBUS_DEPTH_MAX,
        .elements = CASEBUS_ELEMENTS_MAX,
        .keys = CASEBUS_KEYS_MAX,
    };
}

struct casebus_scan_limits casebus_scan_limits_reply(void)
{
    return (struct casebus_scan_limits){
        .depth = FRAMES_MAX,               /* a record lies some levels down in a reply */
        .elements = UINT32_MAX,            /* bounded by the bytes */
        .keys = CASEBUS_AGENCIES_MAX * 16, /* heads: each kind of event of each agency */
    };
}

/* --- paths ---------------------------------------------------------------------------- */

static struct casebus_bytes key_text(const struct scanner *s, const struct key *key)
{
    return casebus_bytes(s->begin + key->at, key->print & 0xff);
}

/* The path of the value that `depth` frames lead to; `inner`: a key inside it, or absent. */
static int fail_at(const struct scanner *s, int code, uint32_t depth,
                   struct casebus_bytes inner, struct casebus_fault *fault)
{
    casebus_fault_set(fault, code, "");
    casebus_fault_under(fault, inner);
    while (depth > 0) {
        const struct frame *frame = &s->frame[--depth];
        uint32_t begun = frame->count - frame->left;
        if (frame->map) {
            casebus_fault_under(fault, key_text(s, &s->key[frame->keys + begun - 1]));
        } else {
            casebus_fault_under_index(fault, begun - 1);
        }
    }
    return code;
}

static int fail(const struct scanner *s, int code, struct casebus_fault *fault)
{
    return fail_at(s, code, s->depth, casebus_bytes(NULL, 0), fault);
}

static inline bool text_valid(struct wire_ends ends, const unsigned char *text, size_t size)
{
    return wire_ascii(ends, text, size) || casebus_utf8_valid(casebus_bytes(text, size));
}

/* --- keys ----------------------------------------------------------------------------- */

static bool among(const struct scanner *s, const struct key *key, const struct key *keys,
                  uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (key_compare(s->begin, &keys[i], key) == 0) {
            return true;
        }
    }
    return false;
}

/* A map ends: its keys leave the stack, and where there are many they are compared now. */
static int end_map(struct scanner *s, const struct frame *frame, struct casebus_fault *fault)
{
    struct key *key = &s->key[frame->keys];
    s->keys = frame->keys;
    if (frame->count <= COMPARED_MAX) {
        return 0;
    }
    casebus_keys_sort(s->begin, key, frame->count);
    for (uint32_t i = 1; i < frame->count; i++) {
        if (key_compare(s->begin, &key[i - 1], &key[i]) == 0) {
            return fail_at(s, CASEBUS_EDUPLICATE, s->depth - 1, key_text(s, &key[i]), fault);
        }
    }
    return 0;
}

/* The size of a key that is longer than most, *at moved to its text; or what is wrong with
 * it. */
static int begin_long_key(const struct scanner *s, const unsigned char **at, size_t *size)
{
    struct wire wire;
    int error = wire_read(at, s->end, &wire);
    if (error || wire.kind != CASEBUS_STR) {
        return error ? error : CASEBUS_ETYPE;
    }
    *size = wire.count;
    return wire.count == 0                ? CASEBUS_EVALUE
           : wire.count > CASEBUS_KEY_MAX ? CASEBUS_ETOOLONG
                                          : 0;
}

/* Takes the key of `size` bytes at `at`, of the pair that begins; `frame` counts the pair as
 * begun only afterwards. */
static inline int take_key(struct scanner *s, struct frame *frame, const unsigned char *at,
                           size_t size, struct casebus_fault *fault)
{
    struct casebus_bytes none = casebus_bytes(NULL, 0);
    struct wire_ends ends = wire_ends(at, size);
    if (!text_valid(ends, at, size)) {
        return fail_at(s, CASEBUS_EUTF8, s->depth - 1, none, fault);
    }
    if (s->keys == KEYS_OPEN_MAX) {
        return fail_at(s, CASEBUS_ETOOMANY, s->depth - 1, none, fault);
    }
    struct key *key = &s->key[s->keys];
    key->at = (uint32_t)(at - s->begin);
    key->print = wire_print(ends, size);
    uint64_t *seen = &frame->seen[key->print >> 30];
    uint64_t bit = UINT64_C(1) << (key->print >> 24 & 63);
    if (*seen & bit && frame->count <= COMPARED_MAX &&
        among(s, key, &s->key[frame->keys], frame->count - frame->left)) {
        return fail_at(s, CASEBUS_EDUPLICATE, s->depth - 1, key_text(s, key), fault);
    }
    *seen |= bit;
    s->keys++;
    return 0;
}

/* --- values --------------------------------------------------------------------------- */

static int begin_container(struct scanner *s, bool map, uint32_t count, size_t bytes_left,
                           struct casebus_fault *fault)
{
    uint64_t least = (uint64_t)count * (map ? 2 : 1);
    if (least > bytes_left) {
        return fail(s, CASEBUS_EMALFORMED, fault);
    }
    if ((map && count > s->limits.keys) || count > s->left) {
        return fail(s, CASEBUS_ETOOMANY, fault);
    }
    if (s->depth >= s->limits.depth || s->depth >= FRAMES_MAX) {
        return fail(s, CASEBUS_EDEPTH, fault);
    }
    s->left -= count;
    s->frame[s->depth++] =
        (struct frame){.left = count, .count = count, .keys = s->keys, .map = map};
    return 0;
}

static bool is_finite(double real)
{
    uint64_t bits;
    memcpy(&bits, &real, sizeof bits);
    return (bits >> 52 & 0x7ff) != 0x7ff;
}

/* Checks a value that scan_short() did not pass, whose head is `wire`; moves *at behind its
 * bytes. */
static int scan_body(struct scanner *s, const struct wire *wire, const unsigned char **at,
                     struct casebus_fault *fault)
{
    const unsigned char *body = *at;
    switch (wire->kind) {
    case CASEBUS_MAP:
    case CASEBUS_ARRAY:
        return begin_container(s, wire->kind == CASEBUS_MAP, wire->count,
                               (size_t)(s->end - body), fault);
    case CASEBUS_STR:
        *at += wire->count;
        return text_valid(wire_ends(body, wire->count), body, wire->count)
                   ? 0
                   : fail(s, CASEBUS_EUTF8, fault);
    case CASEBUS_BIN:
        *at += wire->count;
        return 0;
    case CASEBUS_FLOAT:
        return is_finite(wire->real) ? 0 : fail(s, CASEBUS_EVALUE, fault);
    default:
        return 0;
    }
}

/* The place behind any value, or behind the head of a container; NULL: *error. */
static const unsigned char *scan_any(struct scanner *s, const unsigned char *at, int *error,
                                     struct casebus_fault *fault)
{
    if (at < s->end && (*at & 0xf0) == 0x80) { /* nearly all maps */
        *error = begin_container(s, true, *at & 0x0f, (size_t)(s->end - at - 1), fault);
        return *error ? NULL : at + 1;
    }
    struct wire wire;
    *error = wire_read(&at, s->end, &wire);
    if (*error) {
        fail(s, *error, fault);
    } else {
        *error = scan_body(s, &wire, &at, fault);
    }
    return *error ? NULL : at;
}

/* The size of a value of which there is nothing more to ask, as of most; otherwise 0. */
static inline size_t scan_short(const unsigned char *at, const unsigned char *end)
{
    size_t size = wire_short(at, end);
    if (size > 0) {
        return wire_ascii(wire_ends(at + 1, size), at + 1, size) ? 1 + size : 0;
    }
    return wire_plain(at, end);
}

/* The place behind the key; NULL: *error. The place is handed from one to the next in a
 * register: how fast a scan is hangs on nothing else. */
static inline const unsigned char *scan_key(struct scanner *s, struct frame *frame,
                                            const unsigned char *at, int *error,
                                            struct casebus_fault *fault)
{
    size_t size = wire_short(at, s->end);
    if (size > 0) {
        at++;
    } else {
        const unsigned char *text = at;
        *error = begin_long_key(s, &text, &size);
        if (*error) {
            fail_at(s, *error, s->depth - 1, casebus_bytes(NULL, 0), fault);
            return NULL;
        }
        at = text;
    }
    *error = take_key(s, frame, at, size, fault);
    return *error ? NULL : at + size;
}

/* What is left of the innermost container, up to its end or behind the head of one inside
 * it. */
static const unsigned char *scan_map(struct scanner *s, struct frame *frame,
                                     const unsigned char *at, int *error,
                                     struct casebus_fault *fault)
{
    uint32_t depth = s->depth;
    while (frame->left > 0) {
        at = scan_key(s, frame, at, error, fault);
        if (!at) {
            return NULL;
        }
        frame->left--;
        size_t size = scan_short(at, s->end);
        if (size > 0) {
            at += size;
            continue;
        }
        at = scan_any(s, at, error, fault);
        if (!at || s->depth > depth) {
            return at;
        }
    }
    return at;
}

static const unsigned char *scan_array(struct scanner *s, struct frame *frame,
                                       const unsigned char *at, int *error,
                                       struct casebus_fault *fault)
{
    uint32_t depth = s->depth;
    while (at && frame->left > 0 && s->depth == depth) {
        frame->left--;
        size_t size = scan_short(at, s->end);
        at = size > 0 ? at + size : scan_any(s, at, error, fault);
    }
    return at;
}

int casebus_scan(struct casebus_bytes data, struct casebus_scan_limits limits,
                 struct casebus_fault *fault)
{
    struct scanner s; /* not cleared: 64 KiB of keys */
    int error = 0;
    if (data.size > UINT32_MAX) {
        return casebus_fault_set(fault, CASEBUS_ETOOLARGE, "");
    }
    s.begin = data.data;
    s.end = data.size ? data.data + data.size : data.data;
    s.limits = limits;
    s.left = limits.elements;
    s.depth = s.keys = 0;

    const unsigned char *at = scan_any(&s, data.data, &error, fault);
    while (!error && s.depth > 0) {
        struct frame *frame = &s.frame[s.depth - 1];
        if (frame->left > 0) {
            at = frame->map ? scan_map(&s, frame, at, &error, fault)
                            : scan_array(&s, frame, at, &error, fault);
        } else {
            error = frame->map ? end_map(&s, frame, fault) : 0;
            s.depth--;
        }
    }
    if (!error && at != s.end) {
        error = casebus_fault_set(fault, CASEBUS_EMALFORMED, "");
    }
    return error;
}
