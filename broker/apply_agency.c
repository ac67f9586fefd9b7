/* Agencies: the record of one is made by the first case or session reported for it, or by the
 * first time somebody sets something of it. */
#include "deciding.h"

#include "agency.h"

#include <string.h>

bool load_agency(struct apply *self, struct casebus_bytes code, struct agency_entry *agency)
{
    struct key key;
    key_make_text(&key, code);
    memset(agency, 0, sizeof *agency);
    if (txn_load(self->txn, TREE_AGENCY, &key, ENTRY_AGENCY, agency)) {
        return true;
    }
    if (self->state.agencies >= CASEBUS_AGENCIES_MAX) {
        return false;
    }
    self->state.agencies++;
    return true;
}

void save_agency(struct apply *self, struct casebus_bytes code,
                 const struct agency_entry *agency)
{
    struct key key;
    key_make_text(&key, code);
    txn_save(self->txn, TREE_AGENCY, &key, ENTRY_AGENCY, agency);
}

enum casebus_outcome decide_agency(struct apply *self, const struct apply_entry *entry)
{
    struct casebus_bytes code = casebus_as_str(casebus_map_get(entry->body, "agency"));
    struct agency_settings settings;
    struct agency_entry agency;
    if (!casebus_agency_valid(code)) {
        return reject(self, CASEBUS_EVALUE, "agency");
    }
    if (agency_settings_read(entry->body, &settings, &self->fault) != 0) {
        return CASEBUS_OUTCOME_REJECTED;
    }
    const uint64_t before = self->state.agencies;
    if (!load_agency(self, code, &agency)) {
        return reject(self, CASEBUS_ETOOMANY, "agency");
    }
    const bool made = self->state.agencies > before;
    const bool changed = agency_settings_apply(&settings, &agency);
    if (made || changed) {
        save_agency(self, code, &agency);
    }
    return made      ? CASEBUS_OUTCOME_CREATED
           : changed ? CASEBUS_OUTCOME_UPDATED
                     : CASEBUS_OUTCOME_SYNCED;
}
