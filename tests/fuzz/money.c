/* Money: what is taken is inside the limit and comes back from what is shown. */
#include "fuzz.h"

#include <casebus/limits.h>
#include <casebus/money.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t pence = 0, again = 0;
    char text[32];
    if (casebus_pence_from_text(casebus_bytes(data, size), &pence) == 0) {
        HOLDS(pence <= CASEBUS_PENCE_MAX);
        int length = casebus_pence_to_text(pence, text, sizeof text);
        HOLDS(length > 0);
        HOLDS(casebus_pence_from_text(casebus_bytes(text, (size_t)length), &again) == 0);
        HOLDS(again == pence);
    }
    return 0;
}
