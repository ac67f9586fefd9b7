/* Files inside the program: nothing to install beside it, nothing that can be swapped on the
 * way, and no path from a browser ever reaches a file system. */
#include "asset.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

const struct asset *asset_find(const char *folder, const char *name)
{
    const size_t size = strlen(folder);
    for (const struct asset *asset = assets; asset->name != NULL; asset++) {
        if (strncmp(asset->name, folder, size) == 0 && asset->name[size] == '/' &&
            strcmp(asset->name + size + 1, name) == 0) {
            return asset;
        }
    }
    return NULL;
}

static const struct {
    const char *end, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".txt", "text/plain; charset=utf-8"},
};

const char *asset_type(const struct asset *self)
{
    const char *const end = strrchr(self->name, '.');
    for (size_t i = 0; end != NULL && i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].end, end) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

void asset_tag(const struct asset *self, char tag[17])
{
    snprintf(tag, 17, "%016llx", (unsigned long long)XXH64(self->data, self->size, 0));
}
