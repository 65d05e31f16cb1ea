// The port interface (port.h) with what every MicroPython port has. For ports/rp2 and ports/esp32; compiled
// in tests, not run on hardware.
//
// stdin: bytes are looked at while a program runs and Ctrl-C is armed; what begins with RS and looks like a
// command is kept from the program (README.md, "Commands, host to board"). stdout: RS becomes `?`, so that
// print() can't forge a frame. Both by ld --wrap of MicroPython's own functions.

#include "port.h"

#ifndef TCPTRACE_PORT_HEADER

#include <string.h>

#include "tcptrace.h"
#include "lwip/netif.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "shared/runtime/interrupt_char.h"

#define RS (0x1e)
#define INPUT_SIZE (256u) // power of two
#define PATIENCE_US (500000)

// --- clock ---

// mp_hal_ticks_us() has 32 bits, which is 71 minutes: whoever calls in between counts the rounds.
uint64_t tcptrace_port_clock_us(void) {
    static uint32_t last;
    static uint32_t rounds;
    uint32_t now = (uint32_t)mp_hal_ticks_us();
    rounds += now < last;
    last = now;
    return (uint64_t)rounds << 32 | now;
}

// --- stdin ---

static uint8_t input[INPUT_SIZE]; // what is the program's
static uint32_t input_head, input_tail;
static char candidate[128]; // bytes since RS that may become a command
static uint32_t candidate_length;
static bool candidate_open, command_ready;

int __real_mp_hal_stdin_rx_chr(void);
uintptr_t __real_mp_hal_stdio_poll(uintptr_t poll_flags);
mp_uint_t __real_mp_hal_stdout_tx_strn(const char *text, size_t length);

static void put(uint8_t c) {
    input[input_head++ % INPUT_SIZE] = c;
}

static void take(uint8_t c) {
    if (candidate_open) {
        if (c == '\n' && candidate_length > 0) {
            candidate[candidate_length] = 0;
            candidate_open = false;
            command_ready = true;
            return;
        }
        bool looks_right = c >= ' ' && c <= '~' && (candidate_length > 0 || (c >= '0' && c <= '9'));
        if (looks_right && candidate_length + 1 < sizeof(candidate)) {
            candidate[candidate_length++] = (char)c;
            return;
        }
        candidate_open = false;
        put(RS);
        for (uint32_t i = 0; i < candidate_length; i++) {
            put((uint8_t)candidate[i]);
        }
    }
    if (c == RS) {
        candidate_open = true;
        candidate_length = 0;
    } else {
        put(c);
    }
}

static bool has_room(void) {
    return !command_ready && INPUT_SIZE - (input_head - input_tail) > sizeof(candidate) + 1;
}

const char *tcptrace_port_command(void) {
    bool runs = mp_interrupt_char != -1;
    while (runs && has_room() && (__real_mp_hal_stdio_poll(MP_STREAM_POLL_RD) & MP_STREAM_POLL_RD)) {
        take((uint8_t)__real_mp_hal_stdin_rx_chr());
    }
    return command_ready ? candidate : NULL;
}

void tcptrace_port_command_done(void) {
    command_ready = false;
}

// A program that reads gets what is its own, in order.
int __wrap_mp_hal_stdin_rx_chr(void) {
    for (;;) {
        if (input_head != input_tail) {
            return input[input_tail++ % INPUT_SIZE];
        }
        if (mp_interrupt_char == -1 && !candidate_open) {
            return __real_mp_hal_stdin_rx_chr();
        }
        if (has_room()) {
            take((uint8_t)__real_mp_hal_stdin_rx_chr());
        }
        tcptrace_service();
        mp_event_handle_nowait(); // Ctrl-C, also while a command's answer finds no reader
    }
}

uintptr_t __wrap_mp_hal_stdio_poll(uintptr_t poll_flags) {
    uintptr_t ready = __real_mp_hal_stdio_poll(poll_flags);
    if ((poll_flags & MP_STREAM_POLL_RD) && input_head != input_tail) {
        ready |= MP_STREAM_POLL_RD;
    }
    return ready;
}

// --- stdout ---

// Some ports always say that there is room; a line that nobody reads may then hold the program up.
uint32_t tcptrace_port_write(const char *text, uint32_t length) {
    if (!(__real_mp_hal_stdio_poll(MP_STREAM_POLL_WR) & MP_STREAM_POLL_WR)) {
        return 0;
    }
    return (uint32_t)__real_mp_hal_stdout_tx_strn(text, length);
}

mp_uint_t __wrap_mp_hal_stdout_tx_strn(const char *text, size_t length) {
    uint32_t begin_us = (uint32_t)mp_hal_ticks_us();
    while (!tcptrace_before_text() && (uint32_t)mp_hal_ticks_us() - begin_us < PATIENCE_US) {
    }
    for (size_t done = 0; done < length;) {
        const char *mark = memchr(text + done, RS, length - done);
        size_t part = mark != NULL ? (size_t)(mark - text) - done : length - done;
        if (part > 0) {
            __real_mp_hal_stdout_tx_strn(text + done, part);
        }
        if (mark != NULL) {
            __real_mp_hal_stdout_tx_strn("?", 1);
        }
        done += part + (mark != NULL);
    }
    return length;
}

// --- the rest ---

const char *tcptrace_port_board_name(void) {
    return MICROPY_PY_SYS_PLATFORM;
}

uint32_t tcptrace_port_host_number(void) {
    return 0;
}

uint32_t tcptrace_port_boot_count(void) {
    return 0;
}

struct netif *tcptrace_port_netif(void) {
    return netif_default;
}

void tcptrace_port_poll_stack(void) {
}

// MicroPython runs the node where it looks for pending work: between bytecodes and in its waits.
static mp_sched_node_t turn_node;

static void turn(mp_sched_node_t *node) {
    (void)node;
    tcptrace_service();
    if (tcptrace_has_work()) {
        tcptrace_port_wake();
    }
}

void tcptrace_port_wake(void) {
    mp_sched_schedule_node(&turn_node, turn);
}

#endif
