/* Records out of a file (private to casebus-publish). See input.c. */
#ifndef CASEBUS_PUBLISH_INPUT_H
#define CASEBUS_PUBLISH_INPUT_H

#include "row.h"
#include "source.h"

#define INPUT_RECORD_MAX (4 * 1024 * 1024) /* bytes of one record in the file */

struct column_name {
    const char *column, *field; /* --map column=field; an empty field leaves the column out */
};

struct input_options {
    const char *path; /* "-": standard input */
    bool is_csv;
    const struct column_name *names; /* CSV only */
    size_t name_count;
    const char *required;    /* CSV only: the field that some column must be; NULL: none */
    bool (*idle)(void *arg); /* see source.h */
    void *idle_arg;
};

struct input;

/* 0, or a code with a sentence in `why`: of the field "-" where the file cannot be read, of
 * another where its columns make no sense. */
int input_open(struct input **self_p, const struct input_options *options,
               struct row_fault *why);
void input_close(struct input **self_p);

/* The next record, readable or not: 1 (row->record belongs to the input, until the next call);
 * 0: the end; CASEBUS_EINTR: stopped; CASEBUS_EIO with errno. */
int input_next(struct input *self, struct row *row);
/* How far: 0 to 1, or below 0 where the size is not known. */
double input_share(const struct input *self);

#endif
