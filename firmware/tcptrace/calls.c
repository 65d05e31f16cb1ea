// Results of the socket layer's functions; see tcptrace_calls.h.

#include <string.h>

#include "tcptrace_calls.h"
#include "port.h"
#include "py/mperrno.h"
#include "py/objtuple.h"

// "lwip_socket_accept" is what the application calls "accept".
static const char *call_name(const char *function) {
    static const char prefix[] = "lwip_socket_";
    bool method = strncmp(function, prefix, sizeof(prefix) - 1) == 0;
    return method ? function + sizeof(prefix) - 1 : function;
}

// Socket functions return without lwIP's lock.
static void put_result(uint32_t conn, const char *name, const char *result, uint32_t number) {
    TCPTRACE_ENTER;
    tcptrace_result(conn, name, result, number);
    TCPTRACE_EXIT;
}

static bool is_accept(const char *name) {
    return strcmp(name, "accept") == 0;
}

void tcptrace_before(const char *function, uint32_t conn) {
    if (conn != 0 && is_accept(call_name(function))) {
        TCPTRACE_ENTER;
        tcptrace_accepting(conn);
        TCPTRACE_EXIT;
    }
}

void tcptrace_after(const char *function, uint32_t conn, mp_obj_t result, uint32_t accepted) {
    const char *name = call_name(function);
    if (conn == 0) {
        return;
    }
    if (is_accept(name)) {
        put_result(conn, name, NULL, accepted);
    } else if (strcmp(name, "connect") == 0) {
        put_result(conn, name, "ok", 0);
    } else if (strcmp(name, "recv") == 0 && mp_obj_is_true(result) == false) {
        put_result(conn, name, "EOF", 0);
    }
}

void tcptrace_raised(const char *function, uint32_t conn, mp_obj_t exception) {
    mp_obj_t error = MP_OBJ_FROM_PTR(exception);
    if (!mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(mp_obj_get_type(error)), MP_OBJ_FROM_PTR(&mp_type_OSError))) {
        return;
    }
    mp_obj_t number = mp_obj_exception_get_value(error);
    if (number == MP_OBJ_NEW_SMALL_INT(MP_EAGAIN)) {
        TCPTRACE_ENTER;
        tcptrace_would_block(conn);
        TCPTRACE_EXIT;
        return;
    }
    qstr name = mp_errno_to_str(number);
    put_result(conn, call_name(function), name != MP_QSTRnull ? qstr_str(name) : "error", 0);
}
