// The module `tcptrace`, for programs on the board.
//
//   tcptrace.states()     list of (clock_us, conn, from, to, cause) that came since the last call
//   tcptrace.pcbs()       list of (conn, state, local_port, remote_port) of all living pcbs
//   tcptrace.stream(mode) "off", "states" or "all"; without argument: the mode in force
//   tcptrace.serve(on)    the program is the agent: it wants the commands that C does not know
//   tcptrace.command()    (id, text) of such a command, or None
//   tcptrace.reply(id, text)  answers it, after the events that it brought
//
// In firmware that grades (LWIPSCOPE_GRADING=1) a program may look, not touch: stream() takes no
// argument, and the agent's three functions are missing.

#include <string.h>

#include "agent.h"
#include "port.h"
#include "pcbs.h"
#include "stream.h"
#include "tcptrace.h"
#include "py/objstr.h"
#include "py/runtime.h"

static bool agent_serves;
static bool agent_waiting;
static uint32_t agent_id;
static char agent_text[128];
static uint32_t cursor;

void tcptrace_forget_agent(void) {
    agent_serves = false;
    agent_waiting = false;
}

bool agent_offer(uint32_t id, const char *text) {
    if (!agent_serves || agent_waiting) {
        return false;
    }
    agent_id = id;
    strncpy(agent_text, text, sizeof(agent_text) - 1);
    agent_waiting = true;
    return true;
}

static mp_obj_t text_object(const char *text) {
    return mp_obj_new_str(text, strlen(text));
}

static mp_obj_t cause_object(const record_t *r) {
    static const char *const kinds[] = {"-", "rx ", "api ", "gc ", "timer ", "kill ", "netif "};
    line_t text = {.length = 0};
    line_text(&text, kinds[r->cause]);
    if (r->cause == CAUSE_RX) {
        line_flags(&text, (uint8_t)r->length);
    } else if (r->detail != NULL) {
        line_text(&text, r->detail);
    }
    return mp_obj_new_str(text.text, text.length);
}

// The next record, as a copy: what is made of it may take time, and memory, while lwIP goes on.
static bool next_record(record_t *record) {
    TCPTRACE_ENTER;
    // Records that were sent already are still there until newer ones need their place.
    if (ring_head() - cursor > RING_RECORDS) {
        cursor = ring_head() - RING_RECORDS;
    }
    bool some = cursor != ring_head();
    if (some) {
        *record = *ring_at(cursor++);
    }
    TCPTRACE_EXIT;
    return some;
}

static mp_obj_t tcptrace_states(void) {
    mp_obj_t list = mp_obj_new_list(0, NULL);
    record_t record;
    while (next_record(&record)) {
        const record_t *r = &record;
        bool died = r->kind == RECORD_DIED;
        if ((r->kind != RECORD_STATE && !died) || (died && r->from == CLOSED) || (!died && r->from == r->to)) {
            continue;
        }
        mp_obj_t items[5] = {
            mp_obj_new_int_from_ull(r->clock_us),
            mp_obj_new_int_from_uint(r->conn),
            text_object(stream_state_name(r->from)),
            text_object(stream_state_name(died ? CLOSED : r->to)),
            cause_object(r),
        };
        mp_obj_list_append(list, mp_obj_new_tuple(5, items));
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_0(tcptrace_states_obj, tcptrace_states);

typedef struct {
    uint32_t conn; // 0: no pcb in this place
    uint8_t state;
    uint16_t local_port, remote_port;
} living_t;

static living_t living(uint32_t index) {
    living_t found = {.conn = 0};
    TCPTRACE_ENTER;
    const pcb_entry_t *entry = pcbs_entry(index);
    if (entry->pcb != NULL) {
        const struct tcp_pcb *pcb = entry->pcb;
        found = (living_t) {.conn = entry->conn, .state = entry->state, .local_port = pcb->local_port,
                            .remote_port = entry->listener ? 0 : pcb->remote_port};
    }
    TCPTRACE_EXIT;
    return found;
}

static mp_obj_t tcptrace_pcbs(void) {
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (uint32_t i = 0; i < PCBS_MAX; i++) {
        living_t found = living(i);
        if (found.conn != 0) {
            mp_obj_t items[4] = {
                mp_obj_new_int_from_uint(found.conn),
                text_object(stream_state_name(found.state)),
                MP_OBJ_NEW_SMALL_INT(found.local_port),
                MP_OBJ_NEW_SMALL_INT(found.remote_port),
            };
            mp_obj_list_append(list, mp_obj_new_tuple(4, items));
        }
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_0(tcptrace_pcbs_obj, tcptrace_pcbs);

static mp_obj_t tcptrace_stream(size_t n_args, const mp_obj_t *args) {
    static const char *const modes[] = {"off", "states", "all"};
    if (n_args > 0) {
        const char *wanted = mp_obj_str_get_str(args[0]);
        int mode = STREAM_ALL;
        while (mode >= STREAM_OFF && strcmp(wanted, modes[mode]) != 0) {
            mode--;
        }
        if (mode < STREAM_OFF) {
            mp_raise_ValueError(MP_ERROR_TEXT("stream: off, states or all"));
        }
        #if LWIPSCOPE_GRADING
        mp_raise_NotImplementedError(MP_ERROR_TEXT("stream: not on firmware that grades"));
        #else
        stream_set_mode((stream_mode_t)mode);
        #endif
    }
    return text_object(modes[stream_mode()]);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(tcptrace_stream_obj, 0, 1, tcptrace_stream);

#if !LWIPSCOPE_GRADING

static mp_obj_t tcptrace_serve(mp_obj_t on) {
    agent_serves = mp_obj_is_true(on);
    agent_waiting = false;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(tcptrace_serve_obj, tcptrace_serve);

static mp_obj_t tcptrace_command(void) {
    if (!agent_waiting) {
        return mp_const_none;
    }
    agent_waiting = false;
    mp_obj_t items[2] = {mp_obj_new_int_from_uint(agent_id), text_object(agent_text)};
    return mp_obj_new_tuple(2, items);
}
static MP_DEFINE_CONST_FUN_OBJ_0(tcptrace_command_obj, tcptrace_command);

static mp_obj_t tcptrace_reply(mp_obj_t id, mp_obj_t text) {
    command_reply_later((uint32_t)mp_obj_get_int_truncated(id), mp_obj_str_get_str(text));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(tcptrace_reply_obj, tcptrace_reply);

#endif

static const mp_rom_map_elem_t tcptrace_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_tcptrace) },
    { MP_ROM_QSTR(MP_QSTR_states), MP_ROM_PTR(&tcptrace_states_obj) },
    { MP_ROM_QSTR(MP_QSTR_pcbs), MP_ROM_PTR(&tcptrace_pcbs_obj) },
    { MP_ROM_QSTR(MP_QSTR_stream), MP_ROM_PTR(&tcptrace_stream_obj) },
    #if !LWIPSCOPE_GRADING
    { MP_ROM_QSTR(MP_QSTR_serve), MP_ROM_PTR(&tcptrace_serve_obj) },
    { MP_ROM_QSTR(MP_QSTR_command), MP_ROM_PTR(&tcptrace_command_obj) },
    { MP_ROM_QSTR(MP_QSTR_reply), MP_ROM_PTR(&tcptrace_reply_obj) },
    #endif
};
static MP_DEFINE_CONST_DICT(tcptrace_globals, tcptrace_globals_table);

const mp_obj_module_t tcptrace_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&tcptrace_globals,
};
MP_REGISTER_MODULE(MP_QSTR_tcptrace, tcptrace_module);
