/* Taking a request's target apart.
 *
 * libmicrohttpd would decode it too, but as a whole, and then the '/' inside a regulator's id
 * ("T/H/2005/257487/02", sent as %2F) is no longer told from one between two segments. So the
 * target is split first, and each piece decoded on its own; what is no text is refused here,
 * and nobody behind has to look again.
 *
 * Contract: pieces live as long as the url. */
#include "url.h"

#include <stdlib.h>
#include <string.h>

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decodes size bytes in place; what came out, or SIZE_MAX. */
static size_t decode(char *piece, size_t size, bool plus_is_space)
{
    size_t out = 0;
    for (size_t in = 0; in < size; in++) {
        char c = piece[in];
        if (c == '%') {
            const int high = in + 2 < size ? digit_of(piece[in + 1]) : -1;
            const int low = high >= 0 ? digit_of(piece[in + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0)) {
                return SIZE_MAX;
            }
            c = (char)(high << 4 | low);
            in += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        piece[out++] = c;
    }
    return out;
}

/* The piece up to one of `ends` or the end of all, decoded; *at is then behind what ended it,
 * which is *end. NULL: it is no text. */
static const char *take(char **at, const char *ends, bool plus_is_space, char *end)
{
    char *const piece = *at;
    const size_t size = strcspn(piece, ends);
    *end = piece[size];
    *at += size + (*end != '\0');
    const size_t decoded = decode(piece, size, plus_is_space);
    if (decoded == SIZE_MAX || !casebus_utf8_valid(casebus_bytes(piece, decoded))) {
        return NULL;
    }
    piece[decoded] = '\0';
    return piece;
}

static int take_path(struct url *self, char **at, char *end)
{
    do {
        const char *const segment = take(at, "/?", false, end);
        if (segment == NULL) {
            return CASEBUS_EVALUE;
        }
        if (*segment == '\0' && self->segment_count == 0 && *end != '/') {
            return 0; /* "/" */
        }
        if (self->segment_count == URL_SEGMENTS_MAX) {
            return CASEBUS_ETOOMANY;
        }
        self->segment[self->segment_count++] = segment;
    } while (*end == '/');
    return 0;
}

static int take_query(struct url *self, char **at, char *end)
{
    do {
        const char *const name = take(at, "=&", true, end);
        const char *const value = name != NULL && *end == '=' ? take(at, "&", true, end)
                                  : name != NULL              ? ""
                                                              : NULL;
        if (value == NULL) {
            return CASEBUS_EVALUE;
        }
        if (*name == '\0' && *value == '\0') {
            continue;
        }
        if (self->parameter_count == URL_PARAMETERS_MAX) {
            return CASEBUS_ETOOMANY;
        }
        self->parameter[self->parameter_count].name = name;
        self->parameter[self->parameter_count++].value = value;
    } while (*end == '&');
    return 0;
}

int url_parse(struct url *self, const char *target, size_t limit)
{
    *self = (struct url){0};
    if (target[0] != '/') {
        return CASEBUS_EVALUE;
    }
    if (strlen(target) > limit) {
        return CASEBUS_ETOOLONG;
    }
    self->memory = strdup(target);
    if (self->memory == NULL) {
        return CASEBUS_ENOMEM;
    }
    char *at = self->memory + 1;
    char end;
    int rc = take_path(self, &at, &end);
    if (rc == 0 && end == '?') {
        rc = take_query(self, &at, &end);
    }
    return rc;
}

void url_free(struct url *self)
{
    free(self->memory);
    *self = (struct url){0};
}

const char *url_parameter(const struct url *self, const char *name)
{
    for (unsigned i = 0; i < self->parameter_count; i++) {
        if (strcmp(self->parameter[i].name, name) == 0) {
            return self->parameter[i].value[0] != '\0' ? self->parameter[i].value : NULL;
        }
    }
    return NULL;
}

void url_add(struct text *out, struct casebus_bytes piece)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < piece.size; i++) {
        const char c = (char)piece.data[i];
        if (c != '\0' && strchr(plain, c) != NULL) {
            text_add_bytes(out, &c, 1);
        } else {
            text_format(out, "%%%02X", (unsigned)piece.data[i]);
        }
    }
}
