/* From what people write to what ZeroMQ matches.
 *
 * A subscription to something that never comes is silent for ever, so a pattern is checked
 * against everything that can come, and the refusal says what would be right: that is the whole
 * point of this file. */
#include <casebus/topic.h>
#include <string.h>

/* Second segments of a resource, or third ones of "sys:heads". */
struct word {
    const char *resource, *word;
    const char *why; /* NULL: a kind of event */
};

#define CASE_EVENTS "created, synced, updated, conflict, deleted, redacted and resolved"
#define SESSION_EVENTS "started, progressed, ended, stopping, lost and resumed"

static const struct word words[] = {
#define X(symbol, resource, event) {resource, event, NULL},
    CASEBUS_EVENT_KINDS(X)
#undef X
        {"sys", "heads", NULL},
    {"case", "scraped",
     "\"scraped\" is a kind of report, what publishers send; it causes the "
     "events created, synced, updated and conflict"},
    {"case", "edited",
     "\"edited\" is a kind of report, what publishers send; it causes the "
     "event updated"},
};

static const char *unknown_event(struct casebus_bytes resource)
{
    if (casebus_bytes_is(resource, "case")) {
        return "events of a case are " CASE_EVENTS;
    }
    if (casebus_bytes_is(resource, "session")) {
        return "events of a session are " SESSION_EVENTS;
    }
    return "below \"sys\" there is only \"sys:heads\"";
}

static const char *check_resource(struct casebus_bytes resource)
{
    if (casebus_bytes_is(resource, "case") || casebus_bytes_is(resource, "session") ||
        casebus_bytes_is(resource, "sys")) {
        return NULL;
    }
    return "unknown resource: a pattern begins with \"case\", \"session\" or \"sys\"";
}

static const char *check_event(struct casebus_bytes resource, struct casebus_bytes event)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (casebus_bytes_is(resource, words[i].resource) &&
            casebus_bytes_is(event, words[i].word)) {
            return words[i].why;
        }
    }
    return unknown_event(resource);
}

static const char *check_agency(struct casebus_bytes resource, struct casebus_bytes agency)
{
    if (casebus_bytes_is(resource, "sys")) {
        return casebus_bytes_is(agency, "all") || casebus_bytes_is(agency, "batch")
                   ? NULL
                   : "there are only \"sys:heads:all\" and \"sys:heads:batch\"";
    }
    return casebus_agency_valid(agency)
               ? NULL
               : "an agency's code is a lower case letter, then up to 31 lower case letters, "
                 "digits or \"_\"";
}

static const char *check_key(struct casebus_bytes resource, struct casebus_bytes key)
{
    if (casebus_bytes_is(resource, "sys")) {
        return "there is nothing below \"sys:heads:all\" and \"sys:heads:batch\"";
    }
    return casebus_segment_valid(key)
               ? NULL
               : "an id is 1 to 128 bytes of UTF-8 without control characters";
}

static const char *check_star(const struct casebus_topic *pattern, struct casebus_bytes part)
{
    if (part.size > 1) {
        return "\"*\" stands for a whole segment, not for a part of one";
    }
    return pattern->count == 1
               ? "\"*\" alone is not a pattern: write \"case:*\" or \"session:*\""
               : "\"*\" is allowed only as the last segment";
}

/* What is wrong with segment `index`, NULL if nothing. */
static const char *check(const struct casebus_topic *pattern, unsigned index)
{
    struct casebus_bytes resource = pattern->segment[0], part = pattern->segment[index];
    if (part.size == 0) {
        return "a segment is empty: segments are separated by one \":\"";
    }
    if (memchr(part.data, '*', part.size)) {
        return check_star(pattern, part);
    }
    switch (index) {
    case 0:
        return check_resource(part);
    case 1:
        return check_event(resource, part);
    case 2:
        return check_agency(resource, part);
    default:
        return check_key(resource, part);
    }
}

/* Splits at colons, a last one taken off; too many segments leave `count` 5. */
static void split(const char *pattern, struct casebus_topic *out)
{
    size_t size = strlen(pattern), at = 0;
    if (size > 1 && pattern[size - 1] == ':') {
        size--;
    }
    memset(out, 0, sizeof *out);
    for (;;) {
        const char *colon = memchr(pattern + at, ':', size - at);
        size_t end = colon ? (size_t)(colon - pattern) : size;
        if (out->count == 4) {
            out->count++;
            return;
        }
        out->segment[out->count++] = casebus_bytes(pattern + at, end - at);
        if (!colon) {
            return;
        }
        at = end + 1;
    }
}

static bool is_star(struct casebus_bytes part)
{
    return part.size == 1 && part.data[0] == '*';
}

static const char *check_all(struct casebus_topic *pattern)
{
    if (pattern->count > 4) {
        return "a pattern has at most four segments: resource, event, agency and id";
    }
    if (pattern->count > 1 && is_star(pattern->segment[pattern->count - 1])) {
        pattern->count--; /* everything below: the prefix without it */
        if (pattern->count == 3 && casebus_bytes_is(pattern->segment[0], "sys")) {
            return check_key(pattern->segment[0], pattern->segment[3]);
        }
    }
    for (unsigned i = 0; i < pattern->count; i++) {
        const char *why = check(pattern, i);
        if (why) {
            return why;
        }
    }
    return NULL;
}

static int refuse(const char **why, const char *reason)
{
    if (why) {
        *why = reason;
    }
    return CASEBUS_EPATTERN;
}

int casebus_pattern_prefix(const char *pattern, char *out, size_t size, const char **why)
{
    struct casebus_topic parts;
    size_t length = 0;
    if (!pattern || !*pattern) {
        return refuse(why, "an empty pattern: write \"case:*\" for every event of every case");
    }
    split(pattern, &parts);
    const char *reason = check_all(&parts);
    if (reason) {
        return refuse(why, reason);
    }
    for (unsigned i = 0; i < parts.count; i++) {
        struct casebus_bytes part = parts.segment[i];
        if (length + part.size + 2 > size) {
            return refuse(why, "the pattern is too long");
        }
        memcpy(out + length, part.data, part.size);
        length += part.size;
        out[length++] = ':';
    }
    out[length] = '\0';
    return (int)length;
}
