/* Settings of agencies; see agency.h. Whoever takes them in, a request, apply or verify, checks
 * them here, so that what one lets through the others do too. */
#include "agency.h"

#include <casebus/schema.h>
#include <stdio.h>

enum {
    NAME,
    BASE_URL
}; /* of the schema */

static int fail(struct casebus_fault *fault, int code, const char *field)
{
    fault->code = code;
    snprintf(fault->field, sizeof fault->field, "%s", field);
    return code;
}

/* An empty text stands for none. */
static int check_text(struct casebus_bytes text, const struct casebus_field *field)
{
    return text.size > 0 ? casebus_text_check(text, field) : 0;
}

static int read_text(struct casebus_bytes map, const struct casebus_field *field,
                     struct casebus_bytes *text, struct casebus_fault *fault)
{
    struct casebus_bytes raw = casebus_map_get(map, field->name);
    *text = casebus_as_str(raw);
    int rc = raw.data && !text->data ? CASEBUS_ETYPE : check_text(*text, field);
    return rc ? fail(fault, rc, field->name) : 0;
}

static int read_enabled(struct casebus_bytes map, struct agency_settings *settings,
                        struct casebus_fault *fault)
{
    struct casebus_bytes raw = casebus_map_get(map, "enabled");
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    settings->sets_enabled = raw.data != NULL;
    if (raw.data && casebus_peek(&r) != CASEBUS_BOOL) {
        return fail(fault, CASEBUS_ETYPE, "enabled");
    }
    settings->enabled = raw.data && casebus_read_bool(&r);
    return 0;
}

int agency_settings_read(struct casebus_bytes map, struct agency_settings *settings,
                         struct casebus_fault *fault)
{
    const struct casebus_field *schema = casebus_agency_schema;
    int rc = read_text(map, &schema[NAME], &settings->name, fault);
    rc = rc ? rc : read_text(map, &schema[BASE_URL], &settings->base_url, fault);
    rc = rc ? rc : read_enabled(map, settings, fault);
    if (rc != 0) {
        return rc;
    }
    bool any = settings->name.data || settings->base_url.data || settings->sets_enabled;
    return any ? 0 : fail(fault, CASEBUS_EMISSING, "");
}

static bool set_text(struct casebus_bytes *to, struct casebus_bytes text)
{
    if (!text.data || casebus_bytes_equal(*to, text)) {
        return false;
    }
    *to = text;
    return true;
}

bool agency_settings_apply(const struct agency_settings *settings, struct agency_entry *agency)
{
    uint64_t disabled = settings->sets_enabled ? !settings->enabled : agency->disabled;
    bool changed = disabled != agency->disabled;
    agency->disabled = disabled;
    changed |= set_text(&agency->name, settings->name);
    changed |= set_text(&agency->base_url, settings->base_url);
    return changed;
}

bool agency_settings_valid(const struct agency_entry *agency)
{
    return agency->disabled <= 1 &&
           check_text(agency->name, &casebus_agency_schema[NAME]) == 0 &&
           check_text(agency->base_url, &casebus_agency_schema[BASE_URL]) == 0;
}
