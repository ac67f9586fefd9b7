/* CSV (private to casebus-publish's input). See csv_input.c. */
#ifndef CASEBUS_PUBLISH_CSV_INPUT_H
#define CASEBUS_PUBLISH_CSV_INPUT_H

#include "input.h"

struct csv_input;

/* Reads the header. 0, or a code with a sentence in `why`. */
int csv_input_new(struct csv_input **self_p, struct source *source,
                  const struct input_options *options, struct row_fault *why);
void csv_input_destroy(struct csv_input **self_p);
/* As input_next(); a record given out is the caller's. */
int csv_input_next(struct csv_input *self, struct row *row);

#endif
