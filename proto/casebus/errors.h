/* Error codes of the libraries, and the words the protocol uses for them.
 *
 * Every int-returning function of casebus gives 0 (or a count) or one of these negative codes.
 * The table is the only place where a code, its word on the wire (replies, rejections) and its
 * sentence meet; PROTOCOL.md lists the words, and a test compares the two.
 *
 * Checklist for a new code: append it here (never renumber), add its word to PROTOCOL.md. */
#ifndef CASEBUS_ERRORS_H
#define CASEBUS_ERRORS_H

#include <stdbool.h>

/* X(code, number, word on the wire, sentence) */
#define CASEBUS_ERRORS(X)                                                                      \
    X(CASEBUS_ENOMEM, -1, "no_memory", "out of memory")                                        \
    X(CASEBUS_EINVAL, -2, "bad_argument", "an argument is missing or out of its range")        \
    X(CASEBUS_EMALFORMED, -3, "malformed", "not one well-formed msgpack map")                  \
    X(CASEBUS_EVERSION, -4, "bad_version", "a protocol version this side does not speak")      \
    X(CASEBUS_ETOPIC, -5, "bad_topic", "not a valid topic")                                    \
    X(CASEBUS_EMISSING, -6, "missing", "a required field is missing")                          \
    X(CASEBUS_ETYPE, -7, "wrong_type", "the field has another type")                           \
    X(CASEBUS_EVALUE, -8, "bad_value", "the value is not allowed in this field")               \
    X(CASEBUS_ETOOLONG, -9, "too_long", "the value is longer than the field's limit")          \
    X(CASEBUS_ETOOLARGE, -10, "too_large",                                                     \
      "over its size limit: report 512 KiB, record 256 KiB, request 640 KiB")                  \
    X(CASEBUS_EDUPLICATE, -11, "duplicate_key", "a map holds the same key twice")              \
    X(CASEBUS_EDEPTH, -12, "too_deep", "nested deeper than 16 levels")                         \
    X(CASEBUS_EUTF8, -13, "bad_utf8", "text is not valid UTF-8")                               \
    X(CASEBUS_ETOOMANY, -14, "too_many", "more elements than the limit allows")                \
    X(CASEBUS_EPATTERN, -15, "bad_pattern", "a pattern that no event can match")               \
    X(CASEBUS_EUNKNOWN_CASE, -16, "unknown_case", "there is no such case")                     \
    X(CASEBUS_EDELETED, -17, "deleted", "the case is deleted")                                 \
    X(CASEBUS_EREDACTED, -18, "redacted", "the case is redacted")                              \
    X(CASEBUS_EDECIDED, -19, "decided", "this was decided before, and otherwise")              \
    X(CASEBUS_EUNKNOWN_SESSION, -20, "unknown_session", "there is no such session")            \
    X(CASEBUS_EENDED, -21, "session_ended", "the session has ended")                           \
    X(CASEBUS_ENOTFOUND, -22, "not_found", "there is no such thing")                           \
    X(CASEBUS_EUNKNOWN_OP, -23, "unknown_op", "an operation this broker does not have")        \
    X(CASEBUS_EBEHIND, -24, "behind", "this broker has not applied that much yet")             \
    X(CASEBUS_EBUSY, -25, "busy", "the broker has no place for another of these now")          \
    X(CASEBUS_EINTERNAL, -26, "internal",                                                      \
      "the broker could not carry this out; its log says why")                                 \
    X(CASEBUS_EGAP, -27, "gap", "events are missing")                                          \
    X(CASEBUS_EEPOCH, -28, "epoch", "the history has changed")                                 \
    X(CASEBUS_EDIVERGED, -29, "diverged", "publisher and broker disagree about what was sent") \
    X(CASEBUS_ETIMEDOUT, -30, "timed_out", "nothing happened in the time allowed")             \
    X(CASEBUS_EUNREACHABLE, -31, "unreachable", "the broker does not answer")                  \
    X(CASEBUS_EINTR, -32, "interrupted", "interrupted by a signal")                            \
    X(CASEBUS_EIO, -33, "io", "input or output failed")                                        \
    X(CASEBUS_ENOSPC, -34, "no_space", "no space is left for the store")                       \
    X(CASEBUS_ECORRUPT, -35, "corrupt", "stored bytes do not match their checksum")            \
    X(CASEBUS_ELOCKED, -36, "locked", "another process has this open")                         \
    X(CASEBUS_ESCHEMA, -37, "bad_schema", "a store of another layout version")                 \
    X(CASEBUS_EPROTO, -38, "protocol", "the other side answered out of protocol")              \
    X(CASEBUS_EDENIED, -39, "denied", "the actor may not do this")                             \
    X(CASEBUS_EKEY, -40, "bad_key", "a key file cannot be used")                               \
    X(CASEBUS_ELIMITED, -41, "limited",                                                        \
      "the actor is over one of its limits; the text says which")

enum casebus_error {
#define X(code, number, word, text) code = number,
    CASEBUS_ERRORS(X)
#undef X
};

/* A sentence for a code; 0 gives "success". Never NULL, static storage. */
const char *casebus_strerror(int error);
/* The word of a code on the wire, and back. An unknown code gives "internal",
 * an unknown word CASEBUS_EPROTO. */
const char *casebus_error_word(int error);
int casebus_error_from_word(const char *word, unsigned long size);

/* Does a broker that answers this only say "not now" (limited, busy, behind)? Asked again a
 * moment later it may answer otherwise. */
bool casebus_error_passes(int error);

/* Where checking stopped: the code, and the dotted name of the field ("offender.name",
 * "offences[3].fine_pence"); an empty name means the message as a whole. */
struct casebus_fault {
    int code;
    char field[96];
};

#endif
