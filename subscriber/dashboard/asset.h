/* The files of pages/ and static/, put into the program when it is built (embed.cmake). */
#ifndef CASEBUS_DASHBOARD_ASSET_H
#define CASEBUS_DASHBOARD_ASSET_H

#include <stddef.h>

struct asset {
    const char *name; /* "static/style.css" */
    const unsigned char *data;
    size_t size; /* a NUL follows */
};
extern const struct asset assets[]; /* ends with a NULL name */

/* NULL: there is none. */
const struct asset *asset_find(const char *folder, const char *name);
/* By the end of its name; never NULL. */
const char *asset_type(const struct asset *self);
/* Of its content: 16 hexadecimal digits. */
void asset_tag(const struct asset *self, char tag[17]);

#endif
