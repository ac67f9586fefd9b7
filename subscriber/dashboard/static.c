/* Style sheet and scripts, out of the program's own memory. */
#include "routes.h"

#include "asset.h"

#include <stdio.h>
#include <string.h>

void static_file(struct request *request)
{
    const struct asset *const asset = asset_find("static", request_segment(request, 1));
    char tag[17], quoted[20];
    if (asset == NULL) {
        request_refuse_text(request, 404, "not_found", "there is no such file");
        return;
    }
    asset_tag(asset, tag);
    snprintf(quoted, sizeof quoted, "\"%s\"", tag);
    const char *const known =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "If-None-Match");
    const bool same = known != NULL && strcmp(known, quoted) == 0;
    request->response = MHD_create_response_from_buffer(
        same ? 0 : asset->size, (void *)asset->data, MHD_RESPMEM_PERSISTENT);
    if (request->response == NULL) {
        request_refuse_text(request, 503, "no_memory", "out of memory");
        return;
    }
    MHD_add_response_header(request->response, "ETag", quoted);
    MHD_add_response_header(request->response, "Cache-Control", "no-cache");
    request_answer(request, same ? 304 : 200, asset_type(asset));
}
