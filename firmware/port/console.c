// The one serial line: MicroPython's stdin and stdout, the trace's frames and the host's commands.
//
// Incoming: a line that begins with RS (0x1e) is a command of the host. It is taken out here, in the
// interrupt handler, so that it reaches the board also while a program blocks in accept(). Anything
// that turns out not to look like a command is given to stdin unchanged. Outgoing: bytes of programs
// lose their RS, so that print() can't forge a frame.
//
// Source: Arm AN385, CMSDK UART at 0x40004000 (QEMU hw/char/cmsdk-apb-uart.c).

#include <string.h>

#include "board.h"
#include "tcptrace.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "shared/runtime/interrupt_char.h"

#define UART_DATA REG32(0x40004000)
#define UART_STATE REG32(0x40004004)
#define UART_CTRL REG32(0x40004008)
#define UART_INTSTATUS REG32(0x4000400c)
#define STATE_TX_FULL (1u << 0)
#define STATE_RX_FULL (1u << 1)
#define CTRL_RX_INTERRUPT (1u << 3)
#define RS (0x1e)

#define INPUT_SIZE (2048) // power of two
static volatile uint8_t input[INPUT_SIZE];
static volatile uint32_t input_head;
static volatile uint32_t input_tail;

static char candidate[128]; // bytes since RS that may become a command
static uint32_t candidate_length;
static bool candidate_open;
static console_command_t command;

static uint32_t input_free(void) {
    return INPUT_SIZE - (input_head - input_tail);
}

static void input_put(uint8_t c) {
    input[input_head % INPUT_SIZE] = c;
    input_head++;
}

static void candidate_give_back(void) {
    input_put(RS);
    for (uint32_t i = 0; i < candidate_length; i++) {
        input_put((uint8_t)candidate[i]);
    }
    candidate_open = false;
}

static void take_byte(uint8_t c) {
    if (candidate_open) {
        if (c == '\n' && candidate_length > 0) {
            memcpy(command.text, candidate, candidate_length);
            command.text[candidate_length] = 0;
            command.ready = true;
            candidate_open = false;
            return;
        }
        bool fits = candidate_length + 1 < sizeof(candidate);
        bool looks_right = c >= ' ' && c <= '~' && (candidate_length > 0 || (c >= '0' && c <= '9'));
        if (fits && looks_right) {
            candidate[candidate_length++] = (char)c;
            return;
        }
        candidate_give_back();
    }
    if (LWIPSCOPE_TRACER && c == RS) {
        candidate_open = true;
        candidate_length = 0;
    } else if ((int)c == mp_interrupt_char) {
        mp_sched_keyboard_interrupt();
    } else {
        input_put(c);
    }
}

// Bytes that find no room stay in the UART; QEMU then holds back the sender, nothing is lost.
void console_uart_isr(void) {
    UART_INTSTATUS = 2;
    while (UART_STATE & STATE_RX_FULL) {
        if (input_free() < sizeof(candidate) + 2 || command.ready) {
            UART_CTRL &= ~CTRL_RX_INTERRUPT;
            return;
        }
        take_byte((uint8_t)UART_DATA);
    }
}

// The interrupt comes with a byte that arrives while it is enabled, not with one that is there
// already: whoever enables it must look.
static void resume_receiving(void) {
    if (!(UART_CTRL & CTRL_RX_INTERRUPT)) {
        __asm volatile ("cpsid i" ::: "memory");
        UART_CTRL |= CTRL_RX_INTERRUPT;
        console_uart_isr();
        __asm volatile ("cpsie i" ::: "memory");
    }
}

void console_init(void) {
    resume_receiving();
}

bool console_input_pending(void) {
    return input_head != input_tail || command.ready;
}

const char *console_command(void) {
    return command.ready ? command.text : NULL;
}

void console_command_done(void) {
    command.ready = false;
    resume_receiving();
}

// MicroPython's mp_hal_stdin_rx_chr() spins on this function (ports/qemu/mphalport.c).
int __wrap_uart_rx_chr(void) {
    for (;;) {
        mp_event_handle_nowait();
        if (input_head != input_tail) {
            int c = input[input_tail % INPUT_SIZE];
            input_tail++;
            if (!command.ready) {
                resume_receiving();
            }
            return c;
        }
        board_idle(500);
    }
}

// The stock function always answers 0, which makes select() on stdin useless.
uintptr_t __wrap_mp_hal_stdio_poll(uintptr_t poll_flags) {
    uintptr_t ready = 0;
    if ((poll_flags & MP_STREAM_POLL_RD) && input_head != input_tail) {
        ready |= MP_STREAM_POLL_RD;
    }
    if (poll_flags & MP_STREAM_POLL_WR) {
        ready |= MP_STREAM_POLL_WR;
    }
    return ready;
}

bool console_taken(void) {
    return !(UART_STATE & STATE_TX_FULL);
}

bool console_try_write(char c) {
    if (!console_taken()) {
        return false;
    }
    UART_DATA = (uint8_t)c;
    return true;
}

// A reader that does not read must stop the program that prints, never the stack, nor Ctrl-C.
static void wait_for_uart(void) {
    board_poll_stack();
    if (mp_interrupt_char != -1) {
        mp_handle_pending(true);
    }
}

mp_uint_t __wrap_mp_hal_stdout_tx_strn(const char *text, size_t length) {
    while (!tcptrace_before_text()) {
        wait_for_uart();
    }
    for (size_t i = 0; i < length; i++) {
        while (!console_try_write(LWIPSCOPE_TRACER && text[i] == RS ? '?' : text[i])) {
            wait_for_uart();
        }
    }
    return length;
}
