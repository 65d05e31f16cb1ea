// machine.Timer: MicroPython's software timers (extmod/machine_timer.c), driven by the board's own clock and
// polling hook, with no interrupt. A callback is scheduled, so it runs between two bytecodes of a program,
// also of one that blocks in accept() or sleep().

#include "board.h"
#include "lwip/sys.h"

// It is in none of the lists of sources that ports/qemu compiles.
// Nothing here runs in an interrupt, so nothing has to be kept out.
#define MICROPY_PY_PENDSV_ENTER
#define MICROPY_PY_PENDSV_EXIT
#include "shared/runtime/softtimer.c"

static bool armed;
static uint32_t due_ms;

uint32_t soft_timer_get_ms(void) {
    return sys_now();
}

void soft_timer_schedule_at_ms(uint32_t ticks_ms) {
    due_ms = ticks_ms;
    armed = true;
}

void timer_poll(void) {
    if (armed && soft_timer_ticks_diff(due_ms, sys_now()) <= 0) {
        armed = false;
        soft_timer_handler();
    }
}

// How long the board may sleep, at most `limit_ms`.
uint32_t timer_sleep_ms(uint32_t limit_ms) {
    if (!armed || clock_is_manual()) {
        return limit_ms;
    }
    int32_t left_ms = soft_timer_ticks_diff(due_ms, sys_now());
    return left_ms <= 0 ? 0 : (uint32_t)left_ms < limit_ms ? (uint32_t)left_ms : limit_ms;
}

void timer_forget_all(void) {
    soft_timer_deinit();
    armed = false;
}

// Timers that nobody holds are alive as long as they are due; ports/qemu's gc_collect() does not know of them.
void __real_gc_helper_collect_regs_and_stack(void);
void __wrap_gc_helper_collect_regs_and_stack(void) {
    __real_gc_helper_collect_regs_and_stack();
    soft_timer_gc_mark_all();
}
