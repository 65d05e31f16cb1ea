// Included by extmod/modmachine.c. Unlike ports/qemu, whose machine.reset() ends QEMU, a reset here
// is what it is on a real board: the processor starts anew and the peers notice nothing.
#include "board.h"
#include "tcptrace.h"

static void mp_machine_idle(void) {
    mp_event_wait_ms(1);
}

static void mp_machine_reset(void) {
    tcptrace_flush();
    board_system_reset();
}

static mp_int_t mp_machine_reset_cause(void) {
    return board_boot_count() == 0 ? 1 : 2;
}
