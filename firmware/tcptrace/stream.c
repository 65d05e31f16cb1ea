// From records to lines on the serial line.
//
// Lines are sent only while a program runs, which is when MicroPython has set an interrupt character:
// at a prompt, frames between the bytes of the REPL would confuse its tools. A program that switches
// Ctrl-C off (micropython.kbd_intr(-1)) does binary input and output, so it is left alone too. The
// exception is the answer to a command: who sends one owns the line.
//
// Only as much is sent per turn as the UART takes, and a bounded number of lines, so that a board
// whose line nobody reads serves its connections all the same.

#include "stream.h"
#include "tcptrace.h"
#include "port.h"
#include "lwip/priv/tcp_priv.h"
#include "shared/runtime/interrupt_char.h"

#define LINES_PER_TURN (6)
#define BEAT_US (1000000)

static line_t line;
static uint32_t line_sent;
static uint32_t next_seq;
static stream_mode_t mode = STREAM_OFF;
static bool host_seen;
static uint64_t last_beat_us;
static bool in_service;
static bool program_ran; // its records may still wait although it has ended

const char *stream_state_name(uint8_t state) {
    return tcp_debug_state_str((enum tcp_state)state);
}

void stream_set_mode(stream_mode_t new_mode) {
    mode = new_mode;
    ring_keep_newest(mode == STREAM_OFF);
}

stream_mode_t stream_mode(void) {
    return mode;
}

void stream_host_seen(void) {
    if (!host_seen) {
        host_seen = true;
        stream_set_mode(STREAM_ALL);
    }
}

// --- records as text ---

static void write_cause(const record_t *r) {
    line_text(&line, " by=");
    switch (r->cause) {
        case CAUSE_RX:
            line_text(&line, "rx:");
            line_flags(&line, (uint8_t)r->length);
            if (r->aborted) {
                line_text(&line, ",abort");
            }
            break;
        case CAUSE_API:
            line_text(&line, "api:");
            line_text(&line, r->detail);
            break;
        case CAUSE_GC:
            line_text(&line, "gc:");
            line_text(&line, r->detail);
            break;
        case CAUSE_TIMER:
            line_text(&line, "timer:");
            line_text(&line, r->detail);
            break;
        case CAUSE_KILL:
            line_text(&line, "kill:");
            line_text(&line, r->detail);
            break;
        case CAUSE_NETIF:
            line_text(&line, "netif:");
            line_text(&line, r->detail);
            break;
        default:
            line_text(&line, "-");
            break;
    }
}

static void write_state(const record_t *r) {
    line_word(&line, stream_state_name(r->from));
    line_text(&line, ">");
    line_text(&line, stream_state_name(r->to));
    write_cause(r);
    line_text(&line, " at=");
    line_text(&line, r->name);
    line_number(&line, ":", r->window);
    if (r->addresses) {
        line_endpoint(&line, " l=", r->local_ip, r->local_port);
        if (r->remote_port != 0) {
            line_endpoint(&line, " r=", r->remote_ip, r->remote_port);
        }
        if (r->ack != 0) {
            line_number(&line, " p=", r->ack);
        }
    }
}

static void write_segment(const record_t *r) {
    line_text(&line, " ");
    line_flags(&line, r->to);
    line_number(&line, " seq=", r->number);
    line_number(&line, " ack=", r->ack);
    line_number(&line, " win=", r->window);
    line_number(&line, " len=", r->length);
    if (r->mss != 0) {
        line_number(&line, " mss=", r->mss);
    }
    if (r->conn == 0 || (r->to & TCP_SYN)) {
        line_endpoint(&line, " l=", r->local_ip, r->local_port);
        line_endpoint(&line, " r=", r->remote_ip, r->remote_port);
    }
}

static void write_call(const record_t *r) {
    line_word(&line, r->name);
    if (r->addresses) {
        line_endpoint(&line, " ", r->remote_ip, r->remote_port);
    } else if (r->number != UINT32_MAX) {
        line_number(&line, " ", r->number);
    }
}

static void write_result(const record_t *r) {
    line_word(&line, r->name);
    if (r->detail != NULL) {
        line_word(&line, r->detail);
    } else {
        line_number(&line, " c", r->number);
    }
}

static void write_record(const record_t *r) {
    static const char *const kinds[] = {"born", "state", "died", "rx", "tx", "call", "ret", "lost"};
    line_start(&line, next_seq, r->clock_us, kinds[r->kind]);
    if (r->kind != RECORD_LOST) {
        line_number(&line, " c=", r->conn);
    }
    switch (r->kind) {
        case RECORD_BORN:
            line_text(&line, r->from ? " pool=lpcb" : " pool=pcb");
            line_number(&line, " used=", r->number);
            break;
        case RECORD_STATE:
            write_state(r);
            break;
        case RECORD_DIED:
            line_text(&line, " in=");
            line_text(&line, stream_state_name(r->from));
            write_cause(r);
            line_number(&line, " used=", r->number);
            break;
        case RECORD_RX:
        case RECORD_TX:
            write_segment(r);
            break;
        case RECORD_CALL:
            write_call(r);
            break;
        case RECORD_RET:
            write_result(r);
            break;
        default:
            line_number(&line, " n=", r->number);
            break;
    }
}

// --- sending ---

static void finish(void) {
    line_end(&line);
    line_sent = 0;
    next_seq++;
}

static bool wanted(const record_t *r) {
    return mode != STREAM_STATES || r->kind == RECORD_BORN || r->kind == RECORD_STATE
           || r->kind == RECORD_DIED || r->kind == RECORD_LOST;
}

static bool write_lost(uint32_t count) {
    if (count == 0) {
        return false;
    }
    line_start(&line, next_seq, tcptrace_port_clock_us(), "lost");
    line_number(&line, " n=", count);
    finish();
    return true;
}

// The next record as a line; records that the mode leaves out are passed over.
static bool next_record(uint32_t up_to) {
    if (write_lost(ring_take_front_loss())) {
        return true;
    }
    while (ring_tail() != up_to) {
        const record_t *record = ring_at(ring_tail());
        bool send = wanted(record);
        if (send) {
            write_record(record);
            finish();
        }
        ring_free_oldest();
        if (send) {
            return true;
        }
    }
    return false;
}

static bool time_is_manual(void) {
    #if TCPTRACE_MANUAL_CLOCK
    return clock_is_manual();
    #else
    return false;
    #endif
}

static bool program_runs(void) {
    return mp_interrupt_char != -1;
}

// It follows real time, so there is none while time is the host's: a run would not be the same twice.
static bool next_beat(void) {
    #if TCPTRACE_MANUAL_CLOCK
    uint64_t now_us = clock_real_us();
    #else
    uint64_t now_us = tcptrace_port_clock_us();
    #endif
    if (time_is_manual() || now_us - last_beat_us < BEAT_US) {
        return false;
    }
    last_beat_us = now_us;
    line_start(&line, next_seq, tcptrace_port_clock_us(), "beat");
    line_number(&line, " ring=", ring_head() - ring_tail());
    finish();
    return true;
}

static bool next_line(void) {
    if (command_answer_waiting()) {
        uint32_t after = command_answer_after();
        // Records that were overwritten while the answer waited are behind its place: tell of them first.
        if (command_answer_is_sync() && write_lost(ring_take_front_loss())) {
            return true;
        }
        bool sends = mode != STREAM_OFF || command_answer_is_sync();
        if (sends && (int32_t)(after - ring_tail()) > 0 && next_record(after)) {
            return true;
        }
        if (command_answer_line(&line, next_seq)) {
            finish();
            return true;
        }
    }
    if (mode == STREAM_OFF || !program_runs()) {
        return false;
    }
    return next_record(ring_head()) || next_beat();
}

static bool next_line_held(void) {
    TCPTRACE_ENTER;
    bool some = next_line();
    TCPTRACE_EXIT;
    return some;
}

// Like next_record(), for who does not hold lwIP still.
static bool next_record_held(void) {
    TCPTRACE_ENTER;
    bool some = next_record(ring_head());
    TCPTRACE_EXIT;
    return some;
}

bool tcptrace_finish_line(void) {
    while (line_sent < line.length) {
        uint32_t taken = tcptrace_port_write(line.text + line_sent, line.length - line_sent);
        if (taken == 0) {
            return false;
        }
        line_sent += taken;
    }
    return true;
}

// Console text comes now. With the manual clock its place among the frames must not depend on how far
// the draining is, so what was recorded before it goes first, also at a program's end.
bool tcptrace_before_text(void) {
    bool runs = program_runs();
    bool in_order = time_is_manual() && mode != STREAM_OFF && (runs || program_ran);
    do {
        if (!tcptrace_finish_line()) {
            return false;
        }
    } while (in_order && next_record_held());
    program_ran = runs;
    return true;
}

bool tcptrace_has_work(void) {
    if (line_sent < line.length) {
        return false; // the UART is full: its reader must move first
    }
    return command_answer_waiting() || (mode != STREAM_OFF && program_runs() && ring_head() != ring_tail());
}

void tcptrace_service(void) {
    if (in_service) {
        return;
    }
    in_service = true;
    program_ran |= program_runs();
    command_serve();
    for (int i = 0; i < LINES_PER_TURN && tcptrace_finish_line() && next_line_held(); i++) {
    }
    tcptrace_finish_line();
    in_service = false;
}

// The program is about to reset the board: what was recorded until now, if anybody listens.
void tcptrace_flush(void) {
    uint32_t patience = 2000000;
    while (mode != STREAM_OFF && patience-- > 0) {
        if (tcptrace_finish_line() && !next_record_held()) {
            return;
        }
    }
}

// A fault or a failed assertion: what was recorded before it, then the reason, then nothing more. A
// UART that nobody reads gets a bounded number of tries.
void tcptrace_last_words(const char *fields) {
    uint32_t patience = 20000000;
    mode = STREAM_ALL;
    for (bool said = false;;) {
        while (!tcptrace_finish_line()) {
            if (patience-- == 0) {
                return;
            }
        }
        if (said) {
            return;
        }
        if (!next_record(ring_head())) {
            line_start(&line, next_seq, tcptrace_port_clock_us(), "fault");
            line_word(&line, fields);
            finish();
            said = true;
        }
    }
}
