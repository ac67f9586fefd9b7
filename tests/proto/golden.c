/* The golden files: what was sent once is sent the same for ever, and read.
 *
 * tests/golden/NAME.bin is the body of a message; INDEX.tsv has a line for each: file, message,
 * topic, "ok" or the code it is refused with, and the field. For new messages (see
 * golden_messages.c) run this with CASEBUS_GOLDEN_WRITE=1: it writes the files that are not
 * there yet, and the index. It never writes over one. */
#include "proto/golden.h"
#include "proto/test.h"

#include <casebus/bundle.h>
#include <casebus/event.h>
#include <casebus/report.h>
#include <casebus/request.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct golden list[GOLDEN_MAX];
static size_t count;
static char directory[4000];

static const char *const message_words[] = {
    [REPORT] = "report", [EVENT] = "event",     [BUNDLE] = "bundle",
    [HEADS] = "heads",   [REQUEST] = "request", [REPLY] = "reply",
};

/* --- files ------------------------------------------------------------------------------ */

static FILE *open_file(const char *name, const char *extension, const char *mode)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s%s", directory, name, extension);
    return fopen(path, mode);
}

static struct casebus_bytes read_all(const char *name, const char *extension)
{
    static unsigned char content[256 * 1024];
    FILE *file = open_file(name, extension, "rb");
    if (!file) {
        fail_msg("%s%s is not there (CASEBUS_GOLDEN_WRITE=1 writes it)", name, extension);
    }
    size_t size = fread(content, 1, sizeof content, file);
    fclose(file);
    return keep(content, size);
}

static void write_all(const char *name, const char *extension, struct casebus_bytes content)
{
    FILE *file = open_file(name, extension, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.size, file), content.size);
    assert_int_equal(fclose(file), 0);
}

static struct casebus_bytes index_text(void)
{
    struct casebus_bytes text = BYTES("file\tmessage\ttopic\tresult\tfield\n");
    for (size_t i = 0; i < count; i++) {
        char line[512];
        const struct golden *g = &list[i];
        int size = snprintf(line, sizeof line, "%s.bin\t%s\t%s\t%s\t%s\n", g->name,
                            message_words[g->message], g->topic,
                            g->code ? casebus_error_word(g->code) : "ok", g->field);
        text = join(text, casebus_bytes(line, (size_t)size));
    }
    return text;
}

static void write_what_is_missing(void)
{
    for (size_t i = 0; i < count; i++) {
        FILE *file = open_file(list[i].name, ".bin", "rb");
        if (file) {
            fclose(file);
        } else {
            write_all(list[i].name, ".bin", list[i].body);
        }
    }
    write_all("INDEX", ".tsv", index_text());
}

/* --- decoding --------------------------------------------------------------------------- */

static int decode_report(const struct golden *g, struct casebus_bytes body,
                         struct casebus_fault *fault)
{
    struct casebus_report report;
    return casebus_report_decode(casebus_cstr(g->topic), body, &report, fault);
}

static int decode_event(const struct golden *g, struct casebus_bytes body,
                        struct casebus_fault *fault)
{
    struct casebus_event event;
    return casebus_event_decode(casebus_cstr(g->topic), body, &event, fault);
}

static int decode_message(bool is_report, struct casebus_bytes topic, struct casebus_bytes body,
                          struct casebus_fault *fault)
{
    struct casebus_report report;
    struct casebus_event event;
    return is_report ? casebus_report_decode(topic, body, &report, fault)
                     : casebus_event_decode(topic, body, &event, fault);
}

/* Each of them is as it is alone. */
static int decode_bundle(const struct golden *g, struct casebus_bytes body,
                         struct casebus_fault *fault)
{
    struct casebus_frames frames;
    struct casebus_bytes topic, message;
    const bool of_reports = strcmp(g->topic, CASEBUS_TOPIC_BUNDLE) == 0;
    int rc = casebus_bundle_read(&frames, body) ? 0 : CASEBUS_EMALFORMED;
    while (rc == 0 && (rc = casebus_frames_next(&frames, &topic, &message)) == 1) {
        rc = decode_message(of_reports, topic, message, fault);
    }
    return rc;
}

static int decode_heads(const struct golden *g, struct casebus_bytes body,
                        struct casebus_fault *fault)
{
    struct casebus_heads heads;
    return casebus_heads_decode(casebus_cstr(g->topic), body, &heads, fault);
}

static int decode_request(const struct golden *g, struct casebus_bytes body,
                          struct casebus_fault *fault)
{
    struct casebus_request request;
    (void)g;
    return casebus_request_decode(body, &request, fault);
}

static int decode_reply(const struct golden *g, struct casebus_bytes body,
                        struct casebus_fault *fault)
{
    struct casebus_reply reply;
    (void)g;
    return casebus_reply_decode(body, &reply, fault);
}

static int (*const decode[])(const struct golden *, struct casebus_bytes,
                             struct casebus_fault *) = {
    [REPORT] = decode_report, [EVENT] = decode_event,     [BUNDLE] = decode_bundle,
    [HEADS] = decode_heads,   [REQUEST] = decode_request, [REPLY] = decode_reply,
};

/* --- the tests -------------------------------------------------------------------------- */

static void encoders_give_the_bytes_of_the_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct casebus_bytes file = read_all(list[i].name, ".bin");
        if (!casebus_bytes_equal(file, list[i].body)) {
            fail_msg("%s.bin is not what is encoded today", list[i].name);
        }
    }
}

static void the_index_is_the_list(void **state)
{
    (void)state;
    struct casebus_bytes expected = index_text(), actual = read_all("INDEX", ".tsv");
    if (!casebus_bytes_equal(expected, actual)) {
        fail_msg("INDEX.tsv is not the list of the messages");
    }
}

static void every_file_is_in_the_list(void **state)
{
    (void)state;
    size_t files = 0;
    DIR *dir = opendir(directory);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        files += strstr(entry->d_name, ".bin") ? 1 : 0;
    }
    closedir(dir);
    assert_int_equal(files, count);
}

static void no_name_is_there_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < i; n++) {
            assert_string_not_equal(list[i].name, list[n].name);
        }
    }
}

static void good_messages_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct casebus_fault fault = {0};
        const struct golden *g = &list[i];
        if (!g->code && decode[g->message](g, read_all(g->name, ".bin"), &fault) != 0) {
            fail_msg("%s: %s at \"%s\"", g->name, casebus_error_word(fault.code), fault.field);
        }
    }
}

static void bad_messages_are_refused_for_their_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct casebus_fault fault = {0};
        const struct golden *g = &list[i];
        if (!g->code) {
            continue;
        }
        int error = decode[g->message](g, read_all(g->name, ".bin"), &fault);
        if (error != g->code || fault.code != g->code || strcmp(fault.field, g->field) != 0) {
            fail_msg("%s: %s at \"%s\"", g->name, error ? casebus_error_word(error) : "taken",
                     fault.field);
        }
    }
}

static void a_good_message_cut_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < count; i++) {
        const struct golden *g = &list[i];
        for (size_t size = 0; !g->code && size < g->body.size; size++) {
            struct casebus_fault fault = {0};
            assert_int_not_equal(decode[g->message](g, keep(g->body.data, size), &fault), 0);
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    const char *root = getenv("CASEBUS_SRC");
    snprintf(directory, sizeof directory, "%s/tests/golden", root ? root : ".");
    count = golden_make(list);
    if (getenv("CASEBUS_GOLDEN_WRITE")) {
        write_what_is_missing();
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoders_give_the_bytes_of_the_files),
        cmocka_unit_test(the_index_is_the_list),
        cmocka_unit_test(every_file_is_in_the_list),
        cmocka_unit_test(no_name_is_there_twice),
        cmocka_unit_test(good_messages_are_read),
        cmocka_unit_test(bad_messages_are_refused_for_their_reason),
        cmocka_unit_test(a_good_message_cut_anywhere_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
