/* Money in files: text to pence, exactly.
 *
 * Optional "£", digits with optional thousands commas, optionally "." and one or two digits;
 * blanks around it; no sign. "950.5" is 95050 pence. */
#ifndef CASEBUS_MONEY_H
#define CASEBUS_MONEY_H

#include <casebus/msgpack.h>

/* 0 and *pence, or CASEBUS_EVALUE. */
int casebus_pence_from_text(struct casebus_bytes text, uint64_t *pence);
/* "£1,234.50" into out (NUL-terminated, at least 32 bytes); the length. */
int casebus_pence_to_text(uint64_t pence, char *out, size_t size);

#endif
