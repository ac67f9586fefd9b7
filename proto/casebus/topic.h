/* Topics: <resource>:<event>:<key...>:, every segment followed by ':'.
 *
 * The trailing delimiter makes ZeroMQ's prefix matching exact. A user's pattern is a topic or
 * the first segments of one, optionally with a last segment "*"; casebus_pattern_prefix() turns
 * it into the prefix to subscribe to and refuses what no kind of event can ever match. */
#ifndef CASEBUS_TOPIC_H
#define CASEBUS_TOPIC_H

#include <casebus/limits.h>
#include <casebus/msgpack.h>

/* Kinds of report: what publishers may send. X(symbol, resource, event) */
#define CASEBUS_REPORT_KINDS(X)                                                                \
    X(CASEBUS_REPORT_SCRAPED, "case", "scraped")                                               \
    X(CASEBUS_REPORT_EDITED, "case", "edited")                                                 \
    X(CASEBUS_REPORT_DELETED, "case", "deleted")                                               \
    X(CASEBUS_REPORT_REDACTED, "case", "redacted")                                             \
    X(CASEBUS_REPORT_SESSION_STARTED, "session", "started")                                    \
    X(CASEBUS_REPORT_SESSION_PROGRESSED, "session", "progressed")                              \
    X(CASEBUS_REPORT_SESSION_ENDED, "session", "ended")

/* Kinds of event: what the broker publishes. The numbers are stored: append only. */
#define CASEBUS_EVENT_KINDS(X)                                                                 \
    X(CASEBUS_EVENT_CREATED, "case", "created")                                                \
    X(CASEBUS_EVENT_SYNCED, "case", "synced")                                                  \
    X(CASEBUS_EVENT_UPDATED, "case", "updated")                                                \
    X(CASEBUS_EVENT_CONFLICT, "case", "conflict")                                              \
    X(CASEBUS_EVENT_DELETED, "case", "deleted")                                                \
    X(CASEBUS_EVENT_REDACTED, "case", "redacted")                                              \
    X(CASEBUS_EVENT_RESOLVED, "case", "resolved")                                              \
    X(CASEBUS_EVENT_STARTED, "session", "started")                                             \
    X(CASEBUS_EVENT_PROGRESSED, "session", "progressed")                                       \
    X(CASEBUS_EVENT_ENDED, "session", "ended")                                                 \
    X(CASEBUS_EVENT_STOPPING, "session", "stopping")                                           \
    X(CASEBUS_EVENT_LOST, "session", "lost")                                                   \
    X(CASEBUS_EVENT_RESUMED, "session", "resumed")

enum casebus_report_kind {
#define X(symbol, resource, event) symbol,
    CASEBUS_REPORT_KINDS(X)
#undef X
    CASEBUS_REPORT_KIND_COUNT
};

enum casebus_event_kind {
#define X(symbol, resource, event) symbol,
    CASEBUS_EVENT_KINDS(X)
#undef X
    CASEBUS_EVENT_KIND_COUNT
};
/* Kinds of resource "case" come first. */
#define CASEBUS_CASE_EVENT_COUNT CASEBUS_EVENT_STARTED

#define CASEBUS_TOPIC_HEADS_ALL "sys:heads:all:"
#define CASEBUS_TOPIC_HEADS_BATCH "sys:heads:batch:"
/* Is it one of these, or a prefix of theirs that no event's topic has? */
static inline bool casebus_topic_is_heads(struct casebus_bytes topic)
{
    return topic.size >= 4 && memcmp(topic.data, "sys:", 4) == 0;
}

const char *casebus_report_kind_word(enum casebus_report_kind kind);   /* "scraped" */
const char *casebus_event_kind_word(enum casebus_event_kind kind);     /* "created" */
const char *casebus_event_kind_resource(enum casebus_event_kind kind); /* "case" */

struct casebus_topic {
    struct casebus_bytes segment[4]; /* borrowed from what was parsed */
    unsigned count;
};

/* Splits a full topic (1 to 4 segments, each followed by ':'). 0 or CASEBUS_ETOPIC. */
int casebus_topic_split(struct casebus_bytes text, struct casebus_topic *topic);
/* A topic of four valid segments whose first two are a known kind of report or event. */
int casebus_topic_report(struct casebus_bytes text, struct casebus_topic *topic,
                         enum casebus_report_kind *kind);
int casebus_topic_event(struct casebus_bytes text, struct casebus_topic *topic,
                        enum casebus_event_kind *kind);
/* The stream of a topic: its first three segments; all of a prefix that has no more. */
struct casebus_bytes casebus_topic_stream(struct casebus_bytes topic);
/* Writes a topic, its end NUL, into out; the length, or CASEBUS_ETOPIC if agency or key break
 * the rules or CASEBUS_EINVAL if it does not fit. */
int casebus_topic_build(char *out, size_t size, const char *resource, const char *event,
                        struct casebus_bytes agency, struct casebus_bytes key);

bool casebus_agency_valid(struct casebus_bytes code); /* [a-z][a-z0-9_]{0,31} */
bool casebus_segment_valid(
    struct casebus_bytes text); /* 1..128 bytes, UTF-8, no ':' no '*' no control */
/* Splits "hse:4812345"; 0 or CASEBUS_ETOPIC. */
int casebus_case_id_split(struct casebus_bytes id, struct casebus_bytes *agency,
                          struct casebus_bytes *regulator_id);
/* Splits "hse:2024-06-03a", the name of a session, by the same rules. */
static inline int casebus_session_name_split(struct casebus_bytes name,
                                             struct casebus_bytes *agency,
                                             struct casebus_bytes *session_id)
{
    return casebus_case_id_split(name, agency, session_id);
}

/* Turns a pattern into its prefix (NUL-terminated). Returns the prefix's length or
 * CASEBUS_EPATTERN, and then *why says what is wrong and what would be right (static). */
int casebus_pattern_prefix(const char *pattern, char *out, size_t size, const char **why);

#endif
