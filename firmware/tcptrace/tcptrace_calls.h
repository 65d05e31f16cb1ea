// Included before extmod/modlwip.c (by a generated file): each function object of the socket layer
// points to a small function that runs the real one and tells the trace what came of it. modlwip.c
// itself is compiled as it is.
//
// What lwIP's raw API shows (bind, listen, connect, send, recv, close) is recorded in hooks.c. Here
// come the rest: accept(), results, and errors by name.
#ifndef LWIPSCOPE_TCPTRACE_CALLS_H
#define LWIPSCOPE_TCPTRACE_CALLS_H

#include "py/runtime.h"
#include "tcptrace.h"

void tcptrace_before(const char *function, uint32_t conn);
void tcptrace_after(const char *function, uint32_t conn, mp_obj_t result, uint32_t accepted);
void tcptrace_raised(const char *function, uint32_t conn, mp_obj_t exception);

// The connection of a Python socket, 0 for anything else. A macro, since the socket's type is known
// only where modlwip.c has defined it.
#define TCPTRACE_CONN(object) \
    (mp_obj_is_type((object), &lwip_socket_type) \
     && ((lwip_socket_obj_t *)MP_OBJ_TO_PTR(object))->type == MOD_NETWORK_SOCK_STREAM \
     ? tcptrace_conn_of(((lwip_socket_obj_t *)MP_OBJ_TO_PTR(object))->pcb.tcp) : 0)

#define TCPTRACE_FIRST_OF(result) \
    (mp_obj_is_type((result), &mp_type_tuple) \
     ? TCPTRACE_CONN(((mp_obj_tuple_t *)MP_OBJ_TO_PTR(result))->items[0]) : 0)

#define TCPTRACE_RUN(function, self, expression) \
    uint32_t conn = TCPTRACE_CONN(self); \
    tcptrace_before(function, conn); \
    nlr_buf_t nlr; \
    if (nlr_push(&nlr) == 0) { \
        mp_obj_t result = expression; \
        nlr_pop(); \
        tcptrace_after(function, conn, result, TCPTRACE_FIRST_OF(result)); \
        return result; \
    } \
    tcptrace_raised(function, conn, nlr.ret_val); \
    nlr_jump(nlr.ret_val);

#undef MP_DEFINE_CONST_FUN_OBJ_1
#define MP_DEFINE_CONST_FUN_OBJ_1(object, function) \
    mp_obj_t tcptrace_##function(mp_obj_t a) { \
        TCPTRACE_RUN(#function, a, function(a)) \
    } \
    static const mp_obj_fun_builtin_fixed_t object = \
    {{&mp_type_fun_builtin_1}, .fun._1 = tcptrace_##function}

#undef MP_DEFINE_CONST_FUN_OBJ_2
#define MP_DEFINE_CONST_FUN_OBJ_2(object, function) \
    mp_obj_t tcptrace_##function(mp_obj_t a, mp_obj_t b) { \
        TCPTRACE_RUN(#function, a, function(a, b)) \
    } \
    static const mp_obj_fun_builtin_fixed_t object = \
    {{&mp_type_fun_builtin_2}, .fun._2 = tcptrace_##function}

#undef MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN
#define MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(object, least, most, function) \
    mp_obj_t tcptrace_##function(size_t n_args, const mp_obj_t *args) { \
        TCPTRACE_RUN(#function, args[0], function(n_args, args)) \
    } \
    const mp_obj_fun_builtin_var_t object = \
    {{&mp_type_fun_builtin_var}, MP_OBJ_FUN_MAKE_SIG(least, most, false), .fun.var = tcptrace_##function}

#endif
