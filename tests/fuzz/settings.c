/* The settings file: what is taken is taken again as it is printed, and means the same; what
 * stands in a comment means nothing, however long the line. */
#include "fuzz.h"

#include "settings.h"

static char waiting[512];
static char why[8192];

/* The settings as a file would say them, the caller's to free. */
static char *printed(const struct settings *s)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    HOLDS(out != NULL);
    settings_print(s, out);
    HOLDS(fclose(out) == 0);
    return text;
}

/* Every setting can be found out about. */
static void check_help(void)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    HOLDS(out != NULL);
    settings_help(out);
    HOLDS(fclose(out) == 0);
    for (unsigned i = 0; settings_name(i); i++) {
        HOLDS(strstr(text, settings_name(i)) != NULL);
    }
    free(text);
}

static void check_again(const struct settings *s)
{
    struct settings again = settings_default();
    char *text = printed(s);
    HOLDS(settings_read_file(&again, fuzz_file(text, strlen(text)), why, sizeof why));
    char *text_again = printed(&again);
    HOLDS(strcmp(text, text_again) == 0);
    free(text_again);
    settings_reload(&again, s, waiting, sizeof waiting);
    HOLDS(waiting[0] == '\0');
    text_again = printed(&again);
    HOLDS(strcmp(text, text_again) == 0);
    free(text_again);
    free(text);
}

static void check_comment(const uint8_t *data, size_t size)
{
    enum {
        COMMENT = 8192
    }; /* longer than a line may be expected to be */
    struct settings s = settings_default(), untouched = settings_default();
    char *line = malloc(COMMENT + size);
    HOLDS(line != NULL);
    memset(line, '#', COMMENT);
    for (size_t i = 0; i < size; i++) {
        line[COMMENT + i] = data[i] == '\n' || data[i] == '\0' ? ' ' : (char)data[i];
    }
    HOLDS(settings_read_file(&s, fuzz_file(line, COMMENT + size), why, sizeof why));
    HOLDS(memcmp(&s, &untouched, sizeof s) == 0);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings s = settings_default();
    if (size == 0) { /* the first that the fuzzer tries */
        check_help();
    }
    HOLDS(settings_set(&s, "data", "folder", why, sizeof why));
    const char *path = fuzz_file(data, size);
    why[0] = '\0';
    if (settings_read_file(&s, path, why, sizeof why)) {
        HOLDS(memchr(data, '\0', size) == NULL); /* half a line would have been read */
        check_again(&s);
        HOLDS(settings_check(&s, why, sizeof why) || why[0] != '\0');
    } else {
        unsigned long line = strtoul(why + strlen(path) + 1, NULL, 10);
        HOLDS(strncmp(why, path, strlen(path)) == 0 && line > 0);
    }
    check_comment(data, size);
    return 0;
}
