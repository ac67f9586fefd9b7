/* What the command tells people while it works (private to casebus-publish). See say.c. */
#ifndef CASEBUS_PUBLISH_SAY_H
#define CASEBUS_PUBLISH_SAY_H

#include <stdbool.h>
#include <stdint.h>

struct voice {
    const char *path; /* of the file, as it was given */
    unsigned columns; /* of stderr, where it is a terminal; 0: it is none */
    bool bar_is_up;
    int64_t bar_at; /* when it was last drawn, in ms */
};

void voice_init(struct voice *self, const char *path);
/* FILE:LINE: field: reason; an empty field is shown as "-". */
void say_refused(struct voice *self, unsigned long line, const char *field, int field_size,
                 const char *reason, int reason_size);
/* FILE:LINE: a sentence. */
void say_at(struct voice *self, unsigned long line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* casebus-publish: a sentence. */
void say(struct voice *self, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The progress bar, drawn ten times a second; `share` below 0: not known. */
void say_progress(struct voice *self, int64_t now, double share, uint64_t sent,
                  uint64_t confirmed);
/* Takes the bar away. */
void say_no_progress(struct voice *self);

#endif
