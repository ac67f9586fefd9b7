/* Requests and replies. */
#include "proto/test.h"

#include <casebus/request.h>
#include <string.h>

#define EPOCH "\x01\x02\x03\x04\x05\x06\x07\x08"

static void refused(struct casebus_bytes body, int code, const char *field)
{
    struct casebus_request request;
    struct casebus_fault fault = {0};
    assert_int_equal(casebus_request_decode(body, &request, &fault), code);
    assert_fault(&fault, code, field);
}

static void every_operation_is_encoded_and_decoded(void **state)
{
    (void)state;
    for (unsigned op = 0; op < CASEBUS_OP_COUNT; op++) {
        msgpack_sbuffer out;
        msgpack_packer pk;
        struct casebus_request request;
        msgpack_sbuffer_init(&out);
        msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
        casebus_request_begin(&pk, (enum casebus_op)op, 1);
        casebus_pack_text(&pk, "id");
        casebus_pack_text(&pk, "hse:1");
        assert_int_equal(
            casebus_request_decode(casebus_bytes(out.data, out.size), &request, NULL), 0);
        assert_int_equal(request.op, op);
        assert_int_equal(request.version, 1);
        assert_text(casebus_as_str(casebus_map_get(request.map, "id")), "hse:1");
        msgpack_sbuffer_destroy(&out);
    }
}

static void an_unknown_operation_is_refused(void **state)
{
    (void)state;
    refused(build("{v:1,op:'case.gets'}"), CASEBUS_EUNKNOWN_OP, "op");
    refused(build("{v:1,op:''}"), CASEBUS_EUNKNOWN_OP, "op");
}

static void a_request_has_version_and_operation(void **state)
{
    (void)state;
    refused(build("{op:'heads'}"), CASEBUS_EMISSING, "v");
    refused(build("{v:1}"), CASEBUS_EMISSING, "op");
    refused(build("{v:1,op:5}"), CASEBUS_ETYPE, "op");
    refused(build("{v:2,op:'heads'}"), CASEBUS_EVERSION, "v");
    refused(build("[1]"), CASEBUS_EMALFORMED, "");
    refused(build("{v:1,op:'heads',op:'heads'}"), CASEBUS_EDUPLICATE, "op");
}

static void a_request_has_a_size(void **state)
{
    (void)state;
    refused(build("{v:1,op:'heads',x:%t}", repeat("x", CASEBUS_REQUEST_MAX)), CASEBUS_ETOOLARGE,
            "");
}

static void a_request_is_scanned(void **state)
{
    (void)state;
    refused(build("{v:1,op:'case.get',id:'\xff'}"), CASEBUS_EUTF8, "id");
}

static struct casebus_reply decoded(struct casebus_bytes body)
{
    struct casebus_reply reply;
    struct casebus_fault fault = {0};
    int error = casebus_reply_decode(body, &reply, &fault);
    if (error) {
        fail_msg("%s at \"%s\"", casebus_strerror(error), fault.field);
    }
    return reply;
}

static void reply_refused(struct casebus_bytes body, int code, const char *field)
{
    struct casebus_reply reply;
    struct casebus_fault fault = {0};
    assert_int_equal(casebus_reply_decode(body, &reply, &fault), code);
    assert_fault(&fault, code, field);
}

static struct casebus_bytes encoded(const struct casebus_reply *reply)
{
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    assert_int_equal(casebus_reply_encode(reply, &out), 0);
    struct casebus_bytes body = keep(out.data, out.size);
    msgpack_sbuffer_destroy(&out);
    return body;
}

static void a_reply_with_a_result_comes_back(void **state)
{
    (void)state;
    struct casebus_bytes body =
        build("{v:1,epoch:%b,seq:9,entry:12,result:{rows:[]}}", BYTES(EPOCH));
    struct casebus_reply reply = decoded(body);
    assert_int_equal(reply.error, 0);
    assert_int_equal(reply.seq, 9);
    assert_int_equal(reply.entry, 12);
    assert_memory_equal(reply.epoch, EPOCH, CASEBUS_EPOCH_SIZE);
    assert_bytes(reply.result, build("{rows:[]}"));
    assert_bytes(encoded(&reply), body);
}

static void a_reply_with_an_error_comes_back(void **state)
{
    (void)state;
    struct casebus_bytes body = build("{v:1,epoch:%b,seq:9,entry:12,error:{code:'bad_argument',"
                                      "text:'an id is missing',field:'ids[3]'}}",
                                      BYTES(EPOCH));
    struct casebus_reply reply = decoded(body);
    assert_int_equal(reply.error, CASEBUS_EINVAL);
    assert_text(reply.error_text, "an id is missing");
    assert_text(reply.error_field, "ids[3]");
    assert_null(reply.result.data);
    assert_bytes(encoded(&reply), body);
}

static void an_error_without_a_text_has_the_codes_sentence(void **state)
{
    (void)state;
    struct casebus_reply reply = {.error = CASEBUS_ENOTFOUND};
    assert_bytes(encoded(&reply), build("{v:1,epoch:%b,seq:0,entry:0,error:{code:'not_found',"
                                        "text:'there is no such thing'}}",
                                        BYTES("\0\0\0\0\0\0\0\0")));
}

static void a_result_left_out_is_an_empty_map(void **state)
{
    (void)state;
    struct casebus_reply reply = {0};
    assert_bytes(encoded(&reply),
                 build("{v:1,epoch:%b,seq:0,entry:0,result:{}}", BYTES("\0\0\0\0\0\0\0\0")));
}

static void every_code_comes_back(void **state)
{
    (void)state;
#define X(symbol, number, word, text)                                                          \
    {                                                                                          \
        struct casebus_reply reply = {.error = symbol};                                        \
        assert_int_equal(decoded(encoded(&reply)).error, symbol);                              \
    }
    CASEBUS_ERRORS(X)
#undef X
}

static void an_unknown_word_is_internal(void **state)
{
    (void)state;
    struct casebus_reply reply = decoded(build(
        "{v:1,epoch:%b,seq:1,entry:1,error:{code:'from_the_future',text:'x'}}", BYTES(EPOCH)));
    assert_int_equal(reply.error, CASEBUS_EINTERNAL);
    assert_null(reply.error_field.data);
}

static void a_reply_has_a_result_or_an_error(void **state)
{
    (void)state;
    reply_refused(build("{v:1,epoch:%b,seq:1,entry:1}", BYTES(EPOCH)), CASEBUS_EMISSING,
                  "result");
    reply_refused(build("{v:1,epoch:%b,seq:1,entry:1,result:[]}", BYTES(EPOCH)), CASEBUS_ETYPE,
                  "result");
    reply_refused(build("{v:1,epoch:%b,seq:1,entry:1,error:5}", BYTES(EPOCH)), CASEBUS_ETYPE,
                  "error");
    reply_refused(build("{v:1,epoch:%b,seq:1,entry:1,error:{text:'x'}}", BYTES(EPOCH)),
                  CASEBUS_EMISSING, "error.code");
}

static void what_a_reply_must_have_is_demanded(void **state)
{
    (void)state;
    reply_refused(build("{}"), CASEBUS_EMISSING, "v");
    reply_refused(build("{v:1}"), CASEBUS_EMISSING, "epoch");
    reply_refused(build("{v:1,epoch:%b}", BYTES(EPOCH)), CASEBUS_EMISSING, "seq");
    reply_refused(build("{v:1,epoch:%b,seq:1}", BYTES(EPOCH)), CASEBUS_EMISSING, "entry");
    reply_refused(build("{v:7}"), CASEBUS_EVERSION, "v");
    reply_refused(BYTES(""), CASEBUS_EMALFORMED, "");
}

static void an_operation_out_of_range_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(casebus_op_name(CASEBUS_OP_COUNT), "unknown");
}

static void a_request_of_the_largest_size_is_taken(void **state)
{
    (void)state;
    struct casebus_request request;
    struct casebus_bytes body =
        build("{v:1,op:'heads',x:%t}", repeat("x", CASEBUS_REQUEST_MAX - 20));
    assert_int_equal(body.size, CASEBUS_REQUEST_MAX);
    assert_int_equal(casebus_request_decode(body, &request, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_encoded_and_decoded),
        cmocka_unit_test(an_unknown_operation_is_refused),
        cmocka_unit_test(a_request_has_version_and_operation),
        cmocka_unit_test(a_request_has_a_size),
        cmocka_unit_test(a_request_is_scanned),
        cmocka_unit_test(a_reply_with_a_result_comes_back),
        cmocka_unit_test(a_reply_with_an_error_comes_back),
        cmocka_unit_test(an_error_without_a_text_has_the_codes_sentence),
        cmocka_unit_test(a_result_left_out_is_an_empty_map),
        cmocka_unit_test(every_code_comes_back),
        cmocka_unit_test(an_unknown_word_is_internal),
        cmocka_unit_test(a_reply_has_a_result_or_an_error),
        cmocka_unit_test(what_a_reply_must_have_is_demanded),
        cmocka_unit_test(an_operation_out_of_range_has_a_name),
        cmocka_unit_test(a_request_of_the_largest_size_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
