/* The first look at bytes from somebody else.
 *
 * casebus_scan() is the wall: behind it a value is complete, inside its limits, and every map
 * has text keys that differ. It looks at each byte once, allocates nothing, and its stack is
 * fixed: a frame for each level of nesting and one stack of keys for all open maps together,
 * which also remembers the path for a fault.
 *
 * Duplicate keys: a map with few keys is compared as it is read, a filter of 64 bits saying
 * when there is anything to compare; a larger one is sorted when it ends. Both are bounded
 * whatever the keys are. */
#include "fault.h"
#include "wire.h"

#include <casebus/limits.h>

enum {
    FRAMES_MAX = 32, /* deepest nesting any limits can allow */
    KEYS_OPEN_MAX =
        8192,         /* keys of all maps open at once: CASEBUS_KEYS_MAX on each of 16 levels */
    COMPARED_MAX = 32 /* keys up to which comparing beats sorting */
};

struct key {
    uint32_t at; /* the text's place in the whole */
    uint32_t print;
};

struct frame {
    uint32_t left, count; /* values or, of a map, pairs: not yet begun, and all */
    uint32_t keys;        /* of a map: its first key on the stack */
    bool map;
    uint64_t seen; /* a filter over the prints of its keys */
};

struct scanner {
    const unsigned char *begin, *at, *end;
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

static bool text_valid(const unsigned char *text, size_t size)
{
    return wire_ascii(text, size) || casebus_utf8_valid(casebus_bytes(text, size));
}

/* --- keys ----------------------------------------------------------------------------- */

static int compare(const struct scanner *s, const struct key *a, const struct key *b)
{
    if (a->print != b->print) {
        return a->print < b->print ? -1 : 1;
    }
    return memcmp(s->begin + a->at, s->begin + b->at, a->print & 0xff);
}

static void sift(const struct scanner *s, struct key *key, uint32_t root, uint32_t count)
{
    struct key moved = key[root];
    for (;;) {
        uint32_t child = 2 * root + 1;
        if (child >= count) {
            break;
        }
        if (child + 1 < count && compare(s, &key[child], &key[child + 1]) < 0) {
            child++;
        }
        if (compare(s, &moved, &key[child]) >= 0) {
            break;
        }
        key[root] = key[child];
        root = child;
    }
    key[root] = moved;
}

/* Heapsort: in place, and no order of keys makes it slow. */
static void sort(const struct scanner *s, struct key *key, uint32_t count)
{
    for (uint32_t i = count / 2; i > 0; i--) {
        sift(s, key, i - 1, count);
    }
    for (uint32_t last = count - 1; last > 0; last--) {
        struct key top = key[0];
        key[0] = key[last];
        key[last] = top;
        sift(s, key, 0, last);
    }
}

static bool among(const struct scanner *s, const struct key *key, const struct key *keys,
                  uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (keys[i].print == key->print && compare(s, &keys[i], key) == 0) {
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
    sort(s, key, frame->count);
    for (uint32_t i = 1; i < frame->count; i++) {
        if (compare(s, &key[i - 1], &key[i]) == 0) {
            return fail_at(s, CASEBUS_EDUPLICATE, s->depth - 1, key_text(s, &key[i]), fault);
        }
    }
    return 0;
}

/* The size of the key the scanner is at, and moves to its text; or what is wrong with it. */
static int begin_key(struct scanner *s, size_t *size)
{
    struct wire wire;
    *size = wire_short(s->at, s->end);
    if (*size > 0) {
        s->at++;
        return 0;
    }
    int error = wire_read(&s->at, s->end, &wire);
    if (error || wire.kind != CASEBUS_STR) {
        return error ? error : CASEBUS_ETYPE;
    }
    *size = wire.count;
    return wire.count == 0                ? CASEBUS_EVALUE
           : wire.count > CASEBUS_KEY_MAX ? CASEBUS_ETOOLONG
                                          : 0;
}

/* Reads the key of the pair that begins; `frame` counts it as begun only afterwards. */
static int scan_key(struct scanner *s, struct frame *frame, struct casebus_fault *fault)
{
    size_t size;
    int error = begin_key(s, &size);
    if (!error && !text_valid(s->at, size)) {
        error = CASEBUS_EUTF8;
    } else if (!error && s->keys == KEYS_OPEN_MAX) {
        error = CASEBUS_ETOOMANY;
    }
    if (error) {
        return fail_at(s, error, s->depth - 1, casebus_bytes(NULL, 0), fault);
    }

    struct key *key = &s->key[s->keys];
    key->at = (uint32_t)(s->at - s->begin);
    key->print = wire_print(s->at, size);
    s->at += size;
    uint64_t bit = UINT64_C(1) << (key->print >> 26);
    if (frame->seen & bit && frame->count <= COMPARED_MAX &&
        among(s, key, &s->key[frame->keys], frame->count - frame->left)) {
        return fail_at(s, CASEBUS_EDUPLICATE, s->depth - 1, key_text(s, key), fault);
    }
    frame->seen |= bit;
    s->keys++;
    return 0;
}

/* --- values --------------------------------------------------------------------------- */

static int begin_container(struct scanner *s, const struct wire *wire,
                           struct casebus_fault *fault)
{
    bool map = wire->kind == CASEBUS_MAP;
    uint64_t least = (uint64_t)wire->count * (map ? 2 : 1);
    if (least > (size_t)(s->end - s->at)) {
        return fail(s, CASEBUS_EMALFORMED, fault);
    }
    if ((map && wire->count > s->limits.keys) || wire->count > s->left) {
        return fail(s, CASEBUS_ETOOMANY, fault);
    }
    s->left -= wire->count;
    if (s->depth >= s->limits.depth || s->depth >= FRAMES_MAX) {
        return fail(s, CASEBUS_EDEPTH, fault);
    }
    s->frame[s->depth++] =
        (struct frame){.left = wire->count, .count = wire->count, .keys = s->keys, .map = map};
    return 0;
}

static bool is_finite(double real)
{
    uint64_t bits;
    memcpy(&bits, &real, sizeof bits);
    return (bits >> 52 & 0x7ff) != 0x7ff;
}

static int scan_value(struct scanner *s, struct casebus_fault *fault)
{
    struct wire wire;
    size_t size = wire_short(s->at, s->end);
    if (size > 0 && wire_ascii(s->at + 1, size)) { /* nothing more to ask about most values */
        s->at += 1 + size;
        return 0;
    }
    int error = wire_read(&s->at, s->end, &wire);
    if (error) {
        return fail(s, error, fault);
    }
    switch (wire.kind) {
    case CASEBUS_MAP:
    case CASEBUS_ARRAY:
        return begin_container(s, &wire, fault);
    case CASEBUS_STR:
        if (!text_valid(s->at, wire.count)) {
            return fail(s, CASEBUS_EUTF8, fault);
        }
        s->at += wire.count;
        return 0;
    case CASEBUS_BIN:
        s->at += wire.count;
        return 0;
    case CASEBUS_FLOAT:
        return is_finite(wire.real) ? 0 : fail(s, CASEBUS_EVALUE, fault);
    default:
        return 0;
    }
}

int casebus_scan(struct casebus_bytes data, struct casebus_scan_limits limits,
                 struct casebus_fault *fault)
{
    struct scanner s; /* not cleared: 64 KiB of keys */
    if (data.size > UINT32_MAX) {
        return casebus_fault_set(fault, CASEBUS_ETOOLARGE, "");
    }
    s.begin = s.at = data.data;
    s.end = data.data + data.size;
    s.limits = limits;
    s.left = limits.elements;
    s.depth = s.keys = 0;

    int error = scan_value(&s, fault);
    while (!error && s.depth > 0) {
        struct frame *frame = &s.frame[s.depth - 1];
        if (frame->left == 0) {
            error = frame->map ? end_map(&s, frame, fault) : 0;
            s.depth--;
            continue;
        }
        if (frame->map) {
            error = scan_key(&s, frame, fault);
        }
        if (!error) {
            frame->left--;
            error = scan_value(&s, fault);
        }
    }
    if (!error && s.at != s.end) {
        error = casebus_fault_set(fault, CASEBUS_EMALFORMED, "");
    }
    return error;
}
