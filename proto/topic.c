/* Topics: splitting, building and the rules of their parts.
 *
 * A topic is compared with the kinds by prefix, colons included, so that nothing has to be
 * copied or terminated. Segments stay borrowed from the text they were split from. */
#include "wire.h"

#include <casebus/topic.h>

struct kind {
    const char *prefix; /* "case:created:" */
    size_t size;
    size_t resource_size;
    const char *resource, *word;
};

#define X(symbol, resource, event)                                                             \
    [symbol] = {resource ":" event ":", sizeof resource + sizeof event, sizeof resource - 1,   \
                resource, event},
static const struct kind report_kinds[CASEBUS_REPORT_KIND_COUNT] = {CASEBUS_REPORT_KINDS(X)};
static const struct kind event_kinds[CASEBUS_EVENT_KIND_COUNT] = {CASEBUS_EVENT_KINDS(X)};
#undef X

const char *casebus_report_kind_word(enum casebus_report_kind kind)
{
    return (unsigned)kind < CASEBUS_REPORT_KIND_COUNT ? report_kinds[kind].word : "unknown";
}

const char *casebus_event_kind_word(enum casebus_event_kind kind)
{
    return (unsigned)kind < CASEBUS_EVENT_KIND_COUNT ? event_kinds[kind].word : "unknown";
}

const char *casebus_event_kind_resource(enum casebus_event_kind kind)
{
    return (unsigned)kind < CASEBUS_EVENT_KIND_COUNT ? event_kinds[kind].resource : "unknown";
}

/* --- parts ---------------------------------------------------------------------------- */

bool casebus_agency_valid(struct casebus_bytes code)
{
    if (code.size == 0 || code.size > CASEBUS_AGENCY_MAX || code.data[0] < 'a' ||
        code.data[0] > 'z') {
        return false;
    }
    for (size_t i = 1; i < code.size; i++) {
        unsigned char c = code.data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_') {
            return false;
        }
    }
    return true;
}

static bool is_plain(uint64_t eight)
{
    return !(eight & WIRE_HIGH) && !wire_any_below(eight, 0x20) && !wire_any_is(eight, 0x7f) &&
           !wire_any_is(eight, ':') && !wire_any_is(eight, '*');
}

bool casebus_segment_valid(struct casebus_bytes text)
{
    bool ascii = true;
    if (text.size == 0 || text.size > CASEBUS_SEGMENT_MAX) {
        return false;
    }
    struct wire_ends ends = wire_ends(text.data, text.size);
    if (text.size <= 16 && is_plain(ends.first) && is_plain(ends.last)) {
        return true; /* as nearly all are */
    }
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = text.data[i];
        if (c < 0x20 || c == 0x7f || c == ':' || c == '*') {
            return false;
        }
        if (c >= 0x80) {
            ascii = false;
            if (c == 0xc2 && i + 1 < text.size && text.data[i + 1] < 0xa0) {
                return false; /* U+0080 to U+009F */
            }
        }
    }
    return ascii || casebus_utf8_valid(text);
}

int casebus_case_id_split(struct casebus_bytes id, struct casebus_bytes *agency,
                          struct casebus_bytes *regulator_id)
{
    const unsigned char *colon = id.size ? memchr(id.data, ':', id.size) : NULL;
    if (!colon) {
        return CASEBUS_ETOPIC;
    }
    size_t size = (size_t)(colon - id.data);
    *agency = casebus_bytes(id.data, size);
    *regulator_id = casebus_bytes(colon + 1, id.size - size - 1);
    if (!casebus_agency_valid(*agency) || !casebus_segment_valid(*regulator_id)) {
        return CASEBUS_ETOPIC;
    }
    return 0;
}

/* --- whole topics --------------------------------------------------------------------- */

/* The segment that begins at `at`, up to its colon. */
static struct casebus_bytes segment(struct casebus_bytes text, size_t at)
{
    const unsigned char *begin = text.data + at;
    const unsigned char *colon = memchr(begin, ':', text.size - at);
    return colon ? casebus_bytes(begin, (size_t)(colon - begin)) : casebus_bytes(NULL, 0);
}

int casebus_topic_split(struct casebus_bytes text, struct casebus_topic *topic)
{
    size_t at = 0;
    memset(topic, 0, sizeof *topic);
    if (text.size == 0 || text.size > CASEBUS_TOPIC_MAX) {
        return CASEBUS_ETOPIC;
    }
    while (at < text.size) {
        struct casebus_bytes part = segment(text, at);
        if (topic->count == 4 || !casebus_segment_valid(part)) {
            return CASEBUS_ETOPIC;
        }
        topic->segment[topic->count++] = part;
        at += part.size + 1;
    }
    return 0;
}

/* Splits a topic of four segments that begins like one of the kinds; its number. */
static int match(struct casebus_bytes text, const struct kind *kinds, unsigned count,
                 struct casebus_topic *topic, unsigned *kind)
{
    memset(topic, 0, sizeof *topic);
    if (text.size > CASEBUS_TOPIC_MAX) {
        return CASEBUS_ETOPIC;
    }
    for (unsigned i = 0; i < count; i++) {
        size_t size = kinds[i].size;
        if (text.size <= size || memcmp(text.data, kinds[i].prefix, size) != 0) {
            continue;
        }
        size_t resource = kinds[i].resource_size;
        struct casebus_bytes agency = segment(text, size);
        size_t key_at = size + agency.size + 1;
        if (!casebus_agency_valid(agency) || key_at >= text.size ||
            text.data[text.size - 1] != ':') {
            return CASEBUS_ETOPIC;
        }
        topic->segment[0] = casebus_bytes(text.data, resource);
        topic->segment[1] = casebus_bytes(text.data + resource + 1, size - resource - 2);
        topic->segment[2] = agency;
        topic->segment[3] = casebus_bytes(text.data + key_at, text.size - key_at - 1);
        topic->count = 4;
        *kind = i;
        return casebus_segment_valid(topic->segment[3]) ? 0 : CASEBUS_ETOPIC;
    }
    return CASEBUS_ETOPIC;
}

int casebus_topic_report(struct casebus_bytes text, struct casebus_topic *topic,
                         enum casebus_report_kind *kind)
{
    unsigned found = 0;
    int error = match(text, report_kinds, CASEBUS_REPORT_KIND_COUNT, topic, &found);
    *kind = (enum casebus_report_kind)found;
    return error;
}

int casebus_topic_event(struct casebus_bytes text, struct casebus_topic *topic,
                        enum casebus_event_kind *kind)
{
    unsigned found = 0;
    int error = match(text, event_kinds, CASEBUS_EVENT_KIND_COUNT, topic, &found);
    *kind = (enum casebus_event_kind)found;
    return error;
}

struct casebus_bytes casebus_topic_stream(struct casebus_bytes topic)
{
    size_t at = 0;
    for (int segments = 0; segments < 3 && at < topic.size; segments++) {
        const unsigned char *colon = memchr(topic.data + at, ':', topic.size - at);
        at = colon ? (size_t)(colon - topic.data) + 1 : topic.size;
    }
    return casebus_bytes(topic.data, at);
}

int casebus_topic_build(char *out, size_t size, const char *resource, const char *event,
                        struct casebus_bytes agency, struct casebus_bytes key)
{
    struct casebus_bytes part[4] = {casebus_cstr(resource), casebus_cstr(event), agency, key};
    size_t length = 0;
    if (!casebus_segment_valid(part[0]) || !casebus_segment_valid(part[1]) ||
        !casebus_agency_valid(agency) || !casebus_segment_valid(key)) {
        return CASEBUS_ETOPIC;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (length + part[i].size + 2 > size) {
            return CASEBUS_EINVAL;
        }
        memcpy(out + length, part[i].data, part[i].size);
        length += part[i].size;
        out[length++] = ':';
    }
    out[length] = '\0';
    return length <= CASEBUS_TOPIC_MAX ? (int)length : CASEBUS_ETOPIC;
}
