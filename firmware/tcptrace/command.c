// The command port: what the host asks, also while a program blocks in accept(). One command at a
// time; its answer comes in the same stream as the events, after those that it follows.

#include <string.h>

#include "stream.h"
#include "tcptrace.h"
#include "agent.h"
#include "port.h"
#include "pcbs.h"
#include "py/mpconfig.h"
#include "py/misc.h"
#include "genhdr/mpversion.h"
#include "lwip/init.h"
#include "lwip/ip4_addr.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/timeouts.h"

#define ADVANCE_MAX_MS (24 * 3600 * 1000u)

typedef struct {
    uint32_t conn;
    uint8_t state;
    uint32_t local_ip, remote_ip;
    uint16_t local_port, remote_port;
    uint32_t age_ms;
} row_t;

static enum { ANSWER_NONE, ANSWER_HELLO, ANSWER_ROWS, ANSWER_REPLY } answer;
static uint32_t answer_id;
static uint32_t answer_after;
static bool answer_is_sync;
static char reply_text[160];
static row_t rows[PCBS_MAX];
static uint32_t row_count, row_next;

bool command_answer_waiting(void) {
    return answer != ANSWER_NONE;
}

uint32_t command_answer_after(void) {
    return answer_after;
}

bool command_answer_is_sync(void) {
    return answer_is_sync;
}

static void reply(const char *text) {
    strncpy(reply_text, text, sizeof(reply_text) - 1);
    answer = ANSWER_REPLY;
}

void command_reply_later(uint32_t id, const char *text) {
    TCPTRACE_ENTER;
    answer_id = id;
    answer_after = ring_head();
    answer_is_sync = false;
    reply(text);
    TCPTRACE_EXIT;
}

static bool time_is_manual(void) {
    #if TCPTRACE_MANUAL_CLOCK
    return clock_is_manual();
    #else
    return false;
    #endif
}

// --- hello ---

static void write_hello(line_t *line) {
    line_number(line, " re=", answer_id);
    line_text(line, " proto=1");
    line_number(line, " boot=", tcptrace_port_host_number());
    line_number(line, ".", tcptrace_port_boot_count());
    line_text(line, " board=");
    line_text(line, tcptrace_port_board_name());
    // The versions of sources that are not the pinned ones carry a mark: no host takes them for verified.
    #if LWIPSCOPE_UNPINNED
    line_text(line, " mp=" MICROPY_VERSION_STRING "+unpinned lwip=" LWIP_VERSION_STRING "+unpinned");
    line_text(line, " sources=unpinned");
    #else
    line_text(line, " mp=" MICROPY_VERSION_STRING " lwip=" LWIP_VERSION_STRING " sources=pinned");
    #endif
    #if LWIPSCOPE_GRADING
    line_text(line, " grading=1");
    #endif
    line_number(line, " workarounds=", LWIPSCOPE_WORKAROUNDS);
    line_text(line, " profile=" LWIPSCOPE_PROFILE_NAME " build=" MICROPY_GIT_HASH);
    line_number(line, " pcb=", MEMP_NUM_TCP_PCB);
    line_number(line, " lpcb=", MEMP_NUM_TCP_PCB_LISTEN);
    line_number(line, " mss=", TCP_MSS);
    line_number(line, " wnd=", TCP_WND);
    line_number(line, " msl_ms=", TCP_MSL);
    #if NO_SYS
    line_text(line, " close_ms=10000"); // MICROPY_PY_LWIP_TCP_CLOSE_TIMEOUT_MS, private to modlwip.c
    #endif
    line_number(line, " ring=", RING_RECORDS);
    line_text(line, time_is_manual() ? " time=manual" : " time=running");
    static const char *const modes[] = {" stream=off", " stream=states", " stream=all"};
    line_text(line, modes[stream_mode()]);
    char ip[16];
    const struct netif *netif = tcptrace_port_netif();
    ip4addr_ntoa_r(netif != NULL ? netif_ip4_addr(netif) : IP4_ADDR_ANY4, ip, sizeof(ip));
    line_text(line, " ip=");
    line_text(line, ip);
}

// --- snapshot ---

static void take_snapshot(void) {
    row_count = row_next = 0;
    uint64_t now_us = tcptrace_port_clock_us();
    for (uint32_t i = 0; i < PCBS_MAX; i++) {
        const pcb_entry_t *entry = pcbs_entry(i);
        if (entry->pcb == NULL) {
            continue;
        }
        const struct tcp_pcb *pcb = entry->pcb;
        row_t *row = &rows[row_count++];
        *row = (row_t) {.conn = entry->conn, .state = entry->state,
                        .age_ms = (uint32_t)((now_us - entry->since_us) / 1000),
                        .local_ip = pcbs_ip4(&pcb->local_ip), .local_port = pcb->local_port};
        if (!entry->listener) {
            row->remote_ip = pcbs_ip4(&pcb->remote_ip);
            row->remote_port = pcb->remote_port;
        }
    }
}

static void write_row(line_t *line, const row_t *row) {
    line_number(line, " re=", answer_id);
    line_number(line, " c=", row->conn);
    line_word(line, stream_state_name(row->state));
    line_endpoint(line, " l=", row->local_ip, row->local_port);
    if (row->remote_port != 0) {
        line_endpoint(line, " r=", row->remote_ip, row->remote_port);
    }
    line_number(line, " age_ms=", row->age_ms);
}

bool command_answer_line(line_t *line, uint32_t seq) {
    switch (answer) {
        case ANSWER_HELLO:
            line_start(line, seq, tcptrace_port_clock_us(), "hello");
            write_hello(line);
            answer = ANSWER_NONE;
            return true;
        case ANSWER_ROWS:
            if (row_next < row_count) {
                line_start(line, seq, tcptrace_port_clock_us(), "pcb");
                write_row(line, &rows[row_next++]);
                return true;
            }
            line_start(line, seq, tcptrace_port_clock_us(), "reply");
            line_number(line, " re=", answer_id);
            line_number(line, " ok n=", row_count);
            answer = ANSWER_NONE;
            return true;
        case ANSWER_REPLY:
            line_start(line, seq, tcptrace_port_clock_us(), "reply");
            line_number(line, " re=", answer_id);
            line_word(line, reply_text);
            answer = ANSWER_NONE;
            return true;
        default:
            return false;
    }
}

// --- advance ---

#if TCPTRACE_MANUAL_CLOCK

static bool unacknowledged(void) {
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
        if (pcb->unacked != NULL || pcb->unsent != NULL) {
            return true;
        }
    }
    return false;
}

// Board time goes from one of lwIP's timeouts to the next, so that none is skipped, and stops after
// a step that sent a frame, so that the other end can answer before more time passes.
static void advance(uint32_t ms, bool forced) {
    if (ms > ADVANCE_MAX_MS) {
        reply("err too-far");
        return;
    }
    if (!clock_is_manual() && !forced && unacknowledged()) {
        reply("err unacknowledged");
        return;
    }
    uint32_t left_ms = ms;
    uint32_t sent_before = lan_frames_sent();
    while (lan_frames_sent() == sent_before) {
        uint32_t step_ms = sys_timeouts_sleeptime();
        if (step_ms > left_ms) {
            clock_move_us((uint64_t)left_ms * 1000);
            left_ms = 0;
            sys_check_timeouts();
            break;
        }
        clock_move_us((uint64_t)step_ms * 1000);
        left_ms -= step_ms;
        sys_check_timeouts();
        if (left_ms == 0) {
            break;
        }
    }
    line_t text = {.length = 0};
    line_number(&text, "ok ms=", ms - left_ms);
    line_number(&text, " frames=", lan_frames_sent() - sent_before);
    text.text[text.length] = 0;
    reply(text.text);
}

#endif

// --- parsing ---

// Decimal number at *text, which is moved past it and past one space. false: no number there.
static bool take_number(const char **text, uint32_t *number) {
    const char *c = *text;
    *number = 0;
    while (*c >= '0' && *c <= '9') {
        *number = *number * 10 + (uint32_t)(*c++ - '0');
    }
    if (c == *text || (*c != ' ' && *c != 0)) {
        return false;
    }
    *text = *c == ' ' ? c + 1 : c;
    return true;
}

static bool take_word(const char **text, const char *word) {
    size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0 || ((*text)[length] != ' ' && (*text)[length] != 0)) {
        return false;
    }
    *text += length + ((*text)[length] == ' ');
    return true;
}

static bool checksum_holds(const char *text, uint32_t *body_length) {
    size_t length = strlen(text);
    if (length < 12 || text[length - 10] != ' ' || text[length - 9] != '*') {
        return false;
    }
    uint32_t crc = 0;
    for (const char *c = text + length - 8; *c; c++) {
        uint32_t digit = *c >= '0' && *c <= '9' ? (uint32_t)(*c - '0') : *c >= 'a' && *c <= 'f' ? (uint32_t)(*c - 'a' + 10) : 16;
        if (digit == 16) {
            return false;
        }
        crc = crc << 4 | digit;
    }
    *body_length = (uint32_t)length - 10;
    return line_crc(text, *body_length) == crc;
}

static void obey(const char *text) {
    if (take_word(&text, "hello")) {
        answer = ANSWER_HELLO;
    } else if (take_word(&text, "ping")) {
        reply("ok");
    } else if (take_word(&text, "sync")) {
        answer_after = ring_head();
        answer_is_sync = true;
        reply("ok");
    } else if (take_word(&text, "snapshot")) {
        answer_after = ring_head();
        take_snapshot();
        answer = ANSWER_ROWS;
    #if TCPTRACE_MANUAL_CLOCK
    } else if (take_word(&text, "advance")) {
        uint32_t ms;
        if (take_number(&text, &ms)) {
            advance(ms, take_word(&text, "forced"));
            answer_after = ring_head();
        } else {
            reply("err number");
        }
    } else if (take_word(&text, "clock")) {
        bool manual = take_word(&text, "manual");
        if (manual || take_word(&text, "running")) {
            clock_set_manual(manual);
            reply("ok");
        } else {
            reply("err clock-mode");
        }
    #else
    } else if (take_word(&text, "advance") || take_word(&text, "clock")) {
        reply("err no-clock");
    #endif
    } else if (take_word(&text, "stream")) {
        static const char *const modes[] = {"off", "states", "all"};
        reply("err stream-mode");
        for (int i = STREAM_OFF; i <= STREAM_ALL; i++) {
            if (take_word(&text, modes[i])) {
                stream_set_mode((stream_mode_t)i);
                reply("ok");
            }
        }
    } else if (!agent_offer(answer_id, text)) {
        reply("err no-agent");
    }
}

// A line with a bad checksum is dropped: the host asks again, or finds the board silent.
void command_serve(void) {
    if (answer != ANSWER_NONE) {
        return;
    }
    const char *incoming = tcptrace_port_command();
    if (incoming == NULL) {
        return;
    }
    char text[128];
    uint32_t length;
    strcpy(text, incoming);
    tcptrace_port_command_done();
    if (!checksum_holds(text, &length)) {
        return;
    }
    text[length] = 0;
    const char *rest = text;
    uint32_t id;
    if (!take_number(&rest, &id)) {
        return;
    }
    // What reached the board before the command is processed before it: a host that has put a frame on
    // the wire may rely on that.
    tcptrace_port_poll_stack();
    // Elsewhere an answer overtakes what waits to be sent; with the manual clock each has its place.
    TCPTRACE_ENTER;
    bool in_order = time_is_manual() && stream_mode() != STREAM_OFF;
    stream_host_seen();
    answer_id = id;
    answer_after = in_order ? ring_head() : ring_tail();
    answer_is_sync = false;
    obey(rest);
    TCPTRACE_EXIT;
}
