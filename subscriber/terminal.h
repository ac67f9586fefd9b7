/* Where the commands' output goes. */
#ifndef CASEBUS_TERMINAL_H
#define CASEBUS_TERMINAL_H

#include "text.h"

/* Colours are wanted there: a terminal that has them, and NO_COLOR is not set. */
bool terminal_has_colour(int fd);
/* Columns; 0: not a terminal. */
size_t terminal_columns(int fd);
size_t terminal_rows(int fd); /* the same of lines */
/* A pipe whose reader has left: who writes nothing would not find out. */
bool terminal_reader_is_gone(int fd);
/* Writes the whole text to standard output, at once as far as the system takes it so: 0.
 * CASEBUS_EINTR: a signal asked to stop (stop.h) while nobody took it; another code comes after
 * a complaint, headed by `program`. A regular file then has nothing of the text, unless
 * somebody else has written behind it; a pipe can have its beginning. */
int terminal_print(const char *program, const struct text *text);
/* Ends the last line of a regular file where it was cut, as a kill can leave it, so that what
 * is printed next begins a line. One that we may not read stays as it is. As above. */
int terminal_end_cut_line(const char *program);

#endif
