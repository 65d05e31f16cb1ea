// The port interface (port.h) on the emulated board: firmware/port has it all. One context for everything.
#ifndef LWIPSCOPE_TCPTRACE_PORT_EMULATED_H
#define LWIPSCOPE_TCPTRACE_PORT_EMULATED_H

#include "board.h"

#define TCPTRACE_MANUAL_CLOCK (1)

static inline uint64_t tcptrace_port_clock_us(void) {
    return clock_us();
}

static inline uint32_t tcptrace_port_write(const char *text, uint32_t length) {
    uint32_t taken = 0;
    while (taken < length && console_try_write(text[taken])) {
        taken++;
    }
    return taken;
}

static inline const char *tcptrace_port_command(void) {
    return console_command();
}

static inline void tcptrace_port_command_done(void) {
    console_command_done();
}

static inline const char *tcptrace_port_board_name(void) {
    return board_name();
}

static inline uint32_t tcptrace_port_host_number(void) {
    const board_params_t *params = board_params();
    return params != NULL ? params->host_number : 0;
}

static inline uint32_t tcptrace_port_boot_count(void) {
    return board_boot_count();
}

static inline struct netif *tcptrace_port_netif(void) {
    return lan_netif();
}

static inline void tcptrace_port_poll_stack(void) {
    board_poll_stack();
}

static inline void tcptrace_port_wake(void) { // the polling hook comes by itself
}

#endif
