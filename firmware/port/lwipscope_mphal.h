// Replaces ports/qemu/mphalport.h. mp_event_wait_ms() polls, then sleeps (py/scheduler.c).
#include <stddef.h>
#include "shared/runtime/interrupt_char.h"

void board_poll(void);
void board_idle(uint32_t timeout_ms);
#define MICROPY_INTERNAL_EVENT_HOOK board_poll()
#define MICROPY_INTERNAL_WFE(timeout_ms) board_idle(timeout_ms)
