/* What people set of an agency: its name, its address, and whether it is to be scraped.
 *
 * A map says it: the arguments of agency.set, the body of its entry. The store keeps them
 * beside the totals that reports make; neither changes the other. */
#ifndef BROKER_AGENCY_H
#define BROKER_AGENCY_H

#include "entries.h"

#include <casebus/msgpack.h>

struct agency_settings {
    struct casebus_bytes name, base_url; /* not set: NULL data; to be taken away: size 0 */
    bool sets_enabled, enabled;
};

/* Reads `name`, `base_url` and `enabled`, each where the map has it; other keys are passed
 * over. 0; CASEBUS_EMISSING: it has none of them; or why one, which the fault names, cannot be
 * set (CASEBUS_ETYPE, EVALUE, ETOOLONG). The texts are borrowed from the map. */
int agency_settings_read(struct casebus_bytes map, struct agency_settings *settings,
                         struct casebus_fault *fault);
/* Puts them in place; true: something is different. The texts are borrowed by the entry. */
bool agency_settings_apply(const struct agency_settings *settings, struct agency_entry *agency);
/* Is what the entry keeps of them such as can be set? */
bool agency_settings_valid(const struct agency_entry *agency);

#endif
