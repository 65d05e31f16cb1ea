// Board time (DESIGN D7). One clock for all: lwIP's timers, ticks_ms(), sleep(), settimeout(), asyncio
// and the stamps of the trace. It is the emulated 25 MHz timer plus an offset; in manual mode the
// offset alone, so that time moves only when the host says so. All in microseconds but where named.
//
// Source: Arm AN385 (CMSDK timer at 0x40000000, system clock 25 MHz; QEMU hw/timer/cmsdk-apb-timer.c).

#include "board.h"
#include "py/mphal.h"
#include "py/runtime.h"

#define TIMER_CTRL REG32(0x40000000)
#define TIMER_VALUE REG32(0x40000004)
#define TIMER_RELOAD REG32(0x40000008)
#define TICKS_PER_US (25)

static uint32_t last_value;
static uint32_t leftover_ticks;
static uint64_t real_us;
static uint64_t offset_us;
static bool manual;

// A manual clock begins at 0, so that a run is the same each time.
void clock_init(bool start_manual) {
    manual = start_manual;
    TIMER_RELOAD = 0xffffffff;
    TIMER_VALUE = 0xffffffff;
    TIMER_CTRL = 1;
    last_value = TIMER_VALUE;
}

// The counter wraps after 171 s; the board never sleeps longer than half a second between calls.
uint64_t clock_real_us(void) {
    uint32_t value = TIMER_VALUE;
    uint32_t elapsed = last_value - value + leftover_ticks;
    last_value = value;
    real_us += elapsed / TICKS_PER_US;
    leftover_ticks = elapsed % TICKS_PER_US;
    return real_us;
}

uint64_t clock_us(void) {
    uint64_t now_us = clock_real_us();
    return manual ? offset_us : now_us + offset_us;
}

void clock_move_us(uint64_t delta_us) {
    offset_us += delta_us;
}

// Neither way does board time jump.
void clock_set_manual(bool on) {
    if (on != manual) {
        uint64_t now_us = clock_us();
        manual = on;
        offset_us = on ? now_us : now_us - clock_real_us();
    }
}

bool clock_is_manual(void) {
    return manual;
}

// lwIP's clock (lwip/sys.h), in milliseconds.
uint32_t sys_now(void) {
    return (uint32_t)(clock_us() / 1000);
}

mp_uint_t mp_hal_ticks_ms(void) {
    return sys_now();
}

mp_uint_t mp_hal_ticks_us(void) {
    return (mp_uint_t)clock_us();
}

mp_uint_t mp_hal_ticks_cpu(void) {
    return (mp_uint_t)clock_us();
}

uint64_t mp_hal_time_ns(void) {
    return clock_us() * 1000;
}

void mp_hal_delay_ms(mp_uint_t ms) {
    uint64_t end_us = clock_us() + (uint64_t)ms * 1000;
    for (;;) {
        uint64_t now_us = clock_us();
        if (now_us >= end_us) {
            mp_event_handle_nowait();
            return;
        }
        mp_event_wait_ms((mp_uint_t)((end_us - now_us + 999) / 1000));
    }
}

// Waits of a millisecond and more must keep the stack running: its receive FIFO is short.
void mp_hal_delay_us(mp_uint_t us) {
    uint64_t end_us = clock_us() + us;
    if (us >= 1000) {
        mp_hal_delay_ms(us / 1000);
    }
    while (clock_us() < end_us) {
        if (manual) {
            mp_event_wait_ms(1);
        }
    }
}
