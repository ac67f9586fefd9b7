/* Money text to pence and back, in integers all the way: a fine is never a floating point
 * number. */
#include <casebus/limits.h>
#include <casebus/money.h>
#include <stdio.h>
#include <string.h>

#define POUND "\xc2\xa3"
#define NBSP "\xc2\xa0"

/* Takes `what` off the front. */
static bool take(struct casebus_bytes *text, const char *what)
{
    size_t size = strlen(what);
    if (text->size < size || memcmp(text->data, what, size) != 0) {
        return false;
    }
    text->data += size;
    text->size -= size;
    return true;
}

static bool take_blank(struct casebus_bytes *text)
{
    return take(text, " ") || take(text, "\t") || take(text, "\r") || take(text, "\n") ||
           take(text, NBSP);
}

/* Takes digits off the front, adds them to `number` and counts them. */
static unsigned take_digits(struct casebus_bytes *text, uint64_t *number)
{
    unsigned count = 0;
    while (text->size > 0 && *text->data >= '0' && *text->data <= '9') {
        if (*number <= CASEBUS_PENCE_MAX) { /* past it only the fact matters */
            *number = *number * 10 + (uint64_t)(*text->data - '0');
        }
        text->data++;
        text->size--;
        count++;
    }
    return count;
}

/* "1234" or "1,234": after the first comma every group has three digits. */
static bool take_pounds(struct casebus_bytes *text, uint64_t *pounds)
{
    unsigned digits = take_digits(text, pounds);
    if (digits == 0) {
        return false;
    }
    if (text->size > 0 && *text->data == ',' && digits > 3) {
        return false;
    }
    while (take(text, ",")) {
        if (take_digits(text, pounds) != 3) {
            return false;
        }
    }
    return true;
}

int casebus_pence_from_text(struct casebus_bytes text, uint64_t *pence)
{
    uint64_t pounds = 0, part = 0;
    while (take_blank(&text)) {
    }
    (void)take(&text, POUND);
    if (!take_pounds(&text, &pounds)) {
        return CASEBUS_EVALUE;
    }
    if (take(&text, ".")) {
        unsigned digits = take_digits(&text, &part);
        if (digits != 1 && digits != 2) {
            return CASEBUS_EVALUE;
        }
        part *= digits == 1 ? 10 : 1;
    }
    while (take_blank(&text)) {
    }
    if (text.size > 0 || pounds > CASEBUS_PENCE_MAX / 100 ||
        pounds * 100 + part > CASEBUS_PENCE_MAX) {
        return CASEBUS_EVALUE;
    }
    *pence = pounds * 100 + part;
    return 0;
}

int casebus_pence_to_text(uint64_t pence, char *out, size_t size)
{
    char digits[24], text[40];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)(pence / 100));
    size_t length = 0;
    memcpy(text, POUND, 2);
    length = 2;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) {
            text[length++] = ',';
        }
        text[length++] = digits[i];
    }
    int whole = snprintf(out, size, "%.*s.%02u", (int)length, text, (unsigned)(pence % 100));
    return whole > 0 && (size_t)whole < size ? whole : CASEBUS_EINVAL;
}
