/* A store whose file cannot be read where it is mapped. See unreadable.c. */
#ifndef CASEBUS_UNREADABLE_H
#define CASEBUS_UNREADABLE_H

/* From now on a page of the store in `data` that cannot be read ends the program with a
 * sentence. Call it once, before there are other threads. */
void unreadable_tell(const char *data);

#endif
